"""What a model looks like: its fields as columns, and how its records become rows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from hub.connector import Column, Row
from hub.errors import NotFoundError

from .rpc import Refused, Rpc

PRODUCT, TEMPLATE = "product.product", "product.template"
MODIFIED = "last_modified_at"
VERSION = "_timestamp"
KEY = ("id",)
CHILDREN: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "party.party": {
        "addresses": ("party.address", "party"),
        "contact_mechanisms": ("party.contact_mechanism", "party"),
        "identifiers": ("party.identifier", "party"),
    },
    "sale.sale": {"lines": ("sale.line", "sale")},
}
KINDS = {
    "char": "text",
    "text": "text",
    "fulltext": "text",
    "selection": "text",
    "reference": "text",
    "time": "text",
    "integer": "integer",
    "biginteger": "integer",
    "many2one": "integer",
    "one2one": "integer",
    "numeric": "decimal",
    "float": "decimal",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "timestamp": "datetime",
}
# computed at some cost, of no use outside, or ours under another name
LEFT_OUT = frozenset(
    "create_uid write_uid last_modified_by write_date xml_id rec_name code_readonly distance"
    " payable payable_today receivable receivable_today"
    " quantity_to_invoice quantity_to_ship invoice_progress moves_progress moves_exception"
    " movable actual_quantity from_location to_location"
    " untaxed_amount_cache tax_amount_cache total_amount_cache".split()
)
STOCK = frozenset(
    "quantity forecast_quantity cost_value cost_price_uom list_price_uom sale_price_uom"
    " purchase_price_uom last_purchase_price_uom".split()
)
OF_VARIANT = frozenset({"id", "code", "active", "create_date", "cost_price", MODIFIED, VERSION})
STATES = ("draft", "quotation", "confirmed", "processing", "done", "cancelled")


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name in the row, where it is asked for (`path`), and what it holds."""

    name: str
    path: str
    type: str
    column: Column
    code: str = ""
    """The column of the target that stands for it, where it is spoken of by code."""

    @property
    def asked(self) -> str:
        return f"{self.path}.{self.code}" if self.code else self.path

    def value(self, record: Row) -> Any:
        """The value from a record as `read` gives it, with related ones under `name.`."""
        here: Any = record
        *steps, last = self.asked.split(".")
        for step in steps:
            here = here.get(f"{step}.") if here else None
        return _plain(self.type, here.get(last)) if here else None


def _plain(type: str, value: Any) -> Any:
    if value is None:
        return None
    if type == "boolean":
        return bool(value)  # SQLite gives 1 and 0
    if type in {"float", "numeric"} and not isinstance(value, Decimal):
        return Decimal(str(value))
    return value


@dataclass(frozen=True)
class Model:
    """`fields` by row column; `children` by row column, with the field that leads to the parent."""

    name: str
    fields: Mapping[str, Field]
    children: Mapping[str, tuple["Model", str]] = field(default_factory=dict)

    @cached_property
    def columns(self) -> dict[str, Column]:
        lists = {
            name: Column("rows", columns=child.columns) for name, (child, _) in self.children.items()
        }
        return {**{name: f.column for name, f in self.fields.items()}, **lists}

    @cached_property
    def asked(self) -> list[str]:
        """The field names of a `search_read` that gives whole rows."""
        own = [f.asked for f in self.fields.values()]
        for name, (child, _) in self.children.items():
            own += [f"{name}.{path}" for path in child.asked]
        if self.name == PRODUCT:
            own += [f"template.{MODIFIED}", f"template.{VERSION}"]
        return list(dict.fromkeys(own))

    def row(self, record: Row) -> dict[str, Any]:
        """A plain row; what was modified last below it counts as its own modification."""
        row = {name: f.value(record) for name, f in self.fields.items()}
        for name, (child, _) in self.children.items():
            row[name] = [child.row(r) for r in record.get(f"{name}.") or ()]
        above = record.get("template.") if self.name == PRODUCT else None
        if above:
            row[VERSION] = f"{row[VERSION]} {above[VERSION]}"
        parts = [row, *(above and [above] or []), *(c for n in self.children for c in row[n])]
        row[MODIFIED] = max((p[MODIFIED] for p in parts if p.get(MODIFIED)), default=None)
        return row


class Models:
    """Models by name, described by the server once."""

    def __init__(self, rpc: Rpc, codes: Mapping[str, str]) -> None:
        self.rpc, self.codes = rpc, codes
        self._models: dict[str, Model] = {}
        self._ids: dict[str, dict[str, int]] = {}

    def get(self, name: str) -> Model:
        """NotFoundError for a model that this server, or this user, does not have."""
        if name not in self._models:
            self._models[name] = self._describe(name)
        return self._models[name]

    def id_of(self, model: str, code: str) -> int | None:
        """The record a code stands for; looked up again when it is not known yet."""
        if code not in self._ids.get(model, {}):
            column = self.codes[model]
            found = self.rpc.read(
                f"model.{model}.search_read", [], 0, None, [["id", "DESC"]], [column]
            )
            self._ids[model] = {str(r[column]): r["id"] for r in found if r.get(column)}
        return self._ids[model].get(code)

    def known_codes(self, model: str) -> list[str]:
        return sorted(self._ids.get(model, {}))

    def _describe(self, name: str) -> Model:
        declared = self._declared(name)
        children = {
            column: (self._child(model, link), link)
            for column, (model, link) in CHILDREN.get(name, {}).items()
            if column in declared
        }
        fields = self._fields(name, declared, left_out=LEFT_OUT)
        if name == PRODUCT:
            above = self._fields(TEMPLATE, self._declared(TEMPLATE), LEFT_OUT | STOCK | OF_VARIANT)
            fields = {n: f for n, f in fields.items() if n not in STOCK}
            fields |= {n: _moved(f) for n, f in above.items()}
            fields["code"] = _writable(fields["code"])
        if name == "sale.sale":
            fields["state"] = _writable(fields["state"])
        return Model(name, fields, children)

    def _child(self, name: str, link: str) -> Model:
        model = self.get(name)
        kept = {n: f for n, f in model.fields.items() if n != link}
        return Model(name, kept)

    def _declared(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self.rpc.read(f"model.{name}.fields_get", [])
        except Refused as e:
            raise NotFoundError(
                "tryton: no model {name!r} here ({words})",
                name=name,
                words=e.message,
                hint="Streams are models by name, as party.party; is its module activated?",
            ) from e
        return found

    def _fields(
        self, name: str, declared: Mapping[str, Any], left_out: frozenset[str]
    ) -> dict[str, Field]:
        given = self._defaults(name, declared)
        fields = {
            column: self._field(column, about, given)
            for column, about in sorted(declared.items())
            if about["type"] in KINDS and column not in left_out
        }
        for column in ("id", MODIFIED, VERSION):
            kind = {"id": "integer", MODIFIED: "timestamp"}.get(column, "char")
            fixed = Column(KINDS[kind], writable=False)
            fields[column] = Field(column, column, kind, fixed)
        if not self.rpc.paths.has_last_modified:
            fields[MODIFIED] = OldModified(MODIFIED, MODIFIED, "timestamp", fields[MODIFIED].column)
            fields["write_date"] = Field(
                "write_date", "write_date", "timestamp", Column("datetime", writable=False)
            )
        return fields

    def _defaults(self, name: str, declared: Mapping[str, Any]) -> set[str]:
        """The required fields that the server fills by itself."""
        required = [n for n, about in declared.items() if about.get("required")]
        try:
            found = self.rpc.read(f"model.{name}.default_get", required) if required else {}
        except Refused:
            return set()
        return {n for n, value in found.items() if value is not None}

    def _field(self, name: str, about: Mapping[str, Any], given: set[str]) -> Field:
        target = about.get("relation") or ""
        code = self.codes.get(target, "") if about["type"] == "many2one" else ""
        selection = about.get("selection")
        choices = [str(k) for k, _ in selection if k] if isinstance(selection, list) else []
        size = about.get("size")
        column = Column(
            "text" if code else KINDS[about["type"]],
            required=bool(about.get("required")) and name not in given,
            writable=not about.get("readonly"),
            size=size if isinstance(size, int) else None,
            scale=_scale(about.get("digits")),
            choices=tuple(choices),
            target=target,
            label=about.get("string") or "",
        )
        return Field(name, name, about["type"], column, code)


class OldModified(Field):
    """Before series 8: `write_date`, or `create_date` where nothing was written since."""

    __slots__ = ()

    @property
    def asked(self) -> str:
        return "create_date"

    def value(self, record: Row) -> Any:
        return record.get("write_date") or record.get("create_date")


def _scale(digits: Any) -> int | None:
    """The fixed number of decimals; None where a unit or currency of the record decides."""
    try:
        parsed = json.loads(digits) if isinstance(digits, str) else digits
    except ValueError:
        return None
    match parsed:
        case [_, int(scale)]:
            return scale
    return None


def _moved(f: Field) -> Field:
    return Field(f.name, f"template.{f.path}", f.type, f.column, f.code)


def _writable(f: Field) -> Field:
    c = f.column
    column = Column(c.kind, choices=c.choices, size=c.size, target=c.target, label=c.label)
    return Field(f.name, f.path, f.type, column, f.code)
