"""`clock advance`: advance the clock of a stack that was started with `--test-clock`."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Annotated

import typer

from deploy.local import stack as stacks
from deploy.local.errors import UserError
from deploy.local.stack import Stack
from deploy.local.status import today_of

UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def register(app: typer.Typer) -> None:
    clock = typer.Typer(no_args_is_help=True, help="测试时钟 / the test clock")
    clock.command(help="向前拨:1d、3h、30m / turn forward: 1d, 3h, 30m")(advance)
    app.add_typer(clock, name="clock")


def advance(context: typer.Context, by: Annotated[str, typer.Argument(help="1d, 3h, 30m")]) -> None:
    stack = stacks.load(context.obj)
    step = parse_step(by)
    if not stack.test_clock:
        raise UserError("时钟不可拨动;请用 up --test-clock 启动", "the clock cannot be turned; start with up --test-clock", 2)
    asyncio.run(advance_databases(stack, step))
    print(today_of(stack))


def parse_step(text: str) -> timedelta:
    """`1d`, `12h`, `30m`; several may follow each other (`1d12h`). Raises UserError (exit 2) otherwise."""
    if not re.fullmatch(r"(\d{1,4}[dhm])+", text):
        raise UserError(f"无法识别 {text};例:1d、3h、30m", f"cannot read {text}; examples: 1d, 3h, 30m", 2)
    parts = re.findall(r"(\d+)([dhm])", text)
    return sum((timedelta(**{UNITS[unit]: int(number)}) for number, unit in parts), timedelta())


async def advance_databases(stack: Stack, step: timedelta) -> None:
    """Add `step` to the clock of every service's database.

    All get the same shift, the largest found plus `step`, so a run that was cut off leaves no lasting difference.
    """
    import asyncpg

    connections = []
    try:
        for service in stack.services:
            connections.append(await asyncpg.connect(stack.dsn(service, "owner"), timeout=5))
        shift = max([await connection.fetchval("SELECT shift FROM clock_shift") for connection in connections]) + step
        for connection in connections:
            await connection.execute("UPDATE clock_shift SET shift = $1", shift)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise UserError(f"数据库没有应答:{error}", f"the databases did not answer: {error}") from error
    finally:
        for connection in connections:
            await connection.close()
