"""Deterministic simulation of the sync engine: a history from a seed, judged by every invariant."""

from hub.testing.simulation.run import Outcome, simulate

__all__ = ["Outcome", "simulate"]
