"""What a green simulation is worth: mistakes planted in the engine, each of which must be caught.

A mistake names a seed that catches it, tried first, and what a history must hold to be `likely` to:
where the engine has changed so much that the seed tells another history, the likely ones are tried.
To see after how many it was caught:

    python -m tests.simulation.test_planted [NAME…]
"""

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from hub.connector import Change
from hub.jobs import runs, work
from hub.sync import compose, intents, leases, pull, push, send, sweep
from hub.sync.match import Match
from hub.testing.simulation import simulate
from hub.testing.simulation.scenario import draw

WITHIN = 10_000
TRIES = 120
MISTAKES: dict[str, tuple[int, Callable, Callable]] = {}


def caught_by(seed, likely=lambda s: True):
    def remember(plant):
        MISTAKES[plant.__name__] = (seed, likely, plant)
        return plant

    return remember


def often(s, *faults):
    return any(s.faults[name] >= 0.1 for name in faults)


def some(s, ability):
    return any(getattr(plan.capabilities, ability) for plan in s.systems)


def pair(s):
    return len(s.systems) == 2 and not s.orders


def lossy(s):
    return pair(s) and often(s, "lost", "partial", "missing")


@caught_by(14, lambda s: pair(s) and s.crash)
def a_create_is_sent_without_an_intent(patch):
    real = intents.save

    def save(work, flow, marks):
        real(work, flow, [m for m in marks if m.op != "create"])

    patch.setattr(intents, "save", save)


@caught_by(162, lambda s: pair(s) and s.edits >= 4 and not all(p.habits for p in s.systems))
def what_is_equal_is_written_all_the_same(patch):
    real = compose.compose

    def eager(env, work, flow, marks, version_of=compose.no_version):
        real(env, work, flow, marks, version_of)
        for m in marks:
            if m.outcome == "unchanged" and m.link and m.link.state == "active" and m.link.row:
                row = compose.decode(m.link.row)
                (key,) = work.ids.batch(1)
                m.outcome, m.op = "", "update"
                values = {"name": row.get("name")}
                m.change = Change(key, "update", values, m.link.external_id, None, row)

    patch.setattr(push, "compose", eager)


@caught_by(38, lambda s: pair(s) and s.late_commits and s.edits >= 4)
def a_read_goes_on_strictly_after_its_cursor(patch):
    patch.setattr(work, "replace", lambda stream, **changes: stream)


@caught_by(3175, lambda s: pair(s) and s.edits >= 6 and not some(s, "patches"))
def a_whole_row_is_written_without_a_look_at_its_version(patch):
    real = send._write

    def blind(env, flow, connector, marks, guard):
        for m in marks:
            m.change = m.change and replace(m.change, version=None)
        real(env, flow, connector, marks, guard)

    patch.setattr(send, "_look_before", lambda flow, connector, marks: None)
    patch.setattr(send, "_write", blind)


@caught_by(134, lambda s: len(s.systems) >= 3 and s.edits >= 6 and s.workers >= 2)
def a_mark_is_cleared_although_its_record_moved_on(patch):
    real = push._finish

    def finish(work, flow, run, marks):
        outbox = work.store.metadata.tables["outbox"]
        query = push.select(outbox.c.record_id, outbox.c.version).where(outbox.c.flow == flow.name)
        now = dict(work.connection.execute(query).all())
        for m in marks:
            m.version = now.get(m.record_id, m.version)
        real(work, flow, run, marks)

    patch.setattr(push, "_finish", finish)


@caught_by(24, lambda s: pair(s) and s.workers >= 2 and s.pauses)
def a_fence_is_ignored(patch):
    patch.setattr(leases, "confirm", lambda *args, **more: None)


@caught_by(212, lambda s: pair(s) and s.edits >= 3 and all(p.habits for p in s.systems))
def the_shadow_is_what_was_sent(patch):
    def keep(env, work, flow, run, marks, taken):
        seen = [
            m for m in marks if m.stored is not None and m.outcome not in ("unknown", "conflict")
        ]
        rows = push.prepare(flow, [m.stored for m in seen])
        if seen:
            push._keep_shadow(work, flow, seen, rows)

    patch.setattr(push, "_take_stored", keep)


@caught_by(26, lambda s: pair(s) and often(s, "hollow") and any(p.full for p in s.systems))
def deletes_are_taken_from_an_incomplete_read(patch):
    patch.setattr(work, "_is_complete", lambda run, last_rows: (True, ""))


@caught_by(14, lambda s: lossy(s) and some(s, "fetch_by_columns"))
def a_create_is_sent_again_without_a_look(patch):
    def blind(flow, connector, m):
        m.outcome = "resend"

    patch.setattr(send, "_look_for_create", blind)
    patch.setattr(intents, "_may_resend", lambda work, flow, m: True)


@caught_by(151, lambda s: lossy(s) and s.edits >= 6)
def a_row_found_after_a_lost_create_is_its_own_base(patch):
    real = intents.recognise

    def recognise(theirs, pending, shadow, sent):
        return dict(theirs) if shadow is None else real(theirs, pending, shadow, sent)

    patch.setattr(pull.intents, "recognise", recognise)


@caught_by(98, lambda s: lossy(s) and often(s, "rejected") and s.edits >= 4)
def a_refusal_of_a_second_sending_settles_the_first(patch):
    patch.setattr(send, "_look_behind", lambda flow, connector, marks: None)
    patch.setattr(intents, "_may_resend", lambda work, flow, m: True)
    real = push.intents.close

    def close(work, flow, marks):
        for m in marks:
            m.unproven = False
        real(work, flow, marks)

    patch.setattr(push.intents, "close", close)


@caught_by(410, lambda s: pair(s) and s.deletes and s.edits >= 4)
def a_row_found_gone_is_forgotten_without_a_word(patch):
    def lose(work, flow, marks, *, wanted):
        sweep._save_ghosts(work, [m.link.id for m in marks])

    patch.setattr(sweep, "lose", lose)


@caught_by(178, lambda s: pair(s) and s.crash >= 0.05 and s.crashes >= 2)
def the_cursor_is_saved_before_its_page(patch):
    real = work.Jobs._take_page

    def take(self, run, flow, fence, page, rows):
        with self.env.work("early", "hub") as early:
            runs.save_cursor(early.connection, self.env.store, flow.name, page.cursor)
            run.cursor = page.cursor
            runs.save(early.connection, self.env.store, run)
        return real(self, run, flow, fence, page, rows)

    patch.setattr(work.Jobs, "_take_page", take)


@caught_by(167, lambda s: pair(s) and often(s, "late") and some(s, "settle"))
def a_search_that_finds_nothing_at_once_is_believed(patch):
    patch.setattr(intents, "_may_resend", lambda work, flow, m: True)


@caught_by(41, lambda s: pair(s) and s.edits >= 4 and not s.crash)
def rows_are_never_matched(patch):
    patch.setattr(pull, "match", lambda connection, store, flow, values: [Match() for _ in values])


def catch(name: str, most: int) -> tuple[int, str] | None:
    """How many histories it took, and what was said of the last; None if none of them caught it."""
    first, likely, plant = MISTAKES[name]
    seeds = [first] + [s for s in range(WITHIN) if s != first and likely(draw(s))]
    for tried, seed in enumerate(seeds[:most], 1):
        with pytest.MonkeyPatch.context() as patch:
            plant(patch)
            found = [v for v in simulate(seed).violations if not v.startswith("the engine raised")]
        if found and not simulate(seed).violations:
            return tried, f"seed {seed}: {found[0]}"
    return None


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_caught(name):
    assert catch(name, TRIES)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or MISTAKES:
        print(wanted, catch(wanted, WITHIN), flush=True)
