"""The firms: where and when each settled, what it does, how many work there, and how long."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeVar

from samples.city.book import Book, between
from samples.city.names import FIRST, INDUSTRIES, OWNERSHIPS, SECOND
from samples.city.numbers import credit_code
from samples.records import Area

STOCK = 0.6
"""The part of the firms that settled before the platform began to be used."""
OLDEST = 12 * 365
"""Days before the first day on which the oldest settled."""
SIZE_SPREAD = 1.0
"""Standard deviation of the logarithm of a firm's workers."""
MOST_WORKERS = 2_500
CODE_LATER, NO_CODE = 0.06, 0.05
"""The part of the firms whose credit code came after registration, or has not come."""
YEAR = 365.25


@dataclass(slots=True)
class Firm:
    """One firm. `key` is its registration's, `ends`: from that day on membership is told nothing of it (it closed, or was thought to have).

    `registration`: the reference to what said last how it is registered.
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
        """What findings call it."""
        return f"e{self.number:05d}"

    def workers(self, day: date) -> int:
        """How many work there on a day."""
        years = max(0.0, (day - self.settled_on).days / YEAR)
        grown: float = self.workers_at_first * math.pow(1 + self.growth, min(years, 8.0))
        return min(MOST_WORKERS, max(1, round(grown)))

    def operates(self, first: date, last: date) -> bool:
        """Whether it may be spoken of on all these days."""
        return self.settled_on <= first and (self.ends is None or last < self.ends)


T = TypeVar("T")


def portion(deck: list[T], whole: int, share: float) -> list[T]:
    """Take `share` of `whole`, but at least one, from the deck, as long as it has some."""
    count = min(len(deck), max(1, round(whole * share)))
    taken = deck[len(deck) - count :]
    del deck[len(deck) - count :]
    return taken


def settle(book: Book, parks: Sequence[Area]) -> list[Firm]:
    """Invent the firms and register them."""
    scenario = book.scenario
    chance, division = scenario.chance("firms"), scenario.chance("codes").randrange(10_000)
    weights = [math.exp(chance.gauss(0, 0.6)) for _ in parks]
    firms = []
    for number in range(1, scenario.enterprises + 1):
        firm, ownership = _invent(book, chance, number, chance.choices(parks, weights)[0].code)
        entered = book.typed(firm.settled_on, 14.0)
        code, fate = credit_code(division, number), chance.random()
        body = {"name": firm.name, "park": firm.park, "settled_on": firm.settled_on.isoformat()}
        body |= {"industry": firm.industry} if firm.industry else {}
        body |= {"ownership": ownership} if chance.random() > 0.03 else {}
        has_code = fate > CODE_LATER + NO_CODE or firm.settled_on < scenario.first_day
        firm.registration = book.enter("registry", "enterprise", firm.key, body | ({"credit_code": code} if has_code else {}), entered)
        if not has_code and fate < CODE_LATER:
            said = {"corrects": f"{firm.id}#0", "reason": "code_issued", "data": {"credit_code": code}}
            issued = entered + timedelta(days=chance.randint(20, 150))
            firm.registration = book.enter("registry", "correction", f"{firm.key}/code", said, issued)
        firms.append(firm)
    return firms


def _invent(book: Book, chance: random.Random, number: int, park: str) -> tuple[Firm, str]:
    scenario = book.scenario
    industry, trade, _, median = chance.choices(INDUSTRIES, [weight for _, _, weight, _ in INDUSTRIES])[0]
    if chance.random() < STOCK:
        settled = scenario.first_day - timedelta(days=1 + int(OLDEST * chance.random() ** 1.5))
    else:
        settled = between(chance, scenario.first_day, scenario.last_day - timedelta(days=30))
    name = f"{chance.choice(FIRST)}{chance.choice(SECOND)}{trade}有限公司（合成{number:05d}号）"
    workers = min(MOST_WORKERS, max(1, round(chance.lognormvariate(math.log(median * 0.6), SIZE_SPREAD))))
    known = industry if chance.random() > 0.03 else None
    ownership = chance.choices(list(OWNERSHIPS), list(OWNERSHIPS.values()))[0]
    firm = Firm(number, f"{scenario.name}/e{number}", name, park, known, settled, workers, chance.gauss(0.04, 0.08))
    return firm, ownership


def report_days(book: Book, chance: random.Random, firm: Firm, until: date) -> Iterator[date]:
    """When a firm that is diligent counts its workers: soon after settling, or in the platform's first year, then about every year."""
    scenario = book.scenario
    day = between(
        chance,
        max(firm.settled_on, scenario.first_day - timedelta(days=200)),
        max(firm.settled_on, scenario.first_day) + timedelta(days=50),
    )
    while day <= until:
        yield day
        day += timedelta(days=chance.randint(300, 360))
