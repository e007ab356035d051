"""Why a figure changed between two days of knowledge: event by event, for the same business day.

The events of each enterprise are applied one by one, in the order in which they were recorded, to its set of facts as known at the end of
`known_from`. An event's share is C after it less C before it, so the shares of all pages add up to the difference of the two figures. A
change of the area tree has a share of its own: no event of an enterprise made it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from heapq import nsmallest
from itertools import pairwise
from typing import assert_never

from services.metrics.attributes import Move
from services.metrics.counted import BY_KIND, Area, Attribute, Correction, DayClosing, Matter, Members, NotCounted, Withdrawal, kind_of
from services.metrics.explaining.contributors import id_of, is_union
from services.metrics.explaining.measures import measure_of
from services.metrics.explaining.sets.known import Added, effects, recounted, replayed, sets_known
from services.metrics.explaining.sets.standing import Standing, as_subjects, standing
from services.metrics.figures.rolled import rollups
from services.metrics.figures.scope import Scope, counts_of
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import fact_store, name_store, set_store
from services.metrics.figures.tree import Tree
from services.metrics.figures.visibility import Row, hidden, shown_rows, unrestricted
from services.metrics.measures import Vector
from shared.process.db import Record

CHUNK = 100
"""The most sets that are looked at together: events are applied to each one by one, so no more than a page needs."""
MOST_AT_ONCE = 1600
"""The same where those before had no share: as of a day long ago most events of a city change nothing."""
FEWEST = 10
"""Fewer sets are not worth the statements that it takes to read them."""
MOST_NOT_TOLD = 3000
"""Sets whose last known day their steps do not tell."""
START = ("", -1)
"""Before the first share of a list."""


@dataclass(frozen=True, slots=True)
class Window:
    """The question: the figure as of `as_of`, as known at `known_from` and at `known_to`.

    `measure`: one of `measures.COMPARED`; None: all counts.
    """

    area: str | None
    as_of: date
    known_from: date
    known_to: date
    measure: str | None = None

    def matters(self, change: Vector) -> bool:
        """Whether a change is one of the measure asked for."""
        return change != 0 and (self.measure is None or _changes(self.measure, change))


@lru_cache(maxsize=1024)
def _changes(measure: str, change: Vector) -> bool:
    """Most changes are the same few vectors."""
    return any(measure_of(measure).of(counts_of(change)))


@dataclass(frozen=True, slots=True)
class Share:
    """What one event, or one change of the area tree, contributed.

    `kind`: new (occurred after `known_from`), late (occurred by then, known later), correction (or withdrawal), move, or area.

    `event` is the row of `facts`; None where a version of an area was withdrawn and not replaced, or where the caller may not see it.
    `hidden`: the caller may not know whose share it is.
    """

    kind: str
    subject: str
    name: str | None
    event: Row | None
    position: int
    before: Vector
    after: Vector
    credit_code: str | None = None
    hidden: bool = False


async def totals(snapshot: Snapshot, window: Window) -> tuple[Vector, Vector]:
    """The figures as known at `known_from` and at `known_to`."""
    found = []
    for known in (window.known_from, window.known_to):
        tree = snapshot.areas.at(window.as_of, known)
        parks = None if window.area is None else tree.under(window.area)
        figure = await rollups.by_key(snapshot.ledger, "park", window.as_of, known, parks)
        found.append(sum(figure.values()))
    return found[0], found[1]


async def shares(snapshot: Snapshot, window: Window, after: tuple[str, int], limit: int) -> tuple[list[Share], bool]:
    """The next `limit` shares in order of (subject, position), and whether there are more."""
    scope = Scope.of(snapshot.areas.at(window.as_of, window.known_to), window.area)
    found = [share for share in await _of_areas(snapshot, window, scope.tree) if (share.subject, share.position) > after]
    sets = await standing(snapshot, scope.parks, window.as_of, window.known_to)
    start, most = after[0], min(CHUNK, 2 * limit // 5 + 1)
    while len(found) <= limit:
        subjects = await _subjects(snapshot, window, scope, sets, start, most)
        more = [share for share in await _of_subjects(snapshot, window, scope, sets, subjects) if (share.subject, share.position) > after]
        found += more
        if len(subjects) < most:
            break
        start, most = subjects[-1] + "\x01", _sets_for(limit + 1 - len(found), len(subjects), len(more))
    return await _shown(snapshot, window, found[:limit]), len(found) > limit


def _sets_for(missing: int, sets: int, shares: int) -> int:
    """How many sets to look at next for the missing shares, if `sets` had so many."""
    return max(FEWEST, min(CHUNK, missing * sets // shares + 2)) if shares else min(MOST_AT_ONCE, 2 * max(sets, CHUNK))


async def _subjects(snapshot: Snapshot, window: Window, scope: Scope, sets: Standing, start: str, most: int) -> list[str]:
    """The next enterprises and unions, at most so many, from `start` on, about which a fact may have become known in the window.

    By the last known days of the sets, with some that have no share; by the facts if these days are not known of most sets.
    """
    if len(sets.rest) <= MOST_NOT_TOLD:
        return _learned(sets, window.known_from, start, most)
    parks = None if scope.parks is None else list(scope.parks)
    async with unrestricted(snapshot):
        return await fact_store.learned(snapshot.conn, snapshot.generation, window.known_from, window.known_to, start, most, parks)


def _learned(sets: Standing, known_from: date, start: str, most: int) -> list[str]:
    rest = sets.rest[(at := bisect_left(sets.rest, start)) : at + most]
    return nsmallest(most, {*rest, *sets.sets.first(sets.told & (sets.sets.newest > known_from.toordinal()), start, most)})


async def _of_subjects(snapshot: Snapshot, window: Window, scope: Scope, standing_sets: Standing, subjects: Sequence[str]) -> list[Share]:
    conn, generation = snapshot.conn, snapshot.generation
    events: defaultdict[str, list[Record]] = defaultdict(list)
    async with unrestricted(snapshot):
        for row in await fact_store.facts_between(conn, generation, subjects, window.known_from, window.known_to):
            events[row["subject"]].append(row)
    every = {subject: effects(events[subject], window.as_of) for subject in subjects}
    # What has no effect as of the day has no share.
    done = {subject: effect for subject, effect in every.items() if any(event.members or event.shaping for event in effect)}
    # Of most sets members alone changed; these need not be read.
    unshaped = [subject for subject, effect in done.items() if not any(event.shaping for event in effect)]
    segments = standing_sets.sets.segments(as_subjects(sorted(unshaped)), standing_sets.told)
    others = [subject for subject in done if subject not in segments]
    # Exact as known at `known_to`; most of them as known at `known_from`, too.
    sets = await sets_known(snapshot, await set_store.states_of(conn, generation, others), window.known_to) if others else {}
    found = list[Share]()
    for subject, effect in done.items():
        if subject in segments:
            found += _of_set(recounted(*segments[subject], effect), events[subject], window, scope)
        elif subject in sets:
            added = replayed(sets[subject], effect, window.as_of, window.known_from, window.known_to)
            found += _of_set(added, events[subject], window, scope)
    return found


def _of_set(added: Iterator[Added], rows: Sequence[Record], window: Window, scope: Scope) -> Iterator[Share]:
    values = (value if cell is not None and scope.holds(cell) else 0 for cell, value in added)
    for position, (row, (before, after)) in enumerate(zip(rows, pairwise(values), strict=True)):
        if window.matters(after - before):
            yield Share(_classified(kind_of(row["type"]), row, window), row["subject"], None, dict(row), position, before, after)


def _classified(kind: str, row: Record, window: Window) -> str:
    match BY_KIND[kind]:
        case Correction() | Withdrawal():
            return "correction"
        case Attribute(content=content) if content is Move:
            return "move"
        case Attribute() | Members() | Matter() | NotCounted() | Area() | DayClosing():
            return "late" if row["occurred_on"] <= window.known_from else "new"
        case other:
            assert_never(other)


async def _of_areas(snapshot: Snapshot, window: Window, tree: Tree) -> list[Share]:
    """Parks that came into the area or left it by a change of the tree that became known, with their figures as known before."""
    if window.area is None:
        return []
    old = snapshot.areas.at(window.as_of, window.known_from)
    was, now = old.under(window.area), tree.under(window.area)
    changed = was ^ now
    if not changed:
        return []
    held = await rollups.by_key(snapshot.ledger, "park", window.as_of, window.known_from, changed)
    causes = {park: _cause(snapshot, window, (old, tree), park) for park in changed}
    known = [cause for cause in causes.values() if cause is not None]
    subjects = [f"area/{cause['code']}" for cause in known]
    async with unrestricted(snapshot):
        events = await fact_store.facts_by_id(snapshot.conn, snapshot.generation, subjects, [cause["event_id"] for cause in known])
    found = []
    for park, value in sorted((park, value) for park, value in held.items() if park is not None):
        before, after = (value, 0) if park in was else (0, value)
        cause = causes[park]
        if window.matters(after - before):
            event = events.get(cause["event_id"]) if cause is not None else None
            found.append(Share("area", f"area/{park}", tree.display_name(park), dict(event) if event else None, 0, before, after))
    return found


def _cause(snapshot: Snapshot, window: Window, trees: tuple[Tree, Tree], park: str) -> Record | None:
    """The last version of the park, or of an area in which it lies, that became known in the window."""
    codes = dict.fromkeys(code for tree in trees for code in tree.path(park))
    versions = [row for code in codes for row in snapshot.areas.learned(code, window.known_from, window.known_to)]
    return max(versions, key=lambda row: row["recorded_at"], default=None)


async def _shown(snapshot: Snapshot, window: Window, page: Sequence[Share]) -> list[Share]:
    """The shares with names, and without who and what the caller may not see."""
    conn, generation = snapshot.conn, snapshot.generation
    ids = {share.subject: id_of(share.subject) for share in page if share.kind != "area"}
    unseen = await hidden(snapshot, ids, window.as_of)
    enterprises = await name_store.known_names(conn, generation, [one for subject, one in ids.items() if not is_union(subject)])
    unions = await name_store.union_names(conn, generation, [one for subject, one in ids.items() if is_union(subject)])
    events = {row["event_id"]: row for row in await shown_rows(snapshot, [share.event for share in page if share.event is not None])}
    found = []
    for share in page:
        name, code, is_hidden = share.name, share.credit_code, share.subject in unseen
        if share.kind != "area" and not is_hidden:
            row = enterprises.get(ids[share.subject])
            name, code = (row["name"], row["credit_code"]) if row is not None else (unions.get(ids[share.subject]), None)
        event = events.get(share.event["event_id"]) if share.event is not None else None
        found.append(Share(share.kind, share.subject, name, event, share.position, share.before, share.after, code, is_hidden))
    return found
