"""The firms: park, settling date, industry, workers and lifetime of each."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeVar

from samples.city.command_log import CommandLog, between
from samples.city.names import FIRST, INDUSTRIES, OWNERSHIPS, SECOND
from samples.city.numbers import credit_code
from samples.records import Area

STOCK = 0.6
"""Share of the firms that settled before the first day."""
OLDEST = 12 * 365
"""Days between the settling of the oldest firms and the first day."""
SIZE_SPREAD = 1.0
"""Standard deviation of the logarithm of a firm's workers."""
MOST_WORKERS = 2_500
CODE_LATER, NO_CODE = 0.06, 0.05
"""Shares of the firms whose credit code was issued after registration, or never."""
YEAR = 365.25
PURPOSES = ("first_contact", "founding", "follow_up", "rights", "other")


@dataclass(slots=True)
class Firm:
    """One firm. `key` is that of its registration; from the day `ends` on membership gets no commands for it (closed, or recorded as closed).

    `registration`: the reference to the latest command about its registration.
    """

    number: int
    key: str
    name: str
    park: str
    industry: str | None
    settled_on: date
    workers_at_first: int
    growth: float
    ends: date | None = None
    closed: bool = False
    reports: list[tuple[date, str]] = field(default_factory=list)
    registration: str = ""

    @property
    def id(self) -> str:
        """The reference to its id."""
        return "@" + self.key

    @property
    def case(self) -> str:
        """Its name in findings."""
        return f"e{self.number:05d}"

    def workers(self, day: date) -> int:
        """How many work there on a day."""
        years = max(0.0, (day - self.settled_on).days / YEAR)
        grown: float = self.workers_at_first * math.pow(1 + self.growth, min(years, 8.0))
        return min(MOST_WORKERS, max(1, round(grown)))

    def operates(self, first: date, last: date) -> bool:
        """Whether facts may be dated on all these days."""
        return self.settled_on <= first and (self.ends is None or last < self.ends)


T = TypeVar("T")


def take_share(pool: list[T], whole: int, share: float) -> list[T]:
    """Remove and return `share` of `whole` items, at least one if there is any, from the end of `pool`."""
    count = min(len(pool), max(1, round(whole * share)))
    taken = pool[len(pool) - count :]
    del pool[len(pool) - count :]
    return taken


def settle(log: CommandLog, parks: Sequence[Area]) -> list[Firm]:
    """Invent the firms and register them."""
    scenario = log.scenario
    rng, division = scenario.rng("firms"), scenario.rng("codes").randrange(10_000)
    weights = [math.exp(rng.gauss(0, 0.6)) for _ in parks]
    firms = []
    for number in range(1, scenario.enterprises + 1):
        firm, ownership = _invent(log, rng, number, rng.choices(parks, weights)[0].code)
        entered = log.entry_day(firm.settled_on, 14.0)
        code, draw = credit_code(division, number), rng.random()
        body = {"name": firm.name, "park": firm.park, "settled_on": firm.settled_on.isoformat()}
        body |= {"industry": firm.industry} if firm.industry else {}
        body |= {"ownership": ownership} if rng.random() > 0.03 else {}
        has_code = draw > CODE_LATER + NO_CODE or firm.settled_on < scenario.first_day
        firm.registration = log.enter("registry", "enterprise", firm.key, body | ({"credit_code": code} if has_code else {}), entered)
        if not has_code and draw < CODE_LATER:
            correction = {"corrects": f"{firm.id}#0", "reason": "code_issued", "data": {"credit_code": code}}
            issued = entered + timedelta(days=rng.randint(20, 150))
            firm.registration = log.enter("registry", "correction", f"{firm.key}/code", correction, issued)
        firms.append(firm)
    return firms


def _invent(log: CommandLog, rng: random.Random, number: int, park: str) -> tuple[Firm, str]:
    scenario = log.scenario
    industry, trade, _, median = rng.choices(INDUSTRIES, [weight for _, _, weight, _ in INDUSTRIES])[0]
    if rng.random() < STOCK:
        settled = scenario.first_day - timedelta(days=1 + int(OLDEST * rng.random() ** 1.5))
    else:
        settled = between(rng, scenario.first_day, scenario.last_day - timedelta(days=30))
    name = f"{rng.choice(FIRST)}{rng.choice(SECOND)}{trade}有限公司（合成{number:05d}号）"
    workers = min(MOST_WORKERS, max(1, round(rng.lognormvariate(math.log(median * 0.6), SIZE_SPREAD))))
    known = industry if rng.random() > 0.03 else None
    ownership = rng.choices(list(OWNERSHIPS), list(OWNERSHIPS.values()))[0]
    firm = Firm(number, f"{scenario.name}/e{number}", name, park, known, settled, workers, rng.gauss(0.04, 0.08))
    return firm, ownership


def report_days(log: CommandLog, rng: random.Random, firm: Firm, until: date) -> Iterator[date]:
    """Days of headcount reports: soon after settling or in the first year, then about yearly until `until`."""
    scenario = log.scenario
    day = between(
        rng,
        max(firm.settled_on, scenario.first_day - timedelta(days=200)),
        max(firm.settled_on, scenario.first_day) + timedelta(days=50),
    )
    while day <= until:
        yield day
        day += timedelta(days=rng.randint(300, 360))


def visit(log: CommandLog, firms: Sequence[Firm]) -> None:
    """Organisers visit one firm in twelve that still operates, some weeks after its settling or the first day."""
    rng = log.scenario.rng("visits")
    for firm in firms:
        if firm.ends is not None or (len(firms) >= 12 and rng.random() > 1 / 12):
            continue
        first = max(firm.settled_on, log.scenario.first_day)
        on = between(rng, first, min(first + timedelta(days=60), log.scenario.last_day))
        body = {"enterprise_id": firm.id, "visited_on": on.isoformat(), "purpose": rng.choice(PURPOSES)}
        log.enter("membership", "visit", f"{firm.key}/visit", body, log.entry_day(on))
