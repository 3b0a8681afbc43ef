"""The texts that people read, found in the source: what `hub/locale` must translate.

Found are the first argument of every error class, `hint=` and `help=`, the message of `Problem` and
`BadRow`, the help of a setting, `_()`, and the same in the page templates; also what a function
passes on to one of these.  A text may stand in a variable, a constant of any module, a dict of
constants, or in an `a if … else b`.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from babel.messages import mofile, pofile
from babel.messages.catalog import Catalog

from hub import __version__, errors
from hub.i18n import LOCALE, PREFIX

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("hub", "connectors", "plugins")
# The arguments of a call that are texts: by place, and by name.
TEXTS: dict[str, set[tuple[int, str]]] = {
    "_": {(0, "")},
    "Problem": {(1, "message"), (4, "hint")},
    "BadRow": {(2, "message")},
    "rejected": {(99, "message")},
    "error": {(1, "template")},
    "Flaw": {(0, "message")},
    "ValidationError": {(0, "message")},
    **{
        name: {(0, "help")}
        for name in (
            *("Text", "Url", "Secret", "Number", "Flag", "Nested"),
            *("Duration", "Fraction", "Bits"),
        )
    },
}
EVERYWHERE = ("hint", "help", "epilog")
# What a function calls a text that it passes on; other names are values, such as a key in `get`.
PASSED = ("template", "message", "text", "hint", "help")
TESTING = "hub/testing/"  # speaks to developers
# Here a ValueError is what a value or a lens has to say; it becomes a `Problem`.
VALUES = ("hub/values", "hub/model", "hub/mapping")
IN_TEMPLATE = re.compile(r"""\b_\((["'])((?:\\.|(?!\1).)*)\1""")
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")

Calls = dict[str, set[tuple[int, str]]]
Scope = dict[str, list[ast.expr]]


@dataclass(frozen=True, order=True)
class Message:
    text: str
    place: str
    line: int
    plural: str = ""


@dataclass
class Source:
    """The files, and what they declare that reaches across them."""

    trees: dict[str, ast.Module]
    calls: Calls = field(default_factory=lambda: defaultdict(set))
    private: dict[str, Calls] = field(default_factory=lambda: defaultdict(dict))
    constants: Scope = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, places in TEXTS.items():
            self.calls[name] |= places
        for name in _error_classes(self.trees.values()):
            self.calls[name].add((0, "template"))
        for tree in self.trees.values():
            found = _assignments(tree.body)
            self.constants |= {n: v for n, v in found.items() if CONSTANT.fullmatch(n)}
        # A function that passes its argument on to a text is itself given a text.
        while sum(self._learn(place, tree) for place, tree in self.trees.items()):
            pass

    def known(self, place: str) -> Calls:
        return {**self.calls, **self.private[place]}

    def _learn(self, place: str, tree: ast.Module) -> int:
        known, learnt = self.known(place), 0
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("__"):
                continue
            given = [*node.args.posonlyargs, *node.args.args]
            names = [a.arg for a in given if a.arg not in ("self", "cls")]
            keywords = names + [a.arg for a in node.args.kwonlyargs]
            for text in list(_given_texts(node, known)):  # it may learn about itself
                if isinstance(text, ast.Name) and text.id in PASSED and text.id in keywords:
                    at = names.index(text.id) if text.id in names else 99
                    learnt += self._add(place, node.name, (at, text.id))
        return learnt

    def _add(self, place: str, name: str, text: tuple[int, str]) -> int:
        scope: Calls = self.private[place] if name.startswith("_") else self.calls
        before = scope.setdefault(name, set())
        if text in before:
            return 0
        before.add(text)
        return 1


def _error_classes(trees: Iterable[ast.Module]) -> set[str]:
    """Those of `hub.errors`, and every class of the source that is called and made like one."""
    known = {n for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, Exception)}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error") and node.bases:
                known.add(node.name)
    return known


def _assignments(statements: Iterable[ast.AST]) -> Scope:
    scope: Scope = {}
    for node in statements:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                _assigned(target, node.value, scope)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            _assigned(node.target, node.value, scope)
    return scope


def _assigned(target: ast.expr, value: ast.expr, scope: Scope) -> None:
    if isinstance(target, ast.Name):
        scope.setdefault(target.id, []).append(value)
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, given in zip(target.elts, value.elts, strict=False):
            _assigned(one, given, scope)


def _given_texts(node: ast.AST, calls: Calls) -> Iterator[ast.expr]:
    """The arguments, anywhere in the node, that calls take for texts."""
    for part in ast.walk(node):
        found = _texts_of(part, calls) if isinstance(part, ast.Call) else _helps_of(part)
        for text in found:
            yield text.right if isinstance(text, ast.BinOp) and is_prefix(text.left) else text


def is_prefix(node: ast.expr) -> bool:
    """A place that is put before a message; both are translated, each by itself."""
    return isinstance(node, ast.Constant) and bool(PREFIX.fullmatch(str(node.value)))


def _helps_of(node: ast.AST) -> Iterator[ast.expr]:
    pairs = zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ()
    for key, value in pairs:
        if isinstance(key, ast.Constant) and key.value == "help":
            yield value


def _texts_of(call: ast.Call, calls: Calls) -> Iterator[ast.expr]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else name
    places = calls.get(name, set())
    for place, _keyword in places:
        if place < len(call.args):
            yield call.args[place]
    names = {keyword for _place, keyword in places if keyword}
    yield from (k.value for k in call.keywords if k.arg in EVERYWHERE or k.arg in names)


# ------------------------------------------------------------------------------------ one file


class _Finder(ast.NodeVisitor):
    def __init__(self, place: str, source: Source) -> None:
        self.place = place
        own: Calls = {"ValueError": {(0, "")}} if place.startswith(VALUES) else {}
        self.calls = {**source.known(place), **own}
        self.found: list[Message] = []
        self.built: list[Message] = []
        self._scopes: list[Scope] = [source.constants]

    def visit_Module(self, node: ast.Module) -> None:
        self._inside(node, node.body)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inside(node, ast.walk(node))

    def _inside(self, node: ast.AST, statements: Iterable[ast.AST]) -> None:
        self._scopes.append(_assignments(statements))
        self.generic_visit(node)
        self._scopes.pop()

    def visit_Call(self, node: ast.Call) -> None:
        for text in _texts_of(node, self.calls):
            self._take(text)
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for text in _helps_of(node):
            self._take(text)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        names = [t.id for t in node.targets if isinstance(t, ast.Name)]
        if names == ["PLURALS"]:
            pairs: tuple[tuple[str, str], ...] = ast.literal_eval(node.value)
            self.found += [Message(a, self.place, node.lineno, b) for a, b in pairs]
        self.generic_visit(node)

    def _take(self, node: ast.expr, depth: int = 0) -> None:
        match node:
            case ast.Constant(value=str(text)) if text:
                self.found.append(Message(text, self.place, node.lineno))
            case ast.BinOp(left=left, right=right) if is_prefix(left):
                self._take(left, depth)
                self._take(right, depth)
            case ast.JoinedStr() | ast.BinOp():
                self.built.append(Message(ast.unparse(node), self.place, node.lineno))
            case _:
                for part in self._parts(node) if depth < 4 else []:
                    self._take(part, depth + 1)

    def _parts(self, node: ast.expr) -> list[ast.expr]:
        """The expressions that the value may come from."""
        match node:
            case ast.IfExp():
                return [node.body, node.orelse]
            case ast.BoolOp():
                return node.values
            case ast.Name(id=name):
                return next((s[name] for s in reversed(self._scopes) if name in s), [])
            case ast.Subscript(value=table):
                return [v for d in self._parts(table) for v in getattr(d, "values", [])]
            case ast.Call(func=ast.Attribute(value=table, attr="get")):
                dicts = self._parts(table)
                return [v for d in dicts for v in getattr(d, "values", [])] + node.args[1:]
        return []


def scan(root: Path = ROOT) -> tuple[list[Message], list[Message]]:
    """All texts of the source, and those put together at run time, which nobody can translate."""
    source = _source(root)
    found: list[Message] = []
    built: list[Message] = []
    for place, tree in source.trees.items():
        finder = _Finder(place, source)
        finder.visit(tree)
        found += finder.found
        built += finder.built
    for page in sorted((root / "hub").rglob("*.html")):
        found += _in_template(page.read_text(encoding="utf-8"), str(page.relative_to(root)))
    return found, built


def _source(root: Path) -> Source:
    files = [p for folder in FOLDERS for p in sorted((root / folder).rglob("*.py"))]
    named = {p.relative_to(root).as_posix(): p for p in files}
    return Source({n: ast.parse(p.read_bytes()) for n, p in named.items() if TESTING not in n})


def _in_template(text: str, place: str) -> Iterator[Message]:
    for match in IN_TEMPLATE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Message(match[2].replace("\\" + match[1], match[1]), place, line)


# ------------------------------------------------------------------------------------ catalogs


def untranslated(catalog: Mapping[Any, str], messages: Iterable[Message]) -> list[Message]:
    """The messages without a translation, in the catalog of the standard library's gettext."""
    return [m for m in messages if not catalog.get((m.text, 0) if m.plural else m.text)]


def catalog_of(messages: Iterable[Message]) -> Catalog:
    """The template of a catalog: every text, with the files it stands in."""
    made = Catalog(project="hub", version=__version__, charset="utf-8")
    for message in sorted(messages):
        key = (message.text, message.plural) if message.plural else message.text
        made.add(key, locations=[(message.place, 0)])
    return made


def update(folder: Path = LOCALE / "zh" / "LC_MESSAGES") -> list[str]:
    """Bring the catalog up to the source and compile it; the texts that lack a translation.

    What is no longer in the source stays at the end of the file, so that it comes back by itself.
    """
    source, compiled = folder / "hub.po", folder / "hub.mo"
    with source.open("rb") as file:
        catalog = pofile.read_po(file)
    for gone in catalog.obsolete.values():
        catalog.add(gone.id, gone.string)
    catalog.obsolete.clear()
    before = catalog.creation_date
    catalog.update(catalog_of(scan()[0]), no_fuzzy_matching=True)
    catalog.creation_date = before  # or every run would change the file
    with source.open("wb") as file:
        pofile.write_po(file, catalog, width=0, sort_output=True, include_lineno=False)
    with compiled.open("wb") as file:
        mofile.write_mo(file, catalog)
    return [str(m.id) for m in catalog if m.id and not any(m.string or ())]


def main() -> None:
    """`python -m hub.testing.messages update`: what `make locale` runs."""
    if sys.argv[1:] != ["update"]:
        sys.exit("usage: python -m hub.testing.messages update")
    missing = update()
    for text in missing:
        sys.stdout.write(f"not translated: {text!r}\n")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
