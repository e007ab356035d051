"""The questions: those that pages ask, and free ones over the whole city; each asked many times with arguments drawn by the seed."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from bench.generator.city import City
from bench.generator.facts import DIVISIONS, park_code
from bench.generator.workload import PARKS
from services.metrics.dashboard.panels import enterprises, recent, trends, waiting
from services.metrics.dashboard.words import Words
from services.metrics.explaining import changes, explain, findings, ranking, timeline
from services.metrics.explaining.changes import START, Window
from services.metrics.explaining.contributors import Contributors, Question
from services.metrics.explaining.ranking import Listing
from services.metrics.figures import questions
from services.metrics.figures.snapshots import Snapshot

PAGE, FREE = "page", "free"
ROOT = "R"
SHOWN = 100
LOOKED_BACK = 30
"""Days between the two days of knowledge that a page of changes compares."""


@dataclass(frozen=True)
class Draw:
    """Draws the arguments of questions."""

    city: City
    enterprises: Sequence[UUID]
    random: random.Random
    words: Words

    @property
    def today(self) -> date:
        return self.city.last + timedelta(days=1)

    def district(self) -> str:
        return f"D{self.random.randrange(DIVISIONS):03}"

    def park(self) -> str:
        return park_code(self.random.randrange(PARKS))

    def enterprise(self) -> UUID:
        return self.random.choice(self.enterprises)

    def as_of(self) -> date:
        """Any business day of the last four years."""
        return self.today - timedelta(days=self.random.randrange(4 * 365))

    def known_at(self) -> date:
        """Any known day."""
        return self.city.known + timedelta(days=self.random.randrange((self.today - self.city.known).days))


Ask = Callable[[Snapshot, Draw], Awaitable[object]]


@dataclass(frozen=True)
class Asked:
    """One question; `kind` says which limit it has."""

    name: str
    kind: str
    ask: Ask


def _coverage(area: Callable[[Draw], str | None], by: str | None, as_of: bool, known_at: bool) -> Ask:
    async def ask(snapshot: Snapshot, draw: Draw) -> object:
        day = draw.as_of() if as_of else draw.today
        return await questions.coverage(snapshot, area=area(draw), by=by, as_of=day, known_at=draw.known_at() if known_at else draw.today)

    return ask


def _trend(area: Callable[[Draw], str]) -> Ask:
    async def ask(snapshot: Snapshot, draw: Draw) -> object:
        tree = snapshot.areas.at(draw.today, draw.today)
        return await trends.trend(snapshot, tree, area(draw), draw.today, draw.today)

    return ask


def _waits(area: Callable[[Draw], str], *, past: bool = False) -> Ask:
    async def ask(snapshot: Snapshot, draw: Draw) -> object:
        return await waiting.panel(snapshot, area(draw), draw.as_of() if past else draw.today, draw.today)

    return ask


def _recent(area: Callable[[Draw], str]) -> Ask:
    async def ask(snapshot: Snapshot, draw: Draw) -> object:
        return await recent.just_happened(snapshot, snapshot.areas.at(draw.today, draw.today), area(draw), draw.words)

    return ask


def _findings(area: Callable[[Draw], str], by: str | None) -> Ask:
    async def ask(snapshot: Snapshot, draw: Draw) -> object:
        answer = await questions.coverage(snapshot, area=area(draw), by=by, as_of=draw.today, known_at=draw.today)
        return await findings.of_answer(snapshot, answer)

    return ask


def _explain(area: Callable[[Draw], str], measure: str) -> Ask:
    async def ask(snapshot: Snapshot, draw: Draw) -> object:
        question = Question(measure, area(draw), None, None, draw.today, draw.today)
        await explain.figure(snapshot, question)
        return await ranking.page(snapshot, question, Listing(), None, SHOWN)

    return ask


def _changes(area: Callable[[Draw], str]) -> Ask:
    async def ask(snapshot: Snapshot, draw: Draw) -> object:
        window = Window(area(draw), draw.today, draw.today - timedelta(days=LOOKED_BACK), draw.today, "members")
        await changes.totals(snapshot, window)
        return await changes.shares(snapshot, window, START, SHOWN)

    return ask


async def _enterprises(snapshot: Snapshot, draw: Draw) -> object:
    return await enterprises.of_park(snapshot, draw.park(), draw.today, draw.today, None)


async def _enterprise(snapshot: Snapshot, draw: Draw) -> object:
    one = draw.enterprise()
    await timeline.enterprise_on(snapshot, one, draw.today, draw.today)
    return await enterprises.timeline(snapshot, one, draw.today, draw.today)


async def _share(snapshot: Snapshot, draw: Draw) -> object:
    question = Question("members", ROOT, None, None, draw.today, draw.today)
    return await Contributors(snapshot, question).one(f"enterprise/{draw.enterprise()}")


def city(_draw: Draw) -> str:
    """The whole city."""
    return ROOT


def everything(_draw: Draw) -> None:
    """All parks, without the tree of areas."""


QUESTIONS: Sequence[Asked] = (
    Asked("coverage of the city by park", PAGE, _coverage(city, "park", as_of=False, known_at=False)),
    Asked("coverage of a district by park", PAGE, _coverage(Draw.district, "park", as_of=False, known_at=False)),
    Asked("coverage of the city by park, a past day", PAGE, _coverage(city, "park", as_of=True, known_at=False)),
    Asked("coverage of a district by industry", PAGE, _coverage(Draw.district, "industry", as_of=False, known_at=False)),
    Asked("coverage of a park by industry", PAGE, _coverage(Draw.park, "industry", as_of=False, known_at=False)),
    Asked("trend of the city, 24 months", PAGE, _trend(city)),
    Asked("trend of a district", PAGE, _trend(Draw.district)),
    Asked("trend of a park", PAGE, _trend(Draw.park)),
    Asked("time to found, city", PAGE, _waits(city)),
    Asked("time to found, district", PAGE, _waits(Draw.district)),
    Asked("time to found, park", PAGE, _waits(Draw.park)),
    Asked("just happened, city", PAGE, _recent(city)),
    Asked("just happened, park", PAGE, _recent(Draw.park)),
    Asked("findings of the city by park", PAGE, _findings(city, "park")),
    Asked("findings of a park", PAGE, _findings(Draw.park, None)),
    Asked("enterprises of a park", PAGE, _enterprises),
    Asked("an enterprise and its timeline", PAGE, _enterprise),
    Asked("explain: one enterprise's share", PAGE, _share),
    Asked("explain: members of a park", PAGE, _explain(Draw.park, "members")),
    Asked("explain: units without a union, district", PAGE, _explain(Draw.district, "units_without_union_all")),
    Asked("explain: units without a union, city", PAGE, _explain(city, "units_without_union_all")),
    Asked("changes in 30 days, park", PAGE, _changes(Draw.park)),
    Asked("changes in 30 days, city", PAGE, _changes(city)),
    *(
        Asked(f"all by {by}, any day, known at any day", FREE, _coverage(everything, by, as_of=True, known_at=True))
        for by in ("park", "industry", "size", "ownership")
    ),
    *(
        Asked(f"all by {by}, any day, known now", FREE, _coverage(everything, by, as_of=True, known_at=False))
        for by in ("industry", "size")
    ),
)
