"""What must be true after an upgrade under load: log, journal, acknowledged commands and figures agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import asyncpg

from services.metrics.measures import MEASURES
from shared import contracts
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import Extent
from shared.contracts import Envelope
from tests import oracle
from tests.migrations.kept import PARTITIONS, TOPICS, knows_days, records
from tests.migrations.rolling import Deployment, Load

Key = tuple[str, str, int]
"""(source, subject, sequence)"""


async def check_nothing_is_lost(kept: Path, deployment: Deployment, load: Load) -> None:
    """Each acknowledged command is in the journal and in the log once, nothing is held, and the ledger is the oracle's."""
    log = await _log(deployment)
    journal: dict[Key, str] = {}
    said = Counter[str]()
    for service in ("registry", "membership"):
        conn = await asyncpg.connect(deployment.databases[service].owner_dsn)
        for row in await conn.fetch("SELECT subject, sequence, event_id::text AS id, actor, origin FROM journal"):
            journal[f"/services/{service}", row["subject"], row["sequence"]] = row["id"]
            said.update([row["id"]] if (row["actor"], row["origin"]) == ("tester", "api") else [])
        await conn.close()
    acknowledged = Counter(event for command in load.said for event in command.event_ids)
    assert acknowledged == said, "each acknowledged command is in the journal once, and no other"
    assert {key: str(event.id) for key, event in log.items()} == journal
    old = [contracts.decode(record["value"].encode()) for record in records(kept)]
    assert {(event.source, event.subject, event.sequence): event.id for event in old}.items() <= {
        key: event.id for key, event in log.items()
    }.items()
    told, told_before = ({event.type.split(".")[1] for event in events} for events in (log.values(), old))
    assert told == told_before | {"day-closed"}
    assert told_before >= {"member-joined"}
    assert knows_days(kept) or told > told_before, "days are closed after the last process of 0.1 has gone"
    closed = {(event.source, event.subject) for event in log.values() if event.type == "parkunion.day-closed.v1"}
    assert len(closed) == 2 * PARTITIONS
    withdrawn = {event.id for event in log.values() if event.type == "parkunion.event-withdrawn.v1"} - {event.id for event in old}
    assert bool(withdrawn) == knows_days(kept)
    assert len(withdrawn) == sum(command.path == "/v1/withdrawals" for command in load.said)
    conn = await asyncpg.connect(deployment.databases["metrics"].owner_dsn)
    assert await conn.fetchval("SELECT count(*) FROM held WHERE generation = (SELECT id FROM generations WHERE status = 'serving')") == 0
    assert await _ledger(conn) == oracle.ledger(log.values())
    assert await _durations(conn) == oracle.durations(log.values())
    await conn.close()
    conn = await asyncpg.connect(deployment.databases["membership"].owner_dsn)
    assert await conn.fetchval("SELECT count(*) FROM held") == 0
    await conn.close()


async def _log(deployment: Deployment) -> dict[Key, Envelope]:
    """Every event of both topics; the same event twice is one."""
    broker = KafkaBroker(deployment.kafka)
    extents = await broker.extents([deployment.prefix + name for name in TOPICS])
    found: dict[Key, Envelope] = {}
    async for batch in broker.read({place: Extent(0, extent.end) for place, extent in extents.items()}):
        for record in batch:
            event = contracts.decode(record.value)
            key = (event.source, event.subject, event.sequence)
            assert found.setdefault(key, event).id == event.id
    await broker.close()
    return found


async def _ledger(conn: asyncpg.Connection[asyncpg.Record]) -> dict[tuple[oracle.Cell, date, date], Counter[str]]:
    """The serving generation's rows as the oracle writes them."""
    g = await conn.fetchval("SELECT 'g' || id FROM generations WHERE status = 'serving'")
    assert g != "g1"
    columns = ", ".join(f"sum({name})::bigint AS {name}" for name in MEASURES)
    rows = await conn.fetch(
        f"SELECT c.park, c.industry, c.size, c.ownership, effective_day, known_day, {columns} "
        f"FROM (TABLE {g}.ledger UNION ALL TABLE {g}.ledger_open) l JOIN {g}.cells c ON c.id = l.cell GROUP BY 1, 2, 3, 4, 5, 6"
    )
    found = defaultdict[tuple[oracle.Cell, date, date], Counter[str]](Counter)
    for row in rows:
        key = ((row["park"], row["industry"], row["size"], row["ownership"]), row["effective_day"], row["known_day"])
        found[key] = Counter({name: row[name] for name in MEASURES if row[name]})
    return {key: deltas for key, deltas in found.items() if deltas}


async def _durations(conn: asyncpg.Connection[asyncpg.Record]) -> dict[tuple[oracle.Cell, date, date, str, int], int]:
    g = await conn.fetchval("SELECT 'g' || id FROM generations WHERE status = 'serving'")
    rows = await conn.fetch(
        f"SELECT c.park, c.industry, c.size, c.ownership, effective_day, known_day, kind, value, sum(count)::bigint AS count "
        f"FROM (TABLE {g}.durations UNION ALL TABLE {g}.durations_open) d JOIN {g}.cells c ON c.id = d.cell GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"
    )
    return {((row["park"], row["industry"], row["size"], row["ownership"]), *row[4:8]): row["count"] for row in rows if row["count"]}
