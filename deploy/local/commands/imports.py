"""`import`: load a file through the public APIs of a running stack."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.local import stack as stacks
from deploy.local.errors import UserError
from deploy.local.loading.api import apis_of
from deploy.local.loading.batches import ImportResult
from deploy.local.loading.progress import LoadProgress
from deploy.local.loading.report import finding_lines, result_lines, unusable_lines, write_findings
from deploy.local.loading.sources import ALL_KINDS, ImportSource, source_of
from deploy.local.stack import Stack
from samples.files import UnusableFileError

REFUSED, UNUSABLE = 1, 2


def register(app: typer.Typer) -> None:
    app.command("import", help="导入文件 / bring a file in; 0: all rows, 1: some were refused, 2: the file cannot be used")(import_)


def import_(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help=", ".join(ALL_KINDS), metavar="KIND")],
    file: Annotated[
        Path, typer.Argument(help="NDJSON;areas 也可为 GB/T 2260 的 CSV 文件或其文件夹 / areas: also CSV of GB/T 2260 or its folder")
    ],
) -> None:
    if kind not in ALL_KINDS:
        raise UserError(
            f"未知的 KIND {kind};可选:{' '.join(ALL_KINDS)}", f"unknown KIND {kind}; there are: {' '.join(ALL_KINDS)}", UNUSABLE
        )
    try:
        source = source_of(kind, file)
    except UnusableFileError as error:
        print("\n".join(unusable_lines(file, error)), file=sys.stderr)
        raise typer.Exit(UNUSABLE) from None
    stack = stacks.load(context.obj)
    result = asyncio.run(load(stack, source, f"{kind} {file.name}"))
    print_result(stack, source, result)
    if result.refused:
        raise typer.Exit(REFUSED)


async def load(stack: Stack, source: ImportSource, title: str) -> ImportResult:
    """Load the valid rows; invalid ones count as refused. Raises UserError."""
    addresses = {name: stack.url(name) for name in stack.services}
    with LoadProgress(title, source.lines) as progress:
        async with apis_of(addresses, stack.token, stack.alive) as apis:
            return await source.run(apis, progress.advance)


def print_result(stack: Stack, source: ImportSource, result: ImportResult) -> None:
    """Print findings and the outcome of the rows."""
    if source.sample is not None and source.meanings is not None:
        rest = stack.data / "findings.csv"
        write_findings(rest, source.sample.findings())
        for line in finding_lines(source.sample.findings(), source.sample.finding_counts(), source.meanings, rest):
            print(line)
    for line in result_lines(result):
        print(line)
