"""Scored matching: how likely two records are the same real thing.  Pure: no store, no clock.

    features   what a record is compared by, in normal form        (normalise)
    keys       records that share one are compared at all           (blocking)
    levels     how far two records agree, trait by trait            (compare)
    weights    what each level says, in bits; their sum is the score (score)
    train      the weights, from pairs nobody has decided and those that somebody has

The method is that of Fellegi and Sunter: a trait that agrees to a level adds log2(m/u), where m is
how often records of one thing agree so far and u how often others do.  A missing value adds nothing.
"""

from hub.matching.blocking import keys, pairs_in
from hub.matching.compare import LEVELS, Levels, compare, similarity
from hub.matching.normalise import Features, features
from hub.matching.score import Part, Score, Weights, default_weights, likely, score
from hub.matching.train import Evidence, train

__all__ = [
    "LEVELS",
    "Evidence",
    "Features",
    "Levels",
    "Part",
    "Score",
    "Weights",
    "compare",
    "default_weights",
    "features",
    "keys",
    "likely",
    "pairs_in",
    "score",
    "similarity",
    "train",
]
