"""Records that may be one thing: found while rows come in, or among those that are there already.

index        what every record is compared by, kept up with the journal
look         rows on their way in, against the records of other systems
candidates   the pairs that wait for a person, and the verdicts that are kept
scan         all records against each other, block by block
learn        weights from this hub's own records and from what people decided
"""

from hub.sync.duplicates.candidates import decide, forbidden, set_distinct
from hub.sync.duplicates.index import catch_up, forget, weights_of
from hub.sync.duplicates.learn import learn
from hub.sync.duplicates.look import Found, look, prepare, save
from hub.sync.duplicates.scan import scan

__all__ = [
    "Found",
    "catch_up",
    "decide",
    "forbidden",
    "forget",
    "learn",
    "look",
    "prepare",
    "save",
    "scan",
    "set_distinct",
    "weights_of",
]
