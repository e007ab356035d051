"""The context of a page: the caller, the options in its address, one snapshot, and the values that every template takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import Depends, Query, Request

from services.metrics.dashboard.address import ViewOptions
from services.metrics.dashboard.page import words_of
from services.metrics.dashboard.words import Words
from services.metrics.figures import questions
from services.metrics.figures.questions import CoverageResult
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.tree import Tree
from services.metrics.folding.coverage import RULE_VERSION
from services.metrics.http.access import days_of, granted_snapshot
from services.metrics.http.bodies import basis
from services.metrics.settings import Settings
from shared.http.auth import Caller
from shared.http.forms import Day
from shared.http.pages import Cursors
from shared.problems.provisional import sentences

MOST_PARKS = 100


def view_of(
    as_of: Annotated[Day | Literal[""] | None, Query()] = None,
    known_at: Annotated[Day | Literal[""] | None, Query()] = None,
    founding: Literal["all", "ge25"] = "all",
    joining: Literal["all", "unionised"] = "all",
    sort: Literal["gap", "rate", "name"] = "gap",
    rows: Literal["park", "district"] | None = None,
) -> ViewOptions:
    """The options in a page's address; a date field left empty in a form means today."""
    return ViewOptions(as_of or None, known_at or None, founding, joining, sort, rows)


ViewOf = Annotated[ViewOptions, Depends(view_of)]


class Reason(NamedTuple):
    """Why figures may still change or are an outlook: the code, and the sentence that the page shows."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class PageContext:
    """A granted question in one snapshot."""

    request: Request
    caller: Caller
    snapshot: Snapshot
    view: ViewOptions
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
        """Whether the page shows the present, so that it is updated live."""
        return self.view.as_of in (None, self.snapshot.today) and self.view.known_at in (None, self.snapshot.today)

    @property
    def basis(self) -> dict[str, Any]:
        """The basis of the figures, which every line of a download repeats."""
        return basis(self.snapshot, as_of=self.as_of, known_at=self.known_at)

    @property
    def provisional(self) -> list[str]:
        """Why the figures may still change; empty: they are final."""
        return self.snapshot.finality.provisional(self.as_of, self.known_at, self.snapshot.today)

    @property
    def reasons(self) -> list[Reason]:
        """The same as sentences."""
        days = {"as_of": self.as_of, "known_at": self.known_at, "closed_day": self.snapshot.finality.closed_day}
        texts = sentences({**days, "provisional": self.provisional}, self.words.language)
        return [Reason(code, text) for code, text in zip(self.provisional, texts, strict=True)]

    def name(self, area: str) -> str:
        """The name of an area on the page's days; its last one where it had none yet."""
        return (self.tree if area in self.tree.areas else self.snapshot.areas.latest()).display_name(area)

    def path(self, area: str | None) -> list[tuple[str, str]]:
        """[(code, name)] from the root to an area, without levels and areas that the caller may not see."""
        if area is None:
            return []
        steps = []
        for code in reversed(self.tree.path(area)):
            found = self.tree.areas.get(code)
            if found is not None and not found.level and (self.caller.areas.everything or self.caller.areas.inside(self.tree.path(code))):
                steps.append((code, found.name))
        return steps or [(area, self.name(area))]

    def values(self, **more: Any) -> dict[str, Any]:
        """The values that every page's template takes, and `more`."""
        return {
            "w": self.words,
            "view": self.view,
            "as_of": self.as_of,
            "known_at": self.known_at,
            "today": self.snapshot.today,
            "is_now": self.is_now,
            "version": self.snapshot.version,
            "closed": self.snapshot.finality.closed_day,
            "provisional": self.reasons,
            "rule_version": RULE_VERSION,
            **more,
        }


@asynccontextmanager
async def page_context(request: Request, caller: Caller, view: ViewOptions, area: str | None) -> AsyncIterator[PageContext]:
    """The context of a page on an area. Raises what `granted_snapshot` and `days_of` raise."""
    async with granted_snapshot(request, caller, area) as snapshot:
        yield PageContext(request, caller, snapshot, view, words_of(request), *days_of(snapshot, view.as_of, view.known_at))


async def rows_of(page: PageContext, area: str) -> tuple[CoverageResult, Literal["park", "district"]]:
    """The rows of a division's table and what they are: parks, or districts where there are more than MOST_PARKS parks."""

    async def coverage(by: str) -> CoverageResult:
        return await questions.coverage(
            page.snapshot, area=area, by=by, as_of=page.as_of, known_at=page.known_at, language=page.words.language
        )

    by_park = await coverage("park")
    districts = {page.tree.district(row.code) for row in by_park.rows}
    rows = page.view.rows or ("district" if len(by_park.rows) > MOST_PARKS and len(districts) > 1 else "park")
    return (by_park if rows == "park" else await coverage("district")), rows


def cursors_of(request: Request) -> Cursors:
    """Encodes and decodes the cursors of the dashboard's pages."""
    settings: Settings = request.app.state.settings
    return Cursors(settings.cursor_key, "dashboard")
