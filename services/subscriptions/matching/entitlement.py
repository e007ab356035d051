"""Who is entitled to an event, and to which part of it (invariant I6). Pure.

A grant names areas, types and fields. A fact is seen by where its enterprise or union was on the fact's business date
(`shared.directory.visibility`, the one rule of all services); a move from both sides, each seeing only that the enterprise left or came.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from shared.directory.visibility import AREA_FIELDS, MOVED, ONE_DAY, Part, Stay

DIRECTION = "direction"
"""The field that says of a move how it is seen: `came`, `left`, or `within` the granted areas."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a subscription may get at a moment, by its grant and its own types and areas.

    `granted` contains the areas; `fields` = {type: names}. `not_before`, `not_after` (None: no bound) are instants.
    """

    types: frozenset[str]
    granted: Container[str]
    fields: Mapping[str, Sequence[str]]
    not_before: datetime | None = None
    not_after: datetime | None = None
    revoked: bool = False

    def hold(self, at: datetime) -> bool:
        """Whether anything may be delivered at this moment."""
        if self.revoked:
            return False
        return (self.not_before is None or at >= self.not_before) and (self.not_after is None or at < self.not_after)

    def shows(self, fact_type: str, places: Sequence[str]) -> bool:
        """Whether a fact of this type that is seen by these places may be delivered: by all of them, since its content names what each sees."""
        return fact_type in self.types and bool(places) and all(place in self.granted for place in places)


@dataclass(frozen=True, slots=True)
class Filter:
    """What a subscription asks for beside types and areas. `industries`: beginnings of codes, of which one must fit; None: no condition."""

    industries: tuple[str, ...] | None = None
    min_workers: int | None = None

    def __bool__(self) -> bool:
        return self.industries is not None or self.min_workers is not None

    def passes(self, industry: str | None, workers: int | None) -> bool:
        """Whether a fact about an enterprise with these attributes is asked for. What is unknown passes no condition."""
        if self.industries is not None and (industry is None or not industry.startswith(self.industries)):
            return False
        return self.min_workers is None or (workers is not None and workers >= self.min_workers)


@dataclass(frozen=True, slots=True)
class View:
    """What is seen of a fact: `data` as it leaves, `places`: the parks or seats by which it is seen."""

    data: dict[str, Any]
    places: tuple[str, ...]


class Where(NamedTuple):
    """`here`: where the subject of a fact was on its business date; `before`: of a move where it was on the day before."""

    here: Sequence[str]
    before: Sequence[str] = ()


def view_of(part: Part, type_name: str, where: Where, terms: Terms) -> View | None:
    """What is seen of a fact; None: nothing. `where`: where its enterprise or union was."""
    if type_name not in terms.types:
        return None
    granted = terms.granted
    came = [place for place in where.here if place in granted]
    left = [place for place in where.before if place in granted] if where.before else []
    if not came and not left:
        return None
    shown = minimised(part.data, terms.fields[type_name])
    for name in AREA_FIELDS:
        if name in shown and not _inside(part, name, shown[name], terms):
            del shown[name]
    if part.kind == MOVED:
        shown[DIRECTION] = "within" if came and left else "came" if came else "left"
    return View(shown, tuple(dict.fromkeys((*came, *left))))


def minimised(data: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """The named fields of a fact, as far as it states them."""
    return {name: data[name] for name in fields if data.get(name) is not None}


def _inside(part: Part, name: str, code: str, terms: Terms) -> bool:
    """Whether an area may be named. The district around a granted park is no secret; that of another park is."""
    if name == "district" and (park := part.data.get("park")) is not None:
        return park in terms.granted
    return code in terms.granted


def where_of(part: Part, stays: Iterable[Stay]) -> Where:
    """Where the subject of a fact was by its stays."""
    day = part.on
    if part.kind != MOVED:
        return Where([stay.park for stay in stays if stay.since <= day < stay.until])
    found = list(stays)
    before = day - ONE_DAY
    return Where(
        [stay.park for stay in found if stay.since <= day < stay.until], [stay.park for stay in found if stay.since <= before < stay.until]
    )
