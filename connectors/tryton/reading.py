"""Reads: whole ones by id; incremental ones by the latest change of a record or of what hangs on it.

Editing a phone number changes `party.contact_mechanism` alone, a template's name `product.template`
alone.  An incremental read therefore first collects, from the model and those beside it, which
records changed and when (`changed`), and then pages through them in the order of (change, id).
What changes after the read has begun is left to the next one: otherwise a record that is changed
behind the scan, before one that is changed ahead of it, would be lost.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.connector import Cursor, Page, Row, Stream, batches
from hub.errors import ConfigError

from .models import CHILDREN, MODIFIED, PRODUCT, TEMPLATE, Model, Models
from .typed import Number

SCAN = 5000  # ids and times per call
FETCH = 100  # keys per call


def read(models: Models, stream: Stream, cursor: Cursor | None, size: int) -> Iterator[Page]:
    model = models.get(stream.name)
    domain = where(model, stream.where)
    if stream.cursor_column:
        yield from _by_change(models, model, domain, stream.overlap, cursor or {}, size)
    else:
        yield from _by_id(models, model, domain, cursor, size)


def _by_id(
    models: Models, model: Model, domain: list[Any], cursor: Cursor | None, size: int
) -> Iterator[Page]:
    last = int((cursor or {}).get("id", 0))
    total = None
    if cursor is None:
        total = models.rpc.read(f"model.{model.name}.search_count", domain, 0, None)
    while True:
        after = [*domain, ["id", ">", last]]
        rows = _rows(models, model, after, limit=size, order=[["id", "ASC"]])
        last = max((row["id"] for row in rows), default=last)
        yield Page(rows, {"id": last}, total=total)
        if len(rows) < size:
            return


def _by_change(
    models: Models,
    model: Model,
    domain: list[Any],
    overlap: timedelta,
    cursor: Cursor,
    size: int,
) -> Iterator[Page]:
    last = _position(cursor)
    since = last[0] - overlap if last else None
    found = changed(models, model, domain, since)
    places = sorted((moment, number) for number, moment in found.items())
    if last and not overlap:
        places = [place for place in places if place > last]
    for some in batches(places, size):
        ids = [number for _, number in some]
        rows = {r["id"]: r for r in _rows(models, model, [["id", "in", ids]])}
        last = max(last or some[-1], some[-1])
        yield Page([rows[i] for i in ids if i in rows], _cursor(last))
    if not places:
        yield Page([], dict(cursor))


def _position(cursor: Cursor) -> tuple[datetime, int] | None:
    if "modified" not in cursor:
        return None
    return datetime.fromisoformat(cursor["modified"]), int(cursor["id"])


def _cursor(place: tuple[datetime, int]) -> dict[str, Any]:
    return {"modified": place[0].isoformat(), "id": place[1]}


# ------------------------------------------------------------------------------ what has changed


def changed(
    models: Models, model: Model, domain: list[Any], since: datetime | None
) -> dict[int, datetime]:
    """Record → its latest change, its own or beside it, from *since* to now."""
    beside = _beside(model.name)
    sources = [(model.name, "id"), *beside]
    horizon = max((_latest(models, name) for name, _ in sources), default=datetime.max)
    found: dict[int, datetime] = {}
    for name, link in sources:
        limits = domain if link == "id" else []
        for number, moment in _scan(models, name, link, limits, since):
            found[number] = max(found.get(number, moment), moment)
    if domain and beside:
        wanted = _matching(models, model.name, domain, list(found))
        found = {number: moment for number, moment in found.items() if number in wanted}
    return {number: moment for number, moment in found.items() if moment <= horizon}


def _beside(name: str) -> list[tuple[str, str]]:
    """The models whose changes count as changes of this one, and the field that leads to it."""
    if name == PRODUCT:
        return [(TEMPLATE, "products")]
    return list(CHILDREN.get(name, {}).values())


def _latest(models: Models, name: str) -> datetime:
    columns = ["create_date", "write_date"]
    if models.rpc.paths.has_last_modified:
        columns = [MODIFIED]
    latest = datetime.min.replace(tzinfo=UTC)
    for column in columns:
        order = [[column, "DESC NULLS LAST"]]
        for row in models.rpc.read(f"model.{name}.search_read", [], 0, 1, order, [column]):
            latest = max(latest, row[column] or latest)
    return latest


def _scan(
    models: Models, name: str, link: str, domain: list[Any], since: datetime | None
) -> Iterator[tuple[int, datetime]]:
    modern = models.rpc.paths.has_last_modified
    times = [MODIFIED] if modern else ["write_date", "create_date"]
    recent = _since(since, modern)
    last = 0
    while True:
        limits = [*domain, *recent, ["id", ">", last]]
        rows = models.rpc.read(
            f"model.{name}.search_read", limits, 0, SCAN, [["id", "ASC"]], [link, *times]
        )
        for row in rows:
            moment = next(row[t] for t in times if row[t])
            for number in _ids(row[link]):
                yield number, moment
        if len(rows) < SCAN:
            return
        last = rows[-1]["id"]


def _since(since: datetime | None, modern: bool) -> list[Any]:
    if since is None:
        return []
    if modern:
        return [[MODIFIED, ">=", since]]
    fresh = [["write_date", "=", None], ["create_date", ">=", since]]
    return [["OR", [["write_date", ">=", since]], fresh]]


def _ids(value: Any) -> Iterable[int]:
    if isinstance(value, list):
        return value
    return [value] if value is not None else []


def _matching(models: Models, name: str, domain: list[Any], ids: list[int]) -> set[int]:
    found: set[int] = set()
    for some in batches(ids, SCAN):
        limits = [*domain, ["id", "in", some]]
        found.update(models.rpc.read(f"model.{name}.search", limits, 0, None, None))
    return found


# ----------------------------------------------------------------------------------- rows, domains


def fetch(
    models: Models, name: str, keys: Sequence[str | Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    model = models.get(name)
    ids = [int(k) for k in keys if isinstance(k, str) and k.isascii() and k.isdecimal()]
    seen: set[int] = set()
    domains: list[list[Any]] = [[["id", "in", some]] for some in batches(ids, FETCH)]
    described = [where(model, k) for k in keys if isinstance(k, Mapping) and k]
    domains += [["OR", *some] for some in batches(described, FETCH)]
    for domain in domains:
        rows = {r["id"]: r for r in _rows(models, model, domain) if r["id"] not in seen}
        seen.update(rows)
        order = [i for i in ids if i in rows] or list(rows)
        yield from (rows.pop(i) for i in order if i in rows)
        yield from rows.values()


def rows_of(models: Models, model: Model, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The rows by id, in one call."""
    return {r["id"]: r for r in _rows(models, model, [["id", "in", list(ids)]])} if ids else {}


def _rows(
    models: Models,
    model: Model,
    domain: list[Any],
    *,
    limit: int | None = None,
    order: list[Any] | None = None,
) -> list[dict[str, Any]]:
    records = models.rpc.read(
        f"model.{model.name}.search_read", domain, 0, limit, order, model.asked
    )
    return [model.row(record) for record in records]


def where(model: Model, wanted: Row) -> list[Any]:
    """A domain from `{"domain": […]}` and from column values, a list standing for any of its."""
    domain = list(wanted.get("domain", []))
    for name, value in wanted.items():
        if name != "domain":
            operator = "in" if isinstance(value, list | tuple) else "="
            domain.append([_searched(model, name), operator, _term(model, name, value)])
    return domain


def _searched(model: Model, name: str) -> str:
    """The field to search by; a path such as `contact_mechanisms.value` is taken as it is."""
    head = name.split(".")[0]
    if head not in model.columns:
        raise ConfigError(
            "tryton: {model} has no column {name!r}",
            model=model.name,
            name=name,
            hint="See `hub discover`; {domain: […]} takes any Tryton domain.",
        )
    field = model.fields.get(name)
    if field is None:
        return name
    path = name if model.name == PRODUCT else field.path
    return f"{path}.{field.code}" if field.code else path


def _term(model: Model, name: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_term(model, name, v) for v in value]
    field = model.fields.get(name)
    if field and field.type == "float" and value is not None:
        return Number(value)
    if field and field.column.kind == "integer" and isinstance(value, str) and value.isdecimal():
        return int(value)
    return value
