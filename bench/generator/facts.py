"""The facts of a log, in its order: areas, registrations, headcounts, unions with whom they cover, then members. Pure, by the seed.

Enterprises, parks and industries are numbers here; days are ordinals.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from random import Random
from typing import NamedTuple

from bench.generator.workload import END, INDUSTRIES, Workload

DIVISIONS = 10
LONGEST_BACK = 700
LARGEST_HEADCOUNT = 400
NO_INDUSTRY = -1
LEAVES = 0.02
HEADCOUNTS_AGAIN = 0.01
STAGES = (0.45, 0.55, 0.7)
"""When in the log's days registrations, headcounts, and foundings end; members follow."""
OWN, JOINT, FEDERATION = range(3)


class Kind(IntEnum):
    """The types of event in a log."""

    AREA = 0
    REGISTERED = 1
    HEADCOUNT = 2
    FOUNDED = 3
    COVERED = 4
    JOINED = 5
    LEFT = 6
    MOVED = 7


class Fact(NamedTuple):
    """`who`: the number of the area or of the enterprise. `value`: the workers; the form of the union (OWN, JOINT, FEDERATION)."""

    kind: Kind
    who: int
    day: int
    value: int = 0


class Place(NamedTuple):
    """Where an enterprise settled. One in fifty has no industry."""

    park: int
    industry: int


def places(workload: Workload) -> list[Place]:
    """The place of every enterprise."""
    random = Random(f"places {workload.seed}")
    return [
        Place(random.randrange(workload.parks), NO_INDUSTRY if random.random() < 0.02 else random.randrange(len(INDUSTRIES)))
        for _ in range(workload.enterprises)
    ]


def facts(workload: Workload) -> Iterator[Fact]:
    """All facts, each once."""
    random = Random(f"facts {workload.seed} {workload.backdated}")
    begin, days = workload.begin.toordinal(), (END - workload.begin).days
    left = workload.facts - DIVISIONS - workload.parks - 1
    enterprises = range(workload.enterprises)
    reported = random.sample(enterprises, min(len(enterprises), workload.events // 20))
    covered = random.sample(enterprises, min(len(enterprises) * 7 // 10, workload.events // 40))
    left -= len(enterprises) + len(reported) + 2 * len(covered)
    if left < 0:
        events, number = workload.events, len(enterprises)
        raise ValueError(f"{number} 家企业至少需要更多事件,{events} 个不够 / {events} events are too few for {number} enterprises")

    def day(first: float, last: float, number: int, of: int) -> int:
        """The business day of fact `number` of `of` in a stage."""
        found = begin + int(days * (first + (last - first) * number / of))
        return found - random.randint(1, LONGEST_BACK) if random.random() < workload.backdated else found

    for area in range(DIVISIONS + workload.parks + 1):
        yield Fact(Kind.AREA, area, begin - LONGEST_BACK)
    for number, who in enumerate(random.sample(enterprises, len(enterprises))):
        yield Fact(Kind.REGISTERED, who, day(0, STAGES[0], number, len(enterprises)))
    for number, who in enumerate(reported):
        yield Fact(Kind.HEADCOUNT, who, day(STAGES[0], STAGES[1], number, len(reported)), random.randint(0, LARGEST_HEADCOUNT))
    for number, who in enumerate(covered):
        on, form = day(STAGES[1], STAGES[2], number, len(covered)), random.choice((OWN, OWN, OWN, JOINT, FEDERATION))
        yield Fact(Kind.FOUNDED, who, on, form)
        yield Fact(Kind.COVERED, who, on, form)
    may_leave = bytearray(len(enterprises))
    for number in range(left):
        # Some enterprises have many more members than others.
        who, chance = int(len(enterprises) * random.random() ** 2), random.random()
        on = day(STAGES[2], 1, number, left)
        if chance < HEADCOUNTS_AGAIN:
            yield Fact(Kind.HEADCOUNT, who, on, random.randint(0, LARGEST_HEADCOUNT))
        elif chance < HEADCOUNTS_AGAIN + LEAVES and may_leave[who]:
            may_leave[who] = False
            yield Fact(Kind.LEFT, who, on)
        else:
            may_leave[who] = True
            yield Fact(Kind.JOINED, who, on)


def park_code(number: int) -> str:
    """The code of a park; its first four characters are the code of its division."""
    return f"D{number % DIVISIONS:03}-P{number:03}"


def area_of(number: int) -> tuple[str, str | None]:
    """(code, parent) of an area: the root, the divisions, the parks."""
    if number == 0:
        return "R", None
    if number <= DIVISIONS:
        return f"D{number - 1:03}", "R"
    code = park_code(number - DIVISIONS - 1)
    return code, code[:4]
