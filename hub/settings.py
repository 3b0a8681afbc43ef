"""The settings: each declared once, checked, and traceable to the file and line it came from.

Later layers win: the packaged `config/defaults.yaml` → `<home>/config/hub.yaml` →
`<home>/config/local.yaml` → the environment (`HUB__ENGINE__BATCH`, or `…_FILE` with a file that
holds the value) → the command line.  A setting nobody declared is an error.
"""

import difflib
import graphlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import marshmallow
from cronsim import CronSim, CronSimError
from marshmallow import ValidationError, fields, post_load, validate

from hub.connector import Choice, Flag, Number, Text
from hub.connector import Settings as Section
from hub.errors import ConfigError, NotFoundError
from hub.i18n import _
from hub.layers import Keys, Layers, Origin, scalar

POLICIES = ("latest", "hub", "remote", "fill", "review", "owner")
MODES = ("observe", "live")
DELETES = ("archive", "ignore", "delete", "detach", "ask")


# ------------------------------------------------------------------------------------ what it gives


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """`settings` are the connector's own, with unresolved secret references (see `hub.secrets`)."""

    connector: str
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    calls_per_minute: int | None = None
    timezone: str | None = None
    title: str = ""
    from_files: frozenset[str] = frozenset()
    """The names in `settings` that a configuration file gave; a secret among them is refused."""


@dataclass(frozen=True, slots=True)
class Deletes:
    """What a delete there does here (`inbound`), and one here does there (`outbound`)."""

    inbound: str = "archive"
    outbound: str = "archive"


@dataclass(frozen=True, slots=True)
class Limits:
    """A run pauses before it would delete more than `count` records and more than `share` of them,
    change one field in more than `field_share` of them, or go beyond `creates` or `updates`."""

    count: int = 10
    share: float = 0.02
    field_share: float = 0.5
    creates: int | None = None
    updates: int | None = None


@dataclass(frozen=True, slots=True)
class Brake(Limits):
    """What a run may do to the hub; `out`: to the system."""

    out: Limits = Limits(field_share=1.0)


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a score decides for a row that no key identifies.  None: the learnt, or usual, bits."""

    mode: str = "review"
    auto: float | None = None
    review: float | None = None


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """connection + stream + mapping + direction.  `parse_schedule` reads the two schedules."""

    connection: str
    mapping: str
    name: str = ""
    stream: str = ""
    direction: str = "both"
    enabled: bool = True
    schedule: str = "every 5m"
    full_schedule: str = "manual"
    overlap: timedelta = timedelta(minutes=2)
    patience: timedelta = timedelta(days=7)
    page_size: int | None = None
    max_pages: int | None = None
    policy: str = "latest"
    owner: str = ""
    deletes: Deletes = Deletes()
    brake: Brake = Brake()
    create: bool = True
    match_only: bool = False
    duplicates: Likeness = Likeness()
    mode: str = "observe"
    after: tuple[str, ...] = ()

    @property
    def reads(self) -> bool:
        return self.direction in ("in", "both")

    @property
    def writes(self) -> bool:
        return self.direction in ("out", "both")


@dataclass(frozen=True, slots=True)
class Retry:
    base: timedelta = timedelta(seconds=2)
    cap: timedelta = timedelta(hours=1)
    attempts: int = 8


@dataclass(frozen=True, slots=True)
class Breaker:
    failures: int = 5
    open: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    batch: int = 1000
    lease: timedelta = timedelta(seconds=7)
    retry: Retry = Retry()
    breaker: Breaker = Breaker()


@dataclass(frozen=True, slots=True)
class WebSettings:
    host: str = "127.0.0.1"
    port: int = 8765


@dataclass(frozen=True, slots=True)
class HubSettings:
    home: Path
    database_url: str
    language: str = "auto"
    connections: Mapping[str, ConnectionSettings] = field(default_factory=dict)
    flows: Mapping[str, FlowSettings] = field(default_factory=dict)
    engine: EngineSettings = EngineSettings()
    web: WebSettings = WebSettings()
    departments: Mapping[str, Any] = field(default_factory=dict)
    modules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    plugins: tuple[str, ...] | None = None
    plugin_dirs: tuple[Path, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    origins: Mapping[Keys, Origin] = field(default_factory=dict, repr=False)
    """`values`: the merged layers as written; `origins`: the place of every value in them."""

    def origin(self, path: str) -> str:
        """The file and line, variable or option that gave the setting; "default" if none did."""
        return str(self.origins.get(tuple(path.split(".")), "default"))

    @property
    def data(self) -> Path:
        return self.home / "data"


# ---------------------------------------------------------------------------- kinds of settings

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(text: str) -> timedelta:
    """`90s`, `5m`, `2h`, `7d`, `500ms`; several add up: `1h 30m`.  ValueError for anything else."""
    if not re.fullmatch(r"\s*(\d+(\.\d+)?\s*(ms|[smhdw])\s*)+", text) and text.strip() != "0":
        raise ValueError(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw])", text)
    return timedelta(seconds=sum(float(n) * _UNITS[unit] for n, unit in parts))


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads as this duration."""
    left, parts = round(duration.total_seconds() * 1000), []
    for unit, size in (("d", 86400000), ("h", 3600000), ("m", 60000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        parts += [f"{count}{unit}"] if count else []
    return " ".join(parts) or "0"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a flow runs by itself: `every` so often, or by a `cron` text, or neither (manual)."""

    every: timedelta | None = None
    cron: str = ""


def parse_schedule(text: str) -> Schedule:
    """`every 5m`, a cron text such as `0 2 * * *`, or `manual`.  ValueError for anything else."""
    if text == "manual":
        return Schedule()
    if text.startswith("every "):
        every = parse_duration(text.removeprefix("every "))
        if every < timedelta(seconds=1):
            raise ValueError(text)
        return Schedule(every=every)
    try:
        CronSim(text, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as e:
        raise ValueError(text) from e
    return Schedule(cron=text)


class Duration(fields.Field[timedelta]):
    def __init__(self, help: str, default: str) -> None:
        metadata = {"help": help, "default": default}
        super().__init__(load_default=parse_duration(default), metadata=metadata)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> timedelta:
        try:
            return parse_duration(str(value))
        except ValueError as e:
            raise ValidationError("not a duration such as 30s, 5m, 2h or 7d") from e


class Fraction(fields.Float):
    def __init__(self, help: str, default: float) -> None:
        limits = validate.Range(0, 1, error="not a number between 0 and 1")
        super().__init__(load_default=default, metadata={"help": help}, validate=limits)


class Bits(fields.Float):
    """A score, or empty."""

    def __init__(self, help: str) -> None:
        limits = validate.Range(-1000, 1000, error="not a number between -1000 and 1000")
        super().__init__(
            load_default=None, allow_none=True, metadata={"help": help}, validate=limits
        )


def _above_zero(value: int) -> None:
    if value < 1:
        raise ValidationError("not a whole number above 0")


def _is_schedule(value: str) -> None:
    try:
        parse_schedule(value)
    except ValueError as e:
        raise ValidationError("not a schedule such as 'every 5m', '0 2 * * *' or manual") from e


def _is_timezone(value: str) -> None:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError) as e:
        raise ValidationError("not a time zone such as Asia/Shanghai or UTC") from e


def _is_name(value: str) -> None:
    if not re.fullmatch(r"\w[\w-]*", value):
        raise ValidationError("a name is made of letters, digits, - and _")


def _count(help: str, default: int | None) -> Number:
    return Number(help, load_default=default, allow_none=default is None, validate=_above_zero)


def _schedule(help: str, default: str) -> Text:
    return Text(help, load_default=default, validate=_is_schedule)


def _part(schema: type[Section], help: str) -> fields.Nested:
    return fields.Nested(schema, load_default=schema().load({}), metadata={"help": help})


def _named(schema: type[Section], help: str) -> fields.Dict:
    names = fields.String(validate=_is_name)
    values = fields.Nested(schema)
    return fields.Dict(keys=names, values=values, load_default=dict, metadata={"help": help})


# ---------------------------------------------------------------------------- the declarations


class _Made(Section):
    """A section that loads as the dataclass `made`."""

    made: ClassVar[type]

    @post_load
    def _make(self, values: dict[str, Any], **kwargs: Any) -> Any:
        return self.made(**values)


class ConnectionSection(_Made):
    made = ConnectionSettings
    connector = Text("The kind of system: the name of a connector, such as sql or rest.")
    title = Text("What people call this system.", load_default="")
    settings = fields.Dict(
        keys=fields.String(),
        load_default=dict,
        metadata={"help": "The connector's own settings; secrets by reference."},
    )
    calls_per_minute = _count("The most calls in a minute; empty: what the connector says.", None)
    timezone = Text(
        "The zone of times that the system gives without one.",
        load_default=None,
        allow_none=True,
        validate=_is_timezone,
    )


class DeletesSection(_Made):
    made = Deletes
    inbound = Choice(
        *DELETES,
        help="What a delete in the system does to the hub's record.",
        data_key="in",
        load_default="archive",
    )
    outbound = Choice(
        *DELETES,
        help="What a delete in the hub does to the system's row.",
        data_key="out",
        load_default="archive",
    )


class LimitsSection(_Made):
    made = Limits
    count = Number("Deletes of up to so many rows never pause a run.", load_default=10)
    share = Fraction("Deletes of more than this share of the rows pause the run.", 0.02)
    field_share = Fraction("A run that changes one field in more rows than this pauses.", 1.0)
    creates = _count("The most rows that one run creates; empty: any number.", None)
    updates = _count("The most rows that one run changes; empty: any number.", None)


class BrakeSection(_Made):
    made = Brake
    count = Number("Deletes of up to so many records never pause a run.", load_default=10)
    share = Fraction("Deletes of more than this share of the records pause the run.", 0.02)
    field_share = Fraction("A run that changes one field in more records than this pauses.", 0.5)
    creates = _count("The most records that one run creates; empty: any number.", None)
    updates = _count("The most records that one run changes; empty: any number.", None)
    out = _part(LimitsSection, "What a run may do in the system before it pauses.")


class LikenessSection(_Made):
    made = Likeness
    mode = Choice(
        "review",
        "auto",
        "keys",
        help="review: a row that looks like a record becomes one of its own, and a person is asked;"
        " auto: beyond doubt, it is taken for that record; keys: only keys count.",
        load_default="review",
    )
    auto = Bits("Score from which a row is taken for a record; empty: what was learnt, else 15.")
    review = Bits("Score from which a person is asked; empty: what was learnt, else 8.")


class FlowSection(_Made):
    made = FlowSettings
    connection = Text("The connection that the flow reads and writes.")
    mapping = Text("The mapping, such as northwind/customer, or the path of one.")
    stream = Text("The stream, where it is not the mapping's.", load_default="")
    direction = Choice(
        "in", "out", "both", help="in: system to hub; out: hub to system.", load_default="both"
    )
    enabled = Flag("false: the flow does not run.", load_default=True)
    schedule = _schedule("When it runs: every 5m, a cron text, or manual.", "every 5m")
    full_schedule = _schedule("When it reads everything, to find deletes.", "manual")
    overlap = Duration("How far before the cursor a read begins, for late commits.", "2m")
    patience = Duration("How long a row waits for the record it refers to.", "7d")
    page_size = _count("Rows in one page; empty: what the connector says.", None)
    max_pages = _count("Pages in one run; empty: all there are.", None)
    policy = Choice(
        *POLICIES, help="Who wins when both sides changed a field.", load_default="latest"
    )
    owner = Text("Under policy owner: hub, or a connection.", load_default="")
    deletes = _part(DeletesSection, "What a delete on one side does on the other.")
    brake = _part(BrakeSection, "What makes a run pause and ask before it goes on.")
    mode = Choice(
        *MODES,
        help="observe: runs only plan, until `hub flows promote`; live: they act.",
        load_default="observe",
    )
    create = Flag("Whether the flow may create rows in the system.", load_default=True)
    match_only = Flag("true: rows that match no record of the hub are left.", load_default=False)
    duplicates = _part(LikenessSection, "What becomes of a row that only looks like a record.")
    after = fields.List(
        fields.String(),
        load_default=tuple,
        metadata={"help": "The flows that run before this one, when they are due together."},
    )

    @post_load
    def _make(self, values: dict[str, Any], **kwargs: Any) -> FlowSettings:
        return FlowSettings(**{**values, "after": tuple(values["after"])})


class RetrySection(_Made):
    made = Retry
    base = Duration("The wait after the first failure; it doubles from there.", "2s")
    cap = Duration("The longest wait between two attempts.", "1h")
    attempts = _count("Attempts before a change is set aside.", 8)


class BreakerSection(_Made):
    made = Breaker
    failures = _count("Failures in a row after which a connection is left alone.", 5)
    open = Duration("How long it is left alone.", "30s")


class EngineSection(_Made):
    made = EngineSettings
    batch = _count("Records in one transaction.", 1000)
    lease = Duration("How long a worker that stopped answering keeps its work.", "7s")
    retry = _part(RetrySection, "How often a failed call is made again.")
    breaker = _part(BreakerSection, "When a connection is left alone for a while.")


class WebSection(_Made):
    made = WebSettings
    host = Text("The address that the pages are served on.", load_default="127.0.0.1")
    port = Number("The port of the pages.", load_default=8765, validate=validate.Range(0, 65535))


class DatabaseSection(Section):
    url = Text(
        "An SQLAlchemy URL; a relative SQLite path starts at the hub's home.",
        load_default="sqlite:///data/hub.db",
    )


class HubSection(Section):
    """The whole tree: `config/defaults.yaml`, the reference and every check follow from it."""

    database = _part(DatabaseSection, "Where the hub keeps its records.")
    language = Choice(
        "auto",
        "zh",
        "en",
        help="The language of messages; auto: that of the terminal or browser.",
        load_default="auto",
    )
    connections = _named(ConnectionSection, "The systems, by name.")
    flows = _named(FlowSection, "What is kept in step with what, by name.")
    engine = _part(EngineSection, "How the engine works.")
    web = _part(WebSection, "The pages.")
    departments = fields.Dict(
        keys=fields.String(),
        load_default=dict,
        metadata={"help": "The departments, by name."},
    )
    plugins = Text(
        "The modules to load: all, none, or their names with commas between.", load_default="all"
    )
    plugin_dirs = fields.List(
        fields.String(),
        load_default=tuple,
        metadata={"help": "Folders with modules of your own; a relative one starts at the home."},
    )
    modules = fields.Dict(
        keys=fields.String(validate=_is_name),
        values=fields.Dict(keys=fields.String()),
        load_default=dict,
        metadata={"help": "The settings of each module, by its name."},
    )


@dataclass(frozen=True, slots=True)
class Declared:
    """One setting, as the reference shows it.  `<name>` in the path stands for any name."""

    path: str
    kind: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    required: bool = False
    secret: bool = False


def declared(schema: type[marshmallow.Schema] = HubSection, above: str = "") -> Iterator[Declared]:
    """Every setting, in the order of declaration; a `section` comes before its parts."""
    for name, field_ in schema().fields.items():
        path = f"{above}{field_.data_key or name}"
        inner = field_.value_field if isinstance(field_, fields.Dict) else field_
        if not isinstance(inner, fields.Nested):
            yield _declared(path, field_)
            continue
        yield Declared(path, "section", None, field_.metadata.get("help", ""))
        named = f"{path}.<name>." if inner is not field_ else f"{path}."
        yield from declared(type(inner.schema), named)


def _declared(path: str, field_: fields.Field[Any]) -> Declared:
    default = field_.metadata.get("default", field_.load_default)
    if callable(default) or default is marshmallow.missing:
        default = {"Dict": {}, "List": []}.get(type(field_).__name__)
    return Declared(
        path=path,
        kind=type(field_).__name__.lower(),
        default=default,
        help=field_.metadata.get("help", ""),
        choices=_choices(field_),
        required=field_.required,
        secret=bool(field_.metadata.get("secret")),
    )


def _choices(field_: fields.Field[Any]) -> tuple[str, ...]:
    for check in field_.validators:
        if isinstance(check, validate.OneOf):
            return tuple(check.choices)
    return ()


# --------------------------------------------------------------------------------------- loading


UNKNOWN = "Unknown field."
SCHEMA = "_schema"
REQUIRED = "Missing data for required field."


def load_settings(
    home: Path,
    overrides: Mapping[str, str] = MappingProxyType({}),
    environ: Mapping[str, str] = os.environ,
) -> HubSettings:
    """The settings of this home.  ConfigError names file, line, setting, value and remedy."""
    layers = read_layers(home, overrides, environ)
    problems = check(layers)
    if problems:
        raise problems[0]
    return _build(home, layers)


def read_layers(
    home: Path,
    overrides: Mapping[str, str] = MappingProxyType({}),
    environ: Mapping[str, str] = os.environ,
) -> Layers:
    layers = Layers()
    packaged = resources.files("hub.config") / "defaults.yaml"
    with resources.as_file(packaged) as path:
        layers.add_file(path, "config/defaults.yaml", layer="default")
    for name in ("hub.yaml", "local.yaml"):
        path = home / "config" / name
        if path.is_file():
            layers.add_file(path, str(Path("config", name)))
    layers.add_environment(environ, _read)
    layers.add_options(overrides, _read)
    _drop_empty(layers)
    return layers


def _drop_empty(layers: Layers) -> None:
    """A section of which everything is commented out is no section."""
    for keys in [k for k in layers.origins if isinstance(_field(k), fields.Nested | fields.Dict)]:
        if _at(layers.values, keys) is None:
            _at(layers.values, keys[:-1]).pop(keys[-1], None)


def _read(keys: Keys, text: str) -> Any:
    """A value given as text.  A connector's settings stay text until its schema is known."""
    own = keys[:1] == ("connections",) and len(keys) > 3
    return text if own or isinstance(_field(keys), Text) else scalar(text)


def _field(keys: Keys) -> fields.Field[Any] | None:
    """The declaration of the setting, if there is one."""
    found: Any = fields.Nested(HubSection)
    for key in keys:
        if isinstance(found, fields.Nested):
            known = {f.data_key or n: f for n, f in found.schema.fields.items()}
            found = known.get(key)
        else:
            found = found.value_field if isinstance(found, fields.Dict) else None
    return found if isinstance(found, fields.Field) else None


def check(layers: Layers) -> list[ConfigError]:
    """Every error in the configuration, in the order of the declarations."""
    try:
        tree = HubSection().load(layers.values)
    except ValidationError as e:
        found = list(_messages(e.messages, ()))
        # A misspelt name first: what is missing is often what it was meant to be.
        found.sort(key=lambda one: one[1] != UNKNOWN)
        return [_error(layers, keys, message) for keys, message in found]
    return [*_bad_flows(layers, tree), *_bad_order(layers, tree["flows"])]


def _messages(messages: Any, above: Keys) -> Iterator[tuple[Keys, str]]:
    """(keys, message) of every error, without marshmallow's `value` levels of named sections."""
    if not isinstance(messages, Mapping):
        for message in messages if isinstance(messages, list) else [messages]:
            yield above, str(message)
        return
    inside = isinstance(_field(above), fields.Dict) if above else False
    for key, below in messages.items():
        if key == SCHEMA:  # what should be a section is something else
            yield above, _("not a mapping of settings")
            continue
        if inside and isinstance(below, Mapping) and set(below) <= {"key", "value"}:
            for part in below.values():
                yield from _messages(part, (*above, str(key)))
        else:
            yield from _messages(below, (*above, str(key)))


def _error(layers: Layers, keys: Keys, message: str) -> ConfigError:
    said: dict[str, Any] = {"place": str(layers.origin(keys) or ""), "path": ".".join(keys)}
    if message == UNKNOWN:
        return unknown("{place}: unknown setting {path!r}", keys[-1], _known(keys[:-1]), **said)
    field_ = _field(keys)
    help = field_.metadata.get("help", "") if field_ else ""
    if message == REQUIRED:
        return ConfigError("{place}: setting {path!r} is missing", hint=help, **said)
    said |= {"found": _at(layers.values, keys), "hint": help}
    if field_ and (choices := ", ".join(_choices(field_))):
        template = "{place}: setting {path!r} is {found!r}; it must be one of {choices}"
        return ConfigError(template, choices=choices, **said)
    template = "{place}: setting {path!r} is {found!r}: {message}"
    return ConfigError(template, message=message, **said)


def unknown(template: str, name: str, known: Iterable[str], /, **values: Any) -> ConfigError:
    """The error for a name in a file that does not exist, with the nearest that does as hint."""
    return ConfigError(template, **nearest(name, known), **values)


def not_found(template: str, name: str, known: Iterable[str], /, **values: Any) -> NotFoundError:
    """The same for a name that a person has just given."""
    return NotFoundError(template, **nearest(name, known), **values)


def nearest(name: str, known: Iterable[str]) -> dict[str, str]:
    """The hint for a name that does not exist, and its values."""
    known = sorted(known)
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = _("Did you mean {near!r}?") if near else _("There are: {known}.")
    if not known:
        hint = _("There are none yet: add one to config/hub.yaml.")
    return {"near": "".join(near), "known": ", ".join(known[:40]) or "—", "hint": hint}


def _known(keys: Keys) -> list[str]:
    found = _field(keys) if keys else fields.Nested(HubSection)
    if isinstance(found, fields.Dict):
        found = found.value_field
    schema = found.schema if isinstance(found, fields.Nested) else Section()
    return [f.data_key or name for name, f in schema.fields.items()]


def _at(values: Any, keys: Keys) -> Any:
    for key in keys:
        if isinstance(values, list):
            values = values[int(key)] if key.isdigit() and int(key) < len(values) else None
        else:
            values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _bad_flows(layers: Layers, tree: Mapping[str, Any]) -> Iterator[ConfigError]:
    """What one setting of a flow says about another thing that does not exist."""
    connections, flows = tree["connections"], tree["flows"]
    for name, flow in flows.items():
        said = {"flow": name}
        for key, value, known in (
            ("connection", [flow.connection], connections),
            ("owner", [flow.owner] if flow.policy == "owner" else [], {"hub", *connections}),
            ("after", flow.after, set(flows) - {name}),
        ):
            place = str(layers.origin(("flows", name, key)) or "")
            for bad in [v for v in value if v not in known]:
                template = "{place}: flow {flow!r}: there is no {key} {found!r}"
                yield unknown(template, bad, known, place=place, key=key, found=bad, **said)


def _bad_order(layers: Layers, flows: Mapping[str, FlowSettings]) -> Iterator[ConfigError]:
    try:
        tuple(graphlib.TopologicalSorter({n: f.after for n, f in flows.items()}).static_order())
    except graphlib.CycleError as e:
        names = list(map(str, e.args[1]))
        yield ConfigError(
            "{place}: flows wait for each other: {flows}",
            place=str(layers.origin(("flows", names[0], "after")) or ""),
            flows=" → ".join(names),
            hint="Remove one of them from an `after`.",
        )


def _build(home: Path, layers: Layers) -> HubSettings:
    tree = HubSection().load(layers.values)
    home = home.resolve()
    connections = {
        name: replace(c, name=name, from_files=_from_files(layers, name, c.settings))
        for name, c in tree["connections"].items()
    }
    return HubSettings(
        home=home,
        database_url=_absolute(tree["database"]["url"], home),
        language=tree["language"],
        connections=connections,
        flows={name: replace(f, name=name) for name, f in tree["flows"].items()},
        engine=tree["engine"],
        web=tree["web"],
        departments=tree["departments"],
        modules=tree["modules"],
        plugins=_plugins(tree["plugins"]),
        plugin_dirs=tuple(home / folder for folder in tree["plugin_dirs"]),
        values=layers.values,
        origins=layers.origins,
    )


def _plugins(text: str) -> tuple[str, ...] | None:
    """The names of the modules to load; None: all."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    return None if names == ("all",) else () if names == ("none",) else names


def _from_files(layers: Layers, name: str, settings: Iterable[str]) -> frozenset[str]:
    def layer(key: str) -> str:
        origin = layers.origin(("connections", name, "settings", key))
        return origin.layer if origin else ""

    return frozenset(key for key in settings if layer(key) in ("file", "default"))


def _absolute(url: str, home: Path) -> str:
    """A relative SQLite path begins at the home of the hub, wherever the command is run."""
    head, found, path = url.partition(":///")
    if not found or not head.startswith("sqlite") or not path or path[0] in "/:":
        return url
    return f"{head}:///{home / path}" if not re.match(r"[A-Za-z]:", path) else url
