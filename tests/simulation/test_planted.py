"""What a green simulation is worth: mistakes planted in the engine, each of which must be caught.

A mistake names the seed that catches it, so that this is quick.  To look for it again:

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

WITHIN = 10_000
MISTAKES: dict[str, tuple[int, Callable]] = {}


def caught_by(seed):
    def remember(plant):
        MISTAKES[plant.__name__] = (seed, plant)
        return plant

    return remember


@caught_by(seed=54)
def a_create_is_sent_without_an_intent(patch):
    real = intents.save

    def save(work, flow, marks):
        real(work, flow, [m for m in marks if m.op != "create"])

    patch.setattr(intents, "save", save)


@caught_by(seed=606)
def an_update_is_sent_without_an_intent(patch):
    real = intents.save

    def save(work, flow, marks):
        real(work, flow, [m for m in marks if m.op != "update"])

    patch.setattr(intents, "save", save)


@caught_by(seed=46)
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


@caught_by(seed=38)
def a_read_goes_on_strictly_after_its_cursor(patch):
    patch.setattr(work, "replace", lambda stream, **changes: stream)


@caught_by(seed=988)
def a_whole_row_is_written_without_a_look_at_its_version(patch):
    real = send._write

    def blind(flow, connector, marks):
        for m in marks:
            m.change = m.change and replace(m.change, version=None)
        real(flow, connector, marks)

    patch.setattr(send, "_look_before", lambda flow, connector, marks: None)
    patch.setattr(send, "_write", blind)


@caught_by(seed=392)
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


@caught_by(seed=24)
def a_fence_is_ignored(patch):
    patch.setattr(leases, "confirm", lambda *args, **more: None)


@caught_by(seed=4)
def the_shadow_is_what_was_sent(patch):
    def keep(env, work, flow, run, marks, taken):
        seen = [
            m for m in marks if m.stored is not None and m.outcome not in ("unknown", "conflict")
        ]
        rows = push.prepare(flow, [m.stored for m in seen])
        push._keep_shadow(work, flow, seen, rows)

    patch.setattr(push, "_take_stored", keep)


@caught_by(seed=14)
def deletes_are_taken_from_an_incomplete_read(patch):
    patch.setattr(work, "_is_complete", lambda run, last_rows: (True, ""))


@caught_by(seed=26)
def a_create_is_sent_again_without_a_look(patch):
    def blind(flow, connector, m):
        m.outcome = "resend"

    patch.setattr(send, "_look_for_create", blind)
    patch.setattr(intents, "_may_resend", lambda work, flow, m: True)


@caught_by(seed=273)
def a_row_found_after_a_lost_create_is_its_own_base(patch):
    real = intents.recognise

    def recognise(theirs, pending, shadow, sent):
        return dict(theirs) if shadow is None else real(theirs, pending, shadow, sent)

    patch.setattr(pull.intents, "recognise", recognise)


@caught_by(seed=259)
def a_refusal_of_a_second_sending_settles_the_first(patch):
    patch.setattr(send, "_look_behind", lambda flow, connector, marks: None)
    patch.setattr(intents, "_may_resend", lambda work, flow, m: True)
    real = push.intents.close

    def close(work, flow, marks):
        for m in marks:
            m.unproven = False
        real(work, flow, marks)

    patch.setattr(push.intents, "close", close)


@caught_by(seed=410)
def a_row_found_gone_is_forgotten_without_a_word(patch):
    def lose(work, flow, marks, *, wanted):
        sweep._save_ghosts(work, [m.link.id for m in marks])

    patch.setattr(sweep, "lose", lose)


@caught_by(seed=178)
def the_cursor_is_saved_before_its_page(patch):
    real = work.Jobs._take_page

    def take(self, run, flow, fence, page, rows):
        with self.env.work("early", "hub") as early:
            runs.save_cursor(early.connection, self.env.store, flow.name, page.cursor)
            run.cursor = page.cursor
            runs.save(early.connection, self.env.store, run)
        return real(self, run, flow, fence, page, rows)

    patch.setattr(work.Jobs, "_take_page", take)


@caught_by(seed=46)
def a_search_that_finds_nothing_at_once_is_believed(patch):
    patch.setattr(intents, "_may_resend", lambda work, flow, m: True)


@caught_by(seed=38)
def rows_are_never_matched(patch):
    patch.setattr(pull, "match", lambda connection, store, flow, values: [Match() for _ in values])


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_caught(name, monkeypatch):
    seed, plant = MISTAKES[name]
    with monkeypatch.context() as patch:
        plant(patch)
        assert simulate(seed).violations
    assert not simulate(seed).violations


def look_for(name: str) -> None:
    """Print the first seed that catches the mistake, and does not fail without it."""
    _, plant = MISTAKES[name]
    for seed in range(WITHIN):
        with pytest.MonkeyPatch.context() as patch:
            plant(patch)
            found = simulate(seed).violations
        if found and not simulate(seed).violations:
            print(f"{name}: seed {seed}: {found[0][:150]}", flush=True)
            return
    print(f"{name}: not caught within {WITHIN} seeds", flush=True)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or MISTAKES:
        look_for(wanted)
