"""The held streams: nothing after their parked event counts. A caller sees those of its own areas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.metrics.explaining.contributors import id_of
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import name_store
from services.metrics.figures.tree import Tree
from shared.http.auth import Caller
from shared.process.db import Record
from shared.reading import parked
from shared.sequencing.parked_reasons import ParkedReason, parse_reason

CHUNK = 1000
ENTERPRISE = "enterprise/"


@dataclass(frozen=True, slots=True)
class HeldRow:
    """One stream, held at `sequence`. `enterprise` and `name`: its enterprise, if known.

    `next`: the key of what to do next, by the kind; `placeless` for bytes that name no stream.
    """

    subject: str
    source: str
    enterprise: UUID | None
    name: str | None
    park: str
    kind: str
    sequence: int
    waiting: int
    since: datetime
    reason: ParkedReason | None
    tried_at: datetime | None
    next: str

    @property
    def key(self) -> tuple[datetime, str, str]:
        """Its position in a list: the one that has been held longest first."""
        return self.since, self.source, self.subject


async def of_caller(snapshot: Snapshot, caller: Caller, tree: Tree, area: str | None = None) -> list[HeldRow]:
    """The held streams that a caller may see: those of enterprises in its areas; with every area also those outside any.

    `area`: only those of enterprises in it. The snapshot must be the caller's: row-level security decides which enterprises it shows.
    """
    streams = await _all(snapshot)
    if not streams:
        return []
    ids = {stream.subject: _enterprise(stream.subject) for stream in streams}
    names = await name_store.names(snapshot.conn, snapshot.generation, [key for key in ids.values() if key is not None])
    inside = None if area is None else tree.under(area)
    found = []
    for stream in streams:
        key = ids[stream.subject]
        row = names.get(key) if key is not None else None
        if row is None and not (caller.areas.everything and area is None):
            continue
        if row is None or inside is None or row["park"] in inside:
            found.append(_held_stream(stream, row, tree))
    return sorted(found, key=lambda stream: stream.key)


async def _all(snapshot: Snapshot) -> list[parked.HeldStream]:
    """Every held stream, whoever may see it."""
    found: list[parked.HeldStream] = []
    while True:
        after = (found[-1].source, found[-1].subject, found[-1].place) if found else ("", "", "")
        more = await parked.streams(snapshot.conn, snapshot.generation, after=after, limit=CHUNK)
        found += more
        if len(more) < CHUNK:
            return found


def _held_stream(stream: parked.HeldStream, row: Record | None, tree: Tree) -> HeldRow:
    return HeldRow(
        subject=stream.subject or stream.place,
        source=stream.source,
        enterprise=row["id"] if row else None,
        name=row["name"] if row else None,
        park=tree.display_name(row["park"]) if row and row["park"] else "",
        kind=stream.kind,
        sequence=stream.sequence,
        waiting=stream.waiting,
        since=stream.since,
        reason=parse_reason(stream.error),
        tried_at=stream.tried_at,
        next=stream.kind if stream.subject else "placeless",
    )


async def of_enterprise(snapshot: Snapshot, enterprise: UUID) -> bool:
    """Whether a stream of the enterprise is held."""
    return bool(await parked.streams(snapshot.conn, snapshot.generation, subject=f"{ENTERPRISE}{enterprise}", limit=1))


def _enterprise(subject: str) -> UUID | None:
    """The enterprise of a stream, if it has one. An unreadable event may name any subject."""
    try:
        return id_of(subject) if subject.startswith(ENTERPRISE) else None
    except ValueError:
        return None
