"""Fixtures for all tests; each is described where it is defined."""

pytest_plugins = ["tests.databases"]
