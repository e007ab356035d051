"""Charts as SVG, drawn by a process beside this one (drawing.py) that is started at need and ends when it is idle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

DRAWING = Path(__file__).with_name("drawing.py")
"""Run as a file, so that it does not import the service."""
IDLE = 120.0
DRAW_WITHIN = 30.0
MOST_KEPT = 64
LARGEST = 4 * 2**20

log = structlog.get_logger(__name__)


class ChartFailed(Exception):
    """The chart could not be drawn; its table says the same."""


class Charts:
    """`await svg(told)` draws what drawing.py's `chart` takes, and keeps the last ones."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._lock = asyncio.Lock()
        self._process: Process | None = None
        self._ending: asyncio.TimerHandle | None = None

    async def svg(self, told: dict[str, Any]) -> str:
        """The SVG. Raises ChartFailed."""
        key = json.dumps(told)
        if key not in self._kept:
            async with self._lock:
                if key not in self._kept:
                    self._kept[key] = await self._draw(key)
                    while len(self._kept) > MOST_KEPT:
                        self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    async def _draw(self, line: str) -> str:
        if self._ending is not None:
            self._ending.cancel()
        try:
            async with asyncio.timeout(DRAW_WITHIN):
                process = await self._started()
                assert process.stdin is not None, "it was asked for"
                assert process.stdout is not None, "it was asked for"
                process.stdin.write(line.encode() + b"\n")
                await process.stdin.drain()
                answer = json.loads(await process.stdout.readline())
        except (TimeoutError, OSError, ValueError) as error:
            self.end()
            log.warning("chart.failed", error=type(error).__name__)
            raise ChartFailed from error
        self._ending = asyncio.get_running_loop().call_later(IDLE, self.end)
        if "svg" not in answer:
            log.warning("chart.failed", error=answer["error"])
            raise ChartFailed
        return str(answer["svg"])

    async def _started(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            # None of the service's variables: it needs no secret.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", str(DRAWING), stdin=PIPE, stdout=PIPE, env={"PYTHONUTF8": "1"}, limit=LARGEST
            )
        return self._process

    def end(self) -> None:
        """Nothing is to be drawn now."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._process = None


@asynccontextmanager
async def running() -> AsyncIterator[Charts]:
    """Charts for the life of an application."""
    charts = Charts()
    try:
        yield charts
    finally:
        charts.end()
