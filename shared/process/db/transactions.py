"""Transactions (READ COMMITTED): begun with the areas whose rows they may see, repeated after a deadlock, and never lost with the answer to COMMIT."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import asyncpg

from shared.process import faults
from shared.process.db.sessions import CONNECT_TIMEOUT, OUTAGES, Connection, Pool

T = TypeVar("T")

REPEATS = 3
SETTLE_WITHIN = 5.0
"""Seconds in which it is found out whether a transaction was committed whose COMMIT has no answer."""
SETTLE_POLL = 0.1


class OutcomeUnknownError(ConnectionError):
    """COMMIT was sent and its answer is lost: the transaction may have happened, or not."""


class RolledBackError(Exception):
    """COMMIT was answered with ROLLBACK: a statement had failed and its error was not raised. A programming error."""


class AreaSetting(Protocol):
    """The areas whose rows a transaction may see (`shared.http.auth.Areas`)."""

    def setting(self) -> str: ...


@asynccontextmanager
async def transaction(pool: Pool, *, areas: AreaSetting | None = None, by_key: bool = False) -> AsyncIterator[Connection]:
    """One transaction. `areas`: the rows that row-level security shows in it; None shows none of those rows.

    With `areas` it must not be nested (asyncpg refuses it): beginning and setting the areas is one message to the server. `by_key`: every
    statement finds its rows by key (see BY_KEY); without, as for lists, plans may depend on the values.
    """
    async with pool.acquire(timeout=CONNECT_TIMEOUT) as conn:
        if areas is None:
            begun = conn.transaction()
            await begun.start()
            try:
                yield conn
            except BaseException:
                if not conn.is_closed():
                    await begun.rollback()
                raise
            await _commit(conn, begun.commit())
            return
        setting = areas.setting().replace("'", "''")
        plans = "" if by_key else "; SET LOCAL plan_cache_mode = auto"
        try:
            await conn.execute(f"BEGIN; SET LOCAL parkunion.areas = '{setting}'{plans}")
            yield conn
        except BaseException:
            if not conn.is_closed():
                await conn.execute("ROLLBACK")
            raise
        status = await _commit(conn, conn.execute("COMMIT"))
        if status != "COMMIT":
            raise RolledBackError(status)


async def _commit(conn: Connection, commit: Coroutine[Any, Any, T]) -> T:
    """The answer to COMMIT.

    Raises OutcomeUnknownError if it is lost. PostgreSQL's own error (severity ERROR) is an answer: the transaction is rolled back. One that
    ends the session (FATAL) is none: it may come behind the commit. A connection that was closed before sent no COMMIT.
    """
    if conn.is_closed():
        commit.close()
        raise asyncpg.ConnectionDoesNotExistError("the connection was closed before COMMIT was sent")
    try:
        return await commit
    except asyncpg.PostgresError as error:
        if "ERROR" in (getattr(error, "severity_en", None), getattr(error, "severity", None)):
            raise
        raise OutcomeUnknownError("the answer to COMMIT is lost") from error
    except OUTAGES as error:
        raise OutcomeUnknownError("the answer to COMMIT is lost") from error


async def run_command(
    pool: Pool,
    work: Callable[[Connection], Awaitable[T]],
    *,
    areas: AreaSetting | None,
    happened: Callable[[Connection, T], Awaitable[bool]] | None = None,
) -> T:
    """Run `work` in one transaction; after a deadlock or a serialization failure again, REPEATS times at most.

    `work` must have no effect outside the transaction, and must load inside it what it decides on. `happened(conn, done)`, in another
    transaction, tells whether the one that came to `done` was committed; it waits for its end. It is asked if the answer to COMMIT is lost:
    what was committed is returned, what was not is run again. Raises OutcomeUnknownError if it cannot be told within SETTLE_WITHIN.
    """
    for attempt in range(REPEATS + 1):
        done: T | None = None
        try:
            async with transaction(pool, areas=areas, by_key=True) as conn:
                done = await work(conn)
            faults.reached("command.committed")
            return done
        except OutcomeUnknownError:
            assert done is not None, "COMMIT comes after the work"
            if happened is None or attempt == REPEATS:
                raise
            if await _settled(pool, happened, done):
                return done
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            if attempt == REPEATS:
                raise
            await asyncio.sleep(random.uniform(0.005, 0.05) * (attempt + 1))  # noqa: S311 - no secret
    raise AssertionError("unreachable")


async def _settled(pool: Pool, happened: Callable[[Connection, T], Awaitable[bool]], done: T) -> bool:
    """Whether the transaction was committed, by what the database holds. Raises OutcomeUnknownError if it does not answer in time."""
    deadline = asyncio.get_running_loop().time() + SETTLE_WITHIN
    while (left := deadline - asyncio.get_running_loop().time()) > 0:
        try:
            async with asyncio.timeout(left), pool.acquire(timeout=left) as conn:
                await conn.execute(f"BEGIN; SET LOCAL parkunion.areas = '*'; SET LOCAL lock_timeout = {math.ceil(left * 1000)}")
                try:
                    return await happened(conn, done)
                finally:
                    if not conn.is_closed():
                        # Nothing was written: the locks are given back.
                        await conn.execute("ROLLBACK", timeout=1)
        except OUTAGES:
            await asyncio.sleep(SETTLE_POLL)
    raise OutcomeUnknownError("the answer to COMMIT is lost, and the database cannot be asked")
