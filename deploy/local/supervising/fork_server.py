"""The fork server: a process that has imported all modules of the services and forks them. They start at once and share memory (ADR 0014).

`ForkServer` is the supervisor's side. The program (`python -P -m deploy.local.supervising.fork_server MODULE…` imports these modules)
reads JSON lines from stdin, {"request", "module", "arguments", "log", "env"}, and writes JSON lines to stdout: {"request", "pid"} for each
fork and {"exited", "code"} for each end. Forked processes die with the fork server, and the fork server with the supervisor.
"""

from __future__ import annotations

import atexit
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
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from setproctitle import setproctitle

from deploy.local.child import ChildProcess, spawn
from deploy.local.folder import ROOT
from deploy.local.guard import die_with_parent

FIRST_REPLY_TIMEOUT, REPLY_TIMEOUT = 30.0, 6.0
"""Seconds until the reply to the first request, which waits for the imports, and to any other."""
EXIT_CODE_TIMEOUT = 1.0
"""Seconds from the end of a process until its exit code; without one the process was killed together with the fork server."""


class ForkServerError(Exception):
    """The fork server did not reply in time."""


class ForkedProcess:
    """A process of the fork server, as a `ChildProcess`."""

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
            if self._code is None and self._gone is not None and time.monotonic() - self._gone > EXIT_CODE_TIMEOUT:
                self._code = -signal.SIGKILL
            if self._code is not None and self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
        return self._code

    def send_signal(self, number: int) -> None:
        """Signal this process; a reused pid is never hit, because the pidfd names the process itself."""
        if self._fd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code. Raises subprocess.TimeoutExpired."""
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


class ForkServer:
    """Starts the fork server when needed, and processes in it. `modules`: what it imports. Not thread-safe."""

    def __init__(self, modules: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self._modules = modules
        self._log = log
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None
        self._codes: dict[int, int] = {}
        self._pids: dict[int, Future[int]] = {}
        self._requests = 0
        self._imported = False

    def open(self) -> None:
        """Start the fork server unless it runs; it begins to import at once."""
        if self._process is None or self._process.poll() is not None:
            program = [sys.executable, "-P", "-m", "deploy.local.supervising.fork_server", *self._modules]
            self._imported = False
            self._process = spawn(program, self._log, env=self._env, cwd=ROOT, pipes=True)
            # A new dict: the listener thread of the previous fork server must not complete the new futures.
            self._pids = {}
            threading.Thread(target=self._listen, args=(self._process, self._pids), daemon=True).start()

    def start(self, module: str, arguments: Sequence[str], log: Path, env: Mapping[str, str]) -> ChildProcess:
        """Start `python -m module arguments…` with its output appended to `log` and exactly the environment `env`.

        Without a reply of the fork server, or without pidfds on this machine, it is started as a child of its own.
        """
        try:
            return self.fork(module, arguments, log, env)
        except ForkServerError:
            return spawn([sys.executable, "-P", "-m", module, *arguments], log, env=env, cwd=ROOT)

    def fork(self, module: str, arguments: Sequence[str], log: Path, env: Mapping[str, str]) -> ForkedProcess:
        """As `start`, but only forked. Raises ForkServerError after killing the fork server and so all its processes."""
        self.open()
        process, pids = self._process, self._pids
        assert process is not None
        assert process.stdin is not None
        self._requests += 1
        pid = pids[self._requests] = Future[int]()
        request = {"request": self._requests, "module": module, "arguments": list(arguments), "log": str(log), "env": dict(env)}
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            forked = ForkedProcess(pid.result(REPLY_TIMEOUT if self._imported else FIRST_REPLY_TIMEOUT), self._codes)
            self._imported = True
            return forked
        except (OSError, TimeoutError) as error:
            # Frozen or dead: its processes die with it, and the supervisor restarts them.
            process.kill()
            raise ForkServerError(repr(error)) from error
        finally:
            del pids[self._requests]

    def close(self) -> None:
        """End the fork server; its processes should have ended before."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
            try:
                process.wait(2.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _listen(self, process: subprocess.Popen[bytes], pids: Mapping[int, Future[int]]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            reply: dict[str, int] = json.loads(line)
            if "exited" in reply:
                self._codes[reply["exited"]] = reply["code"]
            elif pid := pids.get(reply["request"]):
                pid.set_result(reply["pid"])
        for pid in list(pids.values()):
            if not pid.done():
                pid.set_exception(BrokenPipeError("the fork server ended"))


class End:
    """Ends a process after its handlers, as it would have ended, but without taking half a million objects apart first, most of which it shares
    with the others: that takes a tenth of a second and copies their pages."""

    def __init__(self) -> None:
        self._code = 0

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Remember the exit code of what runs inside."""
        try:
            yield
        except SystemExit as error:
            self._code = error.code if isinstance(error.code, int) else int(error.code is not None)
            raise
        except BaseException:
            self._code = 1
            raise

    def now(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(self._code)


def main() -> None:
    """Import, then serve requests until stdin ends. In a forked process: run the requested module."""
    # Imports make next to no garbage, and half a million objects that would be looked through again and again: a fifth of the time.
    gc.disable()
    end = End()
    # The first of the handlers, so the last that runs.
    atexit.register(end.now)
    for module in sys.argv[1:]:
        # A failed import must not stop the other processes: the one that needs it reports it in its own log.
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    setproctitle("parkunion nursery")
    # Frozen objects are never visited by the collector, so their pages stay shared.
    gc.freeze()
    request = _serve()
    if request is not None:
        gc.enable()
        sys.argv = [request["module"], *request["arguments"]]
        with end.told():
            runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def _serve() -> dict[str, Any] | None:
    """Fork for every request. Returns the request in the forked process, and None in the fork server when stdin ends."""
    fork_server = os.getpid()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rest = b""
    while True:
        ready, _, _ = select.select([0, wake_read], [], [])
        if wake_read in ready:
            os.read(wake_read, 4096)
            _reap()
        if 0 in ready:
            read = os.read(0, 65536)
            if not read:
                return None
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                request: dict[str, Any] = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    os.close(wake_read)
                    os.close(wake_write)
                    _set_up_child(request, fork_server)
                    return request
                _reply(request=request["request"], pid=pid)


def _set_up_child(request: Mapping[str, Any], fork_server: int) -> None:
    """Give a forked process its own session, signals, output, environment and title."""
    os.setsid()
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    die_with_parent(fork_server, signal.SIGKILL)
    for fd, path, how in ((0, os.devnull, os.O_RDONLY), (1, request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)):
        opened = os.open(path, how, 0o600)
        os.dup2(opened, fd)
        os.close(opened)
    os.dup2(1, 2)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, write_through=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(request["env"])
    setproctitle(" ".join((request["module"], *request["arguments"])))


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            _reply(exited=pid, code=os.waitstatus_to_exitcode(status))


def _reply(**fields: int) -> None:
    os.write(1, json.dumps(fields).encode() + b"\n")


if __name__ == "__main__":
    main()
