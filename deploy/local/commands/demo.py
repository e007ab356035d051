"""`demo`: start a stack, load a sample through the APIs, deliver it to a bureau, show the coverage as it grows, list the findings."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from deploy.local.commands.coverage import ask_coverage, result_console
from deploy.local.commands.imports import REFUSED, UNUSABLE, print_result
from deploy.local.commands.lifecycle import AllowNetwork, networks_of
from deploy.local.coverage_table import NARROW, coverage_table, summary
from deploy.local.demo.bureau import CLIENT, NETWORK, Bureau, Report, bureau_of, report_table
from deploy.local.demo.days import DAY, SampleDays, days_before
from deploy.local.demo.options import LABELS, CityOptions, SampleName, require_own_folder
from deploy.local.demo.settling import settled
from deploy.local.errors import UserError
from deploy.local.folder import ROOT, Folder, forget_demo, read_json, remember_demo
from deploy.local.loading.api import Apis, apis_of
from deploy.local.loading.batches import ImportResult
from deploy.local.loading.progress import LoadProgress
from deploy.local.loading.report import unusable_lines
from deploy.local.loading.sources import NLRB, ImportSource, city_of, source_of
from deploy.local.stack import Stack
from deploy.local.supervising.processes import ZONE
from deploy.local.supervising.stop_signal import StopSignal
from deploy.local.supervising.supervisor import Supervisor
from samples.city import Scenario
from samples.files import UnusableFileError
from shared.process.clock import utc_now

MOST_WARNINGS = 10
"""Warnings of the APIs that are shown; the others stand in the file that the output names."""
SAMPLE = ROOT / "samples" / "nlrb" / "nlrb_union_elections_regions_01_18.csv"
REFRESH_PAUSE = 2.0
LINES_AROUND = 18
"""Lines of a terminal that are not rows of the table."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The options of the command; `as_of` is the business day of the table, None for today; `networks` those that webhooks may use."""

    sample: SampleName
    exits: bool
    keep: bool
    as_of: str | None
    json: Path | None
    networks: Sequence[str]


def register(app: typer.Typer) -> None:
    app.command(
        help="演示:启动平台,导入样本并推送给一个接收端 / run the main job on a sample, and deliver it to a receiver: nlrb (union elections in the United States) or city (synthetic)"
    )(demo)


def demo(
    context: typer.Context,
    sample: Annotated[SampleName, typer.Option(help="样本:美国工会选举,或合成城市 / elections, or a synthetic city")] = SampleName.nlrb,
    input: Annotated[
        Path | None, typer.Option("--input", help="nlrb:同一形式的其他文件 / nlrb: another file of the same form", metavar="FILE")
    ] = None,
    enterprises: Annotated[int | None, typer.Option(help="city:企业数,默认 2000 / city: enterprises", metavar="N")] = None,
    years: Annotated[int | None, typer.Option(help="city:年数,默认 5 / city: years", metavar="Y")] = None,
    seed: Annotated[int | None, typer.Option(help="city:随机种子 / city: seed; the same one, the same city", metavar="S")] = None,
    exits: Annotated[bool, typer.Option("--exit", help="数字稳定后结束 / end when the figures have settled")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="保留文件夹 / keep the folder")] = False,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="业务日期,默认今天;city:最后一天,默认上月末 / business day of the table, default: today; city: its last day, default: the last one of the month before",
            metavar="DATE",
        ),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(
            "--json", help="将按区划的覆盖情况和推送情况写入文件 / write the coverage by district and what was delivered", metavar="FILE"
        ),
    ] = None,
    allow_network: AllowNetwork = None,
) -> None:
    networks = networks_of(allow_network)
    _require_day(as_of)
    _require_writable(json)
    city = CityOptions(enterprises, years, seed)
    chosen = context.obj or os.environ.get("PARKUNION_DATA")
    given = Path(chosen).expanduser() if chosen else None
    require_own_folder(read_json(Folder(given.resolve()).settings).get("label") or {} if given else {}, sample)
    if sample is SampleName.city:
        scenario = _scenario(city, input, as_of)
        last_day = scenario.last_day
        source, as_of, again = city_of(scenario), scenario.last_day.isoformat(), f" --sample city {scenario.options}"
    else:
        source, again, last_day = _elections(city, input or SAMPLE), "", None
    folder = given or Path(tempfile.mkdtemp(prefix="parkunion-demo-"))
    print(f"平台文件夹 / folder: {folder}", file=sys.stderr)
    remember_demo(folder.resolve())
    days = days_before(_today(), last_day)
    try:
        result = asyncio.run(_Demo(folder, source, DemoOptions(sample, exits, keep, as_of, json, networks), days).run())
    finally:
        forget_demo(folder.resolve())
        if not given and not keep:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"文件夹已保留 / the folder is kept: {folder} (./parkunion demo --data {folder}{again})", file=sys.stderr)
    if result is None:
        raise typer.Exit(130)
    if result.refused:
        raise typer.Exit(REFUSED)


def _elections(city: CityOptions, path: Path) -> ImportSource:
    city.require_unset()
    print(f"读取 / reading {path}", file=sys.stderr)
    try:
        return source_of(NLRB, path)
    except UnusableFileError as error:
        print("\n".join(unusable_lines(path, error)), file=sys.stderr)
        raise typer.Exit(UNUSABLE) from None


def _scenario(city: CityOptions, path: Path | None, as_of: str | None) -> Scenario:
    """The synthetic city; its last day is the business day of the table."""
    if path is not None:
        raise UserError("--input 不能与 --sample city 同用", "--input does not go with --sample city", UNUSABLE)
    scenario = city.scenario(as_of, _today())
    print(f"生成合成城市 / making the synthetic city: {scenario.options}", file=sys.stderr)
    return scenario


def _today() -> date:
    return utc_now().astimezone(ZoneInfo(ZONE)).date()


def _require_day(text: str | None) -> None:
    try:
        if text is not None:
            date.fromisoformat(text)
    except ValueError:
        raise UserError(f"--as-of {text}:日期须写作 YYYY-MM-DD", f"--as-of {text}: a date is written YYYY-MM-DD", UNUSABLE) from None


def _require_writable(path: Path | None) -> None:
    """Fail before the work, not after it."""
    if path is not None and not path.absolute().parent.is_dir():
        raise UserError(f"--json:没有文件夹 {path.absolute().parent}", f"--json: there is no folder {path.absolute().parent}", UNUSABLE)


class _Demo:
    """One run. The first Ctrl-C or SIGTERM stops everything in order."""

    def __init__(self, folder: Path, source: ImportSource, options: DemoOptions, days: int) -> None:
        shift, label = timedelta(days=-days), LABELS[options.sample]
        self._supervisor = Supervisor(folder, test_clock=True, label=label, first_shift=shift, allow_networks=[*options.networks, NETWORK])
        self._stack = Stack(folder.resolve())
        self._days = SampleDays(self._stack, days, source.lines + source.refused)
        self._source = source
        self._options = options
        self._console = Console(stderr=True)

    async def run(self) -> ImportResult | None:
        """The outcome of the import; None if it was stopped before."""
        stop = StopSignal()
        try:
            async with AsyncExitStack() as opened:
                result = await stop.interruptible(self._work(opened))
                if result is not None and not self._options.exits:
                    self._print("按 Ctrl-C 结束 / Ctrl-C ends it")
                    await stop.wait()
            return result
        finally:
            self._print("正在停止 / stopping")
            await self._supervisor.stop()

    async def _work(self, opened: AsyncExitStack) -> ImportResult:
        """What is put into `opened` goes on after this, as the bureau's receiver does."""
        began = time.monotonic()
        await self._supervisor.start()
        await self._supervisor.wait_ready()
        self._print(f"已就绪 / ready ({time.monotonic() - began:.1f} s)")
        self._print_addresses()
        began = time.monotonic()
        addresses = {name: self._stack.url(name) for name in self._stack.services}
        apis = await opened.enter_async_context(apis_of(addresses, self._stack.token))
        bureau = await opened.enter_async_context(bureau_of(self._stack, apis))
        self._print(f"{CLIENT} 的接收端 / receiver of {CLIENT}: {bureau.address} ({time.monotonic() - began:.1f} s)")
        if days := await self._days.days_back():
            self._print(
                f"平台时钟已拨回 {days} 天,导入时逐日前进:今天之前的知悉日由演示造成 / the clock is set back {days} days and goes on day by day "
                f"while the sample is loaded: known days before today are the demo's doing"
            )
        result = await self._load(apis, bureau)
        closed = _today() - DAY if await self._days.end() else None
        answer = await settled(self._stack, partial(self._coverage, apis), closed)
        self._print(f"导入并计算完毕 / loaded and counted ({time.monotonic() - began:.1f} s)")
        report = await bureau.delivered()
        self._print(f"推送完毕 / delivered ({time.monotonic() - began:.1f} s)")
        if self._options.json is not None:
            content = {**answer, "deliveries": report.body()}
            self._options.json.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
        self._print_result(result, answer, report)
        return result

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)

    def _print_addresses(self) -> None:
        for name in self._stack.services:
            self._print(f"{name} API: {self._stack.url(name)}/docs")
        self._print_login()

    def _print_login(self) -> None:
        self._print(f"看板(一次性登录码)/ live dashboard (one-time code): {self._stack.dashboard_login()}")

    async def _load(self, apis: Apis, bureau: Bureau) -> ImportResult:
        with LoadProgress("导入样本 / loading the sample", self._source.lines + self._source.refused, self._console) as progress:
            watching = asyncio.create_task(self._watch(apis, bureau, progress))
            days = asyncio.create_task(self._days.follow(lambda: sum(progress.done.values())))
            try:
                return await self._source.run(apis, progress.advance)
            finally:
                for task in (watching, days):
                    task.cancel()
                await asyncio.gather(watching, days, return_exceptions=True)

    async def _watch(self, apis: Apis, bureau: Bureau, progress: LoadProgress) -> None:
        """Show the coverage as it grows, and how much of it has been delivered."""
        while True:
            answer = await self._coverage(apis)
            received = await bureau.received()
            if self._console.is_terminal:
                room = self._console.height - LINES_AROUND
                lines_a_row = 2 if self._console.width < NARROW else 1
                progress.table = self._table(answer, most=room // lines_a_row, width=self._console.width)
                progress.table.caption = f"{progress.table.caption}\n{_delivered(received)}"
            else:
                self._print(f"{summary(answer)} · {_delivered(received)}")
            await asyncio.sleep(REFRESH_PAUSE if self._console.is_terminal else 2 * REFRESH_PAUSE)

    def _table(self, answer: dict[str, Any], *, width: int, most: int | None = None) -> Table:
        return coverage_table(answer, most=most, width=width, title=" / ".join(LABELS[self._options.sample].values()))

    async def _coverage(self, apis: Apis, **days: str) -> dict[str, Any]:
        day = {"as_of": self._options.as_of} if self._options.as_of else {}
        return await ask_coverage(apis, {"by": "district", **day, **days})

    def _print_result(self, result: ImportResult, answer: dict[str, Any], report: Report) -> None:
        print_result(self._stack, self._source, result, most_warnings=MOST_WARNINGS)
        console = result_console()
        console.print(self._table(answer, width=console.width))
        console.print(report_table(report))
        if not report.complete:
            self._print("推送不完整,详见接收端与门户 / not everything was delivered: see the receiver and the portal")
        if not self._options.exits:
            self._print_login()
            self._print(f"接收端 / receiver: {report.receiver}")
            self._print(f"订阅门户(一次性登录码)/ portal of subscriptions (one-time code): {self._stack.portal_login(CLIENT)}")


def _delivered(received: int | None) -> str:
    """How many events have come to the bureau, in a few words."""
    return f"已推送 delivered {'—' if received is None else received}"
