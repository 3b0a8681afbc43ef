"""The simulator itself: the same history from the same seed, and how a person is told of it."""

import json
import os
import subprocess
import sys

import pytest

from hub.cli import app
from hub.testing.simulation import run, simulate

DIGESTS = """
import json
from hub.testing.simulation import simulate
histories = [simulate(seed) for seed in range(200)]
print(json.dumps([[h.digest, h.violations] for h in histories]))
"""


@pytest.mark.timeout(900)
def test_a_seed_gives_the_same_history_under_any_hash_seed():
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", DIGESTS],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
        )
        for hash_seed in ("0", "1", "4711")
    ]
    told = [json.loads(process.communicate()[0]) for process in processes]
    assert told[0] == told[1] == told[2]
    assert len({digest for digest, _ in told[0]}) == 200
    assert not [seed for seed, (_, violations) in enumerate(told[0]) if violations]


def test_a_history_does_not_depend_on_the_one_before():
    first = simulate(11).digest
    simulate(12)
    assert simulate(11).digest == first


def test_histories_hold_what_they_are_meant_to_hold():
    histories = [simulate(seed) for seed in range(60)]
    told = " ".join(what for h in histories for _, _, what in h.events)
    for wanted in (
        *("is killed", "sleeps", "deletes customers", "puts orders", "refuses a", "timed out"),
        *("the connection was cut", "slow down", "HTML", "lacks a result", "replays"),
    ):
        assert wanted in told, wanted


@pytest.fixture
def call(capsys):
    def command(*args):
        code = app.run(["simulate", *args])
        return code, capsys.readouterr().out

    return command


def test_a_person_is_told_how_many_histories_held(call):
    code, told = call("--seeds", "3", "--lang", "en")
    assert code == 0
    assert "3 histories, 0 of them failing" in told


def test_a_history_can_be_told(call):
    code, told = call("--seed", "7", "--trace", "--json")
    history = json.loads(told)["result"]
    assert code == 0 and history["seed"] == 7 and history["violations"] == []
    assert {"second", "who", "what"} <= history["events"][0].keys()


def test_a_failing_history_is_told_with_its_seed(call, monkeypatch):
    monkeypatch.setattr(run.oracle, "check", lambda sim: sim.outcome.violations.append("I1: no"))
    code, told = call("--seeds", "2", "--seed", "5", "--lang", "en")
    assert code == 1
    assert "hub simulate --seed 5 --trace" in told and "I1: no" in told
    _, told = call("--seeds", "2", "--seed", "5", "--json")
    assert [f["seed"] for f in json.loads(told)["result"]["failing"]] == [5, 6]
