"""The fault points that exist: read from the source, so that none is forgotten."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]


def names_in_source() -> set[str]:
    """Every name that the hub passes: of its own fault points, and around each commit."""
    found = set()
    for path in (ROOT / "hub").rglob("*.py"):
        if "testing" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                found |= _names(node.func.attr, node.args)
    return found


def _names(called: str, args: list[ast.expr]) -> set[str]:
    name = args[0].value if args and isinstance(args[0], ast.Constant) else None
    if not isinstance(name, str) or called not in ("fault", "work", "write"):
        return set()
    if called == "fault":
        return {name}
    is_name = name.replace("-", "").isalpha()  # not the text of a file
    return {f"{name}:before-commit", f"{name}:after-commit"} if is_name else set()
