"""The layers of the configuration as plain values, with the place each one came from.

YAML is read strictly: a duplicate key is an error, only `true` and `false` are booleans (so `no`
stays the country), and dates, clock times and numbers with a leading zero stay text.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hub.errors import ConfigError

Keys = tuple[str, ...]
PREFIX = "HUB__"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: `layer` is default, file, environment or command line."""

    layer: str
    place: str

    def __str__(self) -> str:
        return self.place


class Layers:
    """`values`: the layers merged, mappings key by key, anything else replaced as a whole."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[Keys, Origin] = {}

    def add(self, keys: Keys, value: Any, origin: Origin) -> None:
        """Set one leaf, or make sure that a mapping is there (`value` {})."""
        parent = self.values
        for key in keys[:-1]:
            if not isinstance(parent.get(key), dict):
                parent[key] = {}
            parent = parent[key]
        kept = isinstance(parent.get(keys[-1]), dict) and value in ({}, None)
        if not kept:
            self._forget(keys)
            parent[keys[-1]] = value
            self.origins[keys] = origin

    def _forget(self, keys: Keys) -> None:
        gone = [k for k in self.origins if k[: len(keys)] == keys]
        for k in gone:
            del self.origins[k]

    def add_file(self, path: Path, label: str, *, layer: str = "file") -> None:
        for keys, value, line in read_yaml(path, label):
            self.add(keys, value, Origin(layer, f"{label}:{line}"))

    def add_environment(self, environ: Mapping[str, str], read: Callable[[Keys, str], Any]) -> None:
        for name in sorted(n for n in environ if n.startswith(PREFIX)):
            keys, text = tuple(name[len(PREFIX) :].lower().split("__")), environ[name]
            if keys[-1].endswith("_file"):
                keys, text = (*keys[:-1], keys[-1].removesuffix("_file")), _content(name, text)
            keys = self._spelt(keys)
            self.add(keys, read(keys, text), Origin("environment", name))

    def add_options(self, options: Mapping[str, str], read: Callable[[Keys, str], Any]) -> None:
        for name, text in options.items():
            keys = tuple(name.split("."))
            self.add(keys, read(keys, text), Origin("command line", f"--set {name}"))

    def _spelt(self, keys: Keys) -> Keys:
        """The keys as the files spell them: a variable's name cannot hold case or hyphens."""
        spelt: list[str] = []
        at: Any = self.values
        for key in keys:
            known = at if isinstance(at, dict) else {}
            found = next((k for k in known if k.lower().replace("-", "_") == key), key)
            spelt.append(found)
            at = known.get(found)
        return tuple(spelt)

    def origin(self, keys: Keys) -> Origin | None:
        """The place of the value, or of the nearest mapping around it."""
        for length in range(len(keys), 0, -1):
            inside = [o for k, o in self.origins.items() if k[:length] == keys[:length]]
            if found := self.origins.get(keys[:length]) or next(iter(inside), None):
                return found
        return None


def _content(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(
            "{name}: cannot read the file {path!r}: {reason}",
            name=name,
            path=path,
            reason=getattr(e, "strerror", None) or str(e),
            hint="A variable that ends in _FILE names a file that holds the value.",
        ) from e


# --------------------------------------------------------------------------------------- YAML


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of JSON instead of those of YAML 1.1."""

    yaml_implicit_resolvers: dict[str, Any] = {}


for _tag, _pattern, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", list("tf")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?[0-9]+\.[0-9]+(?:[eE][-+]?[0-9]+)?", list("-+0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first
    )


def read_yaml(path: Path, label: str) -> Iterator[tuple[Keys, Any, int]]:
    """Every leaf of the file as (keys, value, line); an empty mapping is a leaf too."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        loader = _Loader(text)
        node = loader.get_single_node()
    except UnicodeDecodeError as e:
        raise ConfigError(
            "{place} is not UTF-8 text: byte {byte} at position {at}",
            place=label,
            byte=f"0x{e.object[e.start]:02x}",
            at=e.start,
            hint="Save the file as UTF-8.",
        ) from e
    except OSError as e:
        raise ConfigError(
            "{place}: cannot be read: {reason}",
            place=label,
            reason=e.strerror or str(e),
            hint="Check the path and the rights of the user that runs the hub.",
        ) from e
    except yaml.MarkedYAMLError as e:
        raise _broken(label, e) from e
    except yaml.YAMLError as e:
        raise ConfigError("{place}: not valid YAML: {reason}", place=label, reason=str(e)) from e
    if node is None or node.tag.endswith(":null"):
        return
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError("{place}: the file must hold a mapping of settings", place=f"{label}:1")
    yield from _leaves(loader, node, (), label)


def _broken(label: str, e: yaml.MarkedYAMLError) -> ConfigError:
    line = e.problem_mark.line + 1 if e.problem_mark else 1
    reason = ", ".join(p for p in (e.context, e.problem) if p)
    hint = "Indent with spaces, and quote a text that holds a colon, a hash or a tab."
    place = f"{label}:{line}"
    return ConfigError("{place}: not valid YAML: {reason}", place=place, reason=reason, hint=hint)


def _leaves(
    loader: yaml.SafeLoader, node: yaml.MappingNode, above: Keys, label: str
) -> Iterator[tuple[Keys, Any, int]]:
    for key, child in _pairs(node, above, label).items():
        keys, line = (*above, key), child.start_mark.line + 1
        if isinstance(child, yaml.MappingNode) and child.value:
            yield from _leaves(loader, child, keys, label)
        else:
            yield keys, _plain(loader, child, f"{label}:{line}"), line


def _pairs(node: yaml.MappingNode, above: Keys, label: str) -> dict[str, yaml.Node]:
    own: dict[str, yaml.Node] = {}
    merged: dict[str, yaml.Node] = {}
    for key, child in node.value:
        place = f"{label}:{key.start_mark.line + 1}"
        if key.tag.endswith(":merge"):
            merged |= _merged(child, above, label)
        elif not isinstance(key, yaml.ScalarNode):
            raise ConfigError("{place}: a key must be a plain text", place=place)
        elif key.value in own:
            name = ".".join((*above, key.value))
            hint = "Remove one of the two; nothing says which is meant."
            raise ConfigError("{place}: {name!r} is given twice", place=place, name=name, hint=hint)
        else:
            own[key.value] = child
    return merged | own


def _merged(node: yaml.Node, above: Keys, label: str) -> dict[str, yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return _pairs(node, above, label)
    place = f"{label}:{node.start_mark.line + 1}"
    raise ConfigError("{place}: << needs one mapping, such as <<: *name", place=place)


def _plain(loader: yaml.SafeLoader, node: yaml.Node, place: str) -> Any:
    """The value of a leaf; the mappings inside a list become dicts."""
    if isinstance(node, yaml.MappingNode):
        return {k: _plain(loader, v, place) for k, v in _pairs(node, (), place).items()}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(loader, child, place) for child in node.value]
    try:
        return loader.construct_object(node)
    except yaml.YAMLError as e:
        raise ConfigError("{place}: not valid YAML: {reason}", place=place, reason=str(e)) from e


def scalar(text: str) -> Any:
    """The text as YAML reads a value: `500` a number, `true` a boolean, `[a, b]` a list."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return "" if node is None else _plain(loader, node, "")
    except (yaml.YAMLError, ConfigError):
        return text
