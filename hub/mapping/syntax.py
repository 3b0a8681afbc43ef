"""The text of a formula → our own tree.  The grammar has no attribute access, no user function and
no statement: what it cannot say cannot be done."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import LarkError, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from hub.mapping.paths import Path, PathError, parse_path
from hub.mapping.problems import LensError

MAX_LENGTH = 2000
MAX_DEPTH = 48
MAX_NODES = 500
MAX_DIGITS = 60

_GRAMMAR = r"""
?start: comparison
?comparison: joined
    | joined COMPARE joined -> binary
?joined: sum
    | joined JOIN sum -> binary
?sum: product
    | sum PLUS product -> binary
?product: power
    | product TIMES power -> binary
?power: unary
    | power POWER unary -> binary
?unary: percent
    | PLUS unary -> unary
?percent: atom
    | percent PERCENT -> unary_after
?atom: NUMBER -> number
    | STRING -> text
    | FUNCTION _OPEN [arguments] _CLOSE -> call
    | NAME -> name
    | _OPEN comparison _CLOSE
arguments: comparison (_COMMA comparison)*

COMPARE: "<>" | "<=" | ">=" | "=" | "<" | ">"
JOIN: "&"
PLUS: "+" | "-"
TIMES: "*" | "/"
POWER: "^"
PERCENT: "%"
_OPEN: "(" | "（"
_CLOSE: ")" | "）"
_COMMA: "," | "，"
NUMBER: /[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|\.[0-9]+/
STRING: /"(?:[^"]|"")*"|'(?:[^']|'')*'|“[^”]*”/
FUNCTION.2: /[A-Za-z][A-Za-z0-9]*(?=[ \t\r\n]*[(（])/
NAME: /(?:WORD|\[TITLE\])(?:\.[\w$]+|\.\[CHARS+\]|\[[0-9]{1,4}\]|\[\*\]|\[\?[\w$]+='[^']*'\])*/
%ignore /[ \t\r\n\u3000]+/
"""

_CHARS = r"""[^\[\]?*'"]"""
_TITLE = rf"""{_CHARS}*[^\[\]?*'"0-9]{_CHARS}*"""  # a number in brackets is an index
GRAMMAR = (
    _GRAMMAR.replace("WORD", r"[^\W\d][\w$]*").replace("TITLE", _TITLE).replace("CHARS", _CHARS)
)

SYNTAX = "the formula cannot be read from character {position} on: {rest!r}"
ENDS = "the formula ends too early"
TOO_LONG = "the formula is longer than {most} characters"
TOO_DEEP = "the formula is nested deeper than {most} levels"
TOO_MANY = "the formula has more than {most} parts"
BAD_NUMBER = "a number with too many digits: {number!r}"
BAD_NAME = "not the name of a field: {name!r}"
SYNTAX_HINT = 'Texts stand in "quotes", arguments in (…, …), field names with spaces in [brackets].'


class FormulaError(LensError):
    """The one error of formulas, when they are read and when they are computed.

    `position`: the character (from 1) where the trouble is.
    """

    def __init__(self, template: str, position: int = 0, *, hint: str = "", **values: Any) -> None:
        super().__init__(template, code="formula", hint=hint, position=position, **values)
        self.position = position


@dataclass(frozen=True, slots=True)
class Node:
    """`at`: position in the text, from 1; `depth` and `size` of the tree below, for the budget."""

    at: int
    depth: int = 1
    size: int = 1


NO_PATH = Path("", ())


@dataclass(frozen=True, slots=True)
class Literal(Node):
    value: Any = None


@dataclass(frozen=True, slots=True)
class Name(Node):
    path: Path = NO_PATH
    text: str = ""


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function, or an operator under its sign (`neg` and `%` have one argument)."""

    name: str = ""
    args: tuple[Node, ...] = ()


def call(at: int, name: str, args: tuple[Node, ...]) -> Call:
    depth, size = 1 + max((a.depth for a in args), default=0), 1 + sum(a.size for a in args)
    if depth > MAX_DEPTH:
        raise FormulaError(TOO_DEEP, at, most=MAX_DEPTH)
    if size > MAX_NODES:
        raise FormulaError(TOO_MANY, at, most=MAX_NODES)
    return Call(at, depth, size, name, args)


@v_args(inline=True)
class _Builder(Transformer[Token, Node]):
    def binary(self, left: Node, sign: Token, right: Node) -> Node:
        return call(_at(sign), str(sign), (left, right))

    def unary(self, sign: Token, value: Node) -> Node:
        return call(_at(sign), "neg" if sign == "-" else "pos", (value,))

    def unary_after(self, value: Node, sign: Token) -> Node:
        return call(_at(sign), "%", (value,))

    def number(self, token: Token) -> Node:
        if len(token) > MAX_DIGITS:
            raise FormulaError(BAD_NUMBER, _at(token), number=f"{token:.20}…")
        try:
            number = Decimal(str(token))
        except InvalidOperation as e:
            raise FormulaError(BAD_NUMBER, _at(token), number=str(token)) from e
        if abs(number.adjusted()) > MAX_DIGITS:
            raise FormulaError(BAD_NUMBER, _at(token), number=str(token))
        return Literal(_at(token), value=number)

    def text(self, token: Token) -> Node:
        quote = token[0]
        inner = str(token[1:-1])
        return Literal(_at(token), value=inner.replace(quote * 2, quote))

    def name(self, token: Token) -> Node:
        word = str(token)
        if word.upper() in ("TRUE", "FALSE"):
            return Literal(_at(token), value=word.upper() == "TRUE")
        return Name(_at(token), path=_path(word, _at(token)), text=word)

    def arguments(self, *args: Node) -> tuple[Node, ...]:
        return args

    def call(self, name: Token, args: tuple[Node, ...] | None) -> Node:
        return call(_at(name), name.upper(), args or ())


def _at(token: Token) -> int:
    return (token.start_pos or 0) + 1


def _path(word: str, at: int) -> Path:
    """The path of a name; `[Unit price]` is the column of that name."""
    text = word
    while (start := _bracket(text)) is not None:
        end = text.index("]", start)
        text = f'{text[:start]}"{text[start + 1 : end]}"{text[end + 1 :]}'
    try:
        return parse_path(text)
    except PathError as e:
        raise FormulaError(BAD_NAME, at, name=word) from e


def _bracket(text: str) -> int | None:
    """Where a bracketed name starts: a bracket at the beginning or after a dot."""
    if text.startswith("["):
        return 0
    at = text.find(".[")
    return at + 1 if at >= 0 else None


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", transformer=_Builder(), maybe_placeholders=True)


def parse(text: str) -> Node:
    """FormulaError is all that can go wrong, in bounded time and memory."""
    if len(text) > MAX_LENGTH:
        raise FormulaError(TOO_LONG, most=MAX_LENGTH)
    _check_nesting(text)
    try:
        tree: Any = _parser().parse(text)
    except UnexpectedCharacters as e:
        raise _syntax(text, e.pos_in_stream or 0) from e
    except UnexpectedToken as e:
        raise _syntax(text, _position(e, len(text))) from e
    except (UnexpectedInput, LarkError) as e:
        if isinstance(inner := e.__context__, FormulaError):
            raise inner from None
        raise _syntax(text, len(text)) from e
    node: Node = tree
    return node


def _position(e: UnexpectedToken, end: int) -> int:
    return end if e.token.type == "$END" else e.token.start_pos or 0


def _syntax(text: str, at: int) -> FormulaError:
    rest = text[at : at + 30]
    if not rest.strip():
        return FormulaError(ENDS, len(text), hint=SYNTAX_HINT)
    return FormulaError(SYNTAX, at + 1, hint=SYNTAX_HINT, rest=rest)


def _check_nesting(text: str) -> None:
    depth = 0
    for at, c in enumerate(text):
        if c in "(（":
            depth += 1
            if depth > MAX_DEPTH:
                raise FormulaError(TOO_DEEP, at + 1, most=MAX_DEPTH)
        elif c in ")）":
            depth -= 1


def names(node: Node) -> Iterator[Name]:
    if isinstance(node, Name):
        yield node
    elif isinstance(node, Call):
        for arg in node.args:
            yield from names(arg)
