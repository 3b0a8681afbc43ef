"""The part of SQL that the fakes understand in a filter, evaluated on rows."""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

Get = Callable[[str], Any]
TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])|(?P<op><=|>=|<>|=|<|>|[(),])"
    r"|(?P<word>[A-Za-z_][\w.]*))"
)


class FilterError(Exception):
    pass


def compile_filter(source: str) -> Callable[[Get], bool]:
    tokens, at = [], 0
    while source[at:].strip():
        found = TOKEN.match(source, at)
        if not found:
            raise FilterError(f"“{source[at:]}”附近有语法错误")
        tokens.append((found.lastgroup, found[found.lastgroup or 0]))
        at = found.end()
    parser = _Parser(tokens)
    test = parser.either()
    if parser.peek() is not None:
        raise FilterError(f"“{parser.peek()}”附近有语法错误")
    return test


class _Parser:
    def __init__(self, tokens: list[tuple[Any, str]]) -> None:
        self.tokens = tokens

    def peek(self) -> Any:
        return self.tokens[0][1].lower() if self.tokens else None

    def take(self, *wanted: str) -> str:
        if not self.tokens or (wanted and self.peek() not in wanted):
            raise FilterError(f"需要 {wanted}，得到 {self.peek()}")
        return self.tokens.pop(0)[1]

    def either(self) -> Callable[[Get], bool]:
        tests = [self.every()]
        while self.peek() == "or":
            self.take()
            tests.append(self.every())
        return lambda get: any(t(get) for t in tests)

    def every(self) -> Callable[[Get], bool]:
        tests = [self.single()]
        while self.peek() == "and":
            self.take()
            tests.append(self.single())
        return lambda get: all(t(get) for t in tests)

    def single(self) -> Callable[[Get], bool]:
        if self.peek() == "(":
            self.take()
            inner = self.either()
            self.take(")")
            return inner
        return self.comparison()

    def comparison(self) -> Callable[[Get], bool]:
        key = self.take()
        op = self.take().lower()
        if op == "is":
            negated = self.peek() == "not"
            if negated:
                self.take()
            self.take("null")
            return lambda get: (get(key) is None) != negated
        if op in ("in", "not"):
            if op == "not":
                self.take("in")
            self.take("(")
            values = [self.literal()]
            while self.peek() == ",":
                self.take()
                values.append(self.literal())
            self.take(")")
            return lambda get: any(compared(get(key), v, "=") for v in values) == (op == "in")
        value = self.literal()
        if op not in ("=", "<>", "<", "<=", ">", ">=", "like"):
            raise FilterError(f"不支持 {op}")
        return lambda get: compared(get(key), value, op)

    def literal(self) -> Any:
        kind, value = self.tokens.pop(0) if self.tokens else (None, "")
        if kind == "text":
            return value[1:-1].replace("''", "'")
        if kind == "number":
            return Decimal(value)
        raise FilterError(f"“{value}”不是常量")


def compared(have: Any, want: Any, op: str) -> bool:
    """As SQL Server does by default: without regard to case and blanks at the end; null is nothing."""
    if have is None:
        return False
    if isinstance(have, bool):
        have = int(have)
    if isinstance(have, int | Decimal):
        try:
            want = Decimal(str(want))
        except InvalidOperation as e:
            raise FilterError(f"将 '{want}' 转换成数字时失败") from e
    else:
        have, want = (_moment(str(v).rstrip().casefold()) for v in (have, want))
    match op:
        case "=":
            return bool(have == want)
        case "<>":
            return bool(have != want)
        case "<":
            return bool(have < want)
        case "<=":
            return bool(have <= want)
        case ">":
            return bool(have > want)
        case ">=":
            return bool(have >= want)
    pattern = re.escape(str(want)).replace("%", ".*").replace("_", ".")
    return re.fullmatch(pattern, str(have), re.DOTALL) is not None


def _moment(text: str) -> str:
    if re.match(r"\d{4}-\d\d-\d\dt\d\d:", text):
        return text.replace("t", " ", 1)
    return f"{text} 00:00:00" if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text
