"""`import`: load a file through the public APIs of a running stack."""

from __future__ import annotations

import asyncio
import gc
import re
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from deploy.local import stack as stacks
from deploy.local.errors import UserError
from deploy.local.loading.api import apis_of
from deploy.local.loading.batches import BatchLine, ImportResult, LineAnswer, Made
from deploy.local.loading.progress import LoadProgress
from deploy.local.loading.report import MOST_SHOWN, RowsFile, finding_lines, result_lines, unusable_lines, write_findings, write_report
from deploy.local.loading.sources import ImportSource, all_kinds, source_of
from deploy.local.stack import Stack
from samples.files import UnusableFileError
from samples.notices import Notice

REFUSED, UNUSABLE = 1, 2
ORIGIN = re.compile(r"[A-Za-z0-9._-]{1,32}", re.ASCII)
COLLECT_AFTER = (20_000, 20, 50)
"""Thresholds of the garbage collector: rows that wait for their batch are no garbage, and would be looked at again and again."""
ID_COLUMNS = ("line", "op", "key", "id", "service", "events")


def register(app: typer.Typer) -> None:
    app.command("import", help="导入文件 / bring a file in; 0: all rows, 1: some were refused, 2: the file cannot be used")(import_)


def import_(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="areas, enterprises, headcounts, unions, members, …;samples/README.md", metavar="KIND")],
    file: Annotated[
        Path,
        typer.Argument(
            help="NDJSON 或 CSV;areas 也可为 GB/T 2260 的 CSV 文件或其文件夹 / NDJSON or CSV; areas: also GB/T 2260 or its folder"
        ),
    ],
    report: Annotated[
        Path | None,
        typer.Option(help="把全部未接受的行与提示写入文件(.csv 或 NDJSON)/ write all refusals and warnings to a file", metavar="FILE"),
    ] = None,
    ids: Annotated[
        Path | None,
        typer.Option(help="把各行所得标识写入文件(.csv 或 NDJSON,- 为屏幕)/ write the ids that rows got; - is the screen", metavar="FILE"),
    ] = None,
    origin: Annotated[
        str, typer.Option(help="行键的来源,区分不同系统的 key / whose keys the rows have: sources do not share keys", metavar="NAME")
    ] = "",
) -> None:
    if kind not in all_kinds():
        there = " ".join(all_kinds())
        raise UserError(f"未知的 KIND {kind};可选:{there}", f"unknown KIND {kind}; there are: {there}", UNUSABLE)
    if origin and not ORIGIN.fullmatch(origin):
        raise UserError(
            "--origin 须为 1 至 32 个字母、数字、点、横线或下划线",
            "--origin is 1 to 32 letters, digits, dots, hyphens or underscores",
            UNUSABLE,
        )
    gc.set_threshold(*COLLECT_AFTER)
    with ExitStack() as files:
        try:
            source = source_of(kind, file, origin)
        except UnusableFileError as error:
            print("\n".join(unusable_lines(file, error)), file=sys.stderr)
            if report is not None:
                _write(report, [Notice.of(field_error) for field_error in error.errors])
            raise typer.Exit(UNUSABLE) from None
        written = None if ids is None else files.enter_context(_opened(ids))
        stack = stacks.load(context.obj)
        try:
            result = asyncio.run(load(stack, source, f"{kind} {file.name}", None if written is None else _writer(written)))
        except UserError:
            if source.result is not None:
                print_result(stack, source, source.result, report)
            raise
        print_result(stack, source, result, report)
        print(f"来源(事件的 origin)/ origin of its events: import:{source.id}")
    if result.refused:
        raise typer.Exit(REFUSED)


def _writer(file: RowsFile) -> Made:
    def write(service: str, line: BatchLine, answer: LineAnswer) -> None:
        file.write((line.row, line.op, line.name, answer.id, service, answer.event_ids))

    return write


def _opened(path: Path) -> RowsFile:
    try:
        return RowsFile(path, ID_COLUMNS)
    except OSError as error:
        raise _unwritable(path, error) from error


def _write(path: Path, notices: Iterable[Notice]) -> None:
    try:
        write_report(path, notices)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> UserError:
    reason = error.strerror or type(error).__name__
    return UserError(f"无法写入 {path}:{reason}", f"{path} cannot be written: {reason}", UNUSABLE)


async def load(stack: Stack, source: ImportSource, title: str, on_made: Made | None = None) -> ImportResult:
    """Load the valid rows; invalid ones count as refused. Raises UserError."""
    addresses = {name: stack.url(name) for name in stack.services}
    with LoadProgress(title, source.lines + source.refused) as progress:
        async with apis_of(addresses, stack.token, stack.alive) as apis:
            return await source.run(apis, progress.advance, on_made)


def print_result(
    stack: Stack, source: ImportSource, result: ImportResult, report: Path | None = None, most_warnings: int = MOST_SHOWN
) -> None:
    """Print findings and the outcome of the rows; write all that is said about rows to `report`, or, if it is much, to the stack's folder."""
    if source.sample is not None and source.meanings is not None:
        rest = stack.data / "findings.csv"
        write_findings(rest, source.sample.findings())
        for line in finding_lines(source.sample.findings(), source.sample.finding_counts(), source.meanings, rest):
            print(line)
    if report is None and (result.notices.errors > MOST_SHOWN or result.notices.warnings > most_warnings):
        report = stack.data / "imports" / f"{source.id}.csv"
        report.parent.mkdir(exist_ok=True)
    if report is not None:
        _write(report, result.notices)
    for line in result_lines(result, report, most_warnings):
        print(line)
