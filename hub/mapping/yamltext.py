"""YAML read strictly: the scalars of JSON, no duplicate key, no alias, no tag, bounded in size.

Only `true` and `false` are booleans (so `no` stays the country), and dates, clock times and numbers
with a leading zero stay text (so the code `010` is not the number 8).
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml
from yaml.nodes import MappingNode, ScalarNode, SequenceNode

MAX_CHARACTERS = 200_000
MAX_DEPTH = 24
_TAG = "tag:yaml.org,2002:"

DUPLICATE = "the key {key!r} stands twice"
BAD_KEY = "a key must be a single value"
ALIAS = "aliases are not allowed: write it out"
BAD_TAG = "the tag {tag!r} is not allowed"
TOO_DEEP = "nested deeper than {most} levels"
TOO_LONG = "longer than {most} characters"


class Block(dict[Any, Any]):
    """A mapping of the text, and the line it begins in."""

    line: int = 0
    place: str = ""


class YamlError(ValueError):
    """Text that cannot be read.  A template and its values; `line` from 1, 0 when unknown."""

    def __init__(self, template: str, line: int = 0, **values: Any) -> None:
        super().__init__(template)
        self.template, self.line, self.values = template, line, values


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.events.AliasEvent):
            raise YamlError(ALIAS, line)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise YamlError(TOO_DEEP, line, most=MAX_DEPTH)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _name, _pattern, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", list("tf")),
    ("int", r"-?(?:0|[1-9][0-9]{0,17})", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]*)\.[0-9]+", list("-0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _first)


def read_yaml(text: str, place: str) -> Any:
    """The value of the text; its mappings are `Block`s.  YamlError is all that is raised."""
    if len(text) > MAX_CHARACTERS:
        raise YamlError(TOO_LONG, most=MAX_CHARACTERS)
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        why = getattr(e, "problem", None) or str(e)
        raise YamlError("{why}", mark.line + 1 if mark else 0, why=why) from e
    return _value(node, place)


def _value(node: Any, place: str) -> Any:
    match node:
        case ScalarNode():
            return _scalar(node)
        case SequenceNode(tag="tag:yaml.org,2002:seq"):
            return [_value(n, place) for n in node.value]
        case MappingNode(tag="tag:yaml.org,2002:map"):
            return _block(node, place)
        case None:
            return None
    raise YamlError(BAD_TAG, _line(node), tag=node.tag)


def _scalar(node: ScalarNode) -> Any:
    match node.tag.removeprefix(_TAG):
        case "str":
            return str(node.value)
        case "null":
            return None
        case "bool":
            return node.value == "true"
        case "int":
            return int(node.value)
        case "float":
            return float(node.value)
    raise YamlError(BAD_TAG, _line(node), tag=node.tag)


def _block(node: MappingNode, place: str) -> Block:
    block = Block()
    block.line, block.place = _line(node), place
    for key_node, value_node in node.value:
        if not isinstance(key_node, ScalarNode):
            raise YamlError(BAD_KEY, _line(key_node))
        key = _scalar(key_node)
        if key in block:
            raise YamlError(DUPLICATE, _line(key_node), key=key)
        block[key] = _value(value_node, place)
    return block


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


# --------------------------------------------------------------------------------------- writing


class _Dumper(yaml.SafeDumper):
    """Rows in one line each, lists indented like ours."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _Flow(dict[str, Any]):
    """A mapping written in one line."""


_Dumper.add_representer(
    _Flow,
    lambda dumper, data: dumper.represent_mapping(_TAG + "map", data.items(), flow_style=True),
)


def write_yaml(tree: Mapping[str, Any]) -> str:
    """The same bytes for the same content."""
    return str(
        yaml.dump(
            _styled(tree), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1_000_000
        )
    )


def _styled(value: Any, depth: int = 0) -> Any:
    if isinstance(value, Mapping):
        styled = {k: _styled(v, depth + 1) for k, v in value.items()}
        nested = depth == 0 or "rows" in value
        return styled if nested else _Flow(styled)
    if isinstance(value, list | tuple):
        return [_styled(v, depth + 1) for v in value]
    return value
