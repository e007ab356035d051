"""Connections and pools, with timeouts that keep one frozen process from stopping the system.

Without the timeouts a frozen process would keep its locks for ever: its kernel goes on answering keepalives.
"""

from __future__ import annotations

from typing import TypeAlias

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

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


async def _json_as_values(conn: asyncpg.Connection[asyncpg.Record]) -> None:
    """Send and receive jsonb as plain Python values. Its binary form is one version byte and the text."""
    encode = msgspec.json.Encoder().encode
    decode = msgspec.json.Decoder().decode
    await conn.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda value: b"\x01" + encode(value), decoder=lambda raw: decode(raw[1:]), format="binary"
    )


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
