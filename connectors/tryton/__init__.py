"""Tryton 7.0 to 8.x, over JSON-RPC.

Source: trytond 7.0, 8.0 and 8.2; observed on a running server (`tests/peers/tryton_server.py`).
Time:   UTC with microseconds; all records of one transaction share it.  A changed address or
        contact mechanism does not change its party's time, so reads look at the children too.
        A child that was deleted alone leaves no time at all: a complete read tells.
Money:  Decimal; `unit_price` takes four decimals; amounts are rounded per line to the currency.
Limits: one call is one transaction, all or nothing; batches of about 100 are best.  8.2 changes no
        field of an inactive record but `active`.  Deletions leave no trace: only a complete read
        tells.  Numbers of sales are given by Tryton.  Versions (`_timestamp`) are
        exact; 7.0 on SQLite counts them in whole seconds.

Rows of `party.party`, `sale.sale` and `product.product` are nested as the mappings need them;
every other model is read with its plain columns.  References to reference data (countries,
currencies, units …, setting `codes`) are read and written by their code instead of their number.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hub.connector import (
    Capabilities,
    Change,
    Column,
    Connector,
    Cursor,
    Nested,
    Number,
    Page,
    Row,
    Secret,
    Settings,
    Stream,
    Text,
    Url,
    WriteResult,
    batches,
)
from hub.errors import RejectedError

from .rpc import Client, StaleError

CODES = {
    "country.country": "code",
    "currency.currency": "code",
    "product.uom": "symbol",
    "product.category": "name",
    "account.invoice.payment_term": "name",
    "account.tax": "name",
}
KINDS = {
    "char": "text",
    "text": "text",
    "selection": "text",
    "integer": "integer",
    "float": "decimal",
    "numeric": "decimal",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "timestamp": "datetime",
    "many2one": "integer",
}
STAMP = "last_modified_at"
VERSION = "_timestamp"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a nested row is made of.  `children`: list → (model, its column of the parent, columns).
    `part`: the many2one whose columns belong to the row (a variant's template)."""

    columns: tuple[str, ...]
    children: Mapping[str, tuple[str, str, tuple[str, ...]]]
    part: str = ""
    part_model: str = ""
    part_columns: tuple[str, ...] = ()


SHAPES = {
    "party.party": Shape(
        ("name", "code", "active"),
        {
            "addresses": (
                "party.address",
                "party",
                ("party_name", "street", "city", "postal_code", "country", "active"),
            ),
            "contact_mechanisms": (
                "party.contact_mechanism",
                "party",
                ("type", "value", "name"),
            ),
            "identifiers": ("party.identifier", "party", ("type", "code")),
        },
    ),
    "product.product": Shape(
        ("active", "description"),
        {},
        "template",
        "product.template",
        ("name", "code", "type", "list_price", "default_uom", "sale_uom", "salable"),
    ),
    "sale.sale": Shape(
        (
            *("reference", "number", "description", "party", "currency", "sale_date"),
            *("shipping_date", "state", "comment", "untaxed_amount", "tax_amount"),
            "total_amount",
        ),
        {
            "lines": (
                "sale.line",
                "sale",
                (
                    *("sequence", "type", "product", "quantity", "unit", "unit_price"),
                    *("description", "amount"),
                ),
            )
        },
    ),
}
COMPUTED = {"untaxed_amount", "tax_amount", "total_amount", "amount", "number", STAMP, "id"}


class TrytonSettings(Settings):
    url = Url(help="The server's address: https://erp.example:8000")
    database = Text(help="The database's name, as the client shows it")
    user = Text(help="A user of its own for the hub, with rights on parties, products and sales")
    password = Secret(help="That user's password")
    timeout = Number(help="Seconds that one call may take", load_default=60)
    codes = Nested(
        help="Models whose records are named by a code: {model: column}", load_default={}
    )


class Tryton(Connector):
    name = "tryton"
    settings = TrytonSettings
    capabilities = Capabilities(
        read_page=200,
        write_batch=100,
        conditional_writes=True,
        settle=timedelta(seconds=10),
    )

    def open(self) -> None:
        c = self.config
        client = Client(
            c["url"], c["database"], c["user"], c["password"], timedelta(seconds=c["timeout"])
        )
        self.rpc: Client = self.enter(client)
        self.codes = {**CODES, **c["codes"]}
        self._fields: dict[str, dict[str, Any]] = {}
        self._ids: dict[str, dict[str, int]] = {}

    def check(self) -> str:
        self._call("res.user", "search_count", [], 0, None)
        return (
            f"Tryton {self.rpc.series}, database {self.rpc.database}, signed in as {self.rpc.user}"
        )

    # -------------------------------------------------------------------------------- discover

    def discover(self) -> Iterator[Stream]:
        for model in (*SHAPES, *self.codes):
            try:
                columns = self._columns(model)
            except RejectedError:
                continue  # a module that is not installed, or no right to it
            writable = model in SHAPES
            yield Stream(model, ("id",), STAMP, writable=writable, columns=columns)

    def _columns(self, model: str) -> dict[str, Column]:
        shape = SHAPES.get(model)
        names = shape.columns if shape else tuple(self._plain(model))
        columns = {
            "id": Column("integer", writable=False),
            STAMP: Column("datetime", writable=False),
            VERSION: Column("text", writable=False),
        }
        columns |= self._described(model, names)
        if shape and shape.part:
            columns |= self._described(shape.part_model, shape.part_columns)
        for name, (child, _, parts) in (shape.children if shape else {}).items():
            inner = {"id": Column("integer", writable=False), **self._described(child, parts)}
            inner[VERSION] = Column("text", writable=False)
            columns[name] = Column("rows", columns=inner)
        return columns

    def _described(self, model: str, names: Iterable[str]) -> dict[str, Column]:
        known = self._definition(model)
        found = {}
        for name in names:
            if name not in known:
                continue
            field = known[name]
            target = field.get("relation") or ""
            kind = "text" if target in self.codes else KINDS.get(field["type"], "json")
            choices = field.get("selection") or ()
            listed = isinstance(choices, list | tuple)
            found[name] = Column(
                kind,
                required=bool(field.get("required")),
                writable=not (field.get("readonly") or name in COMPUTED),
                size=field.get("size") if isinstance(field.get("size"), int) else None,
                choices=tuple(str(c[0]) for c in choices if c[0]) if listed else (),
                target=target,
                label=field.get("string", ""),
            )
        return found

    def _definition(self, model: str) -> dict[str, Any]:
        if model not in self._fields:
            self._fields[model] = self._call(model, "fields_get", None)
        return self._fields[model]

    def _plain(self, model: str) -> list[str]:
        known = self._definition(model)
        return [n for n, f in known.items() if f["type"] in KINDS and n not in (STAMP, "id")]

    # ------------------------------------------------------------------------------------ read

    def read(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        since = datetime.fromisoformat(cursor["at"]) if cursor else None
        after = (cursor["at"], cursor["id"]) if cursor else ("", 0)
        if since is not None and stream.overlap:
            since, after = since - stream.overlap, ("", 0)
        changed = self._changed(stream, since)
        order = sorted((_text(at), record) for record, at in changed.items())
        due = [entry for entry in order if entry > after]
        for some in batches(due, self.capabilities.read_page):
            rows = {int(r["id"]): r for r in self._rows(stream.name, [i for _, i in some])}
            found = [rows[i] for _, i in some if i in rows]
            yield Page(found, {"at": some[-1][0], "id": some[-1][1]}, total=len(due))

    def _changed(self, stream: Stream, since: datetime | None) -> dict[int, datetime]:
        """Ids with the latest time of the record, its part and its children, from *since* on."""
        model, where = stream.name, _domain(stream.where)
        shape = SHAPES.get(model)
        found: dict[int, datetime] = {}
        for record, at in self._stamps(model, "id", since, where):
            found[record] = max(found.get(record, at), at)
        if shape is None:
            return found
        related = [(child, column) for child, column, _ in shape.children.values()]
        late: dict[int, datetime] = {}
        for child, column in related:
            for record, at in self._stamps(child, column, since, []):
                late[record] = max(late.get(record, at), at)
        if shape.part:
            parts = dict(self._stamps(shape.part_model, "id", since, []))
            owners = self._all(model, [[shape.part, "in", list(parts)]], ["id", shape.part])
            late |= {o["id"]: parts[o[shape.part]] for o in owners} if parts else {}
        allowed = set(found) if since is None else self._matching(model, list(late), where)
        for record, at in late.items():
            if record in allowed or record in found:
                found[record] = max(found.get(record, at), at)
        return found

    def _matching(self, model: str, ids: list[int], where: list[Any]) -> set[int]:
        if not ids:
            return set()
        return {r["id"] for r in self._all(model, [["id", "in", ids], *where], ["id"])}

    def _stamps(
        self, model: str, column: str, since: datetime | None, where: list[Any]
    ) -> Iterator[tuple[int, datetime]]:
        domain = list(where)
        if since is not None:
            domain.append(
                [STAMP, ">=", since]
                if self._has_stamp
                else [
                    "OR",
                    ["write_date", ">=", since],
                    [["write_date", "=", None], ["create_date", ">=", since]],
                ]
            )
        names = ["id", column] if column != "id" else ["id"]
        for row in self._all(model, domain, [*names, *self._stamp_columns]):
            if row[column] is not None:
                yield row[column], self._stamp(row)

    @property
    def _has_stamp(self) -> bool:
        return self.rpc.major >= 8

    @property
    def _stamp_columns(self) -> list[str]:
        return [STAMP] if self._has_stamp else ["write_date", "create_date"]

    def _stamp(self, row: Mapping[str, Any]) -> datetime:
        at = row.get(STAMP) or row.get("write_date") or row.get("create_date")
        return at if isinstance(at, datetime) else datetime.fromtimestamp(0, UTC)

    def _all(self, model: str, domain: list[Any], names: list[str]) -> Iterator[dict[str, Any]]:
        """Every record of the domain, by id, in pages."""
        last, page = 0, 1000
        while True:
            here = [["id", ">", last], *domain]
            rows = self._call(model, "search_read", here, 0, page, [["id", "ASC"]], names)
            yield from rows
            if len(rows) < page:
                return
            last = rows[-1]["id"]

    # ------------------------------------------------------------------------------------ rows

    def _rows(self, model: str, ids: Sequence[int]) -> list[dict[str, Any]]:
        if not ids:
            return []
        shape = SHAPES.get(model)
        names = self._asked(model, shape.columns if shape else self._plain(model))
        names += [VERSION, *self._stamp_columns]
        if shape and shape.part:
            names += [
                shape.part,
                *_under(shape.part, self._asked(shape.part_model, shape.part_columns)),
            ]
            names += _under(shape.part, [VERSION, *self._stamp_columns])
        for name, (child, _, columns) in (shape.children if shape else {}).items():
            names += _under(name, [*self._asked(child, columns), VERSION, *self._stamp_columns])
        found = self._call(model, "search", [["id", "in", list(ids)]], 0, None, None)
        return [self._row(model, shape, r) for r in self._call(model, "read", found, names)]

    def _asked(self, model: str, columns: Iterable[str]) -> list[str]:
        """The columns to ask for: a reference to reference data by its code."""
        known = self._definition(model)
        out = []
        for name in columns:
            target = known.get(name, {}).get("relation")
            if name in known:
                out.append(f"{name}.{self.codes[target]}" if target in self.codes else name)
        return out

    def _row(self, model: str, shape: Shape | None, r: Mapping[str, Any]) -> dict[str, Any]:
        columns = shape.columns if shape else self._plain(model)
        row: dict[str, Any] = {"id": r["id"], **self._values(model, columns, r)}
        stamps, version = [self._stamp(r)], r.get(VERSION)
        if shape and shape.part:
            part = r.get(f"{shape.part}.") or {}
            row |= self._values(shape.part_model, shape.part_columns, part)
            row[shape.part] = r.get(shape.part)
            stamps.append(self._stamp(part))
            version = f"{version}/{part.get(VERSION)}"
        for name, (child, _, parts) in (shape.children if shape else {}).items():
            items = sorted(r.get(f"{name}.") or [], key=lambda i: i["id"])
            row[name] = [
                {"id": i["id"], **self._values(child, parts, i), VERSION: i.get(VERSION)}
                for i in items
            ]
            stamps += [self._stamp(i) for i in items]
        row[STAMP] = max(stamps)
        row[VERSION] = version
        return row

    def _values(self, model: str, columns: Iterable[str], r: Mapping[str, Any]) -> dict[str, Any]:
        known, values = self._definition(model), {}
        for name in columns:
            field = known.get(name)
            if field is None:
                continue
            target = field.get("relation")
            coded = target in self.codes
            value = (r.get(f"{name}.") or {}).get(self.codes[target]) if coded else r.get(name)
            if field["type"] == "float" and value is not None:
                value = Decimal(str(value))
            if field["type"] == "boolean":
                value = bool(value)
            values[name] = value
        return values

    def fetch(self, stream: Stream, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
        ids = [int(k) for k in keys if isinstance(k, str) and k.isdigit()]
        for key in keys:
            if not isinstance(key, str):
                domain = [[self._searched(stream.name, c), "=", v] for c, v in key.items()]
                ids += self._call(stream.name, "search", domain, 0, None, None)
        for some in batches(dict.fromkeys(ids), self.capabilities.read_page):
            yield from self._rows(stream.name, some)

    def _searched(self, model: str, column: str) -> str:
        """The column in a domain; columns of the part are searched through it."""
        shape = SHAPES.get(model)
        known = self._definition(model)
        inside = shape and shape.part and column in shape.part_columns and column != "code"
        owner = self._definition(shape.part_model) if shape and inside else known
        target = owner.get(column, {}).get("relation")
        path = f"{column}.{self.codes[target]}" if target in self.codes else column
        return f"{shape.part}.{path}" if shape and inside else path

    def version_of(self, stream: Stream, row: Row) -> str | None:
        return row.get(VERSION)

    # ----------------------------------------------------------------------------------- write

    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        model = stream.name
        done: dict[str, int] = {}
        creates = [c for c in batch if c.op == "create"]
        yield from self._create(model, creates, done)
        idle = [done[c.key] for c in creates if c.key in done and _is_idle(c.values)]
        if idle:
            self._call(model, "write", idle, {"active": False})
        for change in batch:
            if change.op == "update":
                yield from self._update(model, change, done)
            elif change.op == "delete":
                yield self._delete(model, change)
        rows = {r["id"]: r for r in self._rows(model, list(done.values()))}
        for key, record in done.items():
            if record in rows:
                row = rows[record]
                yield WriteResult.applied(key, remote_id=str(record), version=row[VERSION], row=row)

    def _create(
        self, model: str, changes: Sequence[Change], done: dict[str, int]
    ) -> Iterator[WriteResult]:
        """All in one call; refused, in halves, so that the bad record is found."""
        if not changes:
            return
        try:
            values = [self._new(model, c.values) for c in changes]
            done |= dict(zip([c.key for c in changes], self._created(model, values), strict=True))
        except RejectedError as e:
            if len(changes) == 1:
                yield _rejected(changes[0], e)
                return
            half = len(changes) // 2
            yield from self._create(model, changes[:half], done)
            yield from self._create(model, changes[half:], done)

    def _created(self, model: str, values: list[dict[str, Any]]) -> list[int]:
        shape = SHAPES.get(model)
        if not (shape and shape.part):
            return [int(i) for i in self._call(model, "create", values)]
        parts = self._call(shape.part_model, "create", values)
        found = self._call(shape.part_model, "read", parts, ["products"])
        of_part = {r["id"]: r["products"][0] for r in found}
        return [int(of_part[part]) for part in parts]

    def _new(self, model: str, row: Row) -> dict[str, Any]:
        """What a create is given.  8.2 takes no field of an inactive record: that comes after."""
        shape = SHAPES.get(model)
        row = {k: v for k, v in row.items() if k != "active"} if _is_idle(row) else row
        if shape and shape.part:
            part = {k: v for k, v in row.items() if k in shape.part_columns}
            own = {k: v for k, v in row.items() if k in shape.columns}
            variant = self._to_remote(model, own)
            return {
                **self._to_remote(shape.part_model, part),
                "products": [["create", [variant]]],
            }
        return self._to_remote(model, row, shape)

    def _to_remote(
        self, model: str, row: Row, shape: Shape | None = None, old: Row | None = None
    ) -> dict[str, Any]:
        known, out = self._definition(model), {}
        for name, value in row.items():
            if shape and name in shape.children:
                child = shape.children[name][0]
                commands = self._commands(child, value or [], (old or {}).get(name) or [])
                if commands:
                    out[name] = commands
            elif name in known and name not in COMPUTED:
                out[name] = self._value(known[name], value)
        return out

    def _value(self, field: Mapping[str, Any], value: Any) -> Any:
        target = str(field.get("relation"))
        if target in self.codes and value is not None:
            return self._id_of(target, str(value))
        if value is None:
            return None
        if field["type"] == "float":
            return float(value)
        if field["type"] == "numeric":
            return Decimal(str(value))
        return value

    def _id_of(self, model: str, code: str) -> int:
        known = self._ids.get(model)
        if known is None or code not in known:
            column = self.codes[model]
            rows = self._all(model, [], ["id", column])
            known = self._ids[model] = {str(r[column]): r["id"] for r in rows}
        if code not in known:
            raise RejectedError(
                "{model} has no {code!r}; known are {known}",
                model=model,
                code=code,
                known=", ".join(sorted(known)[:20]),
            )
        return known[code]

    def _commands(
        self, model: str, wanted: Sequence[Row], before: Sequence[Row]
    ) -> list[list[Any]]:
        """What turns the list as it was into the one wanted, in Tryton's words."""
        old = {i["id"]: i for i in before if "id" in i}
        commands: list[list[Any]] = []
        new = [self._to_remote(model, i) for i in wanted if i.get("id") not in old]
        for item in wanted:
            known = old.pop(item.get("id"), None)
            if known is None:
                continue
            changed = {k: v for k, v in item.items() if known.get(k) != v}
            if changed:
                commands.append(["write", [item["id"]], self._to_remote(model, changed)])
        if old:
            commands.append(["delete", list(old)])
        return [*commands, ["create", new]] if new else commands

    def _update(self, model: str, change: Change, done: dict[str, int]) -> Iterator[WriteResult]:
        record = int(change.remote_id)
        shape = SHAPES.get(model)
        try:
            own = {
                k: v for k, v in change.values.items() if not shape or k not in shape.part_columns
            }
            values = self._to_remote(model, own, shape, change.row)
            seen = _seen(model, shape, change)
            stamped = {VERSION: seen}
            if values.get("active") and len(values) > 1:  # first, or 8.2 refuses the rest
                active = {"active": values.pop("active")}
                self._call(model, "write", [record], active, context=stamped)
                seen.pop(f"{model},{record}", None)
            if shape and shape.part:
                part = {k: v for k, v in change.values.items() if k in shape.part_columns}
                template = self._call(model, "read", [record], [shape.part])
                if not template:
                    yield WriteResult.gone(change.key)
                    return
                if part:
                    remote = self._to_remote(shape.part_model, part)
                    part_id = template[0][shape.part]
                    self._call(shape.part_model, "write", [part_id], remote, context=stamped)
            if values:
                self._call(model, "write", [record], values, context=stamped)
            done[change.key] = record
        except StaleError:
            now = self._rows(model, [record])
            yield WriteResult.conflict(change.key, version=now[0][VERSION] if now else None)
        except RejectedError as e:
            if not self._call(model, "search", [["id", "=", record]], 0, None, None):
                yield WriteResult.gone(change.key)
            else:
                yield _rejected(change, e)

    def _delete(self, model: str, change: Change) -> WriteResult:
        try:
            self._call(model, "delete", [int(change.remote_id)])
        except RejectedError as e:
            return _rejected(change, e)
        return WriteResult.applied(change.key, remote_id=change.remote_id)

    def _call(
        self, model: str, method: str, *params: Any, context: Mapping[str, Any] | None = None
    ) -> Any:
        # The preferences carry company and language; they are known once somebody signed in.
        base = {"active_test": False}
        if not self.rpc.preferences:
            self.rpc.call("model.res.user.get_preferences", True, {})
        company = self.rpc.preferences.get("company")
        full = {**base, **({"company": company} if company else {}), **(context or {})}
        return self.rpc.call(f"model.{model}.{method}", *params, full)


def _is_idle(values: Row) -> bool:
    return values.get("active") is False


def _seen(model: str, shape: Shape | None, change: Change) -> dict[str, str]:
    """The versions of the record, of its part and of its children, each checked if it is written."""
    if not change.version:
        return {}
    own, _slash, part = change.version.partition("/")
    seen = {f"{model},{change.remote_id}": own}
    if shape and part and change.row.get(shape.part):
        seen[f"{shape.part_model},{change.row[shape.part]}"] = part
    for name, (child, _, _) in (shape.children if shape else {}).items():
        items = change.row.get(name) or ()
        seen |= {f"{child},{i['id']}": i[VERSION] for i in items if i.get(VERSION)}
    return seen


def _rejected(change: Change, error: RejectedError) -> WriteResult:
    return WriteResult.rejected(
        change.key, code="refused", message=error.template, values=error.values
    )


def _domain(where: Mapping[str, Any]) -> list[Any]:
    """The mapping's filter: {domain: [...]} as Tryton has it, or {column: value}."""
    if "domain" in where:
        return list(where["domain"])
    return [[name, "in" if isinstance(v, list) else "=", v] for name, v in where.items()]


def _under(name: str, columns: Iterable[str]) -> list[str]:
    return [f"{name}.{column}" for column in columns]


def _text(at: datetime) -> str:
    """Fixed width, so that it sorts as text."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
