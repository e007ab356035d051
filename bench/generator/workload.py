"""What a log is like. Equal workloads give equal bytes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta

PARKS = 100
INDUSTRIES = "ABCDEFGHIJKLMNOPQRST"
"""The sections of GB/T 4754-2017."""
DUPLICATES = 0.01
"""The share of the records that are a second publication of an event."""
BACKDATED = 0.35
ENTERPRISES = 20_000
MANY_ENTERPRISES = 400_000
END = date(2026, 6, 30)
"""The last business day of a log."""
YEARS = 5


@dataclass(frozen=True, slots=True)
class Workload:
    """A log of `events` records, duplicates among them, all known on the day `known`.

    `years`: how long the business days last, up to END. `backdated`: the share of the facts with a business day moved back by 1 to 700 days; the others are in the order of their business days.
    """

    name: str
    seed: int
    events: int
    enterprises: int = ENTERPRISES
    backdated: float = 0.0
    known: date = field(default=date(2026, 7, 1))
    parks: int = PARKS
    years: int = YEARS

    @property
    def begin(self) -> date:
        """The first business day, `years` before END."""
        return (END + timedelta(days=1)).replace(year=END.year - self.years)

    @property
    def facts(self) -> int:
        """How many different events it has."""
        return round(self.events / (1 + DUPLICATES))


def workloads(seed: int, events: int, known: date) -> dict[str, Workload]:
    """{name: workload} of one size: in order, backdated, and with many enterprises, two for five events at most."""
    plain = Workload("in-order", seed, events, known=known)
    return {
        made.name: made
        for made in (
            plain,
            replace(plain, name="backdated", backdated=BACKDATED),
            replace(plain, name="many-enterprises", enterprises=min(MANY_ENTERPRISES, events * 2 // 5)),
        )
    }
