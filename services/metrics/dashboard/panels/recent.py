"""The newest facts of an area ("Just happened"): those of the days on which their enterprises were in it, and moves into it and out of it.

Facts of one enterprise, kind and minute are one line; no person is named. Row-level security is set to the area, so one rule says who may see
a fact and which facts are an area's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from services.metrics.counted import BY_KIND, Area, Attribute, Correction, DayClosing, Matter, Members, NotCounted, Withdrawal, kind_of
from services.metrics.dashboard.words import Words
from services.metrics.explaining.contributors import id_of
from services.metrics.figures import sql
from services.metrics.figures.questions import Snapshot
from services.metrics.figures.tree import Tree
from services.metrics.figures.visibility import Row, limited_to, shown, sights, unrestricted
from shared.directory.visibility import ONE_DAY, Sight
from shared.process.db import Record

SHOWN = 8
LOOKED_AT = 3000
"""Facts that are looked through: the newest of all, for a park the newest of the enterprises that were ever in it."""

LOOKED_AT_FIRST = (150, LOOKED_AT, 10 * LOOKED_AT)
"""The newest of all that are looked through before, since they nearly always hold SHOWN lines; for a park, more of all are looked through."""

SINCE_FIRST = """
SELECT min(newest) FROM (
    SELECT newest, sum(events) OVER (ORDER BY newest DESC ROWS UNBOUNDED PRECEDING) - events AS newer
    FROM (SELECT newest, events FROM g{g}.recorded_facts ORDER BY newest DESC LIMIT {looked_at}) f
) f WHERE newer < {looked_at}
"""
"""Everything recorded at this time or later is in these rows and runs."""
SINCE = """
SELECT min(oldest) FROM (
    SELECT oldest, sum(events) OVER (ORDER BY newest DESC ROWS UNBOUNDED PRECEDING) - events AS newer
    FROM (SELECT oldest, newest, events FROM g{g}.recorded_facts {of} ORDER BY newest DESC LIMIT {looked_at}) f
) f WHERE newer < {looked_at}
"""
"""Of rows and runs, so that no run is opened for it."""
IN_PARK = "subject IN (SELECT subject FROM g{g}.placements WHERE park = {park})"
OF_ALL = "SELECT coalesce(sum(events), 0) FROM g{g}.recorded_facts WHERE newest >= $1 AND {of}"
OF_PARK = "subject = ANY (ARRAY(SELECT subject FROM g{g}.placements WHERE park = {park}))"
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
    g, found = snapshot.generation, tree.areas.get(area) if area else None
    park = area if found is not None and found.kind == "park" else None
    for looked_at in LOOKED_AT_FIRST if park else LOOKED_AT_FIRST[:1]:
        async with unrestricted(snapshot):
            since = await snapshot.conn.fetchval(SINCE_FIRST.format(g=g, looked_at=looked_at))
            of = IN_PARK.format(g=g, park="$2")
            if looked_at > LOOKED_AT and await snapshot.conn.fetchval(OF_ALL.format(g=g, of=of), since, park) > LOOKED_AT:
                break
        async with limited_to(snapshot, area) as seen:
            rows = await _newest(seen, since, park, IN_PARK)
            # Of a minute that began before, a line may lack facts.
            if len(rows) == SHOWN and rows[-1]["at"].replace(second=0, microsecond=0) >= since:
                return await _lines(snapshot, seen, tree, rows, words)
    async with unrestricted(snapshot):
        of = f"WHERE {OF_PARK.format(g=g, park='$1')}" if park else ""
        since = await snapshot.conn.fetchval(SINCE.format(g=g, of=of, looked_at=LOOKED_AT), *([park] if park else []))
    async with limited_to(snapshot, area) as seen:
        return await _lines(snapshot, seen, tree, await _newest(seen, since, park, OF_PARK), words)


async def _newest(seen: Snapshot, since: datetime | None, park: str | None, of_park: str) -> list[Record]:
    """The newest lines of what was recorded since; `of_park`: the condition of those of the park."""
    of = f"AND {of_park.format(g=seen.generation, park='$2')}" if park else ""
    return await seen.conn.fetch(NEWEST.format(g=seen.generation, of=of, shown=SHOWN), since, *([park] if park else []))


async def _lines(snapshot: Snapshot, seen: Snapshot, tree: Tree, rows: Sequence[Record], words: Words) -> list[Happened]:
    """The lines as the caller may see them; `seen`: the snapshot limited to the area."""
    lines = []
    subjects = {row["subject"] for row in rows}
    there, here = await sights(seen, subjects), await sights(snapshot, subjects)
    names = await sql.known_names(seen.conn, seen.generation, [id_of(subject) for subject in subjects if subject.startswith("enterprise/")])
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
