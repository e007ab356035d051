"""What docs/guarantees.md and `make invariants` say is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests import invariants

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[a-z0-9_/]+\.py)(?:::([a-z0-9_]+))?`", PAGE)))


def test_every_invariant_is_listed_with_its_tests_and_with_what_is_still_to_come(capsys: pytest.CaptureFixture[str]) -> None:
    assert invariants.main() == 0
    blocks = re.split(r"^(?=I\d+\. )", capsys.readouterr().out, flags=re.MULTILINE)[1:]
    assert [block.split(".")[0] for block in blocks] == [f"I{n}" for n in range(1, 9)]
    for block in blocks:
        number, lines = block.split(".")[0], block.splitlines()
        assert any(line.startswith("    tests/") for line in lines), number
        assert sum("still to come" in line for line in lines) == len(invariants.STILL_TO_COME.get(number, ())), number


def test_what_is_still_to_come_is_not_there_yet() -> None:
    missing = (ROOT / "README.md").read_text("utf-8").partition("## What is not there yet")[2].lower()
    for number, parts in invariants.STILL_TO_COME.items():
        assert all(by.removeprefix("the ") in missing for _, by in parts), number


@pytest.mark.parametrize(("file", "test"), NAMED, ids=lambda part: str(part).rpartition("/")[2])
def test_the_page_names_tests_that_exist(file: str, test: str) -> None:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert not test or test in names


def test_the_page_speaks_of_every_invariant() -> None:
    assert NAMED
    for number in invariants.invariants():
        assert re.search(rf"\b{number}\b", PAGE), number


def test_the_page_says_what_is_not_promised() -> None:
    assert len(re.findall(r"^- ", PAGE.split("## What is not promised")[1], re.MULTILINE)) >= 10
