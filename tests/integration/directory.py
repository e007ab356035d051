"""A service in a test, on a real database and without HTTP and Kafka: events of the registry given to its reader, and commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from shared.contracts import Envelope, Event, plain, type_of
from shared.contracts.ids import uuid7
from shared.contracts.registry import SOURCE, AreaKind, AreaRegistered, EnterpriseClosed, EnterpriseRegistered
from shared.contracts.streams import FactCorrected, Placed
from shared.http.auth import Areas
from shared.journal import idempotency
from shared.journal.idempotency import Keys, Result
from shared.journal.journal import Actor
from shared.problems.errors import Problem
from shared.process import db
from shared.process.db import Connection, Pool
from shared.sequencing.records import ShardBatch, in_runs, received
from shared.writing import commands
from shared.writing.carry_out import carrying_out
from shared.writing.commands import Line, Outcome
from shared.writing.lines.bodies import command_of, models
from shared.writing.table import Context, Table


class Directory:
    """The registry as a service on a real database reads it; `apply` is what the service does with a batch."""

    def __init__(self, pool: Pool, apply: Callable[[Connection, ShardBatch], Awaitable[None]]) -> None:
        self.pool = pool
        self.apply = apply
        self.sequences: dict[str, int] = {}

    async def receive(self, *said: tuple[str, Event, str]) -> list[Envelope]:
        """Events of the registry, (subject, fact, date) each, in one batch of the reader."""
        events = [self.event(*item) for item in said]
        async with self.pool.acquire() as conn, conn.transaction():
            await self.apply(conn, ShardBatch(1, 0, 1, in_runs(map(received, events)), {}))
        return events

    def event(self, subject: str, data: Event, on: str) -> Envelope:
        """The next event of a stream of the registry."""
        self.sequences[subject] = self.sequences.get(subject, 0) + 1
        return Envelope(
            id=uuid7(),
            source=SOURCE,
            subject=subject,
            partitionkey=subject.partition("/")[2],
            sequence=self.sequences[subject],
            type=type_of(data),
            time=datetime.now(UTC),
            occurredon=date.fromisoformat(on),
            actor="registrar",
            origin="api",
            data=data,
        )

    async def areas(self) -> None:
        """A root ROOT with two divisions D1 and D2, in each a park: P1, P2."""
        tree = {"ROOT": None, "D1": "ROOT", "D2": "ROOT", "P1": "D1", "P2": "D2"}
        await self.receive(
            *(
                (
                    f"area/{code}",
                    AreaRegistered(code=code, name=code, kind=AreaKind.PARK if code[0] == "P" else AreaKind.DIVISION, parent=parent),
                    "1900-01-01",
                )
                for code, parent in tree.items()
            )
        )

    async def enterprise(self, park: str = "P1", settled_on: str = "2020-01-01") -> UUID:
        """An enterprise that the service knows."""
        enterprise = uuid7()
        data = EnterpriseRegistered(enterprise_id=enterprise, name="示例", park=park, district="D" + park[1:])
        await self.receive((f"enterprise/{enterprise}", data, settled_on))
        return enterprise

    async def close(self, enterprise: UUID, on: str) -> Envelope:
        """The registry closes an enterprise."""
        return (await self.receive((f"enterprise/{enterprise}", EnterpriseClosed(reason="bankrupt"), on)))[0]

    async def withdraw(self, enterprise: UUID, settled_on: str = "2020-01-01") -> None:
        """The registry withdraws the registration of an enterprise."""
        data = EnterpriseRegistered(enterprise_id=enterprise, name="示例", park="P1", district="D1")
        withdrawn = Placed(date.fromisoformat(settled_on), plain(data))
        corrected = FactCorrected(corrects=uuid7(), fact=type_of(data), rank=1, reason="typo", withdrawn=withdrawn)
        await self.receive((f"enterprise/{enterprise}", corrected, settled_on))

    async def correct_closure(self, closure: Envelope, on: str | None) -> Envelope:
        """The registry corrects a closure: another date, or None for no closure."""
        content = plain(closure.data)
        data = FactCorrected(
            corrects=closure.id,
            fact=closure.type,
            rank=closure.sequence,
            reason="typo",
            withdrawn=Placed(closure.occurredon, content),
            replacement=Placed(date.fromisoformat(on), content) if on else None,
        )
        return (await self.receive((closure.subject, data, on or closure.occurredon.isoformat())))[0]


class Writer(Directory):
    """A writing service in a test, without HTTP: `do(op, **body)` is one command of a caller with all areas; it returns the result or raises
    the problem."""

    def __init__(
        self, pool: Pool, apply: Callable[[Connection, ShardBatch], Awaitable[None]], table: Table[Any, Any], context: Context
    ) -> None:
        super().__init__(pool, apply)
        self.table = table
        self.context = context
        self.models = models(table)

    async def batch(self, lines: Sequence[tuple[str, str | None, dict[str, Any]]], areas: Areas | None = None) -> list[Outcome]:
        """(op, key, body) per line, in one transaction."""
        parsed: list[Line[Any]] = [
            Line(command_of(self.table, op, self.models[op].model_validate(body)), key, idempotency.fingerprint(b"f", "POST", op, body))
            for op, key, body in lines
        ]
        work = carrying_out(self.table, self.context, areas or Areas.all(), Actor("tester", "api"))
        return await commands.many(self.pool, Keys(self.context.fingerprint_key), "tester", parsed, work)

    async def do(self, op: str, *, areas: Areas | None = None, key: str | None = None, **body: Any) -> Result:
        """One command."""
        plain_body = {name: str(value) if isinstance(value, UUID) else value for name, value in body.items()}
        outcome = (await self.batch([(op, key, plain_body)], areas))[0]
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    async def said(self, subject: str) -> list[tuple[str, str, dict[str, Any]]]:
        """(type, date, data) of the stream's events."""
        rows = await self.pool.fetch("SELECT type, occurred_on, data FROM journal WHERE subject = $1 ORDER BY sequence", subject)
        return [(r["type"].removeprefix("parkunion.").removesuffix(".v1"), r["occurred_on"].isoformat(), r["data"]) for r in rows]

    async def count(self, table: str) -> int:
        """Rows of a table, whoever they belong to."""
        async with db.transaction(self.pool, areas=Areas.all()) as conn:
            return int(await conn.fetchval(f"SELECT count(*) FROM {table}"))
