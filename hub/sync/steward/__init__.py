"""What a person sees of the engine, and what a person decides: every answer is plain JSON."""

from hub.sync.steward.conflicts import conflict_resolve, conflicts_list
from hub.sync.steward.duplicates import (
    distinct,
    duplicates_count,
    duplicates_decide,
    duplicates_list,
    duplicates_merge,
    duplicates_next,
    duplicates_scan,
    duplicates_show,
    duplicates_train,
    explain_pair,
    merge,
    unmerge,
)
from hub.sync.steward.past import show_at, timeline
from hub.sync.steward.quarantine import (
    quarantine_dismiss,
    quarantine_fix,
    quarantine_list,
    quarantine_replay,
    quarantine_show,
)
from hub.sync.steward.record import show
from hub.sync.steward.runs import run_json, run_list
from hub.sync.steward.status import status

__all__ = [
    "conflict_resolve",
    "conflicts_list",
    "distinct",
    "duplicates_count",
    "duplicates_decide",
    "duplicates_list",
    "duplicates_merge",
    "duplicates_next",
    "duplicates_scan",
    "duplicates_show",
    "duplicates_train",
    "explain_pair",
    "merge",
    "quarantine_dismiss",
    "quarantine_fix",
    "quarantine_list",
    "quarantine_replay",
    "quarantine_show",
    "run_json",
    "run_list",
    "show",
    "show_at",
    "status",
    "timeline",
    "unmerge",
]
