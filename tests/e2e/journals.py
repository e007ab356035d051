"""Every event of a running stack, read from the journals of its services."""

from __future__ import annotations

import json

import asyncpg

from shared import contracts
from shared.contracts import Envelope, cases, membership, registry
from shared.journal.journal import COLUMNS, JournalRow, cloud_event
from tests.e2e.platform import Platform

SOURCES = {"registry": registry.SOURCE, "membership": membership.SOURCE, "cases": cases.SOURCE}


async def journals(platform: Platform) -> list[Envelope]:
    """The events of all journals."""
    events = []
    for service, source in SOURCES.items():
        conn = await asyncpg.connect(platform.status()["postgres"]["dsn"][service])
        try:
            events += await journal_of(conn, source)
        finally:
            await conn.close()
    return events


async def journal_of(conn: asyncpg.Connection, source: str) -> list[Envelope]:
    """Every event of one service's journal, as its relay publishes it, in the order of the journal."""
    await conn.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    rows = await conn.fetch(f"SELECT {COLUMNS} FROM journal ORDER BY id")
    return [contracts.decode(cloud_event(JournalRow(*row), source)) for row in rows]
