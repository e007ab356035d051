"""The restart policy: a server that ends is started again, and a frozen one is killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from deploy.local.supervising.processes import ServiceProcess

FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Seconds before a restart: doubled for each exit within `STEADY` seconds of a start; a killed process gets the first."""
STEADY = 10.0
SETTLED, SETTLED_AGAIN = 1.0, 3.0
"""Seconds of running after which a start counts as successful; the second after a failure."""


class Server(Protocol):
    """A server that the supervisor starts and stops."""

    @property
    def name(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def exit_code(self) -> int | None: ...
    def spawn(self) -> None: ...
    def stop(self) -> None: ...


class SupervisedProcess:
    """A server with its restart policy. `failures`: early exits in a row."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.failures = 0
        self.started = time.monotonic()
        self.restart_at: float | None = None

    def restart_if_due(self, report: Callable[[str], None]) -> bool:
        """Schedule or do a restart if the server has ended; whether its pid changed."""
        now = time.monotonic()
        if self.server.pid is not None:
            return False
        if self.restart_at is None:
            self.restart_at = now + self._delay(now)
            code = self.server.exit_code
            how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            report(f"{self.server.name}: {how}; 正在重启 / restarting")
            if self.failures in (5, 50):
                report(f"{self.server.name}: 多次启动失败,请看 ./parkunion logs / keeps failing, see ./parkunion logs {self.server.name}")
            return True
        if now < self.restart_at:
            return False
        self.restart_at = None
        self.server.spawn()
        self.started = now
        return True

    def kill_if_frozen(self, report: Callable[[str], None]) -> None:
        """Kill a service process without heartbeat: no other process takes over its work while it exists."""
        if isinstance(self.server, ServiceProcess) and self.server.pid is not None and self.server.frozen(time.monotonic()):
            report(f"{self.server.name}: 没有心跳,强制结束 / no heartbeat, killed")
            self.server.kill()

    def settled(self) -> bool:
        """Whether it has run long enough after its last start."""
        return self.server.pid is not None and time.monotonic() - self.started > (SETTLED_AGAIN if self.failures else SETTLED)

    def _delay(self, now: float) -> float:
        code = self.server.exit_code
        exited = code is not None and code >= 0
        self.failures = self.failures + 1 if exited and now - self.started < STEADY else 0
        return min(FIRST_DELAY * 2.0 ** max(0, self.failures - 1), LONGEST_DELAY)
