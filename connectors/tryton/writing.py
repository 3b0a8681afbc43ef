"""Writes: many records a call, halved on a refusal until each record has its own answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from hub.connector import Change, Column, Row, WriteResult

from .models import KEY, MODIFIED, OF_VARIANT, PRODUCT, TEMPLATE, VERSION, Field, Model, Models
from .reading import rows_of
from .rpc import Refused
from .typed import Number

SALE = "sale.sale"
OURS = frozenset({*KEY, MODIFIED, VERSION})
# state wanted → state held → the buttons to press, one after the other
BUTTONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "draft": {"quotation": ("draft",), "confirmed": ("draft",), "cancelled": ("draft",)},
    "quotation": {"draft": ("quote",)},
    "confirmed": {
        "draft": ("quote", "confirm"),
        "quotation": ("confirm",),
        "processing": (),
        "done": (),
    },
    "processing": {
        "draft": ("quote", "confirm"),
        "quotation": ("confirm",),
        "confirmed": ("process",),
        "done": (),
    },
    "cancelled": {"draft": ("cancel",), "quotation": ("cancel",)},
}


class Unfit(Exception):
    """A value that is refused before it is sent."""

    def __init__(self, code: str, message: str, column: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.column = code, message, column


@dataclass(slots=True)
class Work:
    """A change made ready: `values` for the main record, `above` for the product's template."""

    change: Change
    values: dict[str, Any] = field(default_factory=dict)
    above: dict[str, Any] = field(default_factory=dict)
    state: str = ""
    remote: int = 0
    template: int = 0
    version: str | None = None


Results = Iterator[WriteResult]


def write(models: Models, name: str, batch: Sequence[Change]) -> Results:
    model = models.get(name)
    writer = Writer(models, model)
    for op in ("create", "update", "delete"):
        changes = [c for c in batch if c.op == op]
        if changes:
            yield from getattr(writer, op)(changes)


class Writer:
    """One batch for one model."""

    def __init__(self, models: Models, model: Model) -> None:
        self.models, self.model = models, model
        self.rpc = models.rpc

    # ------------------------------------------------------------------------------------ create

    def create(self, changes: Sequence[Change]) -> Results:
        ready = yield from self._prepared(changes, {})
        if self.model.name == SALE:
            self._complete_sales(ready)
        yield from self._halved(ready, self._create)

    def _create(self, some: Sequence[Work]) -> Results:
        if self.model.name == PRODUCT:
            values = [{**w.above, "products": [["create", [w.values]]]} for w in some]
            templates = self.rpc.write(f"model.{TEMPLATE}.create", values)
            found = self.rpc.read(f"model.{TEMPLATE}.read", templates, ["products"])
            products = {r["id"]: r["products"][0] for r in found}
            ids = [products[t] for t in templates]
        else:
            ids = self.rpc.write(f"model.{self.model.name}.create", [w.values for w in some])
        for work, number in zip(some, ids, strict=True):
            work.remote = number
        pressed = [self._press(w, "draft", created=True) for w in some]
        yield from (r for r in pressed if r)
        yield from self._applied([w for w, r in zip(some, pressed, strict=True) if not r])

    # ------------------------------------------------------------------------------------ update

    def update(self, changes: Sequence[Change]) -> Results:
        known = [c for c in changes if c.remote_id.isdecimal()]
        yield from (WriteResult.gone(c.key) for c in changes if c not in known)
        held = rows_of(self.models, self.model, [int(c.remote_id) for c in known])
        yield from (WriteResult.gone(c.key) for c in known if int(c.remote_id) not in held)
        there = [c for c in known if int(c.remote_id) in held]
        ready = yield from self._prepared(there, held)
        for work in ready:
            work.template = held[work.remote].get("template") or 0
        yield from self._each_once(ready, held)

    def _each_once(self, ready: list[Work], held: Mapping[int, Row]) -> Results:
        """Two changes of one record go one after the other: the server takes an id once a call."""
        while ready:
            first = {w.remote: w for w in reversed(ready)}
            some = list(first.values())
            yield from self._halved(some, lambda part: self._update(part, held))
            ready = [w for w in ready if first[w.remote] is not w]

    def _update(self, some: Sequence[Work], held: Mapping[int, Row]) -> Results:
        pairs: list[Any] = []
        for work in some:
            number, values = work.remote, work.values
            if work.template:
                number = work.template
                values = {**work.above, **self._variant(work)}
            if values:
                pairs += [[number], values]
        name = TEMPLATE if self.model.name == PRODUCT else self.model.name
        stamps = {k: v for work in some for k, v in self._stamps(work).items()}
        if pairs:
            context = {"_timestamp": stamps} if stamps else {}
            self.rpc.write(f"model.{name}.write", *pairs, **context)
        pressed = [self._press(w, str(held[w.remote].get("state", ""))) for w in some]
        yield from (r for r in pressed if r)
        yield from self._applied([w for w, r in zip(some, pressed, strict=True) if not r])

    def _variant(self, work: Work) -> dict[str, Any]:
        return {"products": [["write", [work.remote], work.values]]} if work.values else {}

    def _stamps(self, work: Work) -> dict[str, str]:
        """Record → the version it must still have."""
        if not work.version:
            return {}
        own, _, above = work.version.partition(" ")
        stamps = {f"{self.model.name},{work.remote}": own}
        return stamps | ({f"{TEMPLATE},{work.template}": above} if above else {})

    # ------------------------------------------------------------------------------------ delete

    def delete(self, changes: Sequence[Change]) -> Results:
        known = [c for c in changes if c.remote_id.isdecimal()]
        held = rows_of(self.models, self.model, [int(c.remote_id) for c in known])
        there = [c for c in known if int(c.remote_id) in held]
        yield from (WriteResult.gone(c.key) for c in changes if c not in there)
        works = [Work(c, remote=int(c.remote_id), version=c.version) for c in there]
        for work in works:
            work.template = held[work.remote].get("template") or 0
        yield from self._halved(works, self._delete)

    def _delete(self, some: Sequence[Work]) -> Results:
        stamps = {k: v for work in some for k, v in self._stamps(work).items()}
        context = {"_timestamp": stamps} if stamps else {}
        ids = list(dict.fromkeys(w.remote for w in some))
        self.rpc.write(f"model.{self.model.name}.delete", ids, **context)
        for work in some:
            yield WriteResult.applied(work.change.key, remote_id=str(work.remote))

    # ----------------------------------------------------------------------------- the common way

    def _halved(self, some: Sequence[Work], act: Callable[[Sequence[Work]], Results]) -> Results:
        if not some:
            return
        try:
            results = list(act(some))
        except Refused as e:
            if len(some) == 1:
                yield _refusal(some[0].change, e)
                return
            middle = len(some) // 2
            yield from self._halved(some[:middle], act)
            yield from self._halved(some[middle:], act)
            return
        yield from results

    def _applied(self, some: Sequence[Work]) -> Results:
        """The rows as they are now, read back in one call."""
        rows = rows_of(self.models, self.model, [w.remote for w in some])
        for work in some:
            row = rows.get(work.remote)
            version = str(row[VERSION]) if row else None
            remote_id = str(work.remote)
            yield WriteResult.applied(
                work.change.key, remote_id=remote_id, version=version, row=row
            )

    def _press(self, work: Work, state: str, *, created: bool = False) -> WriteResult | None:
        """Bring a sale to the state wanted; the result when the server will not."""
        if self.model.name != SALE or not work.state or work.state == state:
            return None
        buttons = BUTTONS.get(work.state, {}).get(state)
        try:
            if buttons is None:
                raise Refused("state", f"a sale cannot go from {state} to {work.state}")
            for button in buttons:
                self.rpc.write(f"model.{SALE}.{button}", [work.remote])
        except Refused as e:
            if created:
                self._undo(work.remote)
            return _refusal(work.change, e, "state")
        return None

    def _undo(self, number: int) -> None:
        """Take back a sale that could not be brought to its state: the create was refused."""
        for method in ("draft", "cancel", "delete"):
            try:
                self.rpc.write(f"model.{SALE}.{method}", [number])
            except Refused:
                continue

    # ----------------------------------------------------------------------------------- sales

    def _complete_sales(self, works: Sequence[Work]) -> None:
        """What a client would fill in by `on_change`: addresses and units, looked up together."""
        addresses = self._addresses({w.values.get("party") for w in works} - {None})
        lines = [line for w in works for line in _created(w.values.get("lines"))]
        lacking = [x for x in lines if x.get("product") and not x.get("unit")]
        units = self._units({line["product"] for line in lacking})
        for line in lacking:
            line["unit"] = units.get(line["product"])
        for work in works:
            address = addresses.get(work.values.get("party") or 0)
            for column in ("invoice_address", "shipment_address"):
                if work.values.get(column) is None and address:
                    work.values[column] = address

    def _addresses(self, parties: set[Any]) -> dict[int, int]:
        domain = [["party", "in", sorted(parties)], ["active", "=", True]]
        order = [["sequence", "DESC NULLS FIRST"], ["id", "DESC"]]  # the first one wins below
        found = self.rpc.read("model.party.address.search_read", domain, 0, None, order, ["party"])
        return {r["party"]: r["id"] for r in found}

    def _units(self, products: set[Any]) -> dict[int, int]:
        if not products:
            return {}
        domain = [["id", "in", sorted(products)]]
        columns = ["sale_uom", "default_uom"]
        found = self.rpc.read(f"model.{PRODUCT}.search_read", domain, 0, None, None, columns)
        return {r["id"]: r["sale_uom"] or r["default_uom"] for r in found}

    # --------------------------------------------------------------------------- making ready

    def _prepared(self, changes: Sequence[Change], held: Mapping[int, Row]) -> "Prepared":
        ready = []
        for change in changes:
            try:
                ready.append(self._work(change, held))
            except Unfit as e:
                yield WriteResult.rejected(
                    change.key, code=e.code, message=e.message, column=e.column
                )
        return ready

    def _work(self, change: Change, held: Mapping[int, Row]) -> Work:
        remote = int(change.remote_id) if change.op == "update" else 0
        work = Work(change, remote=remote, version=change.version)
        old = {**held.get(remote, {}), **change.row} if remote else {}
        given = {k: v for k, v in change.values.items() if k not in OURS}
        for name, value in given.items():
            if name in self.model.children:
                child, _ = self.model.children[name]
                wanted = [dict(item) for item in value or []]
                orders = self._orders(child, name, wanted, old.get(name) or [])
                if orders:
                    work.values[name] = orders
            elif name == "state" and self.model.name == SALE:
                work.state = str(value or "")
            elif name == "code" and self.model.name == PRODUCT:
                self._code(work, value, old)
            else:
                self._value(work, name, value)
        return work

    def _value(self, work: Work, name: str, value: Any) -> None:
        field = self.model.fields.get(name)
        if field is None:
            raise Unfit("unknown-column", f"{self.model.name} has no column {name!r}", name)
        if not field.column.writable:
            raise Unfit("read-only", f"{self.model.name}.{name} is computed by Tryton", name)
        above = self.model.name == PRODUCT and field.path.startswith("template.")
        target = work.above if above and name not in OF_VARIANT else work.values
        target[name] = self.convert(field, value)

    def _code(self, work: Work, value: Any, old: Row) -> None:
        """A product's code is the template's code and the variant's suffix together."""
        prefix = "suffix_code" not in work.change.values
        suffix = str(work.change.values.get("suffix_code") or old.get("suffix_code") or "")
        if suffix and prefix and old.get("code") == suffix:  # there is no code in the template
            work.values["suffix_code"] = value
        else:
            ends = bool(suffix and value) and str(value).endswith(suffix)
            work.above["code"] = str(value)[: -len(suffix)] if ends else value

    def _orders(
        self, child: Model, name: str, wanted: Sequence[dict[str, Any]], old: Sequence[Row]
    ) -> list[Any]:
        """The list wanted, as what to create, write and delete."""
        before = {int(item["id"]): item for item in old if item.get("id") is not None}
        kept: set[int] = set()
        created, orders = [], []
        for item in wanted:
            number = int(item["id"]) if item.get("id") is not None else 0
            values = self._item(child, name, item, before.get(number, {}))
            if number not in before:
                created.append(values)
                continue
            kept.add(number)
            if values:
                orders.append(["write", [number], values])
        if created:
            orders.append(["create", created])
        if gone := sorted(set(before) - kept):
            orders.append(["delete", gone])
        return orders

    def _item(self, child: Model, name: str, item: Row, before: Row) -> dict[str, Any]:
        """The columns of a child that differ; what Tryton computes is left to it."""
        values = {}
        for column, value in item.items():
            field = child.fields.get(column)
            if field is None:
                message = f"{child.name} has no column {column!r}"
                raise Unfit("unknown-column", message, f"{name}.{column}")
            same = column in before and before[column] == value
            if column not in OURS and field.column.writable and not same:
                values[column] = self.convert(field, value)
        return values

    def convert(self, field: Field, value: Any) -> Any:
        """A value as the server wants it; `Unfit` for what it would store wrongly."""
        if value is None:
            return None
        if field.code:
            return self._id(field, str(value))
        try:
            return _typed(field.type, field.column, value)
        except (ValueError, TypeError, InvalidOperation):
            message = f"{field.name}: {value!r} is no {field.column.kind}"
            raise Unfit("bad-value", message, field.name) from None

    def _id(self, field: Field, code: str) -> int:
        target = field.column.target
        number = self.models.id_of(target, code)
        if number is None:
            known = ", ".join(self.models.known_codes(target)[:40])
            message = f"{field.name}: {target} has no {field.code} {code!r}; it has {known}"
            raise Unfit("unknown-code", message, field.name)
        return number


Prepared = Any  # a generator of results that returns the works


def _typed(type: str, column: Column, value: Any) -> Any:
    match type:
        case "numeric":
            return Decimal(str(value))
        case "float":
            return Number(Decimal(str(value)))
        case "integer" | "biginteger" | "many2one" | "one2one":
            return int(value)
        case "boolean":
            return bool(value)
        case "date" | "datetime" | "timestamp" if isinstance(value, str | int):
            raise ValueError(value)
        case "char" | "text" | "fulltext" | "selection" | "reference":
            return str(value)
    return value


def _created(orders: Any) -> list[dict[str, Any]]:
    return [values for order in orders or [] if order[0] == "create" for values in order[1]]


def _refusal(change: Change, e: Refused, column: str | None = None) -> WriteResult:
    if e.kind == "ConcurrencyException":
        return WriteResult.conflict(change.key)
    return WriteResult.rejected(change.key, code=e.kind, message=e.message, column=column)
