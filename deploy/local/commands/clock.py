"""`clock advance`: advance the clock of a stack that was started with `--test-clock`."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Annotated

import typer

from deploy.local import stack as stacks
from deploy.local.errors import UserError
from deploy.local.status import today_of
from deploy.local.turning import turn

UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def register(app: typer.Typer) -> None:
    clock = typer.Typer(no_args_is_help=True, help="测试时钟 / the test clock")
    clock.command(help="向前拨:1d、3h、30m / turn forward: 1d, 3h, 30m")(advance)
    app.add_typer(clock, name="clock")


def advance(context: typer.Context, by: Annotated[str, typer.Argument(help="1d, 3h, 30m")]) -> None:
    stack = stacks.load(context.obj)
    step = parse_step(by)
    if not stack.test_clock:
        raise UserError("时钟不可拨动;请用 up --test-clock 启动", "the clock cannot be turned; start with up --test-clock", 2)
    asyncio.run(turn([stack.dsn(service, "owner") for service in stack.services], step))
    print(today_of(stack))


def parse_step(text: str) -> timedelta:
    """`1d`, `12h`, `30m`, `10s`; several may follow each other (`1d12h`). Raises UserError (exit 2) otherwise."""
    if not re.fullmatch(r"(\d{1,4}[dhms])+", text):
        raise UserError(f"无法识别 {text};例:1d、3h、30m", f"cannot read {text}; examples: 1d, 3h, 30m", 2)
    parts = re.findall(r"(\d+)([dhms])", text)
    return sum((timedelta(**{UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
