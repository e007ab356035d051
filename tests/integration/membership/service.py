"""Membership in a test, on a real database and without HTTP and Kafka: commands, and events of the registry given to its reader's handler."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.membership import events_in
from services.membership.facts import TABLE
from services.membership.needs import Context
from shared.persons.sealing import PersonKeys
from shared.process import db
from shared.process.clock import Clock
from shared.process.db import Pool
from shared.writing.lines.bodies import command_of, models
from tests.conftest import NewDatabase
from tests.integration.directory import Writer

DOCUMENT = "11010519491231002X"
TOPIC = "parkunion.registry.v1"
CONTEXT = Context(Clock(ZoneInfo("Asia/Shanghai")), PersonKeys({1: bytes(32)}, {1: bytes(range(32))}), b"fingerprints", TOPIC, 12)


MODELS = models(TABLE)


def command(op: str, body: dict[str, Any]) -> Any:
    """The command of a batch's line."""
    return command_of(TABLE, op, MODELS[op].model_validate(body))


class Membership(Writer):
    """`do(op, **body)` is one command of a caller with all areas; it returns the result or raises the problem."""

    def __init__(self, pool: Pool, context: Context = CONTEXT) -> None:
        super().__init__(pool, events_in.apply, TABLE, context)

    async def union(self, *enterprises: UUID, kind: str = "enterprise_union", on: str = "2021-01-01", seat: str = "P1") -> UUID:
        """A union that covers these enterprises."""
        body: dict[str, Any] = {"kind": kind, "seat_area": seat, "approved_on": on, "enterprises": [str(e) for e in enterprises]}
        return UUID((await self.do("union", **body)).id)

    async def member(self, union: UUID, enterprise: UUID, number: str = "1", on: str = "2021-01-01", kind: str = "sample") -> UUID:
        """A person who joins."""
        document = {"kind": kind, "number": number}
        return UUID((await self.do("member", union_id=union, enterprise_id=enterprise, document=document, joined_on=on)).id)


@pytest.fixture(name="membership")
async def membership_of_a_test(database: NewDatabase) -> AsyncIterator[Membership]:
    """A fresh database, with areas."""
    pool = await db.create_pool((await database("membership")).app_dsn, application_name="membership.tests")
    made = Membership(pool)
    await made.areas()
    yield made
    pool.terminate()
