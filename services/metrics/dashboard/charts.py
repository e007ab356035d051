"""Charts as SVG, drawn by a child process (drawing.py) that starts on demand and is killed when idle."""

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
IDLE_AFTER = 120.0
DRAW_WITHIN = 30.0
MOST_CACHED = 64
LARGEST = 4 * 2**20

log = structlog.get_logger(__name__)


class ChartFailed(Exception):
    """The chart could not be drawn. Its table shows the same figures."""


class Charts:
    """`await svg(spec)` draws a chart, and caches the last ones. `spec`: the input of a function of drawing.py."""

    def __init__(self) -> None:
        self._cache: OrderedDict[str, str] = OrderedDict()
        self._lock = asyncio.Lock()
        self._process: Process | None = None
        self._idle_timer: asyncio.TimerHandle | None = None

    async def svg(self, spec: dict[str, Any]) -> str:
        """The SVG. Raises ChartFailed."""
        key = json.dumps(spec)
        if key not in self._cache:
            async with self._lock:
                if key not in self._cache:
                    self._cache[key] = await self._draw(key)
                    while len(self._cache) > MOST_CACHED:
                        self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return self._cache[key]

    async def _draw(self, line: str) -> str:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
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
        self._idle_timer = asyncio.get_running_loop().call_later(IDLE_AFTER, self.end)
        if "svg" not in answer:
            log.warning("chart.failed", error=answer["error"])
            raise ChartFailed
        return str(answer["svg"])

    async def _started(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            # Without the service's environment, which holds secrets.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", str(DRAWING), stdin=PIPE, stdout=PIPE, env={"PYTHONUTF8": "1"}, limit=LARGEST
            )
        return self._process

    def end(self) -> None:
        """Kill the drawing process."""
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
