"""Tables that list what a shard has are compared as bytes: in the form and order in which PostgreSQL gives them, whatever is in them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from io import BytesIO
from uuid import UUID

import pytest

from services.metrics.generations.contents import contents
from services.metrics.generations.refold import Refolded, refold
from services.metrics.refolding import listed
from services.metrics.refolding.listed import Listed
from services.metrics.tables.store import NameRow, UnionRow
from shared.sequencing.streams import Head
from tests.conftest import NewDatabase
from tests.histories import history, interleaved
from tests.integration.metrics.log import PARTITIONS, Log, log_in
from tests.integration.metrics.service import CLOCK

TEXTS = ("a", "B", "b", "_", "Z", "é", "园区", "\U0001f3ed", "a b", "a-b", "ab")
READ = {"areas_facts", "held"}
"""Tables that are always read row by row."""


@pytest.fixture
async def log(database: NewDatabase) -> AsyncIterator[Log]:
    async with log_in(await database("metrics")) as made:
        yield made


async def refolded(log: Log) -> list[Refolded]:
    topics = log.settings.topics
    extents = await log.broker.extents(topics)

    async def nobody(*_: object) -> None:
        pass

    return [
        await refold(log.broker, shard, {topic: extents[topic, shard].end for topic in topics}, {}, CLOCK, nobody)
        for shard in range(PARTITIONS)
    ]


async def test_what_projector_and_rebuild_wrote_is_told_by_its_bytes(log: Log) -> None:
    log.publish_events(interleaved(history(5, enterprises=12, length=20, mistakes=True), 5))
    await log.fold()
    made, *_ = await log.rebuild()
    for generation in (1, made):
        for shard in await refolded(log):
            assert all(len(getattr(shard.listed, table)) for table in ("enterprises", "placements", "stays", "seen"))
            assert len(shard.listed.placement_rows) < len(shard.listed.placements)
            served, expected = await contents(log.owner, generation, shard, attributed=True)
            assert served.keys() == expected.keys() == READ
            served, _ = await contents(log.owner, generation, shard, attributed=False)
            assert served.keys() == READ


async def test_any_text_any_order_and_nothing_are_the_bytes_of_postgresql(log: Log) -> None:
    ids = [UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC834) % 2**128) for number in range(len(TEXTS))]
    each = list(zip(range(len(TEXTS)), ids, TEXTS, strict=True))
    names = [NameRow(str(id_), text if at % 3 else None, None if at % 4 else text, text if at % 2 else None) for at, id_, text in each]
    unions = [UnionRow(id_, text if at % 3 else None, text) for at, id_, text in each]
    placements = {(park, subject) for park in (*TEXTS, "A", "C") for subject in TEXTS}
    moves = [(date(2024, 1, 2), 2, "B"), (date(1999, 12, 31), 1, "A"), (date(2030, 1, 1), 3, "C")]
    placings = {"nowhere": [], **{text: moves[: 1 + at % 3] for at, _, text in each}}
    when = datetime(2024, 5, 6, 7, 8, 9, 123456, UTC)
    heads = {(source, subject): Head(2**40 + number, ids[number], when) for number, source in enumerate(TEXTS) for subject in TEXTS}
    found = Refolded(0, {}, listed=Listed.of(names, unions, placements, placings, heads), names=names, unions=unions)
    found.placements, found.placings, found.heads = placements, placings, heads
    conn = log.owner
    for table in listed.COLUMNS.keys() - {"placements"}:
        rows, columns = getattr(found.listed, table), listed.COLUMNS[table]
        shared, further = ((1, 0), ("generation", "shard")) if table == "seen" else ((0,), ("shard",))
        if table == "seen":
            rows = [row + time for row, time in zip(rows, listed.seen_times(heads), strict=True)]
            columns = (*columns, "time")
        data = listed.stream(rows, len(columns), shared)
        schema = "public" if table == "seen" else "g1"
        await conn.copy_to_table(table, schema_name=schema, columns=(*further, *columns), source=BytesIO(data), format="binary")
    served, _ = await contents(conn, 1, found, attributed=True)
    assert served.keys() == READ
    assert {row["time"] for row in await conn.fetch("SELECT time FROM seen")} == {when}
    stays = {tuple(row) for row in await conn.fetch("SELECT subject, since, until, park FROM g1.stays WHERE subject = 'B'")}
    assert stays == {("B", date.min, date(2024, 1, 2), "A"), ("B", date(2024, 1, 2), date.max, "B")}
    # What is different is read, and found at its key.
    await conn.execute("UPDATE g1.placement_rows SET subject = 'other' WHERE (park, subject) = ('园区', 'Z')")
    served, expected = await contents(conn, 1, found, attributed=True)
    assert served.keys() == READ | {"placements"}
    assert served["placements"].keys() ^ expected["placements"].keys() == {("园区", "Z"), ("园区", "other")}


async def test_rows_of_no_kind_are_equal_to_no_rows(log: Log) -> None:
    served, expected = await contents(log.owner, 1, Refolded(0, {}), attributed=True)
    assert served.keys() == READ
    assert served == expected
