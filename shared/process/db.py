"""Connections and transactions (READ COMMITTED), with timeouts that keep one frozen process from stopping the system.

Without the timeouts a frozen process would keep its locks for ever: its kernel goes on answering keepalives.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any, Protocol, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from shared.process import faults

T = TypeVar("T")

Record: TypeAlias = "asyncpg.Record"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

SESSION_SETTINGS = {
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "10s",
    "transaction_timeout": "60s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "client_connection_check_interval": "10s",
}
BY_KEY = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "plan_cache_mode": "force_generic_plan"}
"""For sessions whose statements all find their rows by key. A plan made while a table is empty reads the whole table, and is kept while the
table grows: without this a command took 90 ms after 40,000 of them. Generic plans are forced, since a custom plan for `= ANY($1)` always
looks cheaper and takes longer to make than to run (docs/adr/0008)."""
CONNECT_TIMEOUT = 10.0
COMMAND_TIMEOUT = 40.0
REPEATS = 3
SETTLE_WITHIN = 5.0
"""Seconds in which it is found out whether a transaction was committed whose COMMIT has no answer."""
SETTLE_POLL = 0.1

OUTAGES: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""Errors of the database, not of the request: the same command may succeed later."""


class UnsafeSessionError(Exception):
    """The session is not safe to use: its role bypasses row-level security, or its commits are not durable."""


class OutcomeUnknownError(ConnectionError):
    """COMMIT was sent and its answer is lost: the transaction may have happened, or not."""


class RolledBackError(Exception):
    """COMMIT was answered with ROLLBACK: a statement had failed and its error was not raised. A programming error."""


class AreaSetting(Protocol):
    """The areas whose rows a transaction may see (`shared.http.auth.Areas`)."""

    def setting(self) -> str: ...


async def _json_as_values(conn: asyncpg.Connection[asyncpg.Record]) -> None:
    """Send and receive jsonb as plain Python values. Its binary form is one version byte and the text."""
    encode = msgspec.json.Encoder().encode
    decode = msgspec.json.Decoder().decode
    await conn.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda value: b"\x01" + encode(value), decoder=lambda raw: decode(raw[1:]), format="binary"
    )


_encode = msgspec.json.Encoder().encode


def array(values: Iterable[UUID | date | datetime | int | None]) -> str:
    """Values as the text of an array, for `$1::text::uuid[]`: asyncpg takes ten times as long to pack a list."""
    return f"{{{_encode(list(values)).decode()[1:-1]}}}"


def text_array(values: Iterable[str | None]) -> str:
    """Texts likewise, for `$1::text::text[]`."""
    return f"{{{','.join([_quoted(value) for value in values])}}}"


def bytes_array(values: Iterable[bytes]) -> str:
    """Bytes likewise, for `$1::text::bytea[]`."""
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"


def json_array(values: Iterable[Any]) -> str:
    """Values as JSON likewise, for `$1::text::jsonb[]`."""
    return text_array([_encode(value).decode() for value in values])


def _quoted(value: str | None) -> str:
    if value is None:
        return "NULL"
    if "\\" in value:
        value = value.replace("\\", "\\\\")
    return '"' + value.replace('"', '\\"') + '"'


COPY_HEADER, COPY_TRAILER = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
"""What stands before and after the rows in COPY's binary format ("File Formats" of COPY in PostgreSQL's manual)."""
PIECE = 524_288
"""Bytes that go to PostgreSQL at a time."""


async def copy_parts(conn: Connection, schema: str, table: str, columns: Sequence[str], parts: Iterable[bytes]) -> None:
    """Append rows in COPY's binary format, sent in pieces as their parts are made: they are never all in memory."""
    await conn.copy_to_table(table, schema_name=schema, columns=columns, source=_pieces(parts), format="binary")


async def _pieces(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    gathered, size = [COPY_HEADER], 0
    for part in parts:
        gathered.append(part)
        size += len(part)
        if size >= PIECE:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join((*gathered, COPY_TRAILER))


async def assert_safe(conn: Connection) -> None:
    """Raises UnsafeSessionError if the role is a superuser or has BYPASSRLS, or if a crash may lose a commit."""
    row = await conn.fetchrow("SELECT rolname, rolsuper OR rolbypassrls AS sees_all FROM pg_roles WHERE rolname = current_user")
    if row is None or row["sees_all"]:
        raise UnsafeSessionError("the service's role is a superuser or has BYPASSRLS; use the role that the migrations grant to")
    if (level := await conn.fetchval("SHOW synchronous_commit")) not in ("on", "remote_apply"):
        raise UnsafeSessionError(f"synchronous_commit is {level}; at least 'on' is needed, or an acknowledged command can be lost")


async def connect(
    dsn: str, *, application_name: str, settings: dict[str, str] | None = None, command_timeout: float | None = COMMAND_TIMEOUT
) -> asyncpg.Connection[asyncpg.Record]:
    """One connection outside the pools, with the platform's session settings and codecs; `settings` override, timeouts are in seconds."""
    conn = await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT,
        command_timeout=command_timeout,
        server_settings={**SESSION_SETTINGS, "application_name": application_name, **(settings or {})},
    )
    await _json_as_values(conn)
    return conn


async def _nothing_to_reset(_conn: object) -> None:
    """Saves a round trip per transaction: settings are LOCAL and locks end with it. Code that changes a session must reset it."""


async def create_pool(dsn: str, *, application_name: str, min_size: int = 1, max_size: int = 10, by_key: bool = False) -> Pool:
    """A pool of the service's own role. `by_key`: for commands and projections (see BY_KEY), not for sums over tables.

    Raises UnsafeSessionError, or an error of OUTAGES if the database does not answer.
    """
    pool = await asyncpg.create_pool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        timeout=CONNECT_TIMEOUT,
        command_timeout=COMMAND_TIMEOUT,
        max_inactive_connection_lifetime=60.0,
        init=_json_as_values,
        reset=_nothing_to_reset,
        server_settings={**SESSION_SETTINGS, **(BY_KEY if by_key else {}), "application_name": application_name},
    )
    try:
        async with pool.acquire() as conn:
            await assert_safe(conn)
    except BaseException:
        pool.terminate()
        raise
    return pool


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
