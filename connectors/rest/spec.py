"""What can be said about an API, as dataclasses; `build` reads them from the settings, strictly."""

import dataclasses
import types
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from hub.errors import ConfigError

T = TypeVar("T")
PAGING = Literal["none", "page", "offset", "cursor", "link", "keyset"]


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """`format`: of a datetime, `iso`, `epoch`, `epoch_ms` or a strptime pattern; of a decimal,
    `text` if it is sent as text; of a boolean, the words for true and false ("Y/N").  The rest is
    as in `Column`.  A kind alone is short for `{kind: …}`."""

    kind: Literal[
        "text", "integer", "decimal", "boolean", "date", "datetime", "json", "binary", "rows"
    ] = "text"
    format: str = ""
    required: bool = False
    writable: bool = True
    size: int = 0
    scale: int = 0
    choices: tuple[str, ...] = ()
    target: str = ""
    label: str = ""
    columns: Mapping[str, "ColumnSpec"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Paging:
    """`param`: carries the page number, offset, token or last value.  `size_param`: rows per page;
    `size`: most rows the API gives, if it is known: a shorter page then ends the read.  `next`:
    path of the next token or link in the answer; without it a link is in the `Link` header.
    `column`: whose last value a keyset continues from.  `first`: number of the first page."""

    type: PAGING = "none"
    param: str = ""
    size_param: str = ""
    size: int = 0
    first: int = 1
    next: str = ""
    column: str = ""


@dataclass(frozen=True, slots=True)
class Since:
    """Incremental reading.  `param` asks for rows whose `column` is at or after a value (after it,
    with `exclusive`).  `order`: the parameters that sort by it; without them the answer is taken as
    unsorted, and sorted here."""

    column: str = ""
    param: str = ""
    order: Mapping[str, str] = field(default_factory=dict)
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class Fetch:
    """`path` with {id}, and `row`: where the row is in the answer; or `param`: takes `many` ids
    joined by `join` in a list call.  `find`: column → parameter that filters the list by it."""

    path: str = ""
    row: str = ""
    param: str = ""
    many: int = 50
    join: str = ","
    find: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Write:
    """`wrap`: key under which the body goes.  `row`, `id`: where the answer holds them.
    `body`: constants sent besides.  `patch` False: an update must carry the whole row."""

    method: str = ""
    path: str = ""
    wrap: str = ""
    row: str = ""
    id: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    patch: bool = True


@dataclass(frozen=True, slots=True)
class Version:
    """Conditional writes.  The version is the ETag of an answer, or `column` set into `template`;
    it is sent as `header`."""

    column: str = ""
    template: str = "{}"
    header: str = "If-Match"


@dataclass(frozen=True, slots=True)
class Bulk:
    """An endpoint that takes many writes and answers record by record.

    `rows`, `results`: where the lists are in question and answer.  `ref`: name of our key in a
    record and its result; without it results come in order.  `op`, `id`, `version`, `values`:
    names in a record ("" leaves it out; without `values` the columns lie beside the others).  In a
    result: `status` (path) is one of `ok`, `conflict`, `gone`, else a refusal; `row`, `result_id`,
    `result_version`, `code`, `message`, `column` are paths.  `idempotent`: a `ref` sent again
    creates nothing twice.
    """

    path: str = ""
    method: str = "POST"
    idempotent: bool = False
    ops: tuple[str, ...] = ("create", "update", "delete")
    rows: str = "rows"
    results: str = "results"
    ref: str = "ref"
    op: str = "op"
    id: str = "id"
    version: str = ""
    values: str = ""
    status: str = "status"
    ok: tuple[str, ...] = ("200", "201", "204", "True", "ok")
    conflict: tuple[str, ...] = ("412", "409")
    gone: tuple[str, ...] = ("404", "410")
    row: str = "row"
    result_id: str = "id"
    result_version: str = "version"
    code: str = "error.code"
    message: str = "error.message"
    column: str = "error.field"


@dataclass(frozen=True, slots=True)
class Errors:
    """`code`, `message`, `column`: paths in an answer.  A `code` in a 200 that is not one of `ok`
    is an error: of the kind whose list names it, else a refusal."""

    code: str = ""
    message: str = ""
    column: str = ""
    ok: tuple[str, ...] = ("0", "200", "ok", "OK", "success", "")
    auth: tuple[str, ...] = ()
    retry: tuple[str, ...] = ()
    rate: tuple[str, ...] = ()
    conflict: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One collection.  `rows`, `total`: where a list answer holds them ("": it is the list).
    `params` go with every list call.  A write that is not named here is not possible; `{}` takes
    the usual one: POST path, PATCH path/{id}, DELETE path/{id}."""

    path: str
    key: tuple[str, ...] = ("id",)
    rows: str = ""
    total: str = ""
    label: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, ColumnSpec] = field(default_factory=dict)
    paging: Paging = Paging()
    since: Since = Since()
    fetch: Fetch = Fetch()
    create: Write | None = None
    update: Write | None = None
    delete: Write | None = None
    version: Version | None = None
    bulk: Bulk | None = None

    def write(self, op: str) -> Write | None:
        """The declaration of an operation, with what is usual filled in."""
        declared: Write | None = getattr(self, op)
        if declared is None:
            return None
        method = {"create": "POST", "update": "PATCH", "delete": "DELETE"}[op]
        path = self.path if op == "create" else self.row_path
        return dataclasses.replace(
            declared, method=declared.method or method, path=declared.path or path
        )

    @property
    def row_path(self) -> str:
        return self.fetch.path or f"{self.path}/{{id}}"


# --------------------------------------------------------------------------------------- build


def build(cls: type[T], value: Any, where: str) -> T:
    """A dataclass from a mapping.  ConfigError names the setting, what was found and what fits."""
    if not isinstance(value, Mapping):
        raise _no_mapping(where, value)
    known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in value:
        if name not in known:
            raise _wrong(UNKNOWN, f"{where}.{name}", value[name], known)
    hints = get_type_hints(cls)
    parts = {n: _part(hints[n], v, f"{where}.{n}") for n, v in value.items() if v is not None}
    missing = [f.name for f in dataclasses.fields(cls) if _is_missing(f, parts)]  # type: ignore[arg-type]
    if missing:
        raise ConfigError("{where} is missing", where=f"{where}.{missing[0]}")
    return cls(**parts)


def _is_missing(declared: "dataclasses.Field[Any]", parts: Mapping[str, Any]) -> bool:
    missing = dataclasses.MISSING
    optional = declared.default is not missing or declared.default_factory is not missing
    return not optional and declared.name not in parts


def _part(hint: Any, value: Any, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (types.UnionType, Union):
        hint = next(h for h in get_args(hint) if h is not type(None))
        origin = get_origin(hint)
    if dataclasses.is_dataclass(hint):
        short = {"kind": value} if hint is ColumnSpec and isinstance(value, str) else value
        return build(hint, short, where)  # type: ignore[arg-type]
    if origin is Literal:
        return _one_of(get_args(hint), value, where)
    if origin is tuple:
        return tuple(str(v) for v in (value if isinstance(value, list | tuple) else [value]))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(get_args(hint)[1], value, where)
    if hint is Any:
        return value
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(
            "{where} is not of type {kind}: {value!r}",
            where=where,
            kind=hint.__name__,
            value=value,
        )
    return value


def _mapping(hint: Any, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _no_mapping(where, value)
    return {str(k): _part(hint, v, f"{where}.{k}") for k, v in value.items()}


def _one_of(choices: tuple[str, ...], value: Any, where: str) -> Any:
    if value not in choices:
        raise _wrong(NOT_POSSIBLE, where, value, choices)
    return value


UNKNOWN = "{where} is unknown: {value!r}"
NOT_POSSIBLE = "{where} is not possible: {value!r}"


def _wrong(template: str, where: str, value: Any, fitting: Collection[str]) -> ConfigError:
    known = ", ".join(sorted(fitting))
    return ConfigError(template, where=where, value=value, known=known, hint="There are: {known}.")


def _no_mapping(where: str, value: Any) -> ConfigError:
    return ConfigError("{where} is not a mapping: {value!r}", where=where, value=value)
