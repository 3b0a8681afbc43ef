"""Two records become one, and one becomes two again: each is one transaction through the one door.

merging      which values survive; everything that belonged to the loser follows the survivor
splitting    the same way back, from what the merge kept
followers    links, marks, intents, conflicts, rows set aside
references   other records, and shadows, that refer to a record
survival     which value wins, field by field (pure)
redirects    a merged record's id stands for its survivor, for ever
"""

from hub.sync.identity.merging import DistinctError, MergedAway, merge_records
from hub.sync.identity.splitting import Split, unmerge_records

__all__ = [
    "DistinctError",
    "MergedAway",
    "Split",
    "merge_records",
    "unmerge_records",
]
