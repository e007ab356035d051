"""Sets of facts as known at any day.

They are read from the stored states. A state forgets closed known days (`FactSet.compact`); what it forgot is read from the table `facts`. Between
two days of knowledge a set is taken from event to event (`replayed`); one that has forgotten the first day is taken back to it: its events are
undone, the last one first. They are read anyway, and are fewer than all events of the set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from services.metrics.counted import BY_KIND, MEMBERS, Members, is_attribute, kind_of
from services.metrics.figures.scope import members_on, shape_known
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import fact_store
from services.metrics.figures.visibility import unrestricted
from services.metrics.folding.changes import FactChange
from services.metrics.folding.coverage import Segment, at
from services.metrics.folding.events.recorded import changes_from
from services.metrics.folding.facts import FactSet
from services.metrics.measures import Vector
from services.metrics.tables.rows import Cell
from shared.process.db import Record

Added = tuple[Cell | None, Vector]
"""(cell, contribution), as `scope.contribution_on` has them."""


async def sets_known(snapshot: Snapshot, states: Mapping[str, bytes], known_at: date) -> dict[str, FactSet]:
    """{subject: a set that is exact as known at the end of `known_at`}, in the order of `states`."""
    return await exact(snapshot, {subject: FactSet.load(state) for subject, state in states.items()}, known_at)


async def exact(snapshot: Snapshot, found: dict[str, FactSet], known_at: date) -> dict[str, FactSet]:
    """The sets, those that forgot what was known then made again from their events."""
    known = known_at.toordinal()
    if forgotten := [subject for subject, facts in found.items() if facts.since > known]:
        found |= await _from_events(snapshot, forgotten, known_at)
    return found


async def sets_of(snapshot: Snapshot, rows: Sequence[Record], known_at: date) -> dict[str, FactSet]:
    """As `sets_known`, for rows of (subject, state)."""
    return await sets_known(snapshot, {row["subject"]: row["state"] for row in rows}, known_at)


async def _from_events(snapshot: Snapshot, subjects: Sequence[str], known_at: date) -> dict[str, FactSet]:
    conn, generation = snapshot.conn, snapshot.generation
    changes: defaultdict[str, list[FactChange]] = defaultdict(list)
    async with unrestricted(snapshot):
        facts = await fact_store.facts_known(conn, generation, subjects, known_at, list(MEMBERS))
        net = await fact_store.members_known(conn, generation, subjects, known_at, MEMBERS)
    for row in facts:
        learned, occurred = row["known_day"].toordinal(), row["occurred_on"].toordinal()
        changes[row["subject"]] += changes_from(kind_of(row["type"]), occurred, row["sequence"], learned, row["says"])
    members: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for row in net:
        members[row["subject"]][row["occurred_on"].toordinal()] = row["net"]
    known = known_at.toordinal()
    rebuilt = {subject: FactSet.rebuilt(changes[subject], members[subject], known) for subject in subjects}
    for found in rebuilt.values():
        # Members are summed: of earlier days nothing is known.
        found.since = known
    return rebuilt


class Effect(NamedTuple):
    """What an event does to a set: how many more members there are on the day, and changes of what shapes the set."""

    members: int
    shaping: Sequence[FactChange]


def effects(rows: Sequence[Record], as_of: date) -> list[Effect]:
    """What each of some events does as of a day, from their rows of `facts`."""
    return [_effect(row, as_of) for row in rows]


def replayed(facts: FactSet, events: Sequence[Effect], as_of: date, known_from: date, known_to: date) -> Iterator[Added]:
    """What a set adds as known at `known_from`, and then after each of its events that became known up to `known_to`, in their order.

    The set must be exact as known at one of the two days. Members add the same each while nothing else changes, so they are counted; only what
    shapes the set is applied to it.
    """
    day = as_of.toordinal()
    shaped = any(event.shaping for event in events)
    undone = facts.since > known_from.toordinal()
    known_at = known_to if undone else known_from
    assert facts.since <= known_at.toordinal(), "the state was compacted past these days; see sets_known"
    members = members_on(facts, day, known_at.toordinal())
    known = facts.as_known(known_at.toordinal()) if shaped else None
    shape = known.shape if known is not None else shape_known(facts, known_at)
    if undone:
        members -= sum(event.members for event in events)
        if known is not None:
            known.add([_undone(change) for event in reversed(events) for change in reversed(event.shaping)])
            shape = known.shape
    segment = at(shape, day)
    yield _added(segment, members)
    for event in events:
        members += event.members
        if event.shaping and known is not None:
            known.add(event.shaping)
            segment = at(known.shape, day)
        yield _added(segment, members)


def recounted(segment: Segment, members: int, events: Sequence[Effect]) -> Iterator[Added]:
    """As `replayed`, of a set that no event shapes: from its segment on the day and its members then, as known after all events."""
    members -= sum(event.members for event in events)
    yield _added(segment, members)
    for event in events:
        members += event.members
        yield _added(segment, members)


def _added(segment: Segment, members: int) -> Added:
    return (None, 0) if segment.cell is None else (segment.cell, segment.base + members * segment.each)


def _effect(row: Record, as_of: date) -> Effect:
    kind = kind_of(row["type"])
    if isinstance(counted := BY_KIND[kind], Members):
        return Effect(counted.each if row["occurred_on"] <= as_of else 0, ())
    changes = changes_from(kind, row["occurred_on"].toordinal(), row["sequence"], row["known_day"].toordinal(), row["says"])
    return Effect(sum(_members_of(change, as_of.toordinal()) for change in changes), [change for change in changes if _shapes(change)])


def _shapes(change: FactChange) -> bool:
    """A correction does not change a fact's kind."""
    fact = change.added or change.removed
    return fact is not None and is_attribute(fact.kept)


def _members_of(change: FactChange, day: int) -> int:
    """How many more members there are on a day."""
    signed = ((1, change.added), (-1, change.removed))
    return sum(
        sign * fact.kept.each for sign, fact in signed if fact is not None and isinstance(fact.kept, Members) and fact.occurred <= day
    )


def _undone(change: FactChange) -> FactChange:
    return change._replace(removed=change.added, added=change.removed)
