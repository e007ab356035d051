"""SQL of manifests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.subscriptions.matching.outgoing import Content
from shared.process.db import Connection, Record

SUBSCRIPTION = """
SELECT s.id, s.client, g.purpose FROM subscriptions AS s JOIN grants AS g ON g.id = s.grant_id WHERE s.id = $1
"""
ENTRIES = """
SELECT d.number, d.state, d.corrects, c.gone, coalesce(d.hash, c.hash) AS hash, d.hash IS NOT NULL AS sent, c.event_id, c.source, c.subject, c.type, c.fact_type,
    c.time, c.occurredon, c.places, c.data
FROM deliveries AS d JOIN contents AS c ON c.id = d.content WHERE d.subscription = $1 AND d.day = $2 ORDER BY d.number
"""
DAY_BEFORE = "SELECT max(day) FROM deliveries WHERE subscription = $1 AND day < $2"
HAS_KEY = "SELECT EXISTS (SELECT FROM signing_keys WHERE version = 'v1a')"
PUT_ACCESS = "INSERT INTO accesses (at, client, what, subscription, first, last, purpose) VALUES ($1, $2, $3, $4, $5, $6, $7)"


@dataclass(frozen=True, slots=True)
class Owned:
    """A subscription, whose it is, and for which purpose its grant was given."""

    id: UUID
    client: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Numbered:
    """A number of a day. `hash`: that of the content, or of what was sent if that is another (`sent`). `gone`: why its data is.

    `corrects`: the numbers of the deliveries that it corrects or withdraws.
    """

    number: int
    state: str
    hash: bytes
    sent: bool
    content: Content
    corrects: Sequence[int] | None
    gone: str | None


async def subscription(conn: Connection, key: UUID) -> Owned | None:
    """A subscription; None: there is none."""
    row = await conn.fetchrow(SUBSCRIPTION, key)
    return None if row is None else Owned(*row)


async def numbers_of(conn: Connection, key: UUID, day: date) -> list[Numbered]:
    """The numbers that were assigned on a day, ascending."""
    return [_numbered(row) for row in await conn.fetch(ENTRIES, key, day)]


def _numbered(row: Record) -> Numbered:
    content = Content(
        row["event_id"],
        row["source"],
        row["subject"],
        row["type"],
        row["fact_type"],
        row["time"],
        row["occurredon"],
        row["places"],
        row["data"],
    )
    return Numbered(row["number"], row["state"], row["hash"], row["sent"], content, row["corrects"], row["gone"])


async def day_before(conn: Connection, key: UUID, day: date) -> date | None:
    """The last day before on which numbers were assigned."""
    found: date | None = await conn.fetchval(DAY_BEFORE, key, day)
    return found


async def has_service_key(conn: Connection) -> bool:
    """Whether there is a key of the service yet."""
    return bool(await conn.fetchval(HAS_KEY))


async def put_access(conn: Connection, at: datetime, client: str, owned: Owned, numbers: Sequence[int]) -> None:
    """Log that somebody was given the manifest of these numbers."""
    ends = (numbers[0], numbers[-1]) if numbers else (None, None)
    await conn.execute(PUT_ACCESS, at, client, "manifest", owned.id, *ends, owned.purpose)
