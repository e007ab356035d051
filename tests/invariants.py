"""Each invariant of docs/design/ARCHITECTURE.md with the tests that name it: `python -m tests.invariants` (`make invariants`).

Reads the marks `@pytest.mark.invariant("I1")` from the sources, so nothing is imported or run; and says what of an invariant has no subject
yet, and what will add it. Exit 1 if an invariant has no test, or a mark or a line of `STILL_TO_COME` names none.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "design" / "ARCHITECTURE.md"
STILL_TO_COME: Mapping[str, Sequence[tuple[str, str]]] = {
    "I1": (
        ("the steps of the founding of a union and their clocks", "the founding pipeline"),
        ("chunks of an import that is resumed", "imports of spreadsheets"),
    ),
    "I3": (("stages and deadlines of the founding of a union in the ledger", "the founding pipeline"),),
    "I6": (("who signs which report", "reports of the office"),),
    "I7": (("spreadsheets, row by row, all or only the good ones", "imports of spreadsheets"),),
}
"""{invariant: (what of it has no subject yet, what will add it, as the README names it under "What is not there yet")}; one that is not here is tested
whole."""


def invariants() -> dict[str, str]:
    """Number → sentence, from the design page."""
    return dict(re.findall(r"^(I\d+)\. (.+)$", PAGE.read_text("utf-8"), re.MULTILINE))


def tests_by_invariant() -> dict[str, list[str]]:
    """Number → the tests that carry it, for every number that is named anywhere."""
    tests: dict[str, list[str]] = defaultdict(list)
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for number, test in marked(file):
            tests[number].append(test)
    return dict(tests)


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
    """Print all of it; the exit code."""
    known, tests = invariants(), tests_by_invariant()
    for number, sentence in known.items():
        print(f"{number}. {sentence}")
        for test in tests.get(number, ()):
            print(f"    {test}")
        for what, by in STILL_TO_COME.get(number, ()):
            print(f"    still to come, with {by}: {what}")
    missing = [number for number in known if number not in tests]
    unknown = sorted((tests.keys() | STILL_TO_COME.keys()) - known.keys())
    for number in missing:
        print(f"{number} has no test", file=sys.stderr)
    for number in unknown:
        print(f"{number} is no invariant: {', '.join(tests.get(number, ['STILL_TO_COME']))}", file=sys.stderr)
    return 1 if missing or unknown else 0


if __name__ == "__main__":
    sys.exit(main())
