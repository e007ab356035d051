"""`readings`: who read what is kept of persons, when and for which purpose."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
import typer

from deploy.local import stack as stacks
from deploy.local.commands.parked import pages
from deploy.local.loading.api import Apis, apis_of
from deploy.local.stack import Stack

SERVICE = "cases"
"""The service that shows persons in the clear, and logs it."""


def register(app: typer.Typer) -> None:
    readings = typer.Typer(no_args_is_help=True, help="个人信息查阅记录 / who read what is kept of persons")
    readings.command(help="逐行列出(NDJSON) / all of them, one a line (NDJSON)")(export)
    app.add_typer(readings, name="readings")


def export(
    context: typer.Context,
    area: Annotated[str | None, typer.Option(help="仅此区域 / only in this area")] = None,
    since: Annotated[str | None, typer.Option("--from", help="自此日起 / from this day on, YYYY-MM-DD")] = None,
    until: Annotated[str | None, typer.Option("--to", help="至此日止 / up to this day, YYYY-MM-DD")] = None,
) -> None:
    for line in asyncio.run(_export(stacks.load(context.obj), area, since, until)):
        print(msgspec.json.encode(line).decode())


async def exported(apis: Apis, area: str | None, since: str | None, until: str | None) -> list[dict[str, Any]]:
    """Every reading in an area from one day to another; None: without that limit."""
    asked = {"area": area, "from": since, "to": until}
    return await pages(apis, SERVICE, "/v1/readings", {name: value for name, value in asked.items() if value is not None})


async def _export(stack: Stack, area: str | None, since: str | None, until: str | None) -> list[dict[str, Any]]:
    async with apis_of({SERVICE: stack.url(SERVICE)}, stack.token) as apis:
        return await exported(apis, area, since, until)
