"""`logs`: the lines of all logs of a stack in order of time."""

from __future__ import annotations

import heapq
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.commands.clock import parse_step
from deploy.local.errors import NotRunningError, UserError
from deploy.local.folder import Folder
from deploy.local.stack import folder_in_use
from shared.contracts.services import SERVICES
from shared.process.clock import utc_now

TAIL = 200
"""Lines that are shown without `--since`."""
PAUSE = 0.2
"""Seconds between two looks at the files."""
STAMP = re.compile(
    r'^(?:\{.*?"timestamp":"|\[?)(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6})\d*)?\s?(Z|UTC|[+-]\d\d:?\d\d)?', re.ASCII
)
"""The time of a line: `timestamp` of a JSON object, or at the start of a text. Without a zone it is UTC."""
BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """A line of a log; one without a time of its own has that of the line before it, to which it belongs."""

    at: datetime
    log: str
    number: int
    text: str


def register(app: typer.Typer) -> None:
    app.command(help="查看日志,按时间先后 / show the logs in order of time")(logs)


def logs(
    context: typer.Context,
    service: Annotated[str | None, typer.Argument(help=", ".join((*SERVICES, "postgres", "kafka", "supervisor")))] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="持续输出 / go on with new lines")] = False,
    since: Annotated[
        str | None,
        typer.Option(help="起始:10m、2h、1d 之前,或 2026-01-31T08:00:00+08:00 / from then on: so long ago, or a time", metavar="TIME"),
    ] = None,
) -> None:
    start = None if since is None else parse_since(since, utc_now())
    data = folder_in_use(context.obj)
    folder = Folder(data)
    if not folder.stack.is_file():
        raise NotRunningError(data)
    files = _files(folder, service)
    followed = [LogFile(file) for file in files]
    lines: Iterable[Line] = heapq.merge(*(log.more() for log in followed))
    kept = list(lines)[-TAIL:] if start is None else [line for line in lines if line.at >= start]
    _print(kept, prefix=len(files) > 1)
    while follow:
        _print(sorted(line for log in followed for line in log.more()), prefix=len(files) > 1)
        sys.stdout.flush()
        time.sleep(PAUSE)


def parse_since(text: str, now: datetime) -> datetime:
    """`10m`, `2h`, `1d` before `now`, or an ISO 8601 instant (UTC without a zone). Raises UserError (exit 2)."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            return now - parse_step(text)
        except (UserError, OverflowError):
            raise UserError(
                f"--since {text}:须为 10m、2h、1d 或 2026-01-31T08:00:00+08:00",
                f"--since {text}: 10m, 2h, 1d or 2026-01-31T08:00:00+08:00",
                2,
            ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _files(folder: Folder, service: str | None) -> Sequence[Path]:
    """The logs, the rotated ones too. Raises UserError for a service without one."""
    files = sorted(folder.logs.glob("*.log"))
    if service is None:
        return files
    found = [file for file in files if file.name.split(".")[0] == service]
    if not found:
        names = sorted({file.name.split(".")[0] for file in files})
        raise UserError(f"没有 {service} 的日志;可选:{' '.join(names)}", f"no log of {service}; there are: {' '.join(names)}", 2)
    return found


class LogFile:
    """A log that is read on from where it was read to, also after it was rotated."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._read_rotated = False
        self._at = BEGINNING
        self._number = 0

    def more(self) -> Iterator[Line]:
        """The new whole lines."""
        rotated = self._path.with_suffix(".log.1")
        if not self._read_rotated and rotated.is_file():
            yield from self._lines(rotated.read_bytes())
        self._read_rotated = True
        size = self._path.stat().st_size if self._path.is_file() else 0
        if size < self._position:
            self._position = 0
        if size == self._position:
            return
        with self._path.open("rb") as opened:
            opened.seek(self._position)
            content = opened.read(size - self._position)
        whole = content[: content.rfind(b"\n") + 1]
        self._position += len(whole)
        yield from self._lines(whole)

    def _lines(self, content: bytes) -> Iterator[Line]:
        texts = [raw.decode("utf-8", "replace") for raw in content.splitlines()]
        if self._at is BEGINNING:
            # Lines before the first one with a time; a log without any was written when its file was.
            written = datetime.fromtimestamp(self._path.stat().st_mtime, UTC)
            self._at = next((at for text in texts if (at := time_of(text)) is not None), written)
        for text in texts:
            # A line that looks earlier than the one before it stays behind it: the order within a log is kept.
            self._at = max(time_of(text) or self._at, self._at)
            self._number += 1
            yield Line(self._at, self._path.stem, self._number, text)


def time_of(text: str) -> datetime | None:
    """The instant at which a line was written, if it says so."""
    found = STAMP.match(text)
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    offset = "+00:00" if zone in (None, "Z", "UTC") else zone
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0').ljust(6, '0')}{offset}")
    except ValueError:
        return None


def _print(lines: Iterable[Line], prefix: bool) -> None:
    for line in lines:
        print(f"{line.log}: {line.text}" if prefix else line.text)
