"""The processes of a peer."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path


class Worker:
    """One process of a peer.

    `read_from`: when it began to read first, since the last `next`; `reads_since`: when it did so last, None while it starts again after a
    kill; `stopped`: whether it said so.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command, self._log = command, log
        self.read_from: float | None = None
        self.reads_since: float | None = None
        self.stopped = False
        self.start()

    def start(self) -> None:
        """Start it, again if it was killed."""
        self.reads_since = None
        with self._log.open("ab") as errors:
            self.process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        threading.Thread(target=self._follow, args=(self.process,), daemon=True).start()

    def _follow(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "reading":
                self.reads_since = time.perf_counter()
                self.read_from = self.read_from or self.reads_since
            self.stopped = self.stopped or line.strip() == "stopped"

    def next(self) -> None:
        """Tell it to end its first fold; told again, to begin the second."""
        assert self.process.stdin is not None
        self.read_from = self.reads_since = None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
