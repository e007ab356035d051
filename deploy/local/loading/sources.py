"""What can be brought in, by KIND and file: read and checked as a whole first, then loaded under one import id."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.local.loading.api import Apis
from deploy.local.loading.batches import Refusal, Sender
from deploy.local.loading.city import load_city
from deploy.local.loading.ndjson import load_rows
from deploy.local.loading.rows import KINDS, Checked
from deploy.local.loading.sample import ALREADY_THERE, OTHER_SPELLING, load_areas, load_enterprises
from samples.city import City, Scenario
from samples.city.findings import MEANINGS
from samples.gbt2260.adapter import Divisions
from samples.nlrb.adapter import Elections
from samples.nlrb.findings import FINDINGS
from samples.records import Finding
from shared.problems.errors import FieldError

NLRB, CITY = "nlrb", "city"
ALL_KINDS = (*KINDS, NLRB)
Load = Callable[[Sender, Apis], Awaitable[None]]


class Sample(Protocol):
    """A sample that knows what is odd in it."""

    def findings(self) -> Iterable[Finding]:
        """All that is odd, code by code."""

    def finding_counts(self) -> Mapping[str, int]:
        """{code: how often}"""


@dataclass(slots=True)
class Source:
    """What was checked: `lines` it comes to, rows that were left out for `errors`, how to load it; of a sample, what is odd in it, and what
    the codes of that mean ({code: (zh, en)})."""

    id: str
    lines: int
    refused: int
    errors: list[FieldError]
    load: Load
    sample: Sample | None = None
    meanings: Mapping[str, tuple[str, str]] | None = None

    def refusals(self) -> list[Refusal]:
        """The errors of form."""
        return [Refusal.of(error, "row") for error in self.errors]


def source_of(kind: str, path: Path) -> Source:
    """Read and check a file of one of ALL_KINDS. Raises Unusable."""
    if kind == NLRB:
        return _elections(path)
    if kind == "areas" and (path.is_dir() or path.suffix.lower() == ".csv"):
        return _divisions(path)
    checked = Checked(path, kind)
    return Source(digest_of(path), checked.lines, checked.refused, checked.errors, lambda sender, apis: load_rows(sender, apis, path, kind))


def _elections(path: Path) -> Source:
    elections = Elections(path)
    areas = elections.areas

    async def load(sender: Sender, _apis: Apis) -> None:
        await load_areas(sender, NLRB, areas, ALREADY_THERE | OTHER_SPELLING)
        await load_enterprises(sender, NLRB, elections.enterprises())

    lines = len(areas) + elections.units + elections.headcounts + elections.unions + elections.members
    return Source(digest_of(path), lines, elections.refused, elections.errors, load, elections, FINDINGS)


def city_of(scenario: Scenario) -> Source:
    """A synthetic city. It is made whole in memory, and nothing of it can be wrong."""
    city = City(scenario)

    async def load(sender: Sender, _apis: Apis) -> None:
        await load_city(sender, city)

    return Source(scenario.name.replace("/", "-"), len(city.commands), 0, [], load, city, MEANINGS)


def _divisions(path: Path) -> Source:
    divisions = Divisions(path)

    async def load(sender: Sender, _apis: Apis) -> None:
        await load_areas(sender, "gbt2260", divisions.areas)

    return Source(digest_of(path), len(divisions.areas), divisions.refused, divisions.errors, load)


def digest_of(path: Path) -> str:
    """The import's id: 16 hexadecimal digits of the content, so the same file is the same import."""
    digest = hashlib.sha256()
    for file in sorted(path.glob("*.csv")) if path.is_dir() else [path]:
        with file.open("rb") as opened:
            while chunk := opened.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()[:16]
