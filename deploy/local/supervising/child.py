"""Children of this process: started so that they die with it, known by pid and start time, ended in order."""

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
"""Linux gives ports from 32768 on to outgoing connections."""
POLL = 0.02
"""Seconds between two looks at a condition."""


class StartFailed(Exception):
    """A server did not start; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class Known:
    """A process that is the same one only if its start time is the same."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Known:
        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def of_self(cls) -> Known:
        return cls.of(os.getpid())

    def alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            # create_time is computed from the boot time, which a clock correction moves a little.
            return abs(process.create_time() - self.started) < 2 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def end(self, number: int, grace: float) -> bool:
        """Send signal `number`, then SIGKILL after `grace` seconds; whether it is gone."""
        for each, patience in ((number, grace), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                if self.alive():
                    os.kill(self.pid, each)
                    os.kill(self.pid, signal.SIGCONT)
            if wait_for(lambda: not self.alive(), patience):
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
    talks: bool = False,
) -> subprocess.Popen[bytes]:
    """Start `program` with output appended to `log`; it gets `death_signal` when the calling *thread* ends (a rule of the kernel).

    `user` as in guard.py. `talks`: its stdin and stdout are pipes to us, and only its stderr goes to the log. The child has its own process
    group, so Ctrl-C in the terminal reaches only us.
    """
    command = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), str(int(death_signal)), user, "--", *program]
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talks else output,
            stderr=output,
            env=env,
            cwd=cwd or "/",
            start_new_session=True,
        )


class Running(Protocol):
    """A child that runs or ran: `subprocess.Popen`, as far as it is needed."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


def end(process: Running, number: int, grace: float) -> None:
    """Send `number`, wait `grace` seconds, then SIGKILL."""
    if process.poll() is None:
        process.send_signal(number)
        # A stopped process (SIGSTOP) acts on a signal only when it goes on.
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], bool], timeout: float) -> bool:
    """Poll until true; False after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def free_port(preferred: int | None = None) -> int:
    """`preferred` if it can be bound on 127.0.0.1, else a free one, below those that the kernel gives to outgoing connections.

    One of theirs could be taken by any client on this machine before the server that it is meant for has begun to listen.
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
    raise StartFailed("no free port on 127.0.0.1")


def last_lines(log: Path, count: int = 3) -> str:
    """The end of a log in one line, for an error message."""
    if not log.is_file():
        return ""
    return " | ".join(log.read_text(errors="replace").strip().splitlines()[-count:])
