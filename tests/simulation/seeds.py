"""The seeds that every change must pass: a range, in two files that two processes share."""

from hub.testing.simulation import simulate

FIRST, COUNT = 200, 600
"""`test_simulator` plays the first 200; `hub simulate --seeds N` plays as many as you like."""
SHARD = 25


def failing(seeds):
    return {seed: found for seed in seeds if (found := simulate(seed).violations)}
