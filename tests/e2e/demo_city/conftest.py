"""The synthetic city, brought in by `demo`, and its stack; for all tests of this folder, which go to one worker (tests/conftest.py)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from samples.city import Scenario
from services.metrics.measures import PUBLISHED
from shared.contracts import Envelope
from tests import oracle
from tests.e2e.platform import Platform, parkunion
from tests.in_memory import stack_in_memory

LAST_DAY = "2025-06-30"
SCENARIO = Scenario(date(2025, 6, 30), 150, 3, 11)
WORDS = ("--sample", "city", "--enterprises", "150", "--years", "3", "--seed", "11", "--as-of", LAST_DAY)


@dataclass(frozen=True)
class Done:
    """A demo that ended by itself, what it wrote, and its stack, started again."""

    output: str
    told: str
    answer: dict[str, Any]
    platform: Platform


@pytest.fixture(scope="package")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    with stack_in_memory(tmp_path_factory, "city") as folder:
        yield from _done(folder)


def _done(folder: Path) -> Iterator[Done]:
    run = parkunion("demo", *WORDS, "--exit", "--json", folder / "figures.json", "--data", folder / "stack", check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert parkunion("status", "--data", folder / "stack", check=False).returncode == 3, "the demo left its stack running"
    platform = Platform.start(folder / "stack")
    try:
        yield Done(run.stdout, run.stderr, json.loads((folder / "figures.json").read_text("utf-8")), platform)
    finally:
        platform.discard()


def by_area(events: list[Envelope], as_of: date, digits: int) -> dict[str, dict[str, int]]:
    """The oracle's figures by the first digits of the park's code."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for (park, *_), measures in oracle.coverage_by_cell(events, as_of, date.max).items():
        # A union sits in a division, too; its only measure is published nowhere here.
        for area in ((park or "")[:digits], "all"):
            rows[area].update({name: measures[name] for name in PUBLISHED})
    return {area: {name: row[name] for name in PUBLISHED} for area, row in rows.items() if any(row.values())}


def counts(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    found = {area: {name: row[name] for name in PUBLISHED} for area, row in rows.items()}
    return {area: row for area, row in found.items() if any(row.values())}
