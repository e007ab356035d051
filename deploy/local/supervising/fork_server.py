"""Python processes of a stack are forked from one that has imported everything: each is there at once, and they share what they import.

The supervisor's side is `Nursery`. The program (`python -P -m deploy.local.supervising.fork_server MODULE…`, the modules being those to import) reads
orders from stdin and tells on stdout what became of them, a JSON line each: an order is {"order", "module", "words", "log", "env"}, what
is told is {"order", "pid"} and {"ended", "code"}. Processes die with the nursery, and the nursery with the supervisor.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from setproctitle import setproctitle

from deploy.local.folder import ROOT
from deploy.local.supervising.child import Running, spawn
from deploy.local.supervising.guard import die_with_parent

IMPORTS_WITHIN, ANSWERS_WITHIN = 30.0, 6.0
"""Seconds that a nursery has for its first order, and for every other."""
TOLD_WITHIN = 1.0
"""Seconds after the end of a process in which its exit code is told; without one it was killed together with the nursery."""


class Silent(Exception):
    """The nursery does not do what it was told."""


class Forked:
    """A process that the nursery made; as much of `subprocess.Popen` as is needed of it."""

    def __init__(self, pid: int, codes: dict[int, int]) -> None:
        self.pid = pid
        self._codes = codes
        self._code: int | None = None
        self._gone: float | None = None
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._fd, self._gone = -1, time.monotonic()

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self._code is None and self._ended(0.0):
            self._code = self._codes.pop(self.pid, None)
            if self._code is None and self._gone is not None and time.monotonic() - self._gone > TOLD_WITHIN:
                self._code = -signal.SIGKILL
            if self._code is not None and self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
        return self._code

    def send_signal(self, number: int) -> None:
        """To this process and no other, even if it has ended and its pid is another's."""
        if self._fd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, when it has ended. Raises subprocess.TimeoutExpired."""
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (code := self.poll()) is None:
            if (left := deadline - time.monotonic()) <= 0:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            if self._ended(min(left, 1.0)):
                time.sleep(0.005)
        return code

    def _ended(self, wait: float) -> bool:
        if self._gone is None and select.select([self._fd], [], [], wait)[0]:
            self._gone = time.monotonic()
        return self._gone is not None


class Nursery:
    """`begin` a process; the nursery itself is started with the first and again after it died. `modules`: what it imports. Not for threads."""

    def __init__(self, modules: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self._modules = modules
        self._log = log
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None
        self._codes: dict[int, int] = {}
        self._born: dict[int, Future[int]] = {}
        self._orders = 0
        self._imported = False

    def open(self) -> None:
        """Begin to import, if that was not begun before."""
        if self._process is None or self._process.poll() is not None:
            program = [sys.executable, "-P", "-m", "deploy.local.supervising.fork_server", *self._modules]
            self._imported = False
            self._process = spawn(program, self._log, env=self._env, cwd=ROOT, talks=True)
            # Its own: whoever still listens to the one before has nothing to say of these.
            self._born = {}
            threading.Thread(target=self._listen, args=(self._process, self._born), daemon=True).start()

    def begin(self, module: str, words: Sequence[str], log: Path, env: Mapping[str, str]) -> Running:
        """`python -m module words…` with its output appended to `log` and no other environment than `env`.

        Forked from the nursery; if that stands still, or this machine has no pidfds, a process of its own.
        """
        try:
            return self.fork(module, words, log, env)
        except Silent:
            return spawn([sys.executable, "-P", "-m", module, *words], log, env=env, cwd=ROOT)

    def fork(self, module: str, words: Sequence[str], log: Path, env: Mapping[str, str]) -> Forked:
        """A process of the nursery. Raises Silent, and the nursery has ended then, with all that came from it."""
        self.open()
        process, orders = self._process, self._born
        assert process is not None
        assert process.stdin is not None
        self._orders += 1
        born = orders[self._orders] = Future[int]()
        order = {"order": self._orders, "module": module, "words": list(words), "log": str(log), "env": dict(env)}
        try:
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
            pid = born.result(ANSWERS_WITHIN if self._imported else IMPORTS_WITHIN)
            self._imported = True
            return Forked(pid, self._codes)
        except (OSError, TimeoutError) as error:
            # Frozen or gone: what it made dies with it, and is begun again by whoever keeps it running.
            process.kill()
            raise Silent(repr(error)) from error
        finally:
            del orders[self._orders]

    def close(self) -> None:
        """End it; what it made should have ended before."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
            try:
                process.wait(2.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _listen(self, process: subprocess.Popen[bytes], orders: Mapping[int, Future[int]]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            told: dict[str, int] = json.loads(line)
            if "ended" in told:
                self._codes[told["ended"]] = told["code"]
            elif born := orders.get(told["order"]):
                born.set_result(told["pid"])
        for born in list(orders.values()):
            if not born.done():
                born.set_exception(BrokenPipeError("the nursery ended"))


def main() -> None:
    """Import, then fork what is ordered until stdin ends. In a forked process: be what was ordered."""
    for module in sys.argv[1:]:
        # What cannot be imported is no reason not to start the others: the process that needs it will say so in its own log.
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    setproctitle("parkunion nursery")
    # Never looked at again by the collector, so that its pages stay shared.
    gc.collect()
    gc.freeze()
    order = _serve()
    if order is not None:
        sys.argv = [order["module"], *order["words"]]
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


def _serve() -> dict[str, Any] | None:
    """Fork what is ordered. Returns the order in the process that was forked for it, None in the nursery when stdin ends."""
    nursery = os.getpid()
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rest = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _reap()
        if 0 in ready:
            read = os.read(0, 65536)
            if not read:
                return None
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                order: dict[str, Any] = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    os.close(woken)
                    os.close(wakes)
                    _become(order, nursery)
                    return order
                _tell(order=order["order"], pid=pid)


def _become(order: Mapping[str, Any], nursery: int) -> None:
    os.setsid()
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    die_with_parent(nursery, signal.SIGKILL)
    for fd, path, how in ((0, os.devnull, os.O_RDONLY), (1, order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)):
        opened = os.open(path, how, 0o600)
        os.dup2(opened, fd)
        os.close(opened)
    os.dup2(1, 2)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, write_through=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(order["env"])
    setproctitle(" ".join((order["module"], *order["words"])))


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            _tell(ended=pid, code=os.waitstatus_to_exitcode(status))


def _tell(**what: int) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main()
