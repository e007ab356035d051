"""The progress of an import: a bar on a terminal, occasional lines elsewhere; on stderr, because results go to stdout."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

PAUSE = 5.0
"""Seconds between two lines where there is no terminal."""


class LoadProgress:
    """A context in which `advance(op, count, refused)` moves the bar towards `total` lines; `table`, if set, is shown below it."""

    def __init__(self, title: str, total: int, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.table: Table | None = None
        self.done: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._title = title
        self._total = total
        self._printed = time.monotonic()
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), console=self.console
        )
        self._task = self._bar.add_task(title, total=total)
        self._live = Live(self, console=self.console, refresh_per_second=8, transient=True) if self.console.is_terminal else None

    def __enter__(self) -> LoadProgress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
        elif kind is None:
            self._print_line()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._bar
        if self.table is not None:
            yield self.table

    def advance(self, op: str, count: int, refused: int) -> None:
        """Count `count` settled lines of `op`, `refused` of them without effect."""
        self.done[op] += count
        self._refused[op] += refused
        self._bar.update(self._task, completed=sum(self.done.values()))
        if self._live is None and time.monotonic() - self._printed > PAUSE:
            self._print_line()

    def _print_line(self) -> None:
        self._printed = time.monotonic()
        taken = ", ".join(f"{op} {left}" for op, count in self.done.items() if (left := count - self._refused[op])) or "0"
        line = f"{self._title}: {self.done.total()}/{self._total} · 已接受 taken {taken} · 未接受 refused {self._refused.total()}"
        self.console.print(line, highlight=False, soft_wrap=True)
