"""The importable sources, by KIND and file: validated as a whole first, then loaded under one import id."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.local.loading.api import Apis
from deploy.local.loading.batches import ImportResult, Refusal, Sender
from deploy.local.loading.city import load_city
from deploy.local.loading.ndjson import load_rows
from deploy.local.loading.records import ALREADY_THERE, OTHER_SPELLING, load_areas, load_enterprises
from deploy.local.loading.rows import KINDS, CheckedFile
from samples.city import City, Scenario
from samples.city.findings import MEANINGS
from samples.gbt2260.adapter import Divisions
from samples.nlrb.adapter import Elections
from samples.nlrb.findings import FINDINGS
from samples.records import Finding
from shared.problems.errors import FieldError

NLRB, CITY = "nlrb", "city"
ALL_KINDS = (*KINDS, NLRB)
Loader = Callable[[Sender, Apis], Awaitable[None]]


class FindingSource(Protocol):
    """A sample with findings."""

    def findings(self) -> Iterable[Finding]:
        """All findings, sorted by code."""

    def finding_counts(self) -> Mapping[str, int]:
        """{code: how often}"""


@dataclass(slots=True)
class ImportSource:
    """A validated source: its batch `lines`, the `refused` rows with their `errors`, and its loader; for a sample also its findings and the
    meaning of their codes ({code: (zh, en)})."""

    id: str
    lines: int
    refused: int
    errors: list[FieldError]
    load: Loader
    sample: FindingSource | None = None
    meanings: Mapping[str, tuple[str, str]] | None = None

    async def run(self, apis: Apis, on_progress: Callable[[str, int], None]) -> ImportResult:
        """Load the valid rows; invalid ones count as refused. Raises UserError."""
        sender = Sender(apis, self.id, on_progress=on_progress)
        await self.load(sender, apis)
        if self.refused:
            sender.result.refuse([Refusal.of(error, "row") for error in self.errors], "row", self.refused)
        return sender.result


def source_of(kind: str, path: Path) -> ImportSource:
    """Read and validate a file of one of ALL_KINDS. Raises UnusableFileError."""
    if kind == NLRB:
        return _elections(path)
    if kind == "areas" and (path.is_dir() or path.suffix.lower() == ".csv"):
        return _divisions(path)
    checked = CheckedFile(path, kind)
    return ImportSource(
        digest_of(path), checked.lines, checked.refused, checked.errors, lambda sender, apis: load_rows(sender, apis, path, kind)
    )


def _elections(path: Path) -> ImportSource:
    elections = Elections(path)
    areas = elections.areas

    async def load(sender: Sender, _apis: Apis) -> None:
        await load_areas(sender, NLRB, areas, ALREADY_THERE | OTHER_SPELLING)
        await load_enterprises(sender, NLRB, elections.enterprises())

    lines = len(areas) + elections.units + elections.headcounts + elections.unions + elections.members
    return ImportSource(digest_of(path), lines, elections.refused, elections.errors, load, elections, FINDINGS)


def city_of(scenario: Scenario) -> ImportSource:
    """A synthetic city, generated in memory."""
    city = City(scenario)

    async def load(sender: Sender, _apis: Apis) -> None:
        await load_city(sender, city)

    return ImportSource(scenario.name.replace("/", "-"), len(city.commands), 0, [], load, city, MEANINGS)


def _divisions(path: Path) -> ImportSource:
    divisions = Divisions(path)

    async def load(sender: Sender, _apis: Apis) -> None:
        await load_areas(sender, "gbt2260", divisions.areas)

    return ImportSource(digest_of(path), len(divisions.areas), divisions.refused, divisions.errors, load)


def digest_of(path: Path) -> str:
    """The import's id: 16 hexadecimal digits of the content, so the same file is the same import."""
    digest = hashlib.sha256()
    for file in sorted(path.glob("*.csv")) if path.is_dir() else [path]:
        with file.open("rb") as opened:
            while chunk := opened.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()[:16]
