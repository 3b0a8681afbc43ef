# Shortcuts; each shows the real commands it runs.  The environment is made in .venv by itself.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-peers bench lint locale clean

demo: .venv/.made            ## build three systems that disagree, wire them, sync them, look at the result
	$(BIN)/python hub.py demo

test: .venv/.made            ## everything that must hold: style, types, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile

test-peers: .venv/.made      ## the Tryton tests on every series the connector claims
	for series in 7.0 8.0 8.2; do \
	  HUB_TRYTON=$$series $(BIN)/pytest -q tests/connectors/tryton tests/scenarios/test_northwind.py || exit 1; \
	done

bench: .venv/.bench          ## speed, as ratios to baselines measured in the same run
	$(BIN)/python -m tests.benchmarks.sync
	$(BIN)/python -m tests.benchmarks.mapping

locale: .venv/.made          ## collect messages, merge them into the catalogue, compile it
	$(BIN)/python -m hub.testing.messages update

.venv/.made: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,conformance]'
	touch $@

.venv/.bench: .venv/.made    # what the benchmarks compare with
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@

clean:
	rm -rf .venv .peers hub-demo build dist .pytest_cache .mypy_cache .ruff_cache
