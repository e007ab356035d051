"""`erasures`: who was erased, kept apart from the backups, and done again after one was restored."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from deploy.local import stack as stacks
from deploy.local.commands.parked import pages
from deploy.local.errors import UserError
from deploy.local.loading.api import Apis, apis_of
from deploy.local.stack import Stack
from shared.contracts.ids import uuid_of
from shared.contracts.services import SERVICES

OWNERS = tuple(service.name for service in SERVICES.values() if "persons" in service.verbs)
RESTORED = "restored"
"""The reason of erasures that are done again."""


class Line(msgspec.Struct, frozen=True):
    """What a line of the file needs; it has more."""

    service: str
    person_id: str


def register(app: typer.Typer) -> None:
    erasures = typer.Typer(no_args_is_help=True, help="已删除的个人 / persons who were erased")
    erasures.command(help="逐行列出(NDJSON),与备份分开保存 / all of them, one a line (NDJSON): keep them apart from backups")(export)
    erasures.command(help="恢复备份后再次删除 / after a backup was restored: erase them again")(replay)
    app.add_typer(erasures, name="erasures")


def export(context: typer.Context) -> None:
    for line in asyncio.run(_export(stacks.load(context.obj))):
        print(msgspec.json.encode(line).decode())


def replay(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="export 所存的文件 / the file that `export` wrote", exists=True, dir_okay=False)],
) -> None:
    lines = lines_of(file.read_bytes())
    erased, unknown = asyncio.run(_replay(stacks.load(context.obj), lines))
    said = f"已删除 {erased} 人,备份中没有的 {unknown} 人 / {erased} persons are erased, {unknown} were not in the backup"
    print(said, file=sys.stderr)


def lines_of(content: bytes) -> list[Line]:
    """The lines of a file. Raises UserError, which names the line."""
    found = []
    for number, text in enumerate(content.splitlines(), 1):
        if not text.strip():
            continue
        try:
            line = msgspec.json.decode(text, type=Line)
            uuid_of(line.person_id)
            if line.service not in OWNERS:
                raise ValueError("no such service")
        except (msgspec.DecodeError, ValueError):
            raise UserError(f"第 {number} 行不是 export 所存的", f"line {number} is none that `export` wrote", 2) from None
        found.append(line)
    return found


async def exported(apis: Apis, services: Iterable[str]) -> list[dict[str, Any]]:
    """Every erasure of these services, each with the service's name."""
    return [{"service": service, **one} for service in services for one in await pages(apis, service, "/v1/erasures")]


async def replayed(apis: Apis, lines: Iterable[Line]) -> tuple[int, int]:
    """(persons who are erased now, those who are unknown)"""
    done = [await apis.delete(line.service, f"/v1/persons/{line.person_id}", {"reason": RESTORED}) for line in lines]
    return done.count(True), done.count(False)


async def _export(stack: Stack) -> list[dict[str, Any]]:
    async with _apis(stack) as apis:
        return await exported(apis, _owners(stack))


async def _replay(stack: Stack, lines: Iterable[Line]) -> tuple[int, int]:
    async with _apis(stack) as apis:
        return await replayed(apis, lines)


def _owners(stack: Stack) -> list[str]:
    return [service for service in OWNERS if service in stack.services]


def _apis(stack: Stack) -> Any:
    return apis_of({service: stack.url(service) for service in _owners(stack)}, stack.token)
