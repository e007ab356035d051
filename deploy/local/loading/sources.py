"""The importable sources, by KIND and file: validated as a whole first, then loaded under one import id."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.local.loading.api import Apis
from deploy.local.loading.batches import ImportResult, Made, OnProgress, Sender
from deploy.local.loading.records import ALREADY_THERE, OTHER_SPELLING, load_areas, load_enterprises
from deploy.local.loading.samples.cases import load_employers
from deploy.local.loading.samples.city import load_city
from samples.city import City, Scenario
from samples.city.findings import MEANINGS
from samples.files import Table
from samples.fmcs.adapter import Stoppages
from samples.fmcs.findings import FINDINGS as STOPPAGE_FINDINGS
from samples.gbt2260.adapter import Divisions
from samples.nlrb.adapter import Elections
from samples.nlrb.findings import FINDINGS
from samples.notices import ROW, Notices
from samples.records import Finding

NLRB, FMCS, CITY, AREAS = "nlrb", "fmcs", "city", "areas"
ID_LENGTH = 14
"""Characters of an import's id: too few to be a resident number (shared/problems/personal.py), for which the services look in it."""
Loader = Callable[[Sender, Apis], Awaitable[None]]


class FindingSource(Protocol):
    """A sample with findings."""

    def findings(self) -> Iterable[Finding]:
        """All findings, sorted by code."""

    def finding_counts(self) -> Mapping[str, int]:
        """{code: how often}"""


@dataclass(slots=True)
class ImportSource:
    """A validated source: its batch `lines`, the `refused` rows with what there is to say about them, and its loader; for a sample also its
    findings and the meaning of their codes ({code: (zh, en)})."""

    id: str
    lines: int
    refused: int
    notices: Notices
    load: Loader
    sample: FindingSource | None = None
    meanings: Mapping[str, tuple[str, str]] | None = None
    result: ImportResult | None = None

    async def run(self, apis: Apis, on_progress: OnProgress, on_made: Made | None = None) -> ImportResult:
        """Load the valid rows; invalid ones count as refused. Raises UserError; what was done until then stands in `result`."""
        sender = Sender(apis, self.id, on_progress=on_progress, on_made=on_made, notices=self.notices)
        self.result = sender.result
        if self.refused:
            self.result.refused[ROW] += self.refused
            on_progress(ROW, self.refused, self.refused)
        await self.load(sender, apis)
        return self.result


def all_kinds() -> list[str]:
    """Every KIND."""
    from deploy.local.loading.kinds import kinds

    return [*kinds(), NLRB, FMCS]


def source_of(kind: str, path: Path, origin: str = "") -> ImportSource:
    """Read and validate a file of one of `all_kinds`. `origin` separates the keys of its rows from those of others. Raises UnusableFileError."""
    if kind == NLRB:
        return _elections(path)
    if kind == FMCS:
        return _stoppages(path)
    if kind == AREAS and (path.is_dir() or _is_divisions(path)):
        return _divisions(path)
    # The forms of rows are those of the services, whose modules take a second to import: the samples do without.
    from deploy.local.loading.kinds import kinds
    from deploy.local.loading.row_loading import load_rows
    from deploy.local.loading.rows import CheckedFile

    form = kinds()[kind]
    checked = CheckedFile(path, form, origin)
    return ImportSource(
        digest_of(path),
        checked.lines,
        checked.refused,
        checked.notices,
        lambda sender, apis: load_rows(sender, apis, checked.take_rows(), form, origin),
    )


def _is_divisions(path: Path) -> bool:
    """Whether a CSV file is one of GB/T 2260, which has no column `kind`, and not rows of areas."""
    return path.suffix.lower() == ".csv" and "kind" not in Table(path, ("code", "name")).columns


def _elections(path: Path) -> ImportSource:
    elections = Elections(path)
    areas = elections.areas

    async def load(sender: Sender, _apis: Apis) -> None:
        await load_areas(sender, NLRB, areas, ALREADY_THERE | OTHER_SPELLING)
        await load_enterprises(sender, NLRB, elections.enterprises())

    lines = len(areas) + elections.units + elections.headcounts + elections.unions + elections.members
    return ImportSource(digest_of(path), lines, elections.refused, elections.notices, load, elections, FINDINGS)


def _stoppages(path: Path) -> ImportSource:
    stoppages = Stoppages(path)
    areas = stoppages.areas

    async def load(sender: Sender, apis: Apis) -> None:
        await load_areas(sender, FMCS, areas, ALREADY_THERE | OTHER_SPELLING)
        await load_employers(sender, apis, FMCS, stoppages.employers())

    lines = len(areas) + stoppages.units + stoppages.cases + stoppages.ended
    return ImportSource(digest_of(path), lines, stoppages.refused, stoppages.notices, load, stoppages, STOPPAGE_FINDINGS)


def city_of(scenario: Scenario) -> ImportSource:
    """A synthetic city, generated in memory."""
    city = City(scenario)

    async def load(sender: Sender, _apis: Apis) -> None:
        await load_city(sender, city)

    named = hashlib.sha256(scenario.name.encode()).hexdigest()
    return ImportSource(f"city-{named}"[:ID_LENGTH], len(city.commands), 0, Notices(), load, city, MEANINGS)


def _divisions(path: Path) -> ImportSource:
    divisions = Divisions(path)

    async def load(sender: Sender, _apis: Apis) -> None:
        await load_areas(sender, "gbt2260", divisions.areas)

    return ImportSource(digest_of(path), len(divisions.areas), divisions.refused, divisions.notices, load)


def digest_of(path: Path) -> str:
    """The import's id: hexadecimal digits of the content, so the same file is the same import."""
    digest = hashlib.sha256()
    for file in sorted(path.glob("*.csv")) if path.is_dir() else [path]:
        with file.open("rb") as opened:
            while chunk := opened.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()[:ID_LENGTH]
