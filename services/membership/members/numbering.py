"""Brings persons' rows of earlier releases under the hash of their document's number, so that one number finds one person.

Releases 0.1 and 0.2 hashed a number with its kind, and took any kind. The number is in the row, sealed; each row is opened once. Runs beside
the consumer, and looks again from time to time, since during an upgrade processes of the earlier release still write.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

import asyncpg
import structlog

from services.membership.members.earlier_rows import written_before
from shared.persons.sealing import PersonKeys, Sealed, Undecipherable, UnknownKey
from shared.process import db
from shared.process.db import Connection
from shared.process.pause import repeat

BATCH = 500
OUTAGES: tuple[type[Exception], ...] = (*db.OUTAGES, asyncpg.UniqueViolationError)
"""The last one: a command wrote the same number meanwhile."""
LOOK_EVERY = 60.0

WITHOUT_NUMBER = """
SELECT no, id, document_kind, document, key_version FROM persons WHERE number_hash IS NULL AND no > $1 ORDER BY no LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED
"""
COPIES = "SELECT number_hash, max(copy) AS last FROM persons WHERE number_hash = ANY($1::bytea[]) GROUP BY number_hash"
NUMBER = """
UPDATE persons AS p SET number_hash = n.number_hash, copy = n.copy
FROM unnest($1::bigint[], $2::bytea[], $3::smallint[]) AS n(no, number_hash, copy) WHERE p.no = n.no
"""

log = structlog.get_logger(__name__)


async def keep_numbering(dsn: str, keys: PersonKeys, stop: asyncio.Event) -> None:
    """Until `stop`, through outages of the database."""
    connect = partial(db.connect, dsn, application_name="membership.numbering", settings=db.BY_KEY)
    step = partial(number_all, keys=keys)
    await repeat(step, connect, stop, name="numbering", every=LOOK_EVERY, longest=LOOK_EVERY, outages=OUTAGES)


async def number_all(conn: Connection, keys: PersonKeys) -> int:
    """Every row that can be opened; how many of them are of a person who had a row already. Those are logged by number, as `repeated`."""
    last, repeated = 0, 0
    while True:
        async with conn.transaction():
            rows = await conn.fetch(WITHOUT_NUMBER, last, BATCH)
            if not rows:
                return repeated
            last = rows[-1]["no"]
            found: list[tuple[int, bytes]] = []
            for row in rows:
                try:
                    number = keys.open(row["id"], Sealed(row["document"], row["key_version"]))
                except (UnknownKey, Undecipherable) as error:
                    log.warning("numbering.unreadable", person=row["no"], error=type(error).__name__)
                    continue
                found.append((row["no"], keys.number_hashes(written_before(row["document_kind"], number))[0][1]))
            repeated += await _number(conn, found)


async def _number(conn: Connection, found: list[tuple[int, bytes]]) -> int:
    """Give the rows their hashes; how many are copies."""
    hashes = [digest for _, digest in found]
    taken = Counter({row["number_hash"]: row["last"] + 1 for row in await conn.fetch(COPIES, hashes)})
    copies: list[int] = []
    for _, digest in found:
        copies.append(taken[digest])
        taken[digest] += 1
    await conn.execute(NUMBER, [no for no, _ in found], hashes, copies)
    for (no, _), copy in zip(found, copies, strict=True):
        if copy:
            log.warning("numbering.repeated", person=no)
    return sum(map(bool, copies))
