"""Child processes: they die with their parent and are identified by pid and start time."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

GUARD = Path(__file__).with_name("guard.py")
OWN_PORTS = range(20_000, 32_000)
"""Below the ports from 32768 on that Linux assigns to outgoing connections."""
POLL = 0.02
"""Seconds between two checks of a condition."""


class StartError(Exception):
    """A server did not start; the message is one line with the reason."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A pid with the start time of its process, since pids are reused."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity:
        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def of_self(cls) -> ProcessIdentity:
        return cls.of(os.getpid())

    def alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            # Computed from the boot time, which changes a little when the clock is corrected.
            return abs(process.create_time() - self.started) < 2 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def end(self, number: int, grace: float) -> bool:
        """Send signal `number`, then SIGKILL after `grace` seconds; returns whether it has ended."""
        for signal_number, timeout in ((number, grace), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                if self.alive():
                    os.kill(self.pid, signal_number)
                    os.kill(self.pid, signal.SIGCONT)
            if wait_for(lambda: not self.alive(), timeout):
                return True
        return False


def spawn(
    program: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str = "-",
    death_signal: int = signal.SIGKILL,
    pipes: bool = False,
) -> subprocess.Popen[bytes]:
    """Start `program` with output appended to `log`; it gets `death_signal` when the calling *thread* ends (a rule of the kernel).

    `user` as in guard.py. `pipes`: its stdin and stdout are pipes, and only its stderr goes to the log. The child has its own process
    group, so Ctrl-C in the terminal does not reach it.
    """
    command = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), str(int(death_signal)), user, "--", *program]
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipes else output,
            stderr=output,
            env=env,
            cwd=cwd or "/",
            start_new_session=True,
        )


class ChildProcess(Protocol):
    """The used part of `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


def end(process: ChildProcess, number: int, grace: float) -> None:
    """Send `number`, wait `grace` seconds, then SIGKILL."""
    if process.poll() is None:
        process.send_signal(number)
        # A process stopped by SIGSTOP handles signals only after SIGCONT.
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class ServerProcess:
    """A server that runs as a child process; subclasses set `_process` when they spawn it."""

    log: Path
    _process: ChildProcess | None = None

    @property
    def pid(self) -> int | None:
        """The pid; None while it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """The last exit code, negative for a signal; None while it runs."""
        return self._process.poll() if self._process else None

    def _wait(self, product: str, answers: Callable[[], bool], timeout: float) -> None:
        """Wait until `answers`. Raises StartError if the server ends before, or after `timeout` seconds."""
        if not wait_for(lambda: self.pid is None or answers(), timeout) or self.pid is None:
            raise StartError(f"{product} did not start: {last_lines(self.log)}")

    def _stop(self, number: int, grace: float) -> None:
        """Send signal `number`, and SIGKILL after `grace` seconds. Does nothing if it does not run."""
        if self._process is not None:
            end(self._process, number, grace)
            self._process = None


def wait_for(condition: Callable[[], bool], timeout: float) -> bool:
    """Poll until true; False after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def free_port(preferred: int | None = None) -> int:
    """`preferred` if it can be bound on 127.0.0.1, else a free port of `OWN_PORTS`.

    A port for outgoing connections could be taken by any client before the server listens.
    """
    below = [secrets.choice(OWN_PORTS) for _ in range(20)]
    for candidate in (preferred or below[0], *below, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StartError("no free port on 127.0.0.1")


def last_lines(log: Path, count: int = 3) -> str:
    """The end of a log in one line, for an error message."""
    if not log.is_file():
        return ""
    return " | ".join(log.read_text(errors="replace").strip().splitlines()[-count:])
