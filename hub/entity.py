"""`Entity` and `Field`: one declaration gives table, schema, form and mapping target.

A canonical value is always in **normal form**, which is JSON: text in NFC, integers, booleans,
decimals as plain text without trailing zeros ("1234.5"), dates "2025-03-01", instants
"2025-03-01T00:30:00Z", choices as their code, a reference as the record's id, objects as dicts,
lists as lists.  So two values are the same if they are `==`, and what is stored is what is compared.
`null` (None) clears a field; a field that is absent from a dict is left alone; "" is a value.

A stored entity (`party`) owns a table.  A *view* (`customer`, a party in that role) has fields of
its own names, each living in exactly one field of the stored entity.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

Kind = Literal[
    "text",
    "integer",
    "decimal",
    "boolean",
    "date",
    "datetime",
    "choice",
    "ref",
    "object",
    "list",
    "set",
]
MONEY = (20, 6)
PRICE = (30, 10)
QUANTITY = (28, 10)
RATIO = (9, 6)


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `zh` and `en` are its labels; the other attributes apply to the kinds named.

    `size` (text): longest value.  `precision` (decimal): digits in all, and after the point.
    `choices` (choice): the closed list of codes.  `target` (ref): the entity referred to.
    `fields` (object, list): the parts.  `key` (list): the part that tells items apart; none: the
    list is one value.  `rows` (list): items are stored as rows of a table of their own.
    `normal`: name of the function in `hub.values` that brings a text into normal form.
    """

    name: str
    kind: Kind
    zh: str = ""
    en: str = ""
    required: bool = False
    size: int | None = None
    precision: tuple[int, int] | None = None
    choices: tuple[str, ...] = ()
    target: str = ""
    fields: tuple["Field", ...] = ()
    key: str = ""
    rows: bool = False
    normal: str = ""
    default: Any = None
    derived: bool = False

    @classmethod
    def text(cls, name: str, zh: str = "", en: str = "", **options: Any) -> "Field":
        return cls(name, "text", zh, en, **options)

    @classmethod
    def integer(cls, name: str, zh: str = "", en: str = "", **options: Any) -> "Field":
        return cls(name, "integer", zh, en, **options)

    @classmethod
    def decimal(
        cls,
        name: str,
        zh: str = "",
        en: str = "",
        *,
        precision: tuple[int, int] = MONEY,
        **options: Any,
    ) -> "Field":
        return cls(name, "decimal", zh, en, precision=precision, **options)

    @classmethod
    def boolean(cls, name: str, zh: str = "", en: str = "", **options: Any) -> "Field":
        return cls(name, "boolean", zh, en, **options)

    @classmethod
    def date(cls, name: str, zh: str = "", en: str = "", **options: Any) -> "Field":
        return cls(name, "date", zh, en, **options)

    @classmethod
    def datetime(cls, name: str, zh: str = "", en: str = "", **options: Any) -> "Field":
        return cls(name, "datetime", zh, en, **options)

    @classmethod
    def choice(
        cls, name: str, choices: Sequence[str], zh: str = "", en: str = "", **options: Any
    ) -> "Field":
        return cls(name, "choice", zh, en, choices=tuple(choices), **options)

    @classmethod
    def ref(cls, name: str, target: str, zh: str = "", en: str = "", **options: Any) -> "Field":
        return cls(name, "ref", zh, en, target=target, **options)

    @classmethod
    def object(
        cls, name: str, fields: Iterable["Field"], zh: str = "", en: str = "", **options: Any
    ) -> "Field":
        return cls(name, "object", zh, en, fields=tuple(fields), **options)

    @classmethod
    def list(
        cls, name: str, fields: Iterable["Field"], zh: str = "", en: str = "", **options: Any
    ) -> "Field":
        """A list of objects; with `key`, merged item by item."""
        return cls(name, "list", zh, en, fields=tuple(fields), **options)

    @classmethod
    def set(cls, name: str, zh: str = "", en: str = "", **options: Any) -> "Field":
        """A set of texts, kept sorted: tags."""
        return cls(name, "set", zh, en, **options)

    @property
    def custom(self) -> bool:
        """Added by a module (`ext.<module>.<name>`): kept in the record's `ext`, not in a column."""
        return self.name.startswith("ext.")

    def label(self, language: str) -> str:
        return (self.zh if language == "zh" else self.en) or self.name

    def part(self, name: str) -> "Field | None":
        """The part of an object or list item called `name`."""
        return next((f for f in self.fields if f.name == name), None)


@dataclass(frozen=True, slots=True)
class Trait:
    """One thing that records are told apart by, for scored matching.

    `kind`: how it is normalised and compared (see `hub.matching`).  `paths`: where it stands in a
    record; "address.city" is a part, "contacts.email" that of every item.  `stop`: records that
    differ in it are never taken for one.  `unless`: it says nothing where that trait agrees.
    """

    name: str
    kind: str
    paths: tuple[str, ...]
    stop: bool = False
    unless: str = ""


@dataclass(frozen=True)
class Entity:
    """A canonical type.

    `code`: the field people know a record by.  `match`: exact match rules in order, each a tuple of
    fields that together identify a record.  `hard_stops`: fields that must not differ between
    records taken for the same thing.  For a view: `view_of`, the `role` a record needs to be in it,
    and `columns`, where a field's name differs from the stored one.  `states`: allowed moves of the
    `status` field.  `traits` (of a stored entity): what its records are compared by where no key
    decides; `blocks`: only records that agree in all traits of one of these are compared at all, each
    a trait, its first letters ("name:4"), its last ("street:-6"), or its first by sound ("name~10").
    """

    name: str
    fields: tuple[Field, ...]
    zh: str = ""
    en: str = ""
    code: str = "code"
    match: tuple[tuple[str, ...], ...] = ()
    hard_stops: tuple[str, ...] = ()
    view_of: str = ""
    role: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    terminal: tuple[str, ...] = ()
    traits: tuple[Trait, ...] = ()
    blocks: tuple[tuple[str, ...], ...] = ()

    @cached_property
    def field(self) -> Mapping[str, Field]:
        return {f.name: f for f in self.fields}

    @property
    def stored(self) -> str:
        """The entity whose table holds the records."""
        return self.view_of or self.name

    def column(self, name: str) -> str:
        """The stored field that the view's field `name` lives in."""
        return self.columns.get(name, name)

    @cached_property
    def from_column(self) -> Mapping[str, str]:
        return {self.column(f.name): f.name for f in self.fields}

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """Stored field → what a new record has there when nobody says otherwise."""
        return {self.column(f.name): f.default for f in self.fields if f.default is not None}

    @cached_property
    def item_defaults(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """(stored list field, defaults of its items' parts), for lists that have any."""
        found = []
        for declared in self.fields:
            defaults = {f.name: f.default for f in declared.fields if f.default is not None}
            if declared.kind == "list" and defaults:
                found.append((self.column(declared.name), defaults))
        return tuple(found)

    def label(self, language: str) -> str:
        return (self.zh if language == "zh" else self.en) or self.name

    def view(self, name: str, role: str, fields: Mapping[str, str], **options: Any) -> "Entity":
        """A view of this entity: `fields` names, in order, view field → stored field."""
        chosen = tuple(replace(self.field[column], name=view) for view, column in fields.items())
        renamed = {view: column for view, column in fields.items() if view != column}
        return Entity(name, chosen, view_of=self.name, role=role, columns=renamed, **options)
