"""Rows of a stream, in pages from which a read can be resumed without loss."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hub.connector import BadRow, Cursor, Page, Row, Stream, batches
from hub.errors import ConfigError, ProtocolError, RejectedError, UnavailableError

from .coding import EPOCH, at, decode, decode_row, encode
from .paging import Answer, Source, State
from .spec import ColumnSpec

MOMENT = ColumnSpec("datetime")
ABSENT = {404, 410}


def read(source: Source, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
    if not stream.cursor_column:
        yield from _whole(source, cursor)
        return
    start = _rewound(source, cursor.get("since") if cursor else None, stream.overlap)
    if source.spec.since.order:
        yield from _sorted(source, start)
    else:
        yield from _unsorted(source, start)


def _page(source: Source, raw: Sequence[Any], cursor: Cursor, total: int | None) -> Page:
    return Page([_decoded(source, part) for part in raw], cursor, total=total)


def _decoded(source: Source, raw: Any) -> Row | BadRow:
    place = f"{source.spec.path} {source.id_of(raw)}"
    return decode_row(source.spec.columns, raw, place, source.zone)


# --------------------------------------------------------------------------- complete reads


def _whole(source: Source, cursor: Cursor | None) -> Iterator[Page]:
    state: State | None = source.first() if cursor is None else cursor["page"]
    resumed = cursor is not None
    while state is not None:
        answer, rows, following = _step(source, state, resumed=resumed)
        resumed = False
        if following is None:
            _assert_complete(source, state, answer)
        # at the end the cursor stays at the last page: read again from there, it comes to the end
        if rows or following is None:
            yield _page(source, rows, {"page": following or state}, answer.total)
        state = following


def _step(source: Source, state: State, *, resumed: bool) -> tuple[Answer, list[Any], State | None]:
    """An answer, the rows in it that are new, and what follows."""
    if source.spec.paging.type == "offset" and state["seen"]:
        return _anchored(source, state)
    try:
        answer = source.ask(state, {})
    except RejectedError:
        if not (resumed and source.spec.paging.type in {"cursor", "link"}):
            raise
        state = source.first()  # the token has expired: rows may repeat, never go missing
        answer = source.ask(state, {})
    following = source.next(state, answer)
    if following and source.spec.paging.type == "offset":
        following = {**following, "last": source.id_of(answer.rows[-1])}
    return answer, answer.rows, following


def _anchored(source: Source, state: State) -> tuple[Answer, list[Any], State | None]:
    """The page after the row seen last, found by going back where rows before it were removed."""
    offset, back = max(0, state["at"] - 1), False
    while True:
        answer = source.ask({"at": offset}, {})
        ids = [source.id_of(row) for row in answer.rows]
        if state["last"] in ids or offset == 0:
            break
        offset, back = max(0, offset - source.size), True
    known = ids.index(state["last"]) + 1 if state["last"] in ids else 0
    ended = known == len(ids) and not back
    following = None if ended else source.next({"at": offset, "seen": offset}, answer)
    return answer, answer.rows[known:], {**following, "last": ids[-1]} if following else None


def _assert_complete(source: Source, state: State, answer: Answer) -> None:
    """A complete read proves what is gone: fewer rows than announced must not end it quietly."""
    seen = state["seen"] + len(answer.rows)
    numbered = source.spec.paging.type in {"page", "cursor", "link"}
    if numbered and answer.total is not None and seen < answer.total:
        template = "{path}: {seen} rows came of {total}: rows moved while they were read"
        values = {"path": source.spec.path, "seen": seen, "total": answer.total}
        raise UnavailableError(template, **values)


# ------------------------------------------------------------------------ incremental reads


def _sorted(source: Source, since: Any) -> Iterator[Page]:
    """Pages by the cursor column itself: each begins at the last value of the one before.

    So rows that move to the end while they are read shift nothing; the API's own paging serves
    only where more rows than a page share one value.
    """
    total, passed, known = None, {since}, dict[str, Any]()
    state: State | None = source.first()
    while state is not None:
        answer = source.ask(state, _asked(source, since))
        total = answer.total if total is None else total
        fresh = [row for row in answer.rows if known.get(source.id_of(row)) != row]
        last = _last(source, answer.rows)
        if fresh or last is None:
            yield _page(source, fresh, {"since": _json(last or since)}, total)
        following = source.next(state, answer)
        if following and last is not None and last != since:
            _assert_new(source, last, passed)
            since, following, known = last, source.first(), {}
        known |= {source.id_of(row): row for row in answer.rows}
        state = following


def _last(source: Source, rows: Sequence[Any]) -> Any:
    column = source.spec.since.column
    return next((v for v in (at(column, row) for row in reversed(rows)) if v is not None), None)


def _assert_new(source: Source, value: Any, passed: set[Any]) -> None:
    if value in passed:
        raise ProtocolError(
            "{path}: the rows are not in the order of {column!r}: {value!r} came again",
            path=source.spec.path,
            column=source.spec.since.column,
            value=str(value),
            hint="Correct `since.order`, or leave it out: the rows are then sorted here.",
        )
    passed.add(value)


def _unsorted(source: Source, since: Any) -> Iterator[Page]:
    """All changed rows, then sorted: no page of an unsorted answer is a place to resume."""
    rows: list[Any] = []
    state: State | None = source.first()
    while state is not None:
        answer = source.ask(state, _asked(source, since))
        rows += answer.rows
        state = source.next(state, answer)
    column = source.spec.since.column
    rows.sort(key=lambda row: _rank(at(column, row), source.id_of(row)))
    for some in batches(rows, source.size):
        since = _last(source, some) or since
        yield _page(source, some, {"since": _json(since)}, len(rows))
    if not rows:
        yield Page([], {"since": _json(since)}, total=0)


def _rank(value: Any, row_id: str) -> tuple[bool, Any, str]:
    number = isinstance(value, int | Decimal)
    return value is not None, (Decimal(value), "") if number else (Decimal(0), str(value)), row_id


def _asked(source: Source, since: Any) -> dict[str, Any]:
    declared = source.spec.since
    if since is None or not declared.param:
        return dict(declared.order)
    if declared.exclusive:
        since = _minus(source, since, timedelta(seconds=1))
    return {**declared.order, declared.param: _json(since)}


def _rewound(source: Source, since: Any, overlap: timedelta) -> Any:
    return since if since is None or not overlap else _minus(source, since, overlap)


def _minus(source: Source, since: Any, overlap: timedelta) -> Any:
    """The value some time earlier, in the API's own spelling; a number that is no time less one."""
    column = source.spec.columns.get(source.spec.since.column, MOMENT)
    if column.kind in {"integer", "decimal"} or (isinstance(since, int) and not column.format):
        return int(since) - 1
    if column.kind == "date":
        column = ColumnSpec("datetime", column.format)
    moment: datetime = decode(column, since, source.zone)
    earlier = max(moment - overlap, EPOCH) if moment > EPOCH else moment
    if column.format in {"", "iso"} and _is_naive(since):
        return earlier.astimezone(source.zone).replace(tzinfo=None).isoformat()
    return encode(column, earlier, source.zone)


def _is_naive(text: str) -> bool:
    return datetime.fromisoformat(text).tzinfo is None


def _json(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


# ------------------------------------------------------------------------------------- fetch


def fetch(source: Source, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
    ids = [key for key in keys if isinstance(key, str)]
    raw: list[Any] = []
    if source.spec.fetch.param:
        for some in batches(ids, source.spec.fetch.many):
            asked = {source.spec.fetch.param: source.spec.fetch.join.join(some)}
            raw += [row for row in _listed(source, asked) if source.id_of(row) in some]
    else:
        raw += [row for i in ids if (row := _single(source, i)) is not None]
    yield from _good(source, raw)
    for key in keys:
        if not isinstance(key, str):
            yield from _with_columns(source, key)


def _single(source: Source, remote_id: str) -> Any:
    path = source.path_of(source.spec.row_path, remote_id)
    response = source.http.get(path, accept=ABSENT)
    return None if response.status in ABSENT else at(source.spec.fetch.row, response.json())


def _listed(source: Source, asked: Mapping[str, Any]) -> Iterator[Any]:
    state: State | None = source.first()
    while state is not None:
        answer = source.ask(state, asked)
        yield from answer.rows
        state = source.next(state, answer)


def _good(source: Source, raw: Iterable[Any]) -> Iterator[Row]:
    for part in raw:
        row = _decoded(source, part)
        if not isinstance(row, BadRow):
            yield row


def _with_columns(source: Source, key: Mapping[str, Any]) -> Iterator[Row]:
    """Rows that carry all the values: the API filters by what it can, the rest is done here."""
    find, columns = source.spec.fetch.find, source.spec.columns
    usable = {
        find[name]: encode(columns.get(name, ColumnSpec()), value, source.zone)
        for name, value in key.items()
        if name in find
    }
    if not usable:
        template = "{path}: rows cannot be found by {names}"
        hint = "Name the parameter for one of these columns under `fetch.find`."
        values = {"path": source.spec.path, "names": ", ".join(key)}
        raise ConfigError(template, hint=hint, **values)
    for row in _good(source, _listed(source, usable)):
        if all(_same(row.get(name), value) for name, value in key.items()):
            yield row


def _same(stored: Any, wanted: Any) -> bool:
    return bool(stored == wanted) or str(stored) == str(wanted)
