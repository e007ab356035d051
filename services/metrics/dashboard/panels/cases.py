"""Cases and agreements of an area beside its coverage: open and overdue cases, collective ones, units with a contract in effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from services.metrics.figures.questions import Rate
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.statistics.answers import BEGINNING, FIRST_FOLD_VERSION, sums, window
from services.metrics.figures.stores import figure_store
from services.metrics.folding.tallying.tally import Name

STATES = (Name.CASE_OPEN, Name.CASE_OVERDUE, Name.CONTRACT)


@dataclass(frozen=True, slots=True)
class Cases:
    """The numbers of the panel; `collective`: reported in the twelve months up to the day."""

    open: int
    overdue: int
    collective: int
    contracts: Rate


async def panel(snapshot: Snapshot, area: str, as_of: date, known_at: date, counts: Mapping[str, int]) -> Cases | None:
    """The panel of an area with these figures of coverage; None where nothing is known of cases and contracts."""
    if snapshot.fold_version < FIRST_FOLD_VERSION:
        return None
    found = Counter[str]()
    for names, since in ((STATES, BEGINNING), ((Name.CASE_OPENED, Name.CASE_OPENED_COLLECTIVE), window(as_of))):
        for row in await sums(snapshot, figure_store.NO_KEY, names, (since, as_of), known_at, area):
            if row["name"] != Name.CONTRACT or not row["code"]:
                found[row["name"]] += row["count"]
    if not any(found.values()):
        return None
    contracts = Rate(found[Name.CONTRACT], counts["units"])
    return Cases(found[Name.CASE_OPEN], found[Name.CASE_OVERDUE], found[Name.CASE_OPENED_COLLECTIVE], contracts)
