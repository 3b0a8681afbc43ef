"""Lists of records, now or as of an instant: filtered, page by page, in bounded memory."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Connection, Select, func, select

from hub.entity import Entity, Field
from hub.errors import ConfigError
from hub.store import records
from hub.store.records import Record
from hub.store.session import Store
from hub.sync import history
from hub.sync.flow import Env

PAGE = 500
ENVELOPE = ("id", "version", "active", "created_at", "created_by", "updated_at", "updated_by")
_FILTER = re.compile(r"([\w.$-]+?)\s*(!=|>=|<=|=|~|>|<)\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Filter:
    """`path` (a field, a part of one, or a name of the envelope) compared to `text`."""

    entity: Entity
    path: str
    operator: str
    text: str
    kind: str

    def holds(self, view: Mapping[str, Any]) -> bool:
        value = value_at(self.entity.fields, view, self.path)
        if self.operator == "~":
            return self.text.casefold() in _text(value).casefold()
        if self.operator in ("=", "!="):
            return bool(self._equals(value) == (self.operator == "="))
        one, other = self._order(value), self._order(self.text)
        if one is None or other is None:
            return False
        holds = {">": one > other, "<": one < other, ">=": one >= other, "<=": one <= other}
        return bool(holds[self.operator])

    def _equals(self, value: Any) -> bool:
        if isinstance(value, list):
            return any(self._equals(part) for part in value)
        if isinstance(value, bool):
            return self.text.casefold() in (("true", "yes", "1") if value else ("false", "no", "0"))
        if self.kind in ("decimal", "integer") and value is not None:
            return bool(self._order(value) == self._order(self.text))
        return _text(value).casefold() == self.text.casefold()

    def _order(self, value: Any) -> Any:
        if self.kind not in ("decimal", "integer"):
            return None if value is None else str(value)
        try:
            return Decimal(str(value))
        except InvalidOperation:
            return None


def filters(entity: Entity, texts: Sequence[str]) -> list[Filter]:
    """`name~acme`, `address.city=Berlin`, `credit_limit>=1000`; ConfigError names what is wrong."""
    return [_filter(entity, text) for text in texts]


def _filter(entity: Entity, text: str) -> Filter:
    found = _FILTER.fullmatch(text.strip())
    if not found:
        raise ConfigError(
            "not a filter: {text!r}",
            text=text,
            hint="Write FIELD=TEXT, or with one of != ~ > < >= <= : 'name~acme'.",
        )
    path = found[1]
    kind = "text" if path in ENVELOPE or path.startswith("ext.") else kind_at(entity, path)
    return Filter(entity, path, found[2], found[3], kind)


def kind_at(entity: Entity, path: str) -> str:
    """The kind of the field or part at a path; ConfigError names the fields there are."""
    parts: tuple[Field, ...] = entity.fields
    kind = ""
    for name in plain_path(path).split("."):
        declared = next((f for f in parts if f.name == name), None)
        if declared is None:
            raise ConfigError(
                "{entity} has no field {name!r}",
                entity=entity.name,
                name=path,
                hint="There are: {known}.",
                known=", ".join(f.name for f in (parts or entity.fields)),
            )
        parts, kind = declared.fields, declared.kind
    return kind


def plain_path(path: str) -> str:
    """The path without the keys of items: "lines[3].price" → "lines.price"."""
    return re.sub(r"\[[^\]]*\]", "", path)


def value_at(parts: Sequence[Field], values: Any, path: str) -> Any:
    """What stands at a path: a part of an object, that part of every item, or of the item [key]."""
    if isinstance(values, Mapping) and path in values:
        return values[path]
    here = values
    for step in path.split("."):
        name, _, key = step.partition("[")
        declared = next((f for f in parts if f.name == name), None)
        here = _step(here, name)
        if key and isinstance(here, list) and declared is not None:
            wanted = key.rstrip("]")
            here = next((i for i in here if str(_step(i, declared.key)) == wanted), None)
        parts = declared.fields if declared is not None else ()
    return here


def _step(here: Any, name: str) -> Any:
    if isinstance(here, list):
        return [item.get(name) for item in here if isinstance(item, Mapping)]
    return here.get(name) if isinstance(here, Mapping) else None


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)


# ------------------------------------------------------------------------------------------ pages


def view(entity: Entity, record: Record) -> dict[str, Any]:
    """The record in the names of the entity, with its envelope; fields without a value are left out."""
    names = entity.from_column
    fields = {names[c]: v for c, v in record.values.items() if c in names}
    ordered = {f.name: fields[f.name] for f in entity.fields if f.name in fields}
    custom = {k: v for k, v in sorted(record.values.items()) if k.startswith("ext.")}
    return {**ordered, **custom, **{name: getattr(record, name) for name in ENVELOPE}}


def walk(
    connection: Connection,
    store: Store,
    entity: Entity,
    *,
    at: str | None = None,
    where: Sequence[Filter] = (),
    after: str = "",
) -> Iterator[dict[str, Any]]:
    """The live records that the filters hold for, in the order they were made, as views.

    Pages by key, so that memory does not grow with the table; `after` is the id to go on behind.
    """
    while True:
        query = _page(store, entity, at, where, after)
        ids = list(connection.execute(query).scalars())
        if not ids:
            return
        after = ids[-1]
        if at is None:
            found = records.load(connection, store, entity.stored, ids)
        else:
            found = history.records_at(connection, store, entity.stored, ids, at)
        for id_ in ids:
            record = found.get(id_)
            if record is None or record.deleted_at or not _is_in(entity, record):
                continue
            shown = view(entity, record)
            if all(f.holds(shown) for f in where):
                yield shown


def count(connection: Connection, store: Store, entity: Entity, at: str | None) -> int:
    """At most so many records are listed: for progress."""
    table = store.tables[entity.stored]
    query = select(func.count()).select_from(table)
    return int(
        connection.execute(query.where(table.c.created_at <= at) if at else query).scalar_one()
    )


def _page(
    store: Store, entity: Entity, at: str | None, where: Sequence[Filter], after: str
) -> Select[Any]:
    table = store.tables[entity.stored]
    query = select(table.c.id).where(table.c.id > after).order_by(table.c.id).limit(PAGE)
    if at is not None:
        return query.where(table.c.created_at <= at)
    for f in where:  # what an index may help with; every filter is applied to the views again
        if f.operator == "=" and f.kind in ("text", "choice") and f.text and f.text.isascii():
            column = table.c.get(entity.column(f.path))
            if column is not None and f.path not in ENVELOPE:
                query = query.where(func.lower(column) == f.text.lower())
    return query.where(table.c.deleted_at.is_(None))


def called(store: Store, record: Record) -> str:
    """What people call the record: its code in one of its roles, else its name, else its id."""
    own = store.entities[record.entity]
    views = [e for e in store.entities.values() if e.stored == own.name]
    for entity in sorted(views, key=lambda e: e.view_of == ""):
        code = record.values.get(entity.column(entity.code))
        if code and _is_in(entity, record):
            return str(code)
    return record.id


def _is_in(entity: Entity, record: Record) -> bool:
    return not entity.role or entity.role in (record.values.get("roles") or ())


def listed(
    env: Env,
    entity: Entity,
    *,
    where: Sequence[str] = (),
    at: str | None = None,
    after: str = "",
    limit: int = 50,
) -> dict[str, Any]:
    """One page; `next`: what to give as *after* for the next one, None at the end."""
    wanted = filters(entity, where)
    found: list[dict[str, Any]] = []
    with env.store.read() as connection:
        for shown in walk(connection, env.store, entity, at=at, where=wanted, after=after):
            if len(found) == limit:
                return {**_head(entity, at), "records": found, "next": found[-1]["id"]}
            found.append(shown)
    return {**_head(entity, at), "records": found, "next": None}


def _head(entity: Entity, at: str | None) -> dict[str, Any]:
    return {"entity": entity.name, "at": at}
