"""Cases in a test: commands and the role `clocks` on a real database; what it knows of the registry is given to its reader."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.cases.app import api
from services.cases.entries import store
from services.cases.entries.entry import Entry
from services.cases.entries.needs import Context
from services.cases.entries.waking import Waker
from services.cases.facts import TABLE
from services.cases.settings import Settings
from shared.directory.events import directory_reader
from shared.http.auth import Areas
from shared.persons.sealing import PersonKeys
from shared.process import db
from shared.process.clock import Clock
from shared.process.db import Pool
from tests.conftest import NewDatabase
from tests.integration.client import REQUIRED, Client, settings_of
from tests.integration.directory import Writer

EVERY = ("cases:read", "cases:write", "cases:persons", "cases:operate")
TOPIC = "parkunion.registry.v1"
KEYS = PersonKeys(REQUIRED["encryption_keys"], REQUIRED["hash_keys"])


class Cases(Writer):
    """`do(op, **body)` is one command of a caller with all areas; it returns the result or raises the problem."""

    def __init__(self, pool: Pool, owner_dsn: str) -> None:
        super().__init__(pool, directory_reader(), TABLE, Context(Clock(ZoneInfo("Asia/Shanghai")), b"fingerprints", TOPIC, 12, KEYS))
        self.owner_dsn = owner_dsn

    async def open(self, enterprise: UUID, kind: str = "wage_arrears", occurred_on: str = "2026-03-02", **more: Any) -> UUID:
        """A case; its id."""
        said = {"kind": kind, "occurred_on": occurred_on, "reported_on": occurred_on, **more}
        return UUID((await self.do("case", enterprise_id=enterprise, **said)).id)

    async def step(self, case: UUID, step: str, on: str, **more: Any) -> UUID:
        """A step of a case; the id of its event."""
        return (await self.do("case_step", case_id=case, step=step, on=on, **more)).event_ids[0]

    async def entry(self, entry_id: UUID) -> Entry:
        """An entry as the table has it."""
        async with db.transaction(self.pool, areas=Areas.all()) as conn:
            return (await store.entries(conn, [entry_id]))[entry_id]

    async def wake(self) -> int:
        """What the role `clocks` writes until nothing is due any more: how many entries."""
        waker, done = Waker(self.context), 0  # type: ignore[arg-type]
        async with self.pool.acquire() as conn:
            while count := await waker.step(conn):
                done += count
        return done

    async def turn(self, day: date) -> None:
        """The platform's clock is on a day, at noon."""
        conn = await db.connect(self.owner_dsn, application_name="cases.tests")
        try:
            await conn.execute(
                "UPDATE clock_shift SET shift = ($1::date + time '12:00') AT TIME ZONE 'Asia/Shanghai' - clock_timestamp()", day
            )
        finally:
            await conn.close()


@pytest.fixture(name="cases")
async def cases_of_a_test(database: NewDatabase) -> AsyncIterator[Cases]:
    """A fresh database, with areas."""
    made = await database("cases")
    pool = await db.create_pool(made.app_dsn, application_name="cases.tests")
    service = Cases(pool, made.owner_dsn)
    await service.areas()
    yield service
    pool.terminate()


@pytest.fixture(name="client")
async def client_of_a_test(cases: Cases) -> AsyncIterator[Client]:
    """Its API, for a caller with every scope and area."""
    app = api(settings_of(Settings))
    app.state.pool = cases.pool
    async with Client.of(app, *EVERY) as made:
        yield made
