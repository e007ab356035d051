"""What is held back: streams that stand still, so that nothing later of them counts. Each caller is shown those of the own areas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.metrics.explaining.explain import id_of
from services.metrics.figures import statements as figures
from services.metrics.figures.questions import Snapshot
from services.metrics.figures.tree import Tree
from shared.http.auth import Caller
from shared.reading import parked
from shared.sequencing.parked_reasons import ParkedReason, parse_reason

MOST_STREAMS = 1000
ENTERPRISE = "enterprise/"


@dataclass(frozen=True, slots=True)
class Line:
    """One stream that stands still at `sequence`. `enterprise` and `name`: whose it is, if it is an enterprise's that is known.

    `next`: what is to be done, by the kind; `placeless` for bytes that name no stream.
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


async def of_caller(snapshot: Snapshot, caller: Caller, tree: Tree, area: str | None = None) -> list[Line]:
    """The held streams that a caller may see: those of enterprises in the own areas; with every area also those that lie in none.

    `area`: only those of enterprises in it. The snapshot must be the caller's: row-level security decides which enterprises it shows.
    """
    found = await parked.streams(snapshot.conn, snapshot.generation, limit=MOST_STREAMS)
    if not found:
        return []
    ids = [key for one in found if (key := _enterprise(one.subject)) is not None]
    names = await figures.names(snapshot.conn, snapshot.generation, ids)
    inside = None if area is None else tree.under(area)
    lines = []
    for one in found:
        key = _enterprise(one.subject)
        row = names.get(key) if key is not None else None
        if (row is None and not (caller.areas.everything and area is None)) or (inside is not None and row and row["park"] not in inside):
            continue
        lines.append(
            Line(
                one.subject or one.place,
                one.source,
                row["id"] if row else None,
                row["name"] if row else None,
                tree.shown(row["park"]) if row and row["park"] else "",
                one.kind,
                one.sequence,
                one.waiting,
                one.since,
                parse_reason(one.error),
                one.tried_at,
                one.kind if one.subject else "placeless",
            )
        )
    return sorted(lines, key=lambda line: line.since)


async def of_enterprise(snapshot: Snapshot, enterprise: UUID) -> bool:
    """Whether a stream of the enterprise stands still."""
    return bool(await parked.streams(snapshot.conn, snapshot.generation, subject=f"{ENTERPRISE}{enterprise}", limit=1))


def _enterprise(subject: str) -> UUID | None:
    """Whose stream it is; an event that cannot be read may name anything."""
    try:
        return id_of(subject) if subject.startswith(ENTERPRISE) else None
    except ValueError:
        return None
