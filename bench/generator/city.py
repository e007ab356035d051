"""A large city: business and known days over five years, days closed as the sources close them. Pure, by the seed.

Every enterprise is entered, counts its workers once a year, and most found a union, whose members join from then on: two fifths with the
founding, the others over the years. A third of the facts is backdated: it became known 1 to 700 days after its business day, but never
before what it rests on (an enterprise is registered before anything else is told of it, a member joins when there is a union).
Enterprises are numbers here, days are ordinals.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate, pairwise
from random import Random
from typing import NamedTuple

from bench.generator.facts import DIVISIONS, FEDERATION, JOINT, LONGEST_BACK, NO_INDUSTRY, OWN, Fact, Kind, Place
from bench.generator.workload import BACKDATED, INDUSTRIES, PARKS

YEARS = 5
COVERED = 0.7
"""The share of the enterprises that found a union."""
ENTERED_AT_ONCE = 0.5
"""The share of the enterprises that are entered in the first half year."""
FOUNDING_WITHIN = (30, 900)
"""Days from the registration to the founding."""
JOIN_AT_ONCE = 0.4
MOST_JOINED = 0.9
MORE_THAN_ALL, OVER = 1.5, 0.02
"""One union in fifty has more members than its enterprise has workers."""
TRIES = 12
LEAVE = 0.1
MOVE = 0.03
MEDIAN_WORKERS, SPREAD = 14, 1.25
"""Of a log-normal distribution."""
MOST_WORKERS = 9_000
LARGEST = 50_000
LARGE_OF = 20_000
"""One enterprise of so many has LARGEST workers; there is always one."""
NO_OWNERSHIP = -1
OWNERSHIPS = ("110", "151", "159", "173", "210", "310", "330")
SIZES = ((1000, "large"), (300, "medium"), (20, "small"), (0, "micro"))
"""(workers from which on, class)"""
WHO_BITS, DAY_BITS, VALUE_BITS = 20, 16, 24


@dataclass(frozen=True, slots=True)
class City:
    """A log with `members` members at its end, known on the days `known` to `last`, each of which is closed on the day after it."""

    seed: int
    last: date
    enterprises: int = 100_000
    members: int = 2_000_000
    name: str = "city"
    backdated: float = BACKDATED

    @property
    def known(self) -> date:
        """The first known day."""
        return self.last.replace(year=self.last.year - YEARS, day=min(self.last.day, 28))


class Firm(NamedTuple):
    """Where an enterprise settled, and as what."""

    park: int
    industry: int
    ownership: int


def firms(city: City) -> list[Firm]:
    """Every enterprise. Parks differ in size; one enterprise in fifty has no industry, one in thirty no ownership."""
    random = Random(f"firms {city.seed}")
    weights = list(accumulate(random.lognormvariate(0, 0.6) for _ in range(PARKS)))
    return [
        Firm(
            bisect(weights, random.random() * weights[-1]),
            NO_INDUSTRY if random.random() < 0.02 else random.randrange(len(INDUSTRIES)),
            NO_OWNERSHIP if random.random() < 0.03 else random.randrange(len(OWNERSHIPS)),
        )
        for _ in range(city.enterprises)
    ]


def places(city: City) -> list[Place]:
    """The first place of every enterprise."""
    return [Place(firm.park, firm.industry) for firm in firms(city)]


def days(city: City) -> Iterator[tuple[int, Sequence[Fact]]]:
    """(known day, what became known on it, in order) of every known day, those without a fact too.

    `value` of a fact is, besides what `Fact` says, the new park of a move; of a join, 0 or the number under which it ends; of a leave that number.
    """
    plan = _Plan(city)
    plan.fill()
    areas = [Fact(Kind.AREA, area, plan.first - LONGEST_BACK) for area in range(DIVISIONS + PARKS + 1)]
    for offset, packed in enumerate(plan.days):
        yield plan.first + offset, [*(areas if not offset else ()), *map(plan.unpacked, packed)]


class _Plan:
    """The facts of each known day, packed into integers: there are millions. Filled kind by kind, in the order in which a day tells them."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._random = Random(f"city {city.seed} {city.backdated}")
        self.first, self._last = city.known.toordinal(), city.last.toordinal()
        self.days = [array("Q") for _ in range(self.first, self._last + 1)]
        self._epoch = self.first - 2 * LONGEST_BACK

    def unpacked(self, packed: int) -> Fact:
        value, rest = packed & (1 << VALUE_BITS) - 1, packed >> VALUE_BITS
        day, rest = self._epoch + (rest & (1 << DAY_BITS) - 1), rest >> DAY_BITS
        return Fact(Kind(rest >> WHO_BITS), rest & (1 << WHO_BITS) - 1, day, value)

    def fill(self) -> None:
        city, random = self._city, self._random
        everyone, span = range(city.enterprises), self._last - self.first
        known = [self.first + int(span * self._entered(random.random())) for _ in everyone]
        settled = [self._add(Kind.REGISTERED, who, known[who], known[who] - LONGEST_BACK) for who in everyone]
        workers = self._workers()
        self._headcounts(known, settled, workers)
        for who in random.sample(everyone, round(city.enterprises * MOVE)):
            if known[who] < self._last:
                self._add(Kind.MOVED, who, random.randint(known[who] + 1, self._last), settled[who], random.randrange(PARKS))
        self._unions(known, settled, workers)

    def _entered(self, chance: float) -> float:
        """Where in the known days (0 to 1) an enterprise is entered."""
        early = 1 / (2 * YEARS)
        if chance < ENTERED_AT_ONCE:
            return chance / ENTERED_AT_ONCE * early
        return early + (chance - ENTERED_AT_ONCE) / (1 - ENTERED_AT_ONCE) * (1 - early)

    def _workers(self) -> list[int]:
        random, count = self._random, self._city.enterprises
        found = [min(MOST_WORKERS, int(random.lognormvariate(math.log(MEDIAN_WORKERS), SPREAD))) for _ in range(count)]
        for who in random.sample(range(count), max(1, count // LARGE_OF)):
            found[who] = LARGEST
        return found

    def _headcounts(self, known: Sequence[int], settled: Sequence[int], workers: Sequence[int]) -> None:
        for who, start in enumerate(known):
            day = start + self._random.randint(0, 60)
            while day <= self._last:
                self._add(Kind.HEADCOUNT, who, day, settled[who], round(workers[who] * self._random.uniform(0.9, 1.1)))
                day += self._random.randint(330, 400)

    def _unions(self, known: Sequence[int], settled: Sequence[int], workers: Sequence[int]) -> None:
        random, chances = self._random, Random(f"unions {self._city.seed}")
        founded = list[tuple[int, int, int]]()
        for who, start in enumerate(known):
            on = start + random.randint(*FOUNDING_WITHIN)
            # The largest have a union.
            if (workers[who] == LARGEST or chances.random() < COVERED) and on <= self._last:
                founded.append((who, on, 0))
        covered = []
        for who, on, _ in founded:
            form = random.choice((OWN, OWN, OWN, JOINT, FEDERATION))
            day = self._back(on, settled[who])
            self._put(Kind.FOUNDED, who, on, day, form)
            self._put(Kind.COVERED, who, on, day, form)
            covered.append((who, on, day))
        self._members(covered, list(accumulate(workers[who] for who, _, _ in covered)))

    def _members(self, covered: Sequence[tuple[int, int, int]], weights: Sequence[int]) -> None:
        random, leaves = self._random, round(self._city.members * LEAVE / (1 - LEAVE))
        left = list[tuple[int, int, int, int]]()
        free = [
            round((after - before) * (MORE_THAN_ALL if random.random() < OVER else MOST_JOINED))
            for before, after in pairwise([0, *weights])
        ]
        for number in range(self._city.members + leaves):
            place = self._with_room(weights, free)
            free[place] -= 1
            who, since, earliest = covered[place]
            until = min(self._last, since + 30) if random.random() < JOIN_AT_ONCE else self._last
            known = random.randint(since, until)
            ends = len(left) + 1 if number < leaves else 0
            on = self._add(Kind.JOINED, who, known, earliest, ends)
            if ends:
                left.append((who, random.randint(known, self._last), on, ends))
        for who, known, joined, number in left:
            self._add(Kind.LEFT, who, known, joined, number)

    def _with_room(self, weights: Sequence[int], free: Sequence[int]) -> int:
        """An enterprise by its workers, most likely one in which not all have joined: few have more members than workers."""
        for _ in range(TRIES):
            place = bisect(weights, self._random.random() * weights[-1])
            if free[place] > 0:
                break
        return place

    def _add(self, kind: Kind, who: int, known: int, earliest: int, value: int = 0) -> int:
        """A fact with a business day from `earliest` on; returns that day."""
        on = self._back(known, earliest)
        self._put(kind, who, known, on, value)
        return on

    def _back(self, known: int, earliest: int) -> int:
        if self._random.random() < self._city.backdated:
            return max(min(earliest, known), known - self._random.randint(1, LONGEST_BACK))
        return known

    def _put(self, kind: Kind, who: int, known: int, day: int, value: int) -> None:
        packed = (((int(kind) << WHO_BITS | who) << DAY_BITS | day - self._epoch) << VALUE_BITS) | value
        self.days[known - self.first].append(packed)


def size_of(workers: int) -> str:
    """A size class by workers alone."""
    return next(name for least, name in SIZES if workers >= least)
