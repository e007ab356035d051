"""What operators do with generations: `python -m services.metrics.operate audit|rebuild|upgrade|generations|switch|rollback`.

With the owner's role (PARKUNION_MIGRATION_DSN), whose sessions here have no time limit on statements and transactions: a comparison of a
large log takes as long as it takes, and holds nothing but a snapshot. Exits: 0 done, or equal; 1 different; 2 equal but something is parked;
4 could not be done, with one line in Chinese and in English on stderr, and `{"error": {"code", "zh", "en"}}` on stdout with `--json`; code
`LOG_LOST`: the log no longer holds what was folded.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from services.metrics.folding import coverage
from services.metrics.generations import auditing, reporting
from services.metrics.generations import store as generations
from services.metrics.generations.auditing import LogDiffers, LogLost
from services.metrics.generations.rebuilding import AlreadyRebuilding, rebuild
from services.metrics.generations.store import GenerationRefused
from services.metrics.settings import OperatorSettings
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import BrokerUnavailableError, OffsetLostError
from shared.process import db
from shared.process import settings as settings_module
from shared.process.db import Connection
from shared.process.settings import SettingsError

EQUAL, DIFFERENT, PARKED, TROUBLE = 0, 1, 2, 4
NO_LIMITS = {"statement_timeout": "0", "transaction_timeout": "0", "idle_in_transaction_session_timeout": "0"}
SWITCH_WITHIN = 60.0
"""Seconds that a generation may take to catch up before a rebuild gives the switch up."""

Command = Callable[[OperatorSettings, argparse.Namespace], Coroutine[Any, Any, int]]

AWAY: tuple[type[Exception], ...] = (*db.OUTAGES, asyncpg.PostgresError)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m services.metrics.operate")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in COMMANDS:
        command = commands.add_parser(name)
        if name in ("audit", "rebuild", "generations"):
            command.add_argument("--json", action="store_true")
        if name == "rebuild":
            command.add_argument("--switch", action="store_true")
            command.add_argument("--as-it-is", action="store_true")
        if name == "switch":
            command.add_argument("generation", type=int, nargs="?")
            command.add_argument("--accept", type=int)
    told = parser.parse_args()
    try:
        code = asyncio.run(COMMANDS[told.command](settings_module.load(OperatorSettings), told))
    except (GenerationRefused, LogDiffers, AlreadyRebuilding, SettingsError) as trouble:
        code = _fail(told, trouble)
    except OffsetLostError as error:
        code = _fail(told, LogLost(str(error), str(error)))
    except BrokerUnavailableError as error:
        code = _fail(told, error, f"Kafka 没有应答:{error} / Kafka does not answer: {error}")
    except AWAY as error:
        what = f"{type(error).__name__}: {error}"
        code = _fail(told, error, f"数据库没有应答:{what} / the database did not answer: {what}")
    sys.exit(code)


def _fail(told: argparse.Namespace, error: Exception, line: str = "") -> int:
    """Say in both languages why it could not be done: a line on stderr and, with --json, also on stdout."""
    line = " ".join((line or str(error)).split())
    if getattr(told, "json", False):
        zh, _, en = line.partition(" / ")
        _print_json({"error": {"code": getattr(error, "code", "NOT_DONE"), "zh": zh, "en": en or zh}})
    print(line, file=sys.stderr)
    return TROUBLE


@asynccontextmanager
async def _owner(settings: OperatorSettings, name: str) -> AsyncIterator[Connection]:
    dsn = settings.migration_dsn.get_secret_value()
    conn = await db.connect(dsn, application_name=f"metrics.{name}", settings=NO_LIMITS, command_timeout=None)
    try:
        yield conn
    finally:
        await conn.close(timeout=5)


@asynccontextmanager
async def _broker(settings: OperatorSettings) -> AsyncIterator[KafkaBroker]:
    broker = KafkaBroker(settings.kafka)
    try:
        yield broker
    finally:
        await broker.close()


async def _audit(settings: OperatorSettings, told: argparse.Namespace) -> int:
    async with _owner(settings, "audit") as conn, _owner(settings, "audit") as keeping, _broker(settings) as broker:
        source = await auditing.log_of(broker, settings.topics, settings.partitions, settings.clock)
        number, report = await auditing.audit(conn, keeping, source)
    body = {"id": number, **report.body()}
    _print_json(body) if told.json else reporting.print_audit(body)
    return DIFFERENT if report.differences else PARKED if report.parked else EQUAL


async def _rebuild(settings: OperatorSettings, told: argparse.Namespace) -> int:
    async with _owner(settings, "rebuild") as reading, _owner(settings, "rebuild") as writing, _broker(settings) as broker:
        source = await auditing.log_of(broker, settings.topics, settings.partitions, settings.clock)
        made, number, report = await rebuild(reading, writing, source, as_it_is=told.as_it_is)
        switched = told.switch and not report.differences
        if switched:
            await _switch_when_it_can(writing, made, None)
    body = {"id": number, **report.body(), "compared_with": report.generation, "generation": made, "switched": switched}
    _print_json(body) if told.json else reporting.print_rebuild(body)
    return DIFFERENT if report.differences else EQUAL


async def _switch_when_it_can(conn: Connection, wanted: int, accept: int | None) -> None:
    """Switch, as soon as the readers have caught up."""
    deadline = time.monotonic() + SWITCH_WITHIN
    while True:
        try:
            await generations.switch(conn, wanted, accept)
            return
        except generations.StillBehind:
            if time.monotonic() > deadline:
                raise


async def _upgrade(settings: OperatorSettings, _told: argparse.Namespace) -> int:
    """After an upgrade to rules of a later fold_version: rebuild and switch; what differs is what the release changed."""
    async with _owner(settings, "upgrade") as reading, _owner(settings, "upgrade") as writing, _broker(settings) as broker:
        serving, fold_version = await generations.serving(reading)
        if fold_version >= coverage.FOLD_VERSION:
            return EQUAL
        source = await auditing.log_of(broker, settings.topics, settings.partitions, settings.clock)
        made, number, report = await rebuild(reading, writing, source)
        await _switch_when_it_can(writing, made, number)
    reporting.print_upgrade(serving, fold_version, made, coverage.FOLD_VERSION, number, report.differences)
    return EQUAL


async def _generations(settings: OperatorSettings, told: argparse.Namespace) -> int:
    async with _owner(settings, "generations") as conn:
        found = await generations.listed(conn)
    _print_json(found) if told.json else reporting.print_generations(found)
    return EQUAL


async def _switch(settings: OperatorSettings, told: argparse.Namespace) -> int:
    async with _owner(settings, "switch") as conn:
        before, now = await generations.switch(conn, told.generation, told.accept)
    reporting.print_switch(before, now)
    return EQUAL


async def _rollback(settings: OperatorSettings, _told: argparse.Namespace) -> int:
    async with _owner(settings, "switch") as conn:
        before, now = await generations.rollback(conn)
    reporting.print_rollback(before, now)
    return EQUAL


def _print_json(body: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(body), indent=2).decode())


COMMANDS: dict[str, Command] = {
    "audit": _audit,
    "rebuild": _rebuild,
    "upgrade": _upgrade,
    "generations": _generations,
    "switch": _switch,
    "rollback": _rollback,
}

if __name__ == "__main__":
    main()
