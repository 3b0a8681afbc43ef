"""The texts that people read, found in the source: what `hub/locale` must translate.

Found are the first argument of every error class, `hint=` and `help=`, the message of `Problem` and
`BadRow`, the help of a setting, `_()`, and the same in the page templates.  A text may stand in a
variable of the same function or module, or in an `a if … else b`.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hub import errors

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("hub", "connectors", "plugins")
# The argument of a call that is a text: by place and by name.
TEXTS: dict[str, tuple[int, str]] = {
    "_": (0, ""),
    "Problem": (1, "message"),
    "BadRow": (2, "message"),
    "ValidationError": (0, "message"),
    **dict.fromkeys(
        ("Text", "Url", "Secret", "Number", "Flag", "Nested", "Duration", "Fraction", "_count"),
        (0, "help"),
    ),
    **dict.fromkeys(("_schedule", "_folder"), (0, "help")),
    **dict.fromkeys(("_part", "_named"), (1, "help")),
    **dict.fromkeys(("unknown",), (0, "template")),
}
EVERYWHERE = ("hint", "help", "epilog")
IN_TEMPLATE = re.compile(r"""\b_\((["'])((?:\\.|(?!\1).)*)\1""")


@dataclass(frozen=True, order=True)
class Message:
    text: str
    place: str
    line: int
    plural: str = ""


class _Finder(ast.NodeVisitor):
    def __init__(self, place: str, calls: Mapping[str, tuple[int, str]]) -> None:
        self.place = place
        self.calls = calls
        self.found: list[Message] = []
        self.formatted: list[Message] = []
        self._scopes: list[dict[str, list[ast.expr]]] = []

    def visit_Module(self, node: ast.Module) -> None:
        self._inside(node, node.body)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inside(node, list(ast.walk(node)))

    def _inside(self, node: ast.AST, statements: list[Any]) -> None:
        scope: dict[str, list[ast.expr]] = {}
        for statement in statements:
            if isinstance(statement, ast.Assign):
                for target in statement.targets:
                    _assigned(target, statement.value, scope)
        self._scopes.append(scope)
        self.generic_visit(node)
        self._scopes.pop()

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        name = node.func.attr if isinstance(node.func, ast.Attribute) else name
        place, keyword = self.calls.get(name, (99, ""))
        if place < len(node.args):
            self._take(node.args[place])
        for given in node.keywords:
            if given.arg in EVERYWHERE or (keyword and given.arg == keyword):
                self._take(given.value)
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "help":
                self._take(value)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        names = [t.id for t in node.targets if isinstance(t, ast.Name)]
        if names == ["PLURALS"]:
            pairs: tuple[tuple[str, str], ...] = ast.literal_eval(node.value)
            self.found += [Message(a, self.place, node.lineno, b) for a, b in pairs]
        self.generic_visit(node)

    def _take(self, node: ast.expr, depth: int = 0) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
            self.found.append(Message(node.value, self.place, node.lineno))
        elif isinstance(node, ast.JoinedStr):
            self.formatted.append(Message(ast.unparse(node), self.place, node.lineno))
        elif isinstance(node, ast.IfExp):
            self._take(node.body, depth)
            self._take(node.orelse, depth)
        elif isinstance(node, ast.BoolOp):
            for value in node.values:
                self._take(value, depth)
        elif isinstance(node, ast.Name) and depth < 3:
            for value in self._values(node.id):
                self._take(value, depth + 1)

    def _values(self, name: str) -> list[ast.expr]:
        return next((s[name] for s in reversed(self._scopes) if name in s), [])


def _assigned(target: ast.expr, value: ast.expr, scope: dict[str, list[ast.expr]]) -> None:
    if isinstance(target, ast.Name):
        scope.setdefault(target.id, []).append(value)
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, given in zip(target.elts, value.elts, strict=False):
            _assigned(one, given, scope)


def _calls(trees: Mapping[str, ast.Module]) -> dict[str, tuple[int, str]]:
    """`TEXTS` with every error class: those of `hub.errors` and their subclasses anywhere."""
    known = {n for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, Exception)}
    for _round in range(2):
        for tree in trees.values():
            for node in ast.walk(tree):
                bases = {ast.unparse(b).split(".")[-1] for b in getattr(node, "bases", [])}
                if isinstance(node, ast.ClassDef) and bases & known:
                    known.add(node.name)
    return {**TEXTS, **dict.fromkeys(known, (0, "template"))}


def scan(root: Path = ROOT) -> tuple[list[Message], list[Message]]:
    """All texts of the source, and those built with an f-string, which nobody can translate."""
    files = [p for folder in FOLDERS for p in sorted((root / folder).rglob("*.py"))]
    trees = {str(p.relative_to(root)): ast.parse(p.read_text(encoding="utf-8")) for p in files}
    calls = _calls(trees)
    found: list[Message] = []
    formatted: list[Message] = []
    for place, tree in trees.items():
        finder = _Finder(place, calls)
        finder.visit(tree)
        found += finder.found
        formatted += finder.formatted
    for page in sorted((root / "hub").rglob("*.html")):
        found += _in_template(page.read_text(encoding="utf-8"), str(page.relative_to(root)))
    return found, formatted


def _in_template(text: str, place: str) -> Iterator[Message]:
    for match in IN_TEMPLATE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Message(match[2].replace("\\" + match[1], match[1]), place, line)


def extract(
    file: IO[bytes], keywords: Any, comment_tags: Any, options: Any
) -> Iterator[tuple[int, str | None, str | tuple[str, str], list[str]]]:
    """The extraction method that `babel.cfg` names: the texts of one file."""
    text = file.read().decode("utf-8")
    if text.lstrip().startswith("<"):
        found = list(_in_template(text, ""))
    else:
        tree = ast.parse(text)
        finder = _Finder("", _calls({"": tree}))
        finder.visit(tree)
        found = finder.found
    for message in found:
        plural = (message.text, message.plural)
        yield (
            message.line,
            "ngettext" if message.plural else None,
            plural if message.plural else (message.text),
            [],
        )
