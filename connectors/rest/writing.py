"""Writes, one call each or in bulk, and what the answers mean for every record."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from hub.connector import BadRow, Change, Row, WriteResult, batches
from hub.errors import ProtocolError, RejectedError
from hub.http import Response

from .coding import at, decode_row, encode_row
from .paging import Source
from .spec import Bulk, Write

CONFLICT = {"409", "412"}  # 409 only where we said which version we meant
GONE = {"404", "410"}


def write(source: Source, batch: Sequence[Change], size: int) -> Iterator[WriteResult]:
    """One result per change; bulk calls take *size* of them."""
    bulk = source.spec.bulk
    together = [c for c in batch if bulk and c.op in bulk.ops and source.spec.write(c.op)]
    for change in batch:
        if change not in together:
            yield _one(source, change)
    for some in batches(together, size):
        if bulk:
            yield from _many(source, bulk, some)


def _one(source: Source, change: Change) -> WriteResult:
    declared = source.spec.write(change.op)
    if declared is None:
        return WriteResult.rejected(
            change.key,
            code="not-possible",
            message="{path}: `{operation}` is not declared for this stream",
            values={"path": source.spec.path, "operation": change.op},
        )
    version = version_of(source, change)
    try:
        response = _send(source, declared, change, version)
    except RejectedError as e:
        return _refused(change, e, versioned=version is not None)
    return _applied(source, declared, change, response)


def _send(
    source: Source,
    declared: Write,
    change: Change,
    version: str | None,
) -> Response:
    headers = {source.key_header: change.key} if source.key_header else {}
    if version is not None and source.spec.version:
        headers[source.spec.version.header] = version
    path = source.path_of(declared.path, change.remote_id)
    if change.op == "delete":
        return source.http.request(declared.method, path, headers=headers)
    values = {**encode_row(source.spec.columns, change.values, source.zone), **declared.body}
    body = {declared.wrap: values} if declared.wrap else values
    return source.http.request(declared.method, path, headers=headers, json=body)


def version_of(source: Source, change: Change) -> str | None:
    """The version to insist on: that of the row as last seen, else the one of the last write."""
    declared = source.spec.version
    if declared is None or change.op == "create":
        return None
    seen = at(declared.column, change.row) if declared.column else None
    return change.version if seen is None else declared.template.format(seen)


def _refused(change: Change, e: RejectedError, *, versioned: bool) -> WriteResult:
    status, sense = e.values.get("status", ""), e.values.get("sense", "")
    if change.op != "create" and (sense == "gone" or status in GONE):
        return WriteResult.gone(change.key)
    if sense == "conflict" or status in {"412", "428"} or (versioned and status in CONFLICT):
        return WriteResult.conflict(change.key)
    return WriteResult.rejected(
        change.key,
        code=e.values.get("code") or status or e.code,
        message=e.values.get("message") or str(e),
        column=e.values.get("column") or None,
    )


def _applied(source: Source, declared: Write, change: Change, response: Response) -> WriteResult:
    body = response.json() if response.content.strip() else None
    row = _stored(source, at(declared.row, body))
    remote_id = change.remote_id or _new_id(source, declared, body, row, response)
    if not remote_id:
        template = "{call}: no id of the new row: {start!r}"
        hint = "Set `create.id` or `create.row` to where the answer holds it."
        raise response.error(ProtocolError, template, hint=hint, may_have_acted=True)
    version = response.headers.get("ETag") or version_in(source, row)
    return WriteResult.applied(change.key, remote_id=remote_id, version=version, row=row)


def _stored(source: Source, raw: Any) -> Row | None:
    """The row as stored, if the answer holds all of it: its key at least."""
    if not isinstance(raw, Mapping) or any(at(name, raw) is None for name in source.spec.key):
        return None
    known = set(source.spec.columns) - set(raw)
    row = decode_row(source.spec.columns, raw, source.spec.path, source.zone)
    return None if known or isinstance(row, BadRow) else row


def version_in(source: Source, row: Row | None) -> str | None:
    declared = source.spec.version
    value = at(declared.column, row) if declared and declared.column and row else None
    return declared.template.format(value) if declared and value is not None else None


def _new_id(source: Source, declared: Write, body: Any, row: Row | None, response: Response) -> str:
    if declared.id:
        return str(at(declared.id, body) or "")
    if row is not None:
        return source.id_of(row)
    raw = at(declared.row, body)
    if isinstance(raw, Mapping) and all(at(name, raw) is not None for name in source.spec.key):
        return source.id_of(raw)
    return unquote(response.headers.get("Location", "").rstrip("/").rpartition("/")[2])


# -------------------------------------------------------------------------------------- bulk


def _many(source: Source, bulk: Bulk, changes: Sequence[Change]) -> Iterator[WriteResult]:
    records = [_record(source, bulk, change) for change in changes]
    body = {bulk.rows: records} if bulk.rows else records
    response = source.http.request(bulk.method, bulk.path, json=body)
    results = at(bulk.results, response.json())
    if not isinstance(results, list):
        template = "{call}: no list of results at {path!r}: {start!r}"
        raise response.error(ProtocolError, template, path=bulk.results)
    by_key = {change.key: change for change in changes}
    for n, result in enumerate(results):
        named = str(at(bulk.ref, result)) if bulk.ref else ""
        if not bulk.ref and n < len(changes):
            named = changes[n].key
        if change := by_key.pop(named, None):  # one without a result has an unknown outcome
            yield _result(source, bulk, change, result)


def _record(source: Source, bulk: Bulk, change: Change) -> dict[str, Any]:
    values = encode_row(source.spec.columns, change.values, source.zone)
    declared = source.spec.write(change.op)
    values |= declared.body if declared else {}
    record = {bulk.values: values} if bulk.values else values
    names = {
        bulk.ref: change.key,
        bulk.op: change.op,
        bulk.id: change.remote_id or None,
        bulk.version: version_of(source, change),
    }
    return {**record, **{k: v for k, v in names.items() if k and v is not None}}


def _result(source: Source, bulk: Bulk, change: Change, result: Any) -> WriteResult:
    status = str(at(bulk.status, result))
    if status in bulk.ok:
        row = _stored(source, at(bulk.row, result))
        found = at(bulk.result_id, result) or (source.id_of(row) if row else "")
        version = at(bulk.result_version, result) or version_in(source, row)
        remote_id = change.remote_id or str(found)
        return WriteResult.applied(change.key, remote_id=remote_id, version=version, row=row)
    if status in bulk.gone and change.op != "create":
        return WriteResult.gone(change.key)
    if status in bulk.conflict and version_of(source, change) is not None:
        return WriteResult.conflict(change.key)
    return WriteResult.rejected(
        change.key,
        code=str(at(bulk.code, result) or status),
        message=str(at(bulk.message, result) or result),
        column=at(bulk.column, result) or None,
    )
