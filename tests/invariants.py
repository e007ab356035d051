"""Each invariant of docs/design/ARCHITECTURE.md with the tests that name it: `python -m tests.invariants` (`make invariants`).

Reads the marks `@pytest.mark.invariant("I1")` from the sources, so nothing is imported or run. Exit 1 if an invariant has no test that
is due by now, or a mark names none.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "design" / "ARCHITECTURE.md"
LATER: dict[str, str] = {}
"""Invariants whose subject does not exist yet, and why."""


def invariants() -> dict[str, str]:
    """Number → sentence, from the design page."""
    return dict(re.findall(r"^(I\d+)\. (.+)$", PAGE.read_text("utf-8"), re.MULTILINE))


def marked(file: Path) -> Iterator[tuple[str, str]]:
    """(invariant, test) of every mark in a file; a mark of a class or a module counts under its name."""
    name = file.relative_to(ROOT)
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                yield from ((number, f"{name}::{node.name}") for number in _numbers(decorator))
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
            for each in ast.walk(node.value):
                yield from ((number, str(name)) for number in _numbers(each))


def _numbers(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "invariant":
        return [argument.value for argument in node.args if isinstance(argument, ast.Constant) and isinstance(argument.value, str)]
    return []


def main() -> int:
    known = invariants()
    tests: dict[str, list[str]] = defaultdict(list)
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for number, test in marked(file):
            tests[number].append(test)
    missing = [number for number in known if not tests[number] and number not in LATER]
    unknown = sorted(set(tests) - set(known))
    for number, sentence in known.items():
        print(f"{number}. {sentence}")
        for test in tests[number]:
            print(f"    {test}")
        if number in LATER and not tests[number]:
            print(f"    ({LATER[number]})")
    for number in missing:
        print(f"{number} has no test", file=sys.stderr)
    for number in unknown:
        print(f"{number} is no invariant: {', '.join(tests[number])}", file=sys.stderr)
    return 1 if missing or unknown else 0


if __name__ == "__main__":
    sys.exit(main())
