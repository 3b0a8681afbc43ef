"""What a person sees of the engine, and what a person decides: every answer is plain JSON."""

from hub.sync.steward.conflicts import conflict_resolve, conflicts_list
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
]
