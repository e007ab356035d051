"""The operator's commands: `python -m services.metrics.operate audit|rebuild|upgrade|generations|switch|rollback`.

They connect as the owner (PARKUNION_MIGRATION_DSN) without time limits: a comparison of a large log takes long, and holds only a snapshot.
Exit codes: 0 done, or equal; 1 different; 2 equal but something is parked; 4 failed, with one line in Chinese and in English on stderr and,
with `--json`, `{"error": {"code", "zh", "en"}}` on stdout. Code `LOG_LOST`: the log no longer holds what was folded.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import asyncpg
import msgspec

from services.metrics.folding import coverage
from services.metrics.generations import auditing, lifecycle, reporting
from services.metrics.generations.auditing import LogDiffers, LogLost
from services.metrics.generations.lifecycle import GenerationRefused
from services.metrics.generations.rebuilding import AlreadyRebuilding, rebuild
from services.metrics.generations.shards import EventLog
from services.metrics.generations.workers import WorkerEnded, WorkerFailed, Workers, processors
from services.metrics.settings import OperatorSettings
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import BrokerUnavailableError, OffsetLostError
from shared.process import db
from shared.process import settings as settings_module
from shared.process.db import Connection
from shared.process.memory import COLLECT_AFTER
from shared.process.settings import SettingsError

EQUAL, DIFFERENT, PARKED, TROUBLE = 0, 1, 2, 4
NO_LIMITS = {"statement_timeout": "0", "transaction_timeout": "0", "idle_in_transaction_session_timeout": "0"}
SWITCH_WITHIN = 60.0
"""Seconds that a rebuild waits for its generation to catch up before it gives up the switch."""

Command = Callable[[OperatorSettings, argparse.Namespace], Coroutine[Any, Any, int]]

DATABASE_ERRORS: tuple[type[Exception], ...] = (*db.OUTAGES, asyncpg.PostgresError)


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
    args = parser.parse_args()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        code = asyncio.run(COMMANDS[args.command](settings_module.load(OperatorSettings), args))
    except (GenerationRefused, LogDiffers, AlreadyRebuilding, SettingsError, WorkerEnded, WorkerFailed) as trouble:
        code = _fail(args, trouble)
    except OffsetLostError as error:
        code = _fail(args, LogLost(str(error), str(error)))
    except BrokerUnavailableError as error:
        code = _fail(args, error, f"Kafka 没有应答:{error} / Kafka does not answer: {error}")
    except DATABASE_ERRORS as error:
        what = f"{type(error).__name__}: {error}"
        code = _fail(args, error, f"数据库没有应答:{what} / the database did not answer: {what}")
    sys.exit(code)


def _fail(args: argparse.Namespace, error: Exception, line: str = "") -> int:
    """Print the error in both languages on stderr and, with --json, on stdout; returns the exit code."""
    line = " ".join((line or str(error)).split())
    if getattr(args, "json", False):
        zh, _, en = line.partition(" / ")
        _print_json({"error": {"code": getattr(error, "code", "NOT_DONE"), "zh": zh, "en": en or zh}})
    print(line, file=sys.stderr)
    return TROUBLE


async def _connect(settings: OperatorSettings, name: str, further: Mapping[str, str] = MappingProxyType({})) -> Connection:
    dsn = settings.migration_dsn.get_secret_value()
    return await db.connect(dsn, application_name=f"metrics.{name}", settings={**NO_LIMITS, **further}, command_timeout=None)


@asynccontextmanager
async def _owner(settings: OperatorSettings, name: str) -> AsyncIterator[Connection]:
    conn = await _connect(settings, name)
    try:
        yield conn
    finally:
        await conn.close(timeout=5)


def _workers(settings: OperatorSettings, name: str) -> Workers:
    """Processes to compare shards. What they write is as safe as what the command writes at the end: the generation that is built then."""
    return Workers(processors(), lambda: _connect(settings, name, {"synchronous_commit": "off"}), lambda: KafkaBroker(settings.kafka))


@asynccontextmanager
async def _comparison(settings: OperatorSettings, name: str) -> AsyncIterator[tuple[Connection, Connection, EventLog]]:
    """The inputs of an audit or rebuild: a connection that reads, one that writes, and the log."""
    broker = KafkaBroker(settings.kafka)
    try:
        async with _owner(settings, name) as reading, _owner(settings, name) as writing:
            yield reading, writing, await auditing.open_log(broker, settings.topics, settings.partitions, settings.clock)
    finally:
        await broker.close()


async def _audit(settings: OperatorSettings, args: argparse.Namespace) -> int:
    async with _comparison(settings, "audit") as inputs:
        number, report = await auditing.audit(*inputs, _workers(settings, "audit").compare)
    body = {"id": number, **report.body()}
    _print_json(body) if args.json else reporting.print_audit(body)
    return DIFFERENT if report.differences else PARKED if report.parked else EQUAL


async def _rebuild(settings: OperatorSettings, args: argparse.Namespace) -> int:
    async with _comparison(settings, "rebuild") as (reading, writing, event_log):
        made, number, report = await rebuild(reading, writing, event_log, _workers(settings, "rebuild").compare, as_it_is=args.as_it_is)
        switched = args.switch and not report.differences
        if switched:
            await _switch_when_caught_up(writing, made, None)
    body = {"id": number, **report.body(), "compared_with": report.generation, "generation": made, "switched": switched}
    _print_json(body) if args.json else reporting.print_rebuild(body)
    return DIFFERENT if report.differences else EQUAL


async def _switch_when_caught_up(conn: Connection, wanted: int, accept: int | None) -> None:
    """Switch as soon as the readers have caught up. Raises StillBehind after SWITCH_WITHIN."""
    deadline = time.monotonic() + SWITCH_WITHIN
    while True:
        try:
            await lifecycle.switch(conn, wanted, accept)
            return
        except lifecycle.StillBehind:
            if time.monotonic() > deadline:
                raise


async def _upgrade(settings: OperatorSettings, _args: argparse.Namespace) -> int:
    """Rebuild and switch after an upgrade to a later fold_version; the differences are those of the new rules, so they are accepted."""
    async with _owner(settings, "upgrade") as conn:
        serving, fold_version = await lifecycle.serving(conn)
    if fold_version >= coverage.FOLD_VERSION:
        return EQUAL
    async with _comparison(settings, "upgrade") as (reading, writing, event_log):
        made, number, report = await rebuild(reading, writing, event_log, _workers(settings, "upgrade").compare)
        await _switch_when_caught_up(writing, made, number)
    reporting.print_upgrade(serving, fold_version, made, coverage.FOLD_VERSION, number, report.differences)
    return EQUAL


async def _generations(settings: OperatorSettings, args: argparse.Namespace) -> int:
    async with _owner(settings, "generations") as conn:
        generations = await lifecycle.overview(conn)
    _print_json(generations) if args.json else reporting.print_generations(generations)
    return EQUAL


async def _switch(settings: OperatorSettings, args: argparse.Namespace) -> int:
    async with _owner(settings, "switch") as conn:
        before, now = await lifecycle.switch(conn, args.generation, args.accept)
    reporting.print_switch(before, now)
    return EQUAL


async def _rollback(settings: OperatorSettings, _args: argparse.Namespace) -> int:
    async with _owner(settings, "switch") as conn:
        before, now = await lifecycle.rollback(conn)
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
