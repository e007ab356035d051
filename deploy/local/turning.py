"""The clock of a stack that may be turned: one shift, the same in every service's database (`shared/sql/clock.sql`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

import asyncpg

from deploy.local.errors import UserError


async def turn(dsns: Sequence[str], step: timedelta) -> timedelta:
    """Add `step` to the clock of every database and return the shift; `dsns` are of the owners. Raises UserError.

    All get the same shift, the largest found plus `step`, so a run that was cut off leaves no lasting difference.
    """
    connections: list[asyncpg.Connection[asyncpg.Record]] = []
    try:
        for dsn in dsns:
            connections.append(await asyncpg.connect(dsn, timeout=5))
        shift = cast(timedelta, max([await connection.fetchval("SELECT shift FROM clock_shift") for connection in connections])) + step
        for connection in connections:
            await connection.execute("UPDATE clock_shift SET shift = $1", shift)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise UserError(f"数据库没有应答:{error}", f"the databases did not answer: {error}") from error
    finally:
        for connection in connections:
            await connection.close()
    return shift
