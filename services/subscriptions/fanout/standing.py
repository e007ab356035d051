"""What the fan-out keeps of the registry's and membership's standing facts beside the directory: seats of unions, industry and workers of
enterprises, and every state of the tree of areas."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from services.subscriptions.fanout.known import Attributes
from services.subscriptions.matching.current import next_revision
from shared.contracts import TYPES, Envelope, fact
from shared.contracts.membership import UnionFounded
from shared.contracts.registry import EnterpriseReclassified, EnterpriseRegistered, HeadcountReported
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.directory import store
from shared.directory.events import Changes, changes_of
from shared.directory.visibility import Stay, stays
from shared.process.db import Connection, text_array
from shared.sequencing.records import Received

REGISTRY = "/services/registry"
STATING = frozenset(name for name, struct in TYPES.items() if struct in (UnionFounded, FactCorrected, EventWithdrawn))
"""Types of events of other sources by which what is kept may change."""
PUT_VERSIONS = """
INSERT INTO area_versions (code, revision, parent, present)
SELECT code, $2, parent, present FROM unnest($1::text[], $3::text[], $4::bool[]) AS v(code, parent, present)
"""
UNCHANGED = """
SELECT code FROM (SELECT DISTINCT ON (v.code) v.code, v.parent, v.present FROM area_versions AS v WHERE v.code = ANY($1::text[])
    ORDER BY v.code, v.revision DESC) AS last
JOIN unnest($1::text[], $2::text[], $3::bool[]) AS new(code, parent, present) USING (code)
WHERE last.parent IS NOT DISTINCT FROM new.parent AND last.present = new.present
"""
PUT_SEATS = """
INSERT INTO union_seats (union_id, rank, occurred_on, seat_area) SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::date[], $4::text[])
ON CONFLICT (union_id, rank) DO UPDATE SET occurred_on = excluded.occurred_on, seat_area = excluded.seat_area
"""
DROP_SEATS = """
DELETE FROM union_seats AS t USING unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS w(id, first, last)
WHERE t.union_id = w.id AND t.rank BETWEEN w.first AND w.last
"""
PUT_ATTRIBUTES = """
INSERT INTO enterprise_attributes (enterprise_id, rank, occurred_on, industry, workers)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::date[], $4::text[], $5::int[])
ON CONFLICT (enterprise_id, rank) DO UPDATE
    SET occurred_on = excluded.occurred_on, industry = excluded.industry, workers = excluded.workers
"""
DROP_ATTRIBUTES = """
DELETE FROM enterprise_attributes AS t USING unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS w(id, first, last)
WHERE t.enterprise_id = w.id AND t.rank BETWEEN w.first AND w.last
"""
PLACED = """
SELECT enterprise_id::text AS id, occurred_on, rank, park AS place FROM enterprise_facts
WHERE enterprise_id = ANY($1::text::uuid[]) AND park IS NOT NULL
"""
SEATS = """
SELECT union_id::text AS id, occurred_on, rank, seat_area AS place FROM union_seats WHERE union_id = ANY($1::text::uuid[])
"""
ATTRIBUTES = "SELECT enterprise_id, occurred_on, rank, industry, workers FROM enterprise_attributes WHERE enterprise_id = ANY($1::uuid[])"


@dataclass(slots=True)
class Rows:
    """Rows of one table that a batch puts and drops: {(id, rank): columns}, and (id, first, last) ranks to drop first."""

    put: dict[tuple[UUID, int], tuple[Any, ...]] = field(default_factory=dict)
    drop: list[tuple[UUID, int, int]] = field(default_factory=list)

    def withdraw(self, key: UUID, first: int, last: int) -> None:
        """The facts of these ranks hold no longer, those of this batch among them."""
        for rank in [rank for rank in self.put if rank[0] == key and first <= rank[1] <= last]:
            del self.put[rank]
        self.drop.append((key, first, last))


def may_state(record: Received) -> bool:
    """Whether `keep` may have to write something of an event."""
    return record.stream[0] == REGISTRY or record.type in STATING


async def keep(conn: Connection, events: Sequence[Envelope]) -> None:
    """Write what these events state. A change of the tree of areas takes the next revision."""
    directory = changes_of([event for event in events if event.source == REGISTRY])
    seats, attributes = Rows(), Rows()
    for event in events:
        _collect(event, seats, attributes)
    if directory.areas:
        await store.put_areas(conn, directory.areas)
        await _put_versions(conn, directory)
    if directory.facts or directory.withdrawn:
        await store.put_facts(conn, directory.facts, directory.withdrawn)
    await _write(conn, seats, PUT_SEATS, DROP_SEATS)
    await _write(conn, attributes, PUT_ATTRIBUTES, DROP_ATTRIBUTES)


async def _put_versions(conn: Connection, directory: Changes) -> None:
    codes = list(directory.areas)
    parents = [area[0].parent if area is not None else None for area in directory.areas.values()]
    present = [area is not None for area in directory.areas.values()]
    unchanged = {row["code"] for row in await conn.fetch(UNCHANGED, codes, parents, present)}
    changed = [row for row in zip(codes, parents, present, strict=True) if row[0] not in unchanged]
    if changed:
        revision = await next_revision(conn)
        columns = [list(column) for column in zip(*changed, strict=True)]
        await conn.execute(PUT_VERSIONS, columns[0], revision, *columns[1:])


async def _write(conn: Connection, rows: Rows, put: str, drop: str) -> None:
    if rows.drop:
        await conn.execute(drop, *(list(column) for column in zip(*rows.drop, strict=True)))
    if rows.put:
        flat = [(*key, *columns) for key, columns in rows.put.items()]
        await conn.execute(put, *(list(column) for column in zip(*flat, strict=True)))


def _collect(event: Envelope, seats: Rows, attributes: Rows) -> None:
    kind, _, key = event.subject.partition("/")
    table = {"union": seats, "enterprise": attributes}.get(kind)
    if table is None or (table is attributes and event.source != REGISTRY):
        return
    data = event.data
    if isinstance(data, EventWithdrawn):
        table.withdraw(UUID(key), data.first, data.last)
    elif isinstance(data, FactCorrected):
        if data.replacement is None:
            table.withdraw(UUID(key), data.rank, data.rank)
        else:
            _state(table, UUID(key), data.rank, data.replacement.occurred_on, fact(data.fact, data.replacement.data))
    else:
        _state(table, UUID(key), event.sequence, event.occurredon, data)


def _state(table: Rows, key: UUID, rank: int, on: date, data: Any) -> None:
    if isinstance(data, UnionFounded):
        table.put[key, rank] = on, data.seat_area
    elif isinstance(data, (EnterpriseRegistered, EnterpriseReclassified)):
        table.put[key, rank] = on, data.industry, None
    elif isinstance(data, HeadcountReported):
        table.put[key, rank] = on, None, data.workers


async def stays_of(conn: Connection, subjects: Iterable[str]) -> dict[str, Sequence[Stay]]:
    """{subject: where it was} of enterprises, unions and areas (an area lies in itself); what is unknown has no entry."""
    found: dict[str, Sequence[Stay]] = {}
    ids: dict[str, list[str]] = {"enterprise": [], "union": []}
    for subject in subjects:
        kind, _, key = subject.partition("/")
        if kind == "area":
            found[subject] = [Stay(date.min, date.max, key)]
        elif kind in ids:
            ids[kind].append(key)
    for kind, statement in (("enterprise", PLACED), ("union", SEATS)):
        placing: dict[str, list[tuple[date, int, str]]] = {}
        for key, *place in await conn.fetch(statement, text_array(ids[kind])) if ids[kind] else ():
            placing.setdefault(key, []).append((place[0], place[1], place[2]))
        for key, places in placing.items():
            found[f"{kind}/{key}"] = stays(places)
    return found


async def attributes_of(conn: Connection, enterprises: Collection[UUID]) -> dict[UUID, Sequence[Attributes]]:
    """{enterprise: what facts state of it}."""
    found: dict[UUID, list[Attributes]] = {}
    for row in await conn.fetch(ATTRIBUTES, list(enterprises)) if enterprises else ():
        found.setdefault(row["enterprise_id"], []).append(Attributes(row["occurred_on"], row["rank"], row["industry"], row["workers"]))
    return dict(found)
