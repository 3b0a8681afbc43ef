"""The connector contract: `open` and five methods that speak one system's protocol.

A connector does not retry, schedule, map, match, store, log payloads or start threads; the engine
does.  Its class attributes are declarations.  Rows are plain dicts of JSON values, with `Decimal`,
`date`, aware `datetime` and `bytes` besides; nested lists of dicts are child rows.  A column that a row
does not have is absent; None is null.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self, TypeVar

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from hub.errors import ConfigError, ProtocolError, fill

Row = Mapping[str, Any]
Cursor = Mapping[str, Any]
T = TypeVar("T")


# ------------------------------------------------------------------------------------ settings


class SecretText:
    """A secret in memory: shows as dots everywhere; `reveal()` is the only way to the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "••••••"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretText) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Settings(Schema):
    """A connector's settings; unknown keys are refused."""

    class Meta:
        unknown = RAISE


def _meta(help: str, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "required": "load_default" not in options,
        "metadata": {"help": help, **options.pop("metadata", {})},
        **options,
    }


class Text(fields.String):
    """`help` is shown in the form and in error hints.  Optional with `load_default=…`."""

    def __init__(self, help: str = "", **options: Any) -> None:
        super().__init__(**_meta(help, options))


class Url(Text):
    """An absolute http(s) address."""

    def __init__(self, help: str = "", **options: Any) -> None:
        check = validate.URL(schemes={"http", "https"}, require_tld=False)
        super().__init__(help, validate=check, **options)


class Secret(fields.Field[SecretText]):
    """Given by reference in the configuration, resolved before the connector sees it."""

    def __init__(self, help: str = "", **options: Any) -> None:
        super().__init__(**_meta(help, {**options, "metadata": {"secret": True}}))

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> SecretText:
        return value if isinstance(value, SecretText) else SecretText(str(value))

    def _serialize(self, value: Any, attr: Any, obj: Any, **kwargs: Any) -> str:
        return repr(SecretText(""))


class Number(fields.Integer):
    def __init__(self, help: str = "", **options: Any) -> None:
        super().__init__(strict=True, **_meta(help, options))


class Flag(fields.Boolean):
    def __init__(self, help: str = "", **options: Any) -> None:
        super().__init__(**_meta(help, options))


class Choice(Text):
    def __init__(self, *choices: str, help: str = "", **options: Any) -> None:
        super().__init__(help, validate=validate.OneOf(choices), **options)


class Nested(fields.Dict):
    """A free mapping whose shape the connector's documentation states."""

    def __init__(self, help: str = "", **options: Any) -> None:
        super().__init__(keys=fields.String(), **_meta(help, options))


# ------------------------------------------------------------------------------- what is spoken


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the system can do; the engine decides from this, never from the system's name."""

    read_page: int = 500
    write_batch: int = 100
    creates: bool = True
    updates: bool = True
    deletes: bool = False
    patches: bool = True
    """An update may carry some columns; False: it must carry the whole row."""
    conditional_writes: bool = False
    """A write with a stale `Change.version` is answered with `WriteResult.conflict`."""
    idempotent_writes: bool = False
    """A create repeated with the same `Change.key` creates nothing twice."""
    fetch_by_columns: bool = True
    """`fetch` finds rows by column values: an unknown create can be settled by the mapping's keys."""
    stable_ids: bool = True
    """The system never gives an id to another row."""
    unique_keys: bool = True
    """No two rows of one read have the same key; files cannot promise that."""
    reads_deletes: bool = False
    """`Page.deleted` names rows that are gone; otherwise only a complete read can tell."""
    calls_per_minute: int | None = None
    settle: timedelta = timedelta(0)
    """How long a new row may stay invisible to `fetch`."""


@dataclass(frozen=True, slots=True)
class Column:
    """`kind` is one of text, integer, decimal, boolean, date, datetime, json, binary, rows (a child
    list, described by `columns`).  `writable` False: computed by the system."""

    kind: str
    required: bool = False
    writable: bool = True
    size: int | None = None
    scale: int | None = None
    choices: tuple[str, ...] = ()
    target: str = ""
    label: str = ""
    columns: Mapping[str, "Column"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """One collection of rows, as `discover` describes it and as `read` is asked for it.

    `key`: the columns that identify a row.  `cursor_column`: what incremental reads go by; empty:
    every read is complete.  Set by the engine when it reads: `where` (the mapping's filter, in the
    connector's own terms) and `overlap` (how far before the cursor to begin, zero when a read is
    only continued).
    """

    name: str
    key: tuple[str, ...] = ()
    cursor_column: str = ""
    writable: bool = True
    columns: Mapping[str, Column] = field(default_factory=dict)
    label: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)
    overlap: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read (broken line, wrong encoding): counted and quarantined.

    `place` says where a person finds it ("customers.csv line 17"); `raw` what was there.
    """

    place: str
    raw: Any
    message: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The message, filled."""
        return fill(self.message, self.values)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and where to resume after them.

    `cursor` is JSON.  `deleted`: external ids of rows known to be gone.  `total`: how many rows the
    whole read will give, where the system says so: for progress, and to prove a read complete.
    """

    rows: Sequence[Row | BadRow]
    cursor: Cursor
    deleted: Sequence[str] = ()
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One write.  `key` is the engine's name for it, stable when it is tried again.

    `values`: for a create the row, for an update the columns to set (the whole row where
    `capabilities.patches` is False).  `row`: the row as last seen, for connectors that need more.
    """

    key: str
    op: Literal["create", "update", "delete"]
    values: Mapping[str, Any] = field(default_factory=dict)
    remote_id: str = ""
    version: str | None = None
    row: Row = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The outcome of one `Change`, matched by `key`; exactly one per change, in any order.

    A change without a result has an unknown outcome, as has the rest of a batch when an error
    escapes from `write`.
    """

    key: str
    outcome: Literal["applied", "conflict", "rejected", "gone"]
    remote_id: str = ""
    version: str | None = None
    row: Row | None = None
    code: str = ""
    message: str = ""
    column: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The message, filled."""
        return fill(self.message, self.values)

    @classmethod
    def applied(
        cls, key: str, *, remote_id: str, version: str | None = None, row: Row | None = None
    ) -> "WriteResult":
        """Done.  `row`: the row as the system now holds it, only if its answer says so."""
        return cls(key, "applied", remote_id, version, row)

    @classmethod
    def conflict(cls, key: str, *, version: str | None = None) -> "WriteResult":
        """Somebody changed the row since `Change.version`."""
        return cls(key, "conflict", version=version)

    @classmethod
    def rejected(
        cls,
        key: str,
        *,
        code: str,
        message: str,
        column: str | None = None,
        values: Mapping[str, Any] = MappingProxyType({}),
    ) -> "WriteResult":
        """Refused for its content; `message` in the system's own words, or a template of ours."""
        told = {name: v if isinstance(v, Mapping) else str(v) for name, v in values.items()}
        return cls(key, "rejected", code=code, message=message, column=column, values=told)

    @classmethod
    def gone(cls, key: str) -> "WriteResult":
        """The row to update or delete does not exist any more."""
        return cls(key, "gone")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a system pushed, as it came: signatures are over the raw `body`.  Header names are lower case."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a verified delivery says of one stream.

    `key`: the system's name of the delivery, the same when it is repeated.  `rows`: whole rows;
    `changed`: ids to fetch, of systems that send no more; `deleted`: ids that are gone.
    `at`: when it happened there: deliveries come in any order.
    """

    stream: str
    key: str
    rows: Sequence[Row] = ()
    changed: Sequence[str] = ()
    deleted: Sequence[str] = ()
    at: datetime | None = None


class Connector(ABC):
    """One kind of system.  `Connector(config)` takes settings that are already loaded, or raw ones.

    Use it in a `with` block: `open` is called on entering, everything given to `enter` is closed on
    leaving.
    """

    name: ClassVar[str]
    settings: ClassVar[type[Settings]]
    capabilities: Capabilities = Capabilities()

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = load_settings(self.settings, config, where=self.name)
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.close()

    def enter(self, resource: Any) -> Any:
        """Enter a context manager that is to be left when the connector is closed."""
        return self._closing.enter_context(resource)

    @abstractmethod
    def open(self) -> None:
        """Cheap, no network."""

    @abstractmethod
    def check(self) -> str:
        """One cheap signed-in call; a sentence naming system and account."""

    @abstractmethod
    def discover(self) -> Iterator[Stream]:
        """The streams this connection can see."""

    @abstractmethod
    def read(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        """Rows from *cursor* on, from the beginning without one, in pages.

        Every cursor is a place to resume; rows may repeat, never go missing.  With a
        `cursor_column` rows come in the order of (column, key), nulls first, beginning
        `stream.overlap` before the cursor.  A read that ends without an error is complete.
        """

    @abstractmethod
    def fetch(self, stream: Stream, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
        """The rows with these ids, or that carry all of these column values.  Absent ones are left out."""

    @abstractmethod
    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        """Apply up to `capabilities.write_batch` changes; yield results as they are known."""

    def version_of(self, stream: Stream, row: Row) -> str | None:
        """The version of a row as it was read, for a conditional write; None: the row does not say.

        Without it the engine reads a row again before it changes it.
        """
        return None

    def receive(self, delivery: Delivery) -> Iterator[Pushed]:
        """What a system that pushes has sent, once its signature holds; AuthError if it does not."""
        raise ConfigError("{connector}: this system pushes no changes", connector=self.name)

    def acknowledge(self, delivery: Delivery) -> bytes:
        """The body to answer a delivery with, once what it says is safe."""
        return b"success"


# --------------------------------------------------------------------------------------- helpers


def load_settings(
    schema: type[Settings], config: Mapping[str, Any], *, where: str
) -> dict[str, Any]:
    """The settings, checked.  ConfigError names the setting, the value and the remedy."""
    try:
        return dict(schema().load(dict(config)))
    except ValidationError as e:
        name, messages = next(iter(e.normalized_messages().items()))  # type: ignore[no-untyped-call]
        declared = schema().fields.get(name)
        value = None if declared and declared.metadata.get("secret") else config.get(name)
        found = "" if value is None else f" ({value!r})"
        help = declared.metadata.get("help", "") if declared else ""
        known = ", ".join(sorted(schema().fields))
        raise ConfigError(
            "{where}: setting {name!r}{found}: {message}",
            where=where,
            name=name,
            found=found,
            message=_flat(messages),
            hint=help or "Known settings: {known}.",
            known=known,
        ) from e


def first_problem(messages: Any) -> tuple[str, str]:
    """The first of a schema's problems: the way to it (`children.lines.file`), and what it is."""
    path = []
    while isinstance(messages, Mapping):
        key, messages = next(iter(messages.items()))
        path += [str(key)] if key not in ("value", "_schema") else []
    told = messages if isinstance(messages, list) else [messages]
    return ".".join(path), " ".join(map(str, told))


def _flat(messages: Any) -> str:
    if isinstance(messages, Mapping):
        return "; ".join(f"{k}: {_flat(v)}" for k, v in messages.items())
    return " ".join(map(str, messages)) if isinstance(messages, list) else str(messages)


def join_key(parts: Iterable[Any]) -> str:
    """The external id of a row from its key columns: joined by `|`, with `\\` before a `|` or `\\` inside."""
    return "|".join(str(p).replace("\\", "\\\\").replace("|", "\\|") for p in parts)


def split_key(external_id: str) -> list[str]:
    """The parts that `join_key` joined, as text."""
    parts, part, escaped = [], "", False
    for c in external_id:
        if escaped:
            part, escaped = part + c, False
        elif c == "\\":
            escaped = True
        elif c == "|":
            parts.append(part)
            part = ""
        else:
            part += c
    return [*parts, part]


def with_defaults(values: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The values, and what a new row has where they say nothing; for a list, in each of its rows."""
    out = dict(values)
    for key, given in new.items():
        have = out.get(key)
        if isinstance(have, list) and isinstance(given, Mapping):
            out[key] = [with_defaults(entry, given) for entry in have]
        elif isinstance(have, Mapping) and isinstance(given, Mapping):
            out[key] = with_defaults(have, given)
        elif have is None:
            out[key] = given
    return out


def keyset(
    ask: Callable[[Any, Any], Sequence[T]], rank: Callable[[T], tuple[Any, Any]], begin: Any
) -> Iterator[list[T]]:
    """All rows in the order of (moment, id), in parts, each asked for by where the last one ended.

    `ask(moment, id)` gives the first rows behind that place; `ask(begin, None)` the first from that
    moment on.  `rank` gives moment and id of a row.  Rows that move while they are read come again
    and hide no other.  Only an empty part is the end: a short one may have been cut.
    """
    moment, last = begin, None
    while rows := list(ask(moment, last)):
        place = rank(rows[-1])
        moments = [moment, *(rank(row)[0] for row in rows)]
        known = [m for m in moments if m is not None]
        if place == (moment, last) or any(a > b for a, b in pairwise(known)):
            raise ProtocolError(
                "the rows behind {place!r} are not in the order that was asked for: {found!r}",
                place=str((moment, last)),
                found=str(place),
            )
        yield rows
        moment, last = place


def batches(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to *size* of the things, in order."""
    batch: list[T] = []
    for thing in things:
        batch.append(thing)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
