"""Excel-like formulas: `IF(type = "B2B", CONCAT(name, " (", city, ")"), name)`.

A formula is read once, checked, and compiled to closures.  It reads one row and nothing else: no
clock, no I/O, no attribute of anything.  `MAP`, `FILTER` and `COUNT` compute their second argument
once per item; in there a name means a column of the item, `item` the item itself, and `row.name` a
column of the row.  Absent stays absent: arithmetic with it is absent, a condition that is absent
does not hold, a text is made without it.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from hub.mapping import functions, syntax
from hub.mapping.functions import FUNCTIONS, NUMBERS, Function, Run, to_boolean, to_number
from hub.mapping.paths import Path, PathError
from hub.mapping.syntax import Call, FormulaError, Literal, Name, Node

Closure = Callable[[Any, Run], Any]

UNKNOWN_NAME = "character {position}: there is no field {name!r}"
UNKNOWN_FUNCTION = "character {position}: there is no function {name!r}"
REFUSED_FUNCTION = "character {position}: the function {name!r} is not allowed in a formula"
ARGUMENTS = "character {position}: {name} takes {least} to {most} arguments, not {count}"
WRONG_KIND = "character {position}: {name} takes {expected} here, not {found}"
NO_LITERAL = "character {position}: the pattern of {name} stands in the formula, in quotes"
NOT_A_VALUE = "{name!r} is not one value: name a part of it"
NOT_A_CONDITION = "a condition is true or false, not {value!r}"
CANNOT = "cannot be computed: {reason}"
DID_YOU_MEAN = "Did you mean {suggestion!r}?"

_KINDS = {"text": "text", "choice": "text", "ref": "text", "integer": "number"}
_KINDS |= {"decimal": "number", "number": "number", "boolean": "boolean", "date": "date"}
_KINDS |= {"datetime": "date", "list": "list", "set": "list", "rows": "list"}


@dataclass(frozen=True, slots=True)
class Formula:
    """`lineage`: the paths it reads.  `kind`: what it gives, "any" when that depends on the row."""

    text: str
    kind: str
    lineage: tuple[str, ...]
    _compute: Closure = field(repr=False, compare=False)
    _needs_run: bool = field(repr=False, compare=False)

    def evaluate(self, scope: Mapping[str, Any], row: Any = None) -> Any:
        """The value for *scope*; `row.…` speaks of *row*.  Nothing but FormulaError is raised."""
        try:
            if self._needs_run:
                return self._compute(scope, Run(scope if row is None else row))
            return self._compute(scope, _NO_RUN)
        except FormulaError:
            raise
        except (ValueError, TypeError, ArithmeticError, RecursionError) as e:
            raise FormulaError(CANNOT, reason=_reason(e)) from e

    def holds(self, scope: Mapping[str, Any], row: Any = None) -> bool:
        """Whether the condition is true; absent is not."""
        value = self.evaluate(scope, row)
        if value is True:
            return True
        if value is False or value is None:
            return False
        raise FormulaError(NOT_A_CONDITION, value=value)


_NO_RUN = Run(None)


def _reason(e: Exception) -> str:
    if isinstance(e, ArithmeticError):
        name = type(e).__name__
        return {"DivisionByZero": "division by zero", "Overflow": "too large"}.get(name, name)
    return "nested too deeply" if isinstance(e, RecursionError) else str(e)[:200]


def compile_formula(
    text: str, *, fields: Mapping[str, str] | Iterable[str] | None = None
) -> Formula:
    """The formula, read and checked.

    *fields*: the names it may use, with their kinds where these are known; None: any.
    """
    tree = syntax.parse(text)
    compiler = _Compiler(_kinds(fields))
    kind = compiler.kind(tree, item=False)
    lineage = tuple(dict.fromkeys(_lineage(tree, "")))
    compute = compiler.closure(tree)
    return Formula(text, kind, lineage, compute, compiler.needs_run)


def _kinds(fields: Mapping[str, str] | Iterable[str] | None) -> Mapping[str, str] | None:
    if fields is None:
        return None
    if isinstance(fields, Mapping):
        return {name: _KINDS.get(kind, "any") for name, kind in fields.items()}
    return dict.fromkeys(fields, "any")


def suggestion(name: str, known: Iterable[str]) -> str:
    """The known name nearest to *name*; "" if none is near."""
    by_fold = {k.casefold(): k for k in known}
    close = difflib.get_close_matches(name.casefold()[:80], list(by_fold)[:2000], 1, 0.6)
    return by_fold[close[0]] if close else ""


# -------------------------------------------------------------------------------------- lineage

_PER_ITEM = ("MAP", "FILTER", "COUNT")


def _lineage(node: Node, prefix: str | None) -> list[str]:
    """The paths read; *prefix*: where the items come from, None if they are not plain items."""
    if isinstance(node, Name):
        return _read_by(node, prefix)
    if not isinstance(node, Call):
        return []
    if node.name in _PER_ITEM and len(node.args) == 2:
        source = _source(node.args[0], prefix)
        return _lineage(node.args[0], prefix) + _lineage(node.args[1], source)
    return [path for arg in node.args for path in _lineage(arg, prefix)]


def _read_by(node: Name, prefix: str | None) -> list[str]:
    head, _, rest = node.path.text.partition(".")
    if head == "row" and rest:
        return [rest]
    if prefix is None or node.path.text == "item":
        return []
    return [prefix + (rest if head == "item" and prefix else node.path.text)]


def _source(node: Node, prefix: str | None) -> str | None:
    """The prefix of the items that a list consists of."""
    if isinstance(node, Call) and node.name == "FILTER" and node.args:
        return _source(node.args[0], prefix)
    if isinstance(node, Name):
        paths = _read_by(node, prefix)
        return f"{paths[0]}[*]." if paths else None
    return None


# -------------------------------------------------------------------------------------- compiler


class _Compiler:
    def __init__(self, fields: Mapping[str, str] | None) -> None:
        self._fields = fields
        self.needs_run = False

    # -- kinds: what can be known before a row is seen

    def kind(self, node: Node, *, item: bool) -> str:
        if isinstance(node, Literal):
            return _kind_of(node.value)
        if isinstance(node, Name):
            return self._name_kind(node, item)
        assert isinstance(node, Call)
        if node.name in _OPERATORS:
            return self._operator_kind(node, item)
        return self._call_kind(node, item)

    def _name_kind(self, node: Name, item: bool) -> str:
        steps = node.path.steps
        if steps[0] == "row" and len(steps) > 1:
            steps, item = steps[1:], False
        if item or self._fields is None or steps[0] == "item":
            return "any"
        dotted = node.path.text
        if dotted in self._fields:
            return self._fields[dotted]
        first = str(steps[0])
        if first not in self._fields and not any(f.startswith(f"{first}.") for f in self._fields):
            near = suggestion(first, self._fields)
            raise _error(UNKNOWN_NAME, node, name=first, suggestion=near)
        return self._fields.get(first, "any") if len(steps) == 1 else "any"

    def _operator_kind(self, node: Call, item: bool) -> str:
        expected, gives = _OPERATORS[node.name]
        kinds = [self.kind(arg, item=item) for arg in node.args]
        if node.name in "+-" and "date" in kinds:
            return "number" if kinds == ["date", "date"] else "date"
        for arg, kind in zip(node.args, kinds, strict=True):
            _expect(arg, node.name, expected, kind)
        return gives

    def _call_kind(self, node: Call, item: bool) -> str:
        function = _function(node)
        for n, arg in enumerate(node.args):
            inner = item or (node.name in _PER_ITEM and n == 1)
            expected = function.kind_of(n)
            if expected == "pattern":
                if not isinstance(arg, Literal) or not isinstance(arg.value, str):
                    raise FormulaError(NO_LITERAL, arg.at, name=node.name)
                continue
            _expect(arg, node.name, expected, self.kind(arg, item=inner))
        return function.gives

    # -- closures

    def closure(self, node: Node) -> Closure:
        if isinstance(node, Literal):
            value = node.value
            return lambda scope, run: value
        if isinstance(node, Name):
            return self._name(node)
        assert isinstance(node, Call)
        if node.name in ("=", "<>") and (fast := _name_equals_text(node)):
            return fast
        args = [self.closure(arg) for arg in node.args]
        if node.name in _MAKERS:
            return _MAKERS[node.name](*args)
        self.needs_run |= not _is_free(node)
        if node.name in _LAZY:
            return _LAZY[node.name](node, *args)
        return _eager(node, _function(node), args)

    def _name(self, node: Name) -> Closure:
        steps, text = node.path.steps, node.text
        if steps[0] == "item" and len(steps) == 1:
            return lambda scope, run: plain(scope, text)
        if steps[0] == "item":
            return _item_part(node.path, Path(text, steps[1:]), text)
        if steps[0] == "row" and len(steps) > 1:
            self.needs_run = True
            inner = Path(text, steps[1:])
            return lambda scope, run: _follow(run.row, inner, text)
        if len(steps) == 1 and isinstance(steps[0], str):
            return _column(steps[0])
        return lambda scope, run: _follow(scope, node.path, text)


def _error(template: str, node: Node, *, suggestion: str = "", **values: Any) -> FormulaError:
    hint = DID_YOU_MEAN if suggestion else ""
    return FormulaError(template, node.at, hint=hint, suggestion=suggestion, **values)


def _function(node: Call) -> Function:
    function = FUNCTIONS.get(node.name)
    if function is None:
        if hint := functions.REFUSED.get(node.name):
            raise FormulaError(REFUSED_FUNCTION, node.at, hint=hint, name=node.name)
        near = suggestion(node.name, FUNCTIONS)
        raise _error(UNKNOWN_FUNCTION, node, name=node.name[:40], suggestion=near)
    most = syntax.MAX_NODES if function.more else len(function.takes)
    if not function.needed <= len(node.args) <= most:
        raise FormulaError(
            ARGUMENTS,
            node.at,
            name=node.name,
            least=function.needed,
            most="∞" if function.more else most,
            count=len(node.args),
        )
    return function


def _expect(node: Node, name: str, expected: str, found: str) -> None:
    """Refuses what can never be right; what depends on the row is checked there."""
    if "any" in (expected, found) or expected == found:
        return
    converts = expected == "text" or (found == "text" and expected in ("number", "date"))
    if converts and found != "list":
        return
    raise FormulaError(WRONG_KIND, node.at, name=name, expected=expected, found=found)


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


# ------------------------------------------------------------------------------ reading the row

_PLAIN = frozenset({str, Decimal, bool, date, datetime, type(None), list})


def _column(name: str) -> Closure:
    def compute(scope: Any, run: Run) -> Any:
        value = scope.get(name) if isinstance(scope, dict) else _of_other(scope, name)
        return value if type(value) in _PLAIN else plain(value, name)

    return compute


def _of_other(scope: Any, name: str) -> Any:
    return scope.get(name) if isinstance(scope, Mapping) else None


def _item_part(whole: Path, part: Path, name: str) -> Closure:
    """`item.price` is the price of the item, unless the item has something called `item`."""

    def compute(scope: Any, run: Run) -> Any:
        own = isinstance(scope, Mapping) and "item" in scope
        return _follow(scope, whole if own else part, name)

    return compute


def _follow(scope: Any, path: Path, name: str) -> Any:
    """The value at a path; a part of a list is the list of its items' parts."""
    try:
        value = path.get(scope)
    except PathError:
        value = _project(scope, path)
    return plain(value if value else None, name) if not isinstance(value, bool) else value


def _project(scope: Any, path: Path) -> Any:
    value: Any = scope
    for step in path.steps:
        if isinstance(value, list) and isinstance(step, str):
            value = [v.get(step) for v in value if isinstance(v, Mapping)]
        else:
            value = Path(path.text, (step,)).get(value)
        if not value:
            return None
    return value


def plain(value: Any, name: str) -> Any:
    """A value of the row as the language knows it."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is int:
        return to_number(value)
    if kind is float:
        return NUMBERS.create_decimal(repr(value)) if value - value == 0 else _no_value(name)
    if kind is tuple:
        return list(value)
    for base in (str, bool, date):
        if isinstance(value, base):
            return value
    return _no_value(name)


def _no_value(name: str) -> Any:
    raise FormulaError(NOT_A_VALUE, name=name)


# ------------------------------------------------------------------------------------ operators

_OPERATORS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("+", "-", "*", "/", "^", "neg", "pos", "%"), ("number", "number")),
    **dict.fromkeys(("=", "<>", "<", ">", "<=", ">="), ("any", "boolean")),
    "&": ("text", "text"),
}


def _name_equals_text(node: Call) -> Closure | None:
    """`status = "open"` is most of what filters say: one look-up, one comparison."""
    name, literal = node.args
    if not (isinstance(name, Name) and isinstance(literal, Literal) and name.path.simple):
        return None
    key, text, wanted = name.path.steps[0], literal.value, node.name == "="
    if not isinstance(text, str) or key == "item":
        return None

    def compute(scope: Any, run: Run) -> bool:
        value = scope.get(key) if isinstance(scope, dict) else _of_other(scope, str(key))
        if type(value) is str:
            return (value == text) is wanted
        return functions.equal(plain(value, str(key)), text) is wanted

    return compute


def _arithmetic(calculate: Callable[[Any, Any], Any]) -> Callable[[Closure, Closure], Closure]:
    def make(left: Closure, right: Closure) -> Closure:
        def compute(scope: Any, run: Run) -> Any:
            a, b = left(scope, run), right(scope, run)
            if a is None or b is None:
                return None
            if type(a) is not Decimal:
                a = to_number(a)
            if type(b) is not Decimal:
                b = to_number(b)
            return calculate(a, b)

        return compute

    return make


def _power(base: Any, exponent: Any) -> Any:
    if not -1000 <= exponent <= 1000:
        raise FormulaError(functions.TOO_BIG)
    return NUMBERS.power(base, exponent)


def _additive(sign: int) -> Callable[[Closure, Closure], Closure]:
    calculate = NUMBERS.add if sign > 0 else NUMBERS.subtract

    def make(left: Closure, right: Closure) -> Closure:
        def compute(scope: Any, run: Run) -> Any:
            a, b = left(scope, run), right(scope, run)
            if a is None or b is None:
                return None
            if isinstance(a, date) or isinstance(b, date):
                return _with_date(a, b, sign)
            return calculate(to_number(a), to_number(b))

        return compute

    return make


def _with_date(a: Any, b: Any, sign: int) -> Any:
    """Days are added to a date; the difference of two dates is in days."""
    if isinstance(a, date) and isinstance(b, date) and sign < 0:
        return Decimal((functions.to_date(a) - functions.to_date(b)).days)
    start, days = (a, b) if isinstance(a, date) else (b, a)
    if sign < 0 and start is b:
        raise FormulaError(functions.NOT_NUMBER, value=b)
    return start + timedelta(days=sign * functions.to_int(days))


def _compare(test: Callable[[int], bool]) -> Callable[[Closure, Closure], Closure]:
    def make(left: Closure, right: Closure) -> Closure:
        def compute(scope: Any, run: Run) -> bool | None:
            order = functions.order(left(scope, run), right(scope, run))
            return None if order is None else test(order)

        return compute

    return make


def _equals(wanted: bool) -> Callable[[Closure, Closure], Closure]:
    def make(left: Closure, right: Closure) -> Closure:
        def compute(scope: Any, run: Run) -> bool:
            return functions.equal(left(scope, run), right(scope, run)) is wanted

        return compute

    return make


def _one(calculate: Callable[[Any], Any]) -> Callable[[Closure], Closure]:
    def make(inner: Closure) -> Closure:
        def compute(scope: Any, run: Run) -> Any:
            value = inner(scope, run)
            return None if value is None else calculate(to_number(value))

        return compute

    return make


_HUNDRED = Decimal(100)
_MAKERS: Mapping[str, Callable[..., Closure]] = {
    "+": _additive(1),
    "-": _additive(-1),
    "*": _arithmetic(NUMBERS.multiply),
    "/": _arithmetic(NUMBERS.divide),
    "^": _arithmetic(_power),
    "neg": _one(NUMBERS.minus),
    "pos": _one(NUMBERS.plus),
    "%": _one(lambda v: NUMBERS.divide(v, _HUNDRED)),
    "=": _equals(True),
    "<>": _equals(False),
    "<": _compare(lambda o: o < 0),
    ">": _compare(lambda o: o > 0),
    "<=": _compare(lambda o: o <= 0),
    ">=": _compare(lambda o: o >= 0),
}


# ------------------------------------------------------------------------------------ functions

_COERCE: Mapping[str, Callable[[Any], Any]] = {
    "number": to_number,
    "text": functions.to_text,
    "date": functions.to_date,
    "boolean": to_boolean,
    "list": functions.to_list,
}


def _eager(node: Call, function: Function, args: list[Closure]) -> Closure:
    """All arguments computed and of their kind, then the function."""
    call, strict = function.call, function.strict
    assert call is not None
    coerce = [_COERCE.get(function.kind_of(n)) for n in range(len(args))]
    pattern = _pattern(node, function)

    def compute(scope: Any, run: Run) -> Any:
        run.spend(1)
        values = []
        for arg, convert in zip(args, coerce, strict=True):
            value = arg(scope, run)
            if value is None:
                if strict:
                    return None
            elif convert is not None:
                value = convert(value)
            values.append(value)
        if pattern is not None:
            values[1] = pattern
        return call(run, *values)

    return compute


def _pattern(node: Call, function: Function) -> Any:
    if "pattern" not in function.takes:
        return None
    literal = node.args[1]
    assert isinstance(literal, Literal)
    return functions.compile_pattern(literal.value)


def _round_half_up(node: Call, value: Closure, digits: Closure | None = None) -> Closure:
    """Most roundings say their digits: the unit is made once."""
    literal = node.args[1] if digits else Literal(node.at, value=0)
    if not isinstance(literal, Literal):
        return _eager(node, FUNCTIONS["ROUND"], [value, digits] if digits else [value])
    unit = functions.quantum(literal.value)

    def compute(scope: Any, run: Run) -> Decimal | None:
        found = value(scope, run)
        if found is None:
            return None
        if type(found) is not Decimal:
            found = to_number(found)
        return functions.rounded(found, unit, ROUND_HALF_UP)

    return compute


def _if(node: Call, test: Closure, then: Closure, other: Closure | None = None) -> Closure:
    def compute(scope: Any, run: Run) -> Any:
        if to_boolean(test(scope, run)):
            return then(scope, run)
        return other(scope, run) if other else None

    return compute


def _switch(node: Call, value: Closure, *cases: Closure) -> Closure:
    pairs = list(zip(cases[::2], cases[1::2], strict=False))
    default = cases[-1] if len(cases) % 2 else None

    def compute(scope: Any, run: Run) -> Any:
        found = value(scope, run)
        for case, result in pairs:
            if functions.equal(found, case(scope, run)):
                return result(scope, run)
        return default(scope, run) if default else None

    return compute


def _and(node: Call, *args: Closure) -> Closure:
    return lambda scope, run: all(to_boolean(arg(scope, run)) for arg in args)


def _or(node: Call, *args: Closure) -> Closure:
    return lambda scope, run: any(to_boolean(arg(scope, run)) for arg in args)


def _coalesce(node: Call, *args: Closure) -> Closure:
    """The first that is neither absent nor blank."""

    def compute(scope: Any, run: Run) -> Any:
        for arg in args:
            if not functions.is_blank(value := arg(scope, run)):
                return value
        return None

    return compute


def _if_error(node: Call, value: Closure, other: Closure) -> Closure:
    """The budget is no error to recover from."""

    def compute(scope: Any, run: Run) -> Any:
        try:
            return value(scope, run)
        except (FormulaError, ValueError, ArithmeticError, TypeError):
            run.spend(1)
            run.make_room(0)
            return other(scope, run)

    return compute


def _items_of(items: Closure, cost: int) -> Closure:
    """The list that is gone through, its price paid beforehand; absent if there is none."""

    def compute(scope: Any, run: Run) -> list[Any] | None:
        found = items(scope, run)
        if found is None:
            return None
        found = functions.to_list(found)
        run.spend(len(found) * (1 + cost))
        return found

    return compute


def _map(node: Call, items: Closure, each: Closure) -> Closure:
    find = _items_of(items, node.args[1].size)

    def compute(scope: Any, run: Run) -> list[Any] | None:
        found = find(scope, run)
        return None if found is None else [each(item, run) for item in found]

    return compute


def _filter(node: Call, items: Closure, holds: Closure) -> Closure:
    find = _items_of(items, node.args[1].size)

    def compute(scope: Any, run: Run) -> list[Any] | None:
        found = find(scope, run)
        if found is None:
            return None
        return [i for i in found if (h := holds(i, run)) is True or (h and to_boolean(h))]

    return compute


def _count(node: Call, items: Closure, holds: Closure | None = None) -> Closure:
    chosen = _filter(node, items, holds) if holds else _items_of(items, 0)

    def compute(scope: Any, run: Run) -> Decimal | None:
        found = chosen(scope, run)
        return None if found is None else Decimal(len(found))

    return compute


def _ampersand(left: Closure, right: Closure) -> Closure:
    def compute(scope: Any, run: Run) -> str:
        a, b = functions.to_text(left(scope, run)), functions.to_text(right(scope, run))
        run.make_room(len(a) + len(b))
        return a + b

    return compute


def _is_free(node: Call) -> bool:
    """Functions that make no text and go through no list spend nothing of the budget."""
    if node.name == "ROUND":
        return len(node.args) == 1 or isinstance(node.args[1], Literal)
    return node.name in ("IF", "SWITCH", "AND", "OR", "COALESCE")


_LAZY: Mapping[str, Callable[..., Closure]] = {
    "&": lambda node, left, right: _ampersand(left, right),
    "IF": _if,
    "SWITCH": _switch,
    "ROUND": _round_half_up,
    "AND": _and,
    "OR": _or,
    "COALESCE": _coalesce,
    "IFERROR": _if_error,
    "MAP": _map,
    "FILTER": _filter,
    "COUNT": _count,
}
