"""Facts in runs: the member events of one stream, type, known day, actor, reason and batch as one row (migrations/0013_fact_runs.sql).

Of such an event nothing is kept but when it occurred, when it was recorded and which event it was. A row of its own costs PostgreSQL several
times what an element of four arrays does (docs/adr/0019-facts-in-runs.md). Readers see no difference: the view `facts` is of rows and runs.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import chain
from struct import Struct
from typing import NamedTuple, Protocol, TypeAlias
from uuid import UUID

import msgspec

from services.metrics.tables import copying, fresh, store
from services.metrics.tables.copying import FACT_ROWS, CopyBuffer
from services.metrics.tables.row_bytes import DAY_0, HEADER, NULL, TRAILER, text
from services.metrics.tables.store import FactRow
from shared.process.db import Connection

SHORTEST_RUN = 2
"""Events; one alone that does not come as columns is a row of `fact_rows`."""
COLUMNS = (
    "shard", "subject", "source", "type", "known_day", "actor", "reason", "first", "newest", "sequences", "event_ids", "occurred", "recorded",
)  # fmt: skip

INT8, UUIDS, DATE, TIMESTAMPTZ = 20, 2950, 1082, 1184
"""PostgreSQL's ids of the types of the arrays' elements."""
FIELDS = Struct(">hiii").pack
SIZED_DAY = Struct(">ii").pack
SIZED_BOUNDS = Struct(">iqiq").pack
ROW_IDS, ROW_DAYS, FOUR_BYTES = Struct(">iqi").pack, Struct(">iiiiiq").pack, Struct(">i").pack
JSONB_VERSION = b"\x01"
_json = msgspec.json.Encoder().encode
FOUR, EIGHT, SIXTEEN = 4, 8, Struct(">i").pack(16)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
DAY_OF_FOUR = FOUR << 32
LOW_32 = 0xFFFFFFFF
MICROSECOND = timedelta(microseconds=1)

SharedByRows: TypeAlias = tuple[str, str, str | None, str | None]
"""(source, type, actor, reason)"""
Shared: TypeAlias = tuple[str, str, date, str | None, str | None]
"""(source, type, known day, actor, reason)"""


class FactRun(NamedTuple):
    """One row of `fact_runs`: facts that say nothing but their day, `occurred` as an ordinal.

    The lists are parallel, never empty, and `sequences` ascend.
    """

    shard: int
    subject: str
    source: str
    type: str
    known_day: date
    actor: str | None
    reason: str | None
    sequences: list[int]
    event_ids: list[UUID]
    occurred: list[int]
    recorded: list[datetime]

    def rows(self) -> Iterator[FactRow]:
        """The same facts as rows of their own."""
        for sequence, event_id, occurred, recorded in zip(self.sequences, self.event_ids, self.occurred, self.recorded, strict=True):
            yield FactRow(
                self.shard, self.subject, self.source, sequence, event_id, self.type, date.fromordinal(occurred), self.known_day, recorded, None,
                self.actor, self.reason,
            )  # fmt: skip


class RunColumns(Protocol):
    """Runs of facts that are kept as columns (`folding.columns.members`)."""

    def all_runs(self) -> Iterator[FactRun]:
        """Every run."""
        ...

    def copied(self) -> Iterable[bytes]:
        """The same as COPY reads it, without header and trailer."""
        ...


class RowColumns(Protocol):
    """Facts that are kept as columns (`folding.columns.facts`)."""

    def rows(self) -> Iterable[FactRow]:
        """Every fact."""
        ...

    def copied(self) -> Iterable[bytes]:
        """The same as COPY reads them, without header and trailer."""
        ...

    def for_trigger(self, stays: Container[str]) -> Container[int]:
        """Which rows of `copied` say a place of another subject than those in `stays`."""
        ...


async def keep(
    conn: Connection,
    generation: int,
    rows: Sequence[FactRow],
    runs: Sequence[FactRun] = (),
    columns: Sequence[RunColumns] = (),
) -> None:
    """Append the facts of a batch; a run of one is a row, unless it comes as columns: then it is a row of `fact_runs` like the others."""
    if columns and not await store.has_table(conn, generation, "fact_runs"):
        runs, columns = [*runs, *(run for one in columns for run in one.all_runs())], ()
    alone = [run for run in runs if len(run.sequences) < SHORTEST_RUN]
    await keep_facts(conn, generation, [*rows, *(row for run in alone for row in run.rows())])
    await keep_runs(conn, generation, [run for run in runs if len(run.sequences) >= SHORTEST_RUN])
    if columns:
        await copying.copy_parts(conn, generation, "fact_runs", COLUMNS, chain.from_iterable(one.copied() for one in columns))


async def keep_columns(
    conn: Connection,
    generation: int,
    shard: int,
    buffer: CopyBuffer,
    columns: Sequence[RunColumns],
    facts: Sequence[RowColumns],
    stays: Mapping[str, str],
) -> None:
    """Append facts that come as columns, before other facts of the same subjects: rows that state a place are there before one that takes it back.

    `stays` = {subject: park} of those that get one stay by these facts, which is added, too. Rows that state a place of other subjects are
    sent at once, for the trigger that keeps the stays; before migration 0013 it keeps all.
    """
    if not await store.has_table(conn, generation, "fact_runs"):
        await keep(conn, generation, [row for one in facts for row in one.rows()], (), columns)
        return
    for one in facts:
        rows, for_trigger = list(one.copied()), one.for_trigger(stays)
        if shown := [row for at, row in enumerate(rows) if at in for_trigger]:
            await copying.copy_parts(conn, generation, FACT_ROWS, FactRow._fields, shown)
        await buffer.add(FACT_ROWS, FactRow._fields, (row for at, row in enumerate(rows) if at not in for_trigger))
    await fresh.keep_stays(buffer, shard, stays)
    await buffer.add("fact_runs", COLUMNS, chain.from_iterable(one.copied() for one in columns))


async def keep_facts(conn: Connection, generation: int, rows: Sequence[FactRow]) -> None:
    """Append facts as rows of their own. Their texts hold no U+0000 (`effects` sees to it)."""
    packed = await store.has_table(conn, generation, "fact_runs")
    if packed and len(rows) > store.FEW:
        await copying.copy_bytes(conn, generation, "fact_rows", FactRow._fields, copied_rows(rows))
    elif rows:
        await store.keep_facts(conn, generation, rows, packed=packed)


async def keep_runs(conn: Connection, generation: int, runs: Sequence[FactRun]) -> None:
    """Append runs by one COPY. Their texts hold no U+0000 (`effects` sees to it)."""
    if not runs:
        return
    if not await store.has_table(conn, generation, "fact_runs"):
        await store.keep_facts(conn, generation, [row for run in runs for row in run.rows()], packed=False)
        return
    await copying.copy_bytes(conn, generation, "fact_runs", COLUMNS, copied(runs))


def copied_rows(rows: Iterable[FactRow]) -> bytes:
    """Rows of `fact_rows` as COPY reads them: for a third of the time that asyncpg takes, which looks at each value."""
    writer, parts = RowWriter(), [HEADER]
    for shard, subject, source, sequence, event_id, type_, occurred, known, recorded, says, actor, reason in rows:
        ids = ROW_IDS(8, sequence, 16) + event_id.bytes
        days = ROW_DAYS(4, occurred.toordinal() - DAY_0, 4, known.toordinal() - DAY_0, 8, (recorded - EPOCH) // MICROSECOND)
        parts.append(writer.row(shard, subject, (source, type_, actor, reason), ids, days, None if says is None else _json(says)))
    parts.append(TRAILER)
    return b"".join(parts)


class RowWriter:
    """Writes rows of `fact_rows` for COPY. What many rows share is written once."""

    def __init__(self) -> None:
        self._alike = dict[SharedByRows, tuple[bytes, bytes, bytes]]()

    def row(self, shard: int, subject: str, shared: SharedByRows, ids: bytes, days: bytes, says: bytes | None) -> bytes:
        """One row. `ids`, `days`: the fields of sequence and event, and of the two days and the instant (ROW_IDS, ROW_DAYS); `says`: JSON."""
        if (texts := self._alike.get(shared)) is None:
            source, type_, actor, reason = (NULL if one is None else text(one) for one in shared)
            texts = self._alike[shared] = source, type_, actor + reason
        named, said = subject.encode(), NULL if says is None else FOUR_BYTES(1 + len(says)) + JSONB_VERSION + says
        return b"".join((FIELDS(len(FactRow._fields), 4, shard, len(named)), named, texts[0], ids, texts[1], days, said, texts[2]))


def copied(runs: Iterable[FactRun]) -> bytes:
    """The rows as PostgreSQL's COPY reads them in its binary format ("File Formats" of COPY in its manual)."""
    writer, parts = RunWriter(), [HEADER]
    for shard, subject, source, type_, known_day, actor, reason, sequences, event_ids, occurred, recorded in runs:
        count = len(sequences)
        pack_pairs, pack_days = _packers(count)
        micros = [(at - EPOCH) // MICROSECOND for at in recorded]
        first, last = [EIGHT] * (2 * count), [EIGHT] * (2 * count)
        first[1::2], last[1::2] = sequences, micros
        elements = (
            pack_pairs(*first), SIXTEEN + SIXTEEN.join([one.int.to_bytes(16, "big") for one in event_ids]),
            pack_days(*[DAY_OF_FOUR | ((day - DAY_0) & LOW_32) for day in occurred]), pack_pairs(*last),
        )  # fmt: skip
        shared = (source, type_, known_day, actor, reason)
        parts.append(writer.row(shard, subject, shared, SIZED_BOUNDS(8, sequences[0], 8, max(micros)), count, elements))
    parts.append(TRAILER)
    return b"".join(parts)


class RunWriter:
    """Writes rows of `fact_runs` for COPY. What many runs share is written once."""

    def __init__(self) -> None:
        self._alike = dict[Shared, bytes]()

    def row(self, shard: int, subject: str, shared: Shared, bounds: bytes, count: int, elements: Sequence[bytes]) -> bytes:
        """One row. `bounds`: the fields of first and newest (SIZED_BOUNDS); `elements`: those of the four arrays, each with its length."""
        sequences, event_ids, occurred, recorded = heads_of_arrays(count)
        return self.begun(shard, subject, shared) + b"".join(
            (bounds, sequences, elements[0], event_ids, elements[1], occurred, elements[2], recorded, elements[3])
        )

    def begun(self, shard: int, subject: str, shared: Shared) -> bytes:
        """The fields of a row before its bounds."""
        if (between := self._alike.get(shared)) is None:
            between = self._alike[shared] = _middle(*shared)
        named = subject.encode()
        return b"".join((FIELDS(len(COLUMNS), 4, shard, len(named)), named, between))


def _middle(source: str, type_name: str, known_day: date, actor: str | None, reason: str | None) -> bytes:
    """The fields between the subject and the arrays, which most runs of a batch share."""
    known = SIZED_DAY(4, known_day.toordinal() - DAY_0)
    return b"".join((text(source), text(type_name), known, *(NULL if given is None else text(given) for given in (actor, reason))))


@lru_cache(maxsize=4096)
def heads_of_arrays(count: int) -> tuple[bytes, bytes, bytes, bytes]:
    """The heads of the four arrays with `count` elements: length, dimensions, no NULLs, type, count, lower bound."""

    def head(element: int, oid: int) -> bytes:
        return Struct(">iiiIii").pack(20 + count * (4 + element), 1, 0, oid, count, 1)

    return head(8, INT8), head(16, UUIDS), head(4, DATE), head(8, TIMESTAMPTZ)


@lru_cache(maxsize=4096)
def _packers(count: int) -> tuple[Callable[..., bytes], Callable[..., bytes]]:
    """How `count` elements are packed: lengths and 8 bytes in turn; length and 4 bytes as one number."""
    return Struct(">" + "iq" * count).pack, Struct(f">{count}q").pack
