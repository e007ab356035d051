"""The operator's commands: `python -m services.subscriptions.operate audit DAY [--json]`.

They connect as the owner (PARKUNION_MIGRATION_DSN) without time limits: the topics are read from their beginning, and only a snapshot is held.
Exit codes: 0 equal; 1 different; 2 equal, but something is held or waits; 4 failed, with one line in Chinese and in English on stderr and, with
`--json`, `{"error": {"code", "zh", "en"}}` on stdout. Code `LOG_REWRITTEN`: the log is not the one that was read on the day.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from datetime import date
from typing import Any

import asyncpg
import msgspec

from services.subscriptions.proof.applied import LogRewritten
from services.subscriptions.proof.auditing import audit
from services.subscriptions.proof.differences import Report, print_report
from services.subscriptions.settings import OperatorSettings
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import BrokerUnavailableError, OffsetLostError
from shared.process import db
from shared.process import settings as settings_module
from shared.process.memory import COLLECT_AFTER
from shared.process.settings import SettingsError

EQUAL, DIFFERENT, WAITING, TROUBLE = 0, 1, 2, 4
NO_LIMITS = {"statement_timeout": "0", "transaction_timeout": "0", "idle_in_transaction_session_timeout": "0"}
DATABASE_ERRORS: tuple[type[Exception], ...] = (*db.OUTAGES, asyncpg.PostgresError)


class NotADay(ValueError):
    """What is to be audited is no day."""

    code = "INVALID_DATE"

    def __init__(self, text: str) -> None:
        super().__init__(f"日期须写作 YYYY-MM-DD 且真实存在:{text} / a date is written YYYY-MM-DD and exists: {text}")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m services.subscriptions.operate")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("audit")
    command.add_argument("day")
    command.add_argument("--json", action="store_true")
    args = parser.parse_args()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        code = asyncio.run(_audit(args))
    except (LogRewritten, NotADay, SettingsError) as trouble:
        code = _fail(args, trouble)
    except OffsetLostError as error:
        code = _fail(args, LogRewritten(str(error)))
    except BrokerUnavailableError as error:
        code = _fail(args, error, f"Kafka 没有应答:{error} / Kafka does not answer: {error}")
    except DATABASE_ERRORS as error:
        what = f"{type(error).__name__}: {error}"
        code = _fail(args, error, f"数据库没有应答:{what} / the database did not answer: {what}")
    sys.exit(code)


async def _audit(args: argparse.Namespace) -> int:
    day = _day(args.day)
    report = await _report(settings_module.load(OperatorSettings), day)
    _print_json(report.body()) if args.json else print_report(report)
    return DIFFERENT if report.differences else WAITING if report.held or report.waiting else EQUAL


async def _report(settings: OperatorSettings, day: date) -> Report:
    broker = KafkaBroker(settings.kafka)
    try:
        dsn = settings.migration_dsn.get_secret_value()
        conn = await db.connect(dsn, application_name="subscriptions.audit", settings=NO_LIMITS, command_timeout=None)
        try:
            async with conn.transaction(isolation="repeatable_read", readonly=True):
                return await audit(conn, broker, settings.clock, day)
        finally:
            await conn.close(timeout=5)
    finally:
        await broker.close()


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise NotADay(text) from None
    if day.isoformat() != text:
        raise NotADay(text)
    return day


def _fail(args: argparse.Namespace, error: Exception, line: str = "") -> int:
    """Print the error in both languages on stderr and, with --json, on stdout; returns the exit code."""
    line = " ".join((line or str(error)).split())
    if args.json:
        zh, _, en = line.partition(" / ")
        _print_json({"error": {"code": getattr(error, "code", "NOT_DONE"), "zh": zh, "en": en or zh}})
    print(line, file=sys.stderr)
    return TROUBLE


def _print_json(body: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(body), indent=2).decode())


if __name__ == "__main__":
    main()
