"""A question of a page: who asks, what the address chooses, one snapshot, and everything that pages say about it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request

from services.metrics.dashboard.address import View
from services.metrics.dashboard.page import words_of
from services.metrics.dashboard.panels.view import Figure, figure, target_of
from services.metrics.dashboard.words import Words
from services.metrics.figures import questions
from services.metrics.figures.questions import Answer, Snapshot
from services.metrics.figures.tree import Tree
from services.metrics.folding.coverage import RULE_VERSION
from services.metrics.http.coverage_routes import day_or_today, questions_of
from services.metrics.http.grants import READ, require_granted
from services.metrics.settings import Settings
from shared.http.auth import Caller
from shared.http.forms import Day
from shared.http.pages import Cursors

MOST_PARKS_AT_ONCE = 100


def view_of(
    as_of: Annotated[Day | Literal[""] | None, Query()] = None,
    known_at: Annotated[Day | Literal[""] | None, Query()] = None,
    founding: Literal["all", "ge25"] = "all",
    joining: Literal["all", "unionised"] = "all",
    sort: Literal["gap", "rate", "name"] = "gap",
    rows: Literal["park", "district"] | None = None,
) -> View:
    """What the address chooses; a date field left empty in a form is today."""
    return View(as_of or None, known_at or None, founding, joining, sort, rows)


ViewOf = Annotated[View, Depends(view_of)]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in one snapshot, and everything that pages say about it."""

    request: Request
    caller: Caller
    snapshot: Snapshot
    view: View
    words: Words
    as_of: date
    known_at: date

    @property
    def settings(self) -> Settings:
        settings: Settings = self.request.app.state.settings
        return settings

    @property
    def tree(self) -> Tree:
        return self.snapshot.areas.at(self.as_of, self.known_at)

    @property
    def is_now(self) -> bool:
        """Whether the page shows the present, which can be followed live."""
        return self.view.as_of in (None, self.snapshot.today) and self.view.known_at in (None, self.snapshot.today)

    @property
    def head(self) -> dict[str, Any]:
        """What downloads carry in every line."""
        return {
            "as_of": self.as_of,
            "known_at": self.known_at,
            "founding_basis": self.view.founding,
            "joining_basis": self.view.joining,
            "rule_version": RULE_VERSION,
            "fold_version": self.snapshot.fold_version,
            "closed_day": self.snapshot.finality.closed_day or "",
            "provisional": " ".join(self.provisional),
        }

    @property
    def provisional(self) -> list[str]:
        """Why the figures may still change; empty: they are final."""
        return self.snapshot.finality.provisional(self.known_at)

    def path(self, area: str | None) -> list[tuple[str, str]]:
        """The way to an area from the root, as far as the caller may see it; levels are left out."""
        if area is None:
            return []
        way = []
        for code in reversed(self.tree.path(area)):
            step = self.tree.areas.get(code)
            if step is not None and not step.level and (self.caller.areas.everything or self.caller.areas.inside(self.tree.path(code))):
                way.append((code, step.name))
        return way or [(area, self.tree.shown(area))]

    def values(self, **more: Any) -> dict[str, Any]:
        """What every page's template takes."""
        return {
            "w": self.words,
            "view": self.view,
            "as_of": self.as_of,
            "known_at": self.known_at,
            "today": self.snapshot.today,
            "is_now": self.is_now,
            "version": self.snapshot.version,
            "closed": self.snapshot.finality.closed_day,
            "provisional": self.provisional,
            "rule_version": RULE_VERSION,
            **more,
        }

    def figures(self, row: questions.Row) -> tuple[Figure, Figure]:
        """The two rates of a row on the chosen bases."""
        rates, targets = row.rates, self.settings.targets
        founding, joining = self.view.founding_rate, self.view.joining_rate
        return (
            figure(founding, rates[founding], target_of(targets, "unit_founding_rate", self.view.founding)),
            figure(joining, rates[joining], target_of(targets, "worker_joining_rate", self.view.joining)),
        )


@asynccontextmanager
async def asking(request: Request, caller: Caller, view: View, area: str | None) -> AsyncIterator[Asked]:
    """A snapshot for a caller who may see an area. Raises what `require_granted` raises."""
    caller.require(READ)
    async with questions_of(request).snapshot(caller.areas) as snapshot:
        require_granted(snapshot, caller, area)
        as_of, known_at = day_or_today(snapshot, view.as_of, "as_of"), day_or_today(snapshot, view.known_at, "known_at")
        yield Asked(request, caller, snapshot, view, words_of(request), as_of, known_at)


async def rows_of(asked: Asked, area: str) -> tuple[Answer, Literal["park", "district"]]:
    """The rows of a division's table, and what they are: parks, or districts where there are very many parks."""
    by_park = await questions.coverage(
        asked.snapshot, area=area, by="park", as_of=asked.as_of, known_at=asked.known_at, language=asked.words.language
    )
    districts = {asked.tree.district(row.code) for row in by_park.rows}
    rows = asked.view.rows or ("district" if len(by_park.rows) > MOST_PARKS_AT_ONCE and len(districts) > 1 else "park")
    if rows == "park":
        return by_park, rows
    found = await questions.coverage(
        asked.snapshot, area=area, by="district", as_of=asked.as_of, known_at=asked.known_at, language=asked.words.language
    )
    return found, rows


def cursors_of(request: Request) -> Cursors:
    """The cursors of this dashboard's pages."""
    settings: Settings = request.app.state.settings
    return Cursors(settings.cursor_key, "dashboard")
