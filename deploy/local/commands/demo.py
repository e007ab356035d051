"""`demo`: the main job on real input: start a stack, bring the sample in through the APIs, watch the coverage grow, list what is odd."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from deploy.local.commands.coverage import ask_coverage, result_console
from deploy.local.commands.importing import REFUSED, UNUSABLE, tell
from deploy.local.commands.samples import LABELS, CityWishes, SampleName, require_own_folder
from deploy.local.coverage_table import NARROW, coverage_table, summary
from deploy.local.folder import ROOT, Folder, read_json
from deploy.local.loading.api import Apis, apis_of
from deploy.local.loading.batches import Fate, Sender
from deploy.local.loading.progress import LoadProgress
from deploy.local.loading.report import unusable_lines
from deploy.local.loading.sources import NLRB, Source, city_of, source_of
from deploy.local.stack import Stack
from deploy.local.supervising.processes import ZONE
from deploy.local.supervising.supervisor import Supervisor
from deploy.local.trouble import Trouble
from samples.city import Scenario
from samples.files import Unusable
from shared.process.clock import utc_now

SAMPLE = ROOT / "samples" / "nlrb" / "nlrb_union_elections_regions_01_18.csv"
LOOK_EVERY = 2.0
SETTLE_LOOK = 0.25
SETTLE_PATIENCE = 300.0
"""Seconds without any progress after which figures that do not settle are given up."""
LINES_AROUND = 18
"""Lines of a terminal that are not rows of the growing table."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line says; `as_of` is the business day of the table, None today."""

    sample: SampleName
    exits: bool
    keep: bool
    as_of: str | None
    json: Path | None


def register(app: typer.Typer) -> None:
    app.command(
        help="演示:启动平台并导入样本 / run the main job on a sample: nlrb (union elections in the United States) or city (synthetic)"
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
        Path | None, typer.Option("--json", help="将按区划的覆盖情况写入文件 / write the coverage by district", metavar="FILE")
    ] = None,
) -> None:
    _require_day(as_of)
    _require_writable(json)
    wanted = CityWishes(enterprises, years, seed)
    given = Path(context.obj).expanduser() if context.obj else None
    require_own_folder(read_json(Folder(given.resolve()).settings).get("label") or {} if given else {}, sample)
    if sample is SampleName.city:
        scenario = _scenario(wanted, input, as_of)
        source, as_of, again = city_of(scenario), scenario.last_day.isoformat(), f" --sample city {scenario.options}"
    else:
        source, again = _elections(wanted, input or SAMPLE), ""
    folder = given or Path(tempfile.mkdtemp(prefix="parkunion-demo-"))
    print(f"平台文件夹 / folder: {folder}", file=sys.stderr)
    try:
        fate = asyncio.run(_Demo(folder, source, Wishes(sample, exits, keep, as_of, json)).run())
    finally:
        if not given and not keep:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"文件夹已保留 / the folder is kept: {folder} (./parkunion demo --data {folder}{again})", file=sys.stderr)
    if fate is None:
        raise typer.Exit(130)
    if fate.refused:
        raise typer.Exit(REFUSED)


def _elections(wanted: CityWishes, path: Path) -> Source:
    wanted.require_nothing()
    print(f"读取 / reading {path}", file=sys.stderr)
    try:
        return source_of(NLRB, path)
    except Unusable as error:
        print("\n".join(unusable_lines(path, error)), file=sys.stderr)
        raise typer.Exit(UNUSABLE) from None


def _scenario(wanted: CityWishes, path: Path | None, as_of: str | None) -> Scenario:
    """The synthetic city; its last day is the table's."""
    if path is not None:
        raise Trouble("--input 不能与 --sample city 同用", "--input does not go with --sample city", UNUSABLE)
    scenario = wanted.scenario(as_of, utc_now().astimezone(ZoneInfo(ZONE)).date())
    print(f"生成合成城市 / making the synthetic city: {scenario.options}", file=sys.stderr)
    return scenario


def _require_day(text: str | None) -> None:
    try:
        if text is not None:
            date.fromisoformat(text)
    except ValueError:
        raise Trouble(f"--as-of {text}:日期须写作 YYYY-MM-DD", f"--as-of {text}: a date is written YYYY-MM-DD", UNUSABLE) from None


def _require_writable(path: Path | None) -> None:
    """Find out before the work, not after it."""
    if path is not None and not path.absolute().parent.is_dir():
        raise Trouble(f"--json:没有文件夹 {path.absolute().parent}", f"--json: there is no folder {path.absolute().parent}", UNUSABLE)


class _Demo:
    """One run. Its own signals: the first Ctrl-C or SIGTERM stops everything in order."""

    def __init__(self, folder: Path, source: Source, wishes: Wishes) -> None:
        self._supervisor = Supervisor(folder, label=LABELS[wishes.sample])
        self._stack = Stack(folder.resolve())
        self._source = source
        self._wishes = wishes
        self._console = Console(stderr=True)
        self._asked = asyncio.Event()

    async def run(self) -> Fate | None:
        """What became of the rows; None if it was asked to stop before that was known."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked.set)
        try:
            fate = await self._unless_asked(self._work())
            if fate is not None and not self._wishes.exits:
                self._say("按 Ctrl-C 结束 / Ctrl-C ends it")
                await self._asked.wait()
            return fate
        finally:
            self._say("正在停止 / stopping")
            await self._supervisor.stop()

    async def _unless_asked(self, work: Coroutine[Any, Any, Fate]) -> Fate | None:
        working, asked = asyncio.create_task(work), asyncio.create_task(self._asked.wait())
        await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if working.done():
            return working.result()
        working.cancel()
        await asyncio.wait({working})
        return None

    async def _work(self) -> Fate:
        began = time.monotonic()
        await self._supervisor.start()
        await self._supervisor.wait_ready()
        self._say(f"已就绪 / ready ({time.monotonic() - began:.1f} s)")
        self._say_addresses()
        began = time.monotonic()
        addresses = {name: self._stack.url(name) for name in self._stack.services}
        async with apis_of(addresses, self._stack.token) as apis:
            fate = await self._load(apis)
            answer = await self._settled(apis)
        self._say(f"导入并计算完毕 / loaded and counted ({time.monotonic() - began:.1f} s)")
        if self._wishes.json is not None:
            self._wishes.json.write_bytes(msgspec.json.format(msgspec.json.encode(answer), indent=1) + b"\n")
        self._tell(fate, answer)
        return fate

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)

    def _say_addresses(self) -> None:
        for name in self._stack.services:
            self._say(f"{name} API: {self._stack.url(name)}/docs")
        self._say(f"看板(一次性登录码)/ live dashboard (one-time code): {self._stack.dashboard_login()}")

    async def _load(self, apis: Apis) -> Fate:
        with LoadProgress("导入样本 / loading the sample", self._source.lines, self._console) as progress:
            sender = Sender(apis, self._source.id, told=progress.tell)
            watching = asyncio.create_task(self._watch(apis, progress))
            try:
                await self._source.load(sender, apis)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        if self._source.refused:
            sender.fate.refuse(self._source.refusals(), "row", self._source.refused)
        return sender.fate

    async def _watch(self, apis: Apis, progress: LoadProgress) -> None:
        """Show the coverage as it grows."""
        while True:
            answer = await self._coverage(apis)
            if self._console.is_terminal:
                room = self._console.height - LINES_AROUND
                lines_a_row = 2 if self._console.width < NARROW else 1
                progress.table = self._table(answer, most=room // lines_a_row, width=self._console.width)
            else:
                self._say(summary(answer))
            await asyncio.sleep(LOOK_EVERY if self._console.is_terminal else 2 * LOOK_EVERY)

    def _table(self, answer: dict[str, Any], *, width: int, most: int | None = None) -> Table:
        return coverage_table(answer, most=most, width=width, title=" / ".join(LABELS[self._wishes.sample].values()))

    async def _coverage(self, apis: Apis) -> dict[str, Any]:
        day = {"as_of": self._wishes.as_of} if self._wishes.as_of else {}
        return await ask_coverage(apis, {"by": "district", **day})

    async def _settled(self, apis: Apis) -> dict[str, Any]:
        """The coverage once nothing waits to be sent or read any more, and two answers are the same. Trouble if that does not come."""
        before: dict[str, Any] = {}
        waiting: list[Any] = []
        deadline = time.monotonic() + SETTLE_PATIENCE
        while True:
            answers = [await asyncio.to_thread(self._stack.readiness, name) for name in self._stack.services]
            left = [(answer.get("outbox"), answer.get("lag_events")) for answer in answers]
            if left != waiting:
                waiting, deadline = left, time.monotonic() + SETTLE_PATIENCE
            answer = await self._coverage(apis) if all(figures == (0, 0) for figures in left) else {}
            if answer and answer == before:
                return answer
            if time.monotonic() > deadline:
                raise Trouble(
                    f"数字在 {SETTLE_PATIENCE:.0f} 秒内没有稳定;日志在 {self._stack.folder.logs}",
                    f"the figures did not settle in {SETTLE_PATIENCE:.0f} s; the logs are in {self._stack.folder.logs}",
                )
            before = answer
            await asyncio.sleep(SETTLE_LOOK)

    def _tell(self, fate: Fate, answer: dict[str, Any]) -> None:
        tell(self._stack, self._source, fate)
        console = result_console()
        console.print(self._table(answer, width=console.width))
