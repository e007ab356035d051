"""Workers begin with tests of every kind, none is lost, and those that share a stack stay together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tests.conftest import BESIDE, BUSY, mixed, scope_of


@dataclass(frozen=True)
class Item:
    nodeid: str


def test_what_computes_is_mixed_with_what_waits() -> None:
    files = [f"{kind}test_{n}.py" for kind in (*BUSY, "tests/unit/") for n in range(10)]
    files += ["tests/e2e/city/test_a.py", "tests/e2e/city/test_b.py"]
    items: list[Any] = [Item(f"{file}::test_{n}") for file in files for n in range(3)]
    found = mixed(items)
    assert sorted(item.nodeid for item in found) == sorted(item.nodeid for item in items)
    scopes = [scope for scope, _ in groupby(found, lambda item: scope_of(item.nodeid))]
    assert len(scopes) == len(set(scopes)) == len(files) - 1
    # One of these, some others, one of the next kind.
    assert [scope.startswith("tests/unit/") for scope in scopes[: BESIDE + 2]] == [False, *[True] * BESIDE, False]
    assert (scopes[0].startswith(BUSY[0]), scopes[BESIDE + 1].startswith(BUSY[1])) == (True, True)
