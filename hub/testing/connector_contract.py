"""The tests every connector inherits.

    class TestAcme(ConnectorContract):
        @pytest.fixture
        def server(self):                    # optional: the fake remote, with fail_next()
            with FakeAcme() as fake:
                yield fake

        @pytest.fixture
        def connector(self, server):         # open, on a remote seeded with five rows or more
            with Acme({"base_url": server.url, "token": "t0ken-secret"}) as acme:
                yield acme

        @pytest.fixture
        def stream(self, connector):         # writable; with a key and, if it has one, a cursor
            return next(s for s in connector.discover() if s.name == "customers")

        @pytest.fixture
        def new_row(self):                   # values for the nth create, all columns worth testing
            return lambda n: {"name": f"Customer {n}", "credit": Decimal("10.50"), "size": n}

What a connector's `capabilities` do not promise is skipped aloud.  What else it cannot do it says
in `exempt`, by the name of the test, with the reason.  Where the remote does not set the cursor
column by itself, `new_row` carries values later than the seeded ones.
"""

import json
import logging
import math
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, ClassVar, Protocol

import pytest

from hub.connector import (
    BadRow,
    Change,
    Column,
    Connector,
    Cursor,
    Page,
    Row,
    SecretText,
    Stream,
    WriteResult,
    join_key,
)
from hub.errors import AuthError, ConfigError, HubError, RateLimitError, UnavailableError

KINDS = {
    "text",
    "integer",
    "decimal",
    "boolean",
    "date",
    "datetime",
    "json",
    "binary",
    "rows",
}
WAIT = timedelta(seconds=7)
NewRow = Callable[[int], dict[str, Any]]


class Server(Protocol):
    """A fake remote that can be told to fail."""

    def fail_next(self, status: int, **headers: str) -> None:
        """Answer the next call with this status and these headers, whatever it asks for."""


class ConnectorContract:
    """Fixtures to give: `connector`, `stream`, `new_row`; where they help, `server`, `refused_row`
    and `absent_id`.

    The column attributes name the column of `new_row` that the value tests write to.  "" takes the
    first of the fitting kind that is no key and no reference; None says that there is none.
    """

    page_size: ClassVar[int] = 2
    """Set as `capabilities.read_page` where pages are tested; the connector must obey it."""
    exempt: ClassVar[Mapping[str, str]] = {}
    """Name of a test → why this connector need not pass it."""
    text_column: ClassVar[str | None] = ""
    integer_column: ClassVar[str | None] = ""
    decimal_column: ClassVar[str | None] = ""
    date_column: ClassVar[str | None] = ""
    texts: ClassVar[Sequence[str]] = (
        "上海浦东软件园有限公司",
        "emoji 😀 👍🏽",
        'it\'s "quoted" \\ `so` ; -- % _',
        "first line\nsecond line",
        "tab\there, ünï©ödé",
    )
    integers: ClassVar[Sequence[int]] = (0, -1, 2**53 + 1)
    decimals: ClassVar[Sequence[Decimal]] = (
        Decimal("0.10"),
        Decimal("-0.01"),
        Decimal("1234567.89"),
    )
    dates: ClassVar[Sequence[date]] = (date(2024, 2, 29), date(1969, 12, 31))
    keeps_blank: ClassVar[bool] = True
    """The remote keeps an empty text apart from null."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        unknown = [name for name in cls.exempt if not hasattr(cls, name)]
        assert not unknown, f"{cls.__name__}.exempt names no test: {', '.join(unknown)}"

    # ---------------------------------------------------------------------- fixtures to override

    @pytest.fixture
    def connector(self) -> Connector:
        raise NotImplementedError("give a fixture `connector`: open, on a seeded remote")

    @pytest.fixture
    def stream(self, connector: Connector) -> Stream:
        raise NotImplementedError("give a fixture `stream`: one that `discover` yields, writable")

    @pytest.fixture
    def new_row(self) -> NewRow:
        raise NotImplementedError("give a fixture `new_row`: a function of n, values for a create")

    @pytest.fixture
    def server(self) -> Server | None:
        return None

    @pytest.fixture
    def refused_row(self, stream: Stream, new_row: NewRow) -> dict[str, Any] | None:
        """A create the remote refuses for its content.  Default: a required column is null."""
        row = new_row(99)
        for name, column in stream.columns.items():
            if column.required and name in row and name not in stream.key:
                return {**row, name: None}
        return None

    @pytest.fixture
    def absent_id(self, stream: Stream) -> str:
        """An id that no row has, of the shape that ids have."""
        kinds = [stream.columns[k].kind for k in stream.key if k in stream.columns]
        return join_key("999999999" if k in ("integer", "decimal") else "absent" for k in kinds)

    # ----------------------------------------------------------------------- ways to say the same

    def same(self, sent: Any, stored: Any) -> bool:
        """Whether *stored* is *sent* as the remote gives it back; override for its own spelling."""
        if isinstance(sent, list) and isinstance(stored, list):
            return len(sent) == len(stored) and all(map(self.same, sent, stored))
        if isinstance(sent, Mapping) and isinstance(stored, Mapping):
            return all(k in stored and self.same(v, stored[k]) for k, v in sent.items())
        if isinstance(sent, bool) or isinstance(stored, bool) or None in (sent, stored):
            return bool(sent == stored and (sent is None) == (stored is None))
        if isinstance(sent, Decimal | int) and not isinstance(stored, float):
            return _decimal(stored) == sent
        if isinstance(sent, date) and isinstance(stored, str):
            return stored.replace(" ", "T").startswith(sent.isoformat()[:10])
        return bool(sent == stored)

    def id_of(self, stream: Stream, row: Row) -> str:
        return join_key(row[k] for k in stream.key)

    # ------------------------------------------------------------------------- settings and check

    @pytest.fixture(autouse=True)
    def _skip_the_exempt(self, request: pytest.FixtureRequest) -> None:
        reason = self.exempt.get(request.node.originalname or request.node.name)
        if reason:
            pytest.skip(f"exempt: {reason}")

    def test_check_names_the_system(self, connector: Connector) -> None:
        sentence = connector.check()

        assert len(sentence.split()) > 1, "check() says which system and account answered"

    def test_an_unknown_setting_is_refused_by_name(self, connector: Connector) -> None:
        with pytest.raises(ConfigError, match="colour"):
            type(connector)({**connector.config, "colour": "blue"})

    def test_settings_have_help(self, connector: Connector) -> None:
        mute = [n for n, f in connector.settings().fields.items() if not f.metadata.get("help")]

        assert not mute, f"settings without help: {mute}"

    # ----------------------------------------------------------------------------------- discover

    def test_discover_yields_the_stream(self, connector: Connector, stream: Stream) -> None:
        names = [s.name for s in connector.discover()]

        assert stream.name in names
        assert len(names) == len(set(names)), "stream names are unique"

    def test_key_and_cursor_are_columns(self, connector: Connector, stream: Stream) -> None:
        for found in connector.discover():
            cursor = [found.cursor_column] if found.cursor_column else []
            missing = {*found.key, *cursor} - set(found.columns)
            assert not missing, f"stream {found.name}: {missing} are no columns"
        assert stream.key

    def test_kinds_are_known(self, connector: Connector) -> None:
        for found in connector.discover():
            _assert_kinds(found.name, found.columns)

    # --------------------------------------------------------------------------------------- read

    def test_every_row_has_its_key(self, connector: Connector, stream: Stream) -> None:
        rows = _rows(connector.read(stream, None))

        assert len(rows) >= 5, "seed five rows or more"
        for row in rows:
            assert all(row.get(k) is not None for k in stream.key), row
        ids = [self.id_of(stream, row) for row in rows]
        assert len(ids) == len(set(ids)), "an id appears twice"

    def test_rows_have_known_columns_and_plain_values(
        self, connector: Connector, stream: Stream
    ) -> None:
        for row in _rows(connector.read(stream, None)):
            assert set(row) <= set(stream.columns), "discover does not know all columns"
            for name, value in row.items():
                _assert_plain(name, value)

    def test_cursors_are_json(self, connector: Connector, stream: Stream) -> None:
        for page in self._pages(connector, stream):
            assert json.loads(json.dumps(page.cursor, allow_nan=False)) == page.cursor

    @pytest.mark.parametrize("incremental", [True, False])
    def test_reading_resumes_from_any_cursor_without_loss(
        self, connector: Connector, stream: Stream, incremental: bool
    ) -> None:
        if incremental and not stream.cursor_column:
            pytest.skip("not promised: the stream has no cursor column")
        asked = stream if incremental else replace(stream, cursor_column="")
        pages = self._pages(connector, asked)
        whole = self._ids(stream, pages)
        assert len(pages) > 1, "capabilities.read_page is not obeyed: one page"
        for n, page in enumerate(pages):
            cursor = json.loads(json.dumps(page.cursor))

            rest = self._pages(connector, asked, cursor)

            seen = self._ids(stream, pages[: n + 1]) | self._ids(stream, rest)
            assert seen == whole, f"resumed after page {n + 1} of {len(pages)} at {cursor}"

    def test_reading_resumes_in_a_new_connector(self, connector: Connector, stream: Stream) -> None:
        pages = self._pages(connector, stream)

        with type(connector)(connector.config) as another:
            rest = self._pages(another, stream, pages[0].cursor)

        assert self._ids(stream, pages[:1]) | self._ids(stream, rest) == self._ids(stream, pages)

    def test_rows_come_in_the_order_of_the_cursor_column(
        self, connector: Connector, stream: Stream
    ) -> None:
        if not stream.cursor_column:
            pytest.skip("not promised: the stream has no cursor column")
        column = stream.cursor_column
        moments = [
            row.get(column) for page in self._pages(connector, stream) for row in _good(page)
        ]

        for a, b in pairwise(moments):
            assert a is None or (b is not None and a <= b), f"{a!r} before {b!r}"

    def test_a_row_created_after_a_read_is_found_from_its_last_cursor(
        self, connector: Connector, stream: Stream, new_row: NewRow
    ) -> None:
        self._needs(connector, "creates")
        if not stream.cursor_column:
            pytest.skip("not promised: the stream has no cursor column")
        cursor = self._pages(connector, stream)[-1].cursor
        [created] = self._create(connector, stream, new_row(1))

        later = self._pages(connector, stream, cursor)

        assert created in self._ids(stream, later)

    def test_a_total_is_the_number_of_rows(self, connector: Connector, stream: Stream) -> None:
        pages = self._pages(connector, replace(stream, cursor_column=""))
        totals = {page.total for page in pages if page.total is not None}
        if not totals:
            pytest.skip("not promised: no page gives a total")

        assert totals == {sum(len(page.rows) for page in pages)}

    def test_an_unknown_stream_is_named(self, connector: Connector) -> None:
        unknown = Stream("no_such_stream", key=("id",))

        with pytest.raises(HubError, match="no_such_stream"):
            list(connector.read(unknown, None))

    # -------------------------------------------------------------------------------------- fetch

    def test_fetch_finds_rows_by_id(self, connector: Connector, stream: Stream) -> None:
        rows = _rows(connector.read(stream, None))[:3]
        ids = [self.id_of(stream, row) for row in rows]

        fetched = {self.id_of(stream, row): row for row in connector.fetch(stream, ids)}

        assert fetched == dict(zip(ids, rows, strict=True)), "fetch and read give the same row"

    def test_fetch_leaves_out_the_absent(
        self, connector: Connector, stream: Stream, absent_id: str
    ) -> None:
        present = self.id_of(stream, _rows(connector.read(stream, None))[0])

        found = [self.id_of(stream, r) for r in connector.fetch(stream, [absent_id, present])]

        assert found == [present]
        assert list(connector.fetch(stream, [absent_id])) == []
        assert list(connector.fetch(stream, [])) == []

    def test_fetch_finds_rows_by_columns(self, connector: Connector, stream: Stream) -> None:
        self._needs(connector, "fetch_by_columns")
        name = self._column(stream, "text")
        rows = [r for r in _rows(connector.read(stream, None)) if r.get(name)][:2]
        keys: list[Any] = [{name: row[name], **_key(stream, row)} for row in rows]

        found = list(connector.fetch(stream, [*keys, {name: "no row has this text"}]))

        wanted = {self.id_of(stream, row) for row in rows}
        assert {self.id_of(stream, row) for row in found} == wanted

    def test_fetch_by_one_column_gives_every_row_that_carries_it(
        self, connector: Connector, stream: Stream
    ) -> None:
        self._needs(connector, "fetch_by_columns")
        name = self._column(stream, "text")
        rows = _rows(connector.read(stream, None))
        text = next(row[name] for row in rows if row.get(name))
        wanted = {self.id_of(stream, row) for row in rows if row.get(name) == text}

        found = {self.id_of(stream, row) for row in connector.fetch(stream, [{name: text}])}

        assert found == wanted

    # -------------------------------------------------------------------------------------- write

    def test_a_created_row_is_fetched_with_its_values(
        self, connector: Connector, stream: Stream, new_row: NewRow
    ) -> None:
        self._needs(connector, "creates")
        change = Change("c1", "create", values=new_row(1))

        [result] = self._write(connector, stream, change)

        assert result.outcome == "applied", result
        assert result.remote_id, "a create answers with the id of the row"
        [row] = connector.fetch(stream, [result.remote_id])
        self._assert_carries(row, change.values)
        assert self.id_of(stream, row) == result.remote_id
        if result.row is not None:
            self._assert_carries(result.row, change.values)

    def test_an_update_sets_only_the_columns_given(
        self, connector: Connector, stream: Stream, new_row: NewRow
    ) -> None:
        self._needs(connector, "creates", "updates")
        name = self._column(stream, "text")
        values = new_row(1)
        [created] = self._create(connector, stream, values)

        [result] = self._write(connector, stream, self._update(connector, stream, created, name))

        assert result.outcome == "applied", result
        assert result.remote_id == created
        [row] = connector.fetch(stream, [created])
        self._assert_carries(row, {**values, name: "set by an update"})

    def test_a_refusal_stops_no_other_change(
        self,
        connector: Connector,
        stream: Stream,
        new_row: NewRow,
        refused_row: dict[str, Any] | None,
    ) -> None:
        self._needs(connector, "creates")
        if refused_row is None:
            pytest.skip("no required column: give a fixture `refused_row`")
        batch = [
            Change("good-1", "create", values=new_row(1)),
            Change("bad", "create", values=refused_row),
            Change("good-2", "create", values=new_row(2)),
        ]

        results = {r.key: r for r in self._write(connector, stream, *batch)}

        assert results["bad"].outcome == "rejected", results["bad"]
        assert results["bad"].message and results["bad"].code
        for key in ("good-1", "good-2"):
            assert results[key].outcome == "applied", results[key]
            assert list(connector.fetch(stream, [results[key].remote_id]))

    def test_a_row_that_is_gone_is_reported_gone(
        self, connector: Connector, stream: Stream, absent_id: str
    ) -> None:
        self._needs(connector, "updates")
        row = _rows(connector.read(stream, None))[0]
        values = {self._column(stream, "text"): "set by an update"}
        if not connector.capabilities.patches:
            values = {**row, **values, **_key_of_id(stream, absent_id)}
        change = Change("u1", "update", values=values, remote_id=absent_id)

        [result] = self._write(connector, stream, change)

        assert result.outcome == "gone", result

    def test_a_deleted_row_is_not_fetched_any_more(
        self, connector: Connector, stream: Stream, new_row: NewRow
    ) -> None:
        self._needs(connector, "creates", "deletes")
        [created] = self._create(connector, stream, new_row(1))
        delete = Change("d1", "delete", remote_id=created)

        [first] = self._write(connector, stream, delete)
        [second] = self._write(connector, stream, replace(delete, key="d2"))

        assert first.outcome == "applied", first
        assert second.outcome == "gone", second
        assert list(connector.fetch(stream, [created])) == []

    def test_a_read_names_deleted_rows(
        self, connector: Connector, stream: Stream, new_row: NewRow
    ) -> None:
        self._needs(connector, "creates", "deletes", "reads_deletes")
        [created] = self._create(connector, stream, new_row(1))
        cursor = self._pages(connector, stream)[-1].cursor
        self._write(connector, stream, Change("d1", "delete", remote_id=created))

        later = self._pages(connector, stream, cursor)

        assert created in {gone for page in later for gone in page.deleted}

    def test_a_stale_version_is_a_conflict(
        self, connector: Connector, stream: Stream, new_row: NewRow
    ) -> None:
        self._needs(connector, "creates", "updates", "conditional_writes")
        [made] = self._write(connector, stream, Change("c1", "create", values=new_row(1)))
        assert made.version, "with conditional writes every result carries the row's version"
        update = self._update(connector, stream, made.remote_id, self._column(stream, "text"))

        [first] = self._write(connector, stream, replace(update, version=made.version))
        [stale] = self._write(connector, stream, replace(update, key="u2", version=made.version))

        assert first.outcome == "applied", first
        assert first.version and first.version != made.version
        assert stale.outcome == "conflict", stale
        if stale.version:
            assert stale.version == first.version

    def test_a_replayed_batch_creates_nothing_twice(
        self, connector: Connector, stream: Stream, new_row: NewRow
    ) -> None:
        self._needs(connector, "creates", "idempotent_writes")
        batch = [Change(f"replayed-{n}", "create", values=new_row(n)) for n in (1, 2)]

        first = {r.key: r.remote_id for r in self._write(connector, stream, *batch)}
        count = len(_rows(connector.read(stream, None)))
        second = {r.key: r.remote_id for r in self._write(connector, stream, *batch)}

        assert second == first, "a replay answers with the ids of the first time"
        assert len(_rows(connector.read(stream, None))) == count

    def test_an_empty_batch_has_no_results(self, connector: Connector, stream: Stream) -> None:
        assert list(connector.write(stream, [])) == []

    # ------------------------------------------------------------------------------------- values

    def test_text_comes_back_exactly(
        self, connector: Connector, stream: Stream, new_row: NewRow
    ) -> None:
        self._assert_kept(connector, stream, new_row, "text", self.texts)

    def test_big_integers_come_back_exactly(
        self, connector: Connector, stream: Stream, new_row: NewRow
    ) -> None:
        self._assert_kept(connector, stream, new_row, "integer", self.integers)

    def test_decimals_come_back_exactly(
        self, connector: Connector, stream: Stream, new_row: NewRow
    ) -> None:
        self._assert_kept(connector, stream, new_row, "decimal", self.decimals)

    def test_dates_come_back_exactly(
        self, connector: Connector, stream: Stream, new_row: NewRow
    ) -> None:
        self._assert_kept(connector, stream, new_row, "date", self.dates)

    def test_an_empty_text_is_not_null(
        self, connector: Connector, stream: Stream, new_row: NewRow
    ) -> None:
        self._needs(connector, "creates")
        if not self.keeps_blank:
            pytest.skip("not promised: the remote takes an empty text for null")
        name = self._column(stream, "text", optional=True)
        blank, null = self._create(
            connector, stream, {**new_row(1), name: ""}, {**new_row(2), name: None}
        )

        [blank_row] = connector.fetch(stream, [blank])
        [null_row] = connector.fetch(stream, [null])

        assert blank_row[name] == ""
        assert null_row.get(name) is None

    # ------------------------------------------------------------------------- failures, secrets

    def test_refused_credentials_are_an_auth_error(
        self, connector: Connector, stream: Stream, server: Server | None
    ) -> None:
        if server is None:
            pytest.skip("no fixture `server` that can be told to fail")
        for call in self._calls(connector, stream):
            server.fail_next(401)
            server.fail_next(401)  # a connector may sign in again, once
            with pytest.raises(AuthError):
                call()

    def test_rate_limiting_says_how_long_to_wait(
        self, connector: Connector, stream: Stream, server: Server | None
    ) -> None:
        if server is None:
            pytest.skip("no fixture `server` that can be told to fail")
        for call in self._calls(connector, stream):
            server.fail_next(429, **{"Retry-After": "7"})
            with pytest.raises(RateLimitError) as caught:
                call()
            assert caught.value.retry_after == WAIT
            call()

    def test_no_service_is_an_unavailable_error(
        self, connector: Connector, stream: Stream, server: Server | None
    ) -> None:
        if server is None:
            pytest.skip("no fixture `server` that can be told to fail")
        for call in self._calls(connector, stream):
            server.fail_next(503)
            with pytest.raises(UnavailableError):
                call()
            call()

    def test_no_secret_in_any_message(
        self,
        connector: Connector,
        stream: Stream,
        server: Server | None,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        given = [s.reveal() for s in connector.config.values() if isinstance(s, SecretText)]
        secrets = [text for text in given if text]  # an optional one that is not set is ""
        if not secrets:
            pytest.skip("no secret among the settings")
        caplog.set_level(logging.DEBUG)
        shown = [repr(connector), str(connector), repr(connector.config)]
        shown += [connector.check(), *self._messages(connector, stream, server), caplog.text]

        for secret in secrets:
            assert len(secret) > 3, "test with a secret that cannot be found by accident"
            leaks = [text for text in shown if secret in text]
            assert not leaks, f"a secret shows in: {leaks[0][:500]}"

    # -------------------------------------------------------------------------------------- steps

    def _needs(self, connector: Connector, *promises: str) -> None:
        for promise in promises:
            if not getattr(connector.capabilities, promise):
                pytest.skip(f"not promised: capabilities.{promise} is False")

    def _column(self, stream: Stream, kind: str, *, optional: bool = False) -> str:
        named = getattr(self, f"{kind}_column")
        if named is None:
            pytest.skip(f"not promised: no {kind} column ({kind}_column = None)")
        if named:
            return str(named)
        for name, column in stream.columns.items():
            fits = column.kind == kind and column.writable and not (optional and column.required)
            free = not column.choices and not column.target
            if fits and free and name not in (*stream.key, stream.cursor_column):
                return name
        pytest.skip(f"no {kind} column to test on: name one with {kind}_column")

    def _pages(
        self, connector: Connector, stream: Stream, cursor: Cursor | None = None
    ) -> list[Page]:
        connector.capabilities = replace(connector.capabilities, read_page=self.page_size)
        return list(connector.read(stream, cursor))

    def _ids(self, stream: Stream, pages: Sequence[Page]) -> set[str]:
        return {self.id_of(stream, row) for page in pages for row in _good(page)}

    def _write(self, connector: Connector, stream: Stream, *batch: Change) -> list[WriteResult]:
        """The results; exactly one per change."""
        results = list(connector.write(stream, batch))
        assert sorted(r.key for r in results) == sorted(c.key for c in batch), results
        return results

    def _create(self, connector: Connector, stream: Stream, *rows: Row) -> list[str]:
        batch = [Change(f"create-{n}", "create", values=row) for n, row in enumerate(rows)]
        results = {r.key: r for r in self._write(connector, stream, *batch)}
        for result in results.values():
            assert result.outcome == "applied", result
        return [results[change.key].remote_id for change in batch]

    def _update(self, connector: Connector, stream: Stream, remote_id: str, name: str) -> Change:
        [row] = connector.fetch(stream, [remote_id])
        values = {name: "set by an update"}
        whole = values if connector.capabilities.patches else {**row, **values}
        return Change("u1", "update", values=whole, remote_id=remote_id, row=row)

    def _assert_carries(self, row: Row, values: Row) -> None:
        for name, value in values.items():
            assert name in row, f"{name} is missing"
            assert self.same(value, row[name]), f"{name}: sent {value!r}, stored {row[name]!r}"

    def _assert_kept(
        self,
        connector: Connector,
        stream: Stream,
        new_row: NewRow,
        kind: str,
        values: Sequence[Any],
    ) -> None:
        self._needs(connector, "creates")
        name = self._column(stream, kind)
        size = stream.columns[name].size if kind == "text" else None
        fitting = [v for v in values if size is None or len(v) <= size]
        rows = [{**new_row(n), name: value} for n, value in enumerate(fitting, 1)]

        ids = self._create(connector, stream, *rows)

        stored = {self.id_of(stream, r): r[name] for r in connector.fetch(stream, ids)}
        for remote_id, value in zip(ids, fitting, strict=True):
            found = stored[remote_id]
            assert self.same(value, found), f"{name}: sent {value!r}, stored {found!r}"

    def _calls(self, connector: Connector, stream: Stream) -> list[Callable[[], Any]]:
        return [connector.check, lambda: list(connector.read(stream, None))]

    def _messages(
        self, connector: Connector, stream: Stream, server: Server | None
    ) -> Iterator[str]:
        """Every text that leaves the connector when something goes wrong."""

        def unknown_setting() -> None:
            type(connector)({**connector.config, "colour": "blue"})

        unknown_stream = Stream("no_such_stream", key=("id",))
        yield from _failure(unknown_setting)
        yield from _failure(lambda: list(connector.read(unknown_stream, None)))
        if server is not None:
            for status in (401, 403, 404, 429, 500, 503):
                for call in self._calls(connector, stream):
                    server.fail_next(status)
                    yield from _failure(call)


# ----------------------------------------------------------------------------------------- helpers


def _rows(pages: Iterator[Page]) -> list[Row]:
    return [row for page in pages for row in _good(page)]


def _good(page: Page) -> list[Row]:
    return [row for row in page.rows if not isinstance(row, BadRow)]


def _key(stream: Stream, row: Row) -> dict[str, Any]:
    return {k: row[k] for k in stream.key}


def _key_of_id(stream: Stream, remote_id: str) -> dict[str, Any]:
    return {stream.key[0]: remote_id} if len(stream.key) == 1 else {}


def _decimal(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value))
    except ArithmeticError:
        return None


def _failure(call: Callable[[], Any]) -> Iterator[str]:
    try:
        call()
    except Exception as e:
        yield from ("".join(traceback.format_exception(e)), str(e), repr(e), repr(vars(e)))
        yield str(getattr(e, "hint", ""))


def _assert_kinds(where: str, columns: Mapping[str, Column]) -> None:
    for name, column in columns.items():
        assert column.kind in KINDS, f"{where}.{name}: {column.kind!r} is no kind"
        assert bool(column.columns) == (column.kind == "rows"), f"{where}.{name}: child columns"
        _assert_kinds(f"{where}.{name}", column.columns)


def _assert_plain(name: str, value: Any) -> None:
    """JSON values, Decimal, date, aware datetime and bytes; nothing of a driver's own."""
    if isinstance(value, list | tuple):
        for part in value:
            _assert_plain(name, part)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            _assert_plain(f"{name}.{key}", part)
    elif isinstance(value, datetime):
        assert value.tzinfo is not None, f"{name}: a datetime without a zone: {value!r}"
    elif isinstance(value, float | Decimal):
        assert math.isfinite(value), f"{name}: {value!r}"
    else:
        known = (str, int, bool, date, bytes, type(None))
        assert type(value) in known, f"{name}: {type(value).__name__} is not plain"
