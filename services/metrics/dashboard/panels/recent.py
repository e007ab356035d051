"""The newest facts of an area ("Just happened"): those of the days on which their enterprises were in it, and moves into it and out of it.

Facts of one enterprise, kind and minute are one line; no person is named. Row-level security is set to the area, so one rule says who may see
a fact and which facts are an area's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, assert_never

from services.metrics.counted import BY_KIND, Area, Attribute, Correction, DayClosing, Matter, Members, NotCounted, Withdrawal, kind_of
from services.metrics.dashboard.words import Words
from services.metrics.explaining.contributors import id_of
from services.metrics.figures.rolled.statements import FEW_PARKS
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import name_store
from services.metrics.figures.tree import Tree
from services.metrics.figures.visibility import Row, limited_to, shown, sights, unrestricted
from shared.directory.visibility import ONE_DAY, Sight
from shared.http.auth import Areas
from shared.process.db import Record

SHOWN = 8
LOOKED_AT = 3000
"""Facts that are looked through: the newest of all, for an area of few parks the newest of the enterprises that were ever in it."""

LOOKED_AT_FIRST = 150
"""The newest of all that are looked through before, since they nearly always hold SHOWN lines."""
ROWS_FIRST = (12, 60, 400)
"""So many of the newest rows and runs of an area of few parks are looked through before."""
SOUGHT_IN = 30_000
"""The newest rows and runs of all, in which those of an area are sought first: of one that has fewer there, all can be sorted."""

SINCE_FIRST = """
SELECT min(newest) FROM (
    SELECT newest, sum(events) OVER (ORDER BY newest DESC ROWS UNBOUNDED PRECEDING) - events AS newer
    FROM (SELECT newest, events FROM g{g}.recorded_facts ORDER BY newest DESC LIMIT {looked_at}) f
) f WHERE newer < {looked_at}
"""
"""Everything recorded at this time or later is in these rows and runs."""
ROWS_OF_PARKS = """
SELECT subject, oldest, newest, events
FROM (SELECT subject, oldest, newest, events FROM g{g}.recorded_facts ORDER BY newest DESC LIMIT {sought_in}) f
WHERE (subject IN (SELECT subject FROM g{g}.placements WHERE park = ANY ($1::text[]))) IS TRUE ORDER BY newest DESC FETCH FIRST {rows} ROWS WITH TIES
"""
"""IS TRUE keeps IN from becoming a join: as a filter it lets the scan end with the last row that is wanted."""
SINCE = """
SELECT min(oldest) AS since, coalesce(sum(events), 0) AS found FROM (
    SELECT oldest, events, sum(events) OVER (ORDER BY newest DESC ROWS UNBOUNDED PRECEDING) - events AS newer
    FROM ({rows}) f
) f WHERE newer < {looked_at}
"""
"""Of rows and runs, so that no run is opened for it."""
ROWS = "SELECT oldest, newest, events FROM g{g}.recorded_facts {of} ORDER BY newest DESC LIMIT {rows}"
OF_ROWS = "subject = ANY ($2::text[]) AND newest = ANY ($3::timestamptz[])"
"""Of subjects of which all is wanted that is that new, by the times of their rows and runs: these are fewer than all rows and runs of the subjects."""
OF_PARKS = "subject = ANY (ARRAY(SELECT subject FROM g{g}.placements WHERE park = ANY ({parks}::text[])))"
NEWEST = """
SELECT subject, type, max(recorded_at) AS at, count(*) AS count, max(sequence) AS sequence,
    (array_agg(says ORDER BY recorded_at DESC, sequence DESC))[1] AS says,
    (array_agg(occurred_on ORDER BY recorded_at DESC, sequence DESC))[1] AS occurred_on
FROM g{g}.stored_facts WHERE newest >= $1 AND recorded_at >= $1 AND (starts_with(subject, 'enterprise/') OR starts_with(subject, 'union/')) {of}
GROUP BY subject, type, date_trunc('minute', recorded_at) ORDER BY at DESC, subject LIMIT {shown}
"""
"""Facts about areas, and about persons in hardship, are left out."""
NUMBER_BEFORE = """
SELECT says->$4 FROM g{g}.facts WHERE subject = $1 AND type = $2 AND sequence < $3 ORDER BY sequence DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Happened:
    """One line: time, kind of fact, place, enterprise, and the amount or a word for it."""

    at: datetime
    kind: str
    park: str
    enterprise: str | None
    name: str
    amount: str


async def just_happened(snapshot: Snapshot, tree: Tree, area: str | None, words: Words) -> list[Happened]:
    """The newest facts, newest first. `area` None: of all that the caller may see."""
    g, parks = snapshot.generation, _few_parks(snapshot, area)
    if parks:
        for wanted in ROWS_FIRST:
            if (window := await _window(snapshot, parks, wanted)) is None:
                break
            since, subjects, times = window
            async with limited_to(snapshot, area) as seen:
                rows = await _newest(seen, since, OF_ROWS, subjects, times)
                if _whole(rows, since):
                    return await _lines(snapshot, seen, tree, rows, words)
    else:
        async with unrestricted(snapshot):
            since = await snapshot.conn.fetchval(SINCE_FIRST.format(g=g, looked_at=LOOKED_AT_FIRST))
        async with limited_to(snapshot, area) as seen:
            rows = await _newest(seen, since)
            if _whole(rows, since):
                return await _lines(snapshot, seen, tree, rows, words)
    oldest = await _since(snapshot, parks)
    async with limited_to(snapshot, area) as seen:
        rows = await (_newest(seen, oldest, OF_PARKS.format(g=g, parks="$2"), parks) if parks else _newest(seen, oldest))
        return await _lines(snapshot, seen, tree, rows, words)


def _few_parks(snapshot: Snapshot, area: str | None) -> list[str]:
    """The codes of an area and of all within it, as row-level security knows them, if they are few; else none."""
    codes = snapshot.areas.granted(Areas.of([area])) if area is not None else ()
    return sorted(codes) if isinstance(codes, frozenset) and len(codes) <= FEW_PARKS else []


async def _window(snapshot: Snapshot, parks: Sequence[str], wanted: int) -> tuple[datetime, list[str], list[datetime]] | None:
    """(since, subjects, times): whatever was recorded since of an enterprise that was ever in one of the parks is of one of the subjects, and in one of
    the newest `wanted` rows and runs, or few more, which are of these times and hold at most LOOKED_AT facts; None if so many rows are not found soon."""
    async with unrestricted(snapshot):
        found = await snapshot.conn.fetch(ROWS_OF_PARKS.format(g=snapshot.generation, sought_in=SOUGHT_IN, rows=wanted), parks)
    if len(found) < wanted:
        return None
    window = None
    subjects, times, events = dict[str, None](), list[datetime](), 0
    for since, alike in groupby(found, key=lambda row: row["newest"]):
        for row in alike:
            subjects[row["subject"]] = None
            events += row["events"]
        if events > LOOKED_AT:
            break
        times.append(since)
        window = since, list(subjects), [*times]
    return window


async def _since(snapshot: Snapshot, parks: Sequence[str]) -> datetime | None:
    """When the oldest fact was recorded of the rows and runs that hold the newest LOOKED_AT facts."""
    g = snapshot.generation
    soon = ROWS_OF_PARKS.format(g=g, sought_in=SOUGHT_IN, rows=LOOKED_AT)
    whole = ROWS.format(g=g, of=f"WHERE {OF_PARKS.format(g=g, parks='$1')}" if parks else "", rows=LOOKED_AT)
    since = None
    async with unrestricted(snapshot):
        for rows in (soon, whole) if parks else (whole,):
            found = await snapshot.conn.fetchrow(SINCE.format(rows=rows, looked_at=LOOKED_AT), *([parks] if parks else []))
            since = found["since"] if found is not None else None
            if found is not None and found["found"] >= LOOKED_AT:
                break
    return since


def _whole(rows: Sequence[Record], since: datetime) -> bool:
    """Whether SHOWN lines were found, all of facts recorded since: of a minute that began before, a line may lack facts."""
    return len(rows) == SHOWN and rows[-1]["at"].replace(second=0, microsecond=0) >= since


async def _newest(seen: Snapshot, since: datetime | None, which: str = "", *of: object) -> list[Record]:
    """The newest lines of what was recorded since; `which`: the condition of those that are wanted, with `of` as $2 and so on."""
    statement = NEWEST.format(g=seen.generation, of=f"AND {which}" if which else "", shown=SHOWN)
    return await seen.conn.fetch(statement, since, *of)


async def _lines(snapshot: Snapshot, seen: Snapshot, tree: Tree, rows: Sequence[Record], words: Words) -> list[Happened]:
    """The lines as the caller may see them; `seen`: the snapshot limited to the area."""
    lines = []
    subjects = {row["subject"] for row in rows}
    there = await sights(seen, subjects)
    here = {subject: Sight(sight.stays, snapshot.granted) for subject, sight in there.items()}
    names = await name_store.known_names(
        seen.conn, seen.generation, [id_of(subject) for subject in subjects if subject.startswith("enterprise/")]
    )
    for row in rows:
        subject = row["subject"]
        fact = shown(dict(row), there[subject])
        if fact is not None:
            name, link = names.get(id_of(subject)), here[subject].on(snapshot.today)
            place = _place(there[subject], fact) or (fact["says"] or {}).get("seat_area")
            lines.append(
                Happened(
                    row["at"], kind_of(row["type"]), tree.display_name(place) if place else "",
                    str(id_of(subject)) if name and link else None, (name["name"] if name else None) or "",
                    await _amount(seen, fact, words),
                )
            )  # fmt: skip
    return lines


def _place(sight: Sight, fact: Row) -> str | None:
    """The park of the area in which the enterprise was on the fact's day, or which it left then."""
    days = (fact["occurred_on"], fact["occurred_on"] - ONE_DAY)
    return next((stay.park for day in days for stay in sight.stays if stay.since <= day < stay.until and stay.park in sight.granted), None)


async def _amount(snapshot: Snapshot, line: Row, words: Words) -> str:
    kind = kind_of(line["type"])
    says: dict[str, Any] = line["says"] or {}
    match BY_KIND[kind]:
        case Members(each=each):
            return f"+{words.number(line['count'])}" if each > 0 else words.number(-line["count"])
        case Attribute(number=str() as field):
            statement = NUMBER_BEFORE.format(g=snapshot.generation)
            before = await snapshot.conn.fetchval(statement, line["subject"], line["type"], line["sequence"], field)
            now = words.number(says[field])
            return now if before is None else f"{words.number(before)} → {now}"
        case Attribute() | Matter() | NotCounted():
            return words.t(f"amount.{kind}")
        case Correction():
            return words.t(f"happened.{says['withdrawn']['fact']}")
        case Withdrawal():
            return " · ".join(words.t(f"happened.{fact}") for fact in dict.fromkeys(one["fact"] for one in says["withdrawn"]))
        case Area() | DayClosing():
            return ""
        case row:
            assert_never(row)
