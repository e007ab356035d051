"""A child that is kept running: started again when it ends, ended when it stands still."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from deploy.local.supervising.processes import ServiceProcess

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before a restart: doubled while a process ends by itself within `STEADY` seconds of its start; a killed one gets the first."""
STEADY = 10.0
SETTLED, SETTLED_AGAIN = 1.0, 3.0
"""Seconds after which a process has got past what usually ends one at its start."""


class Server(Protocol):
    """What the supervisor keeps running."""

    @property
    def name(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def exit_code(self) -> int | None: ...
    def spawn(self) -> None: ...
    def stop(self) -> None: ...


class Kept:
    """A server that is started again when it ends."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.failures = 0
        self.started = time.monotonic()
        self.due: float | None = None

    def look(self, say: Callable[[str], None]) -> bool:
        """Restart the server if it is time to; whether its pid changed."""
        now = time.monotonic()
        if self.server.pid is not None:
            return False
        if self.due is None:
            self.due = now + self._pause(now)
            code = self.server.exit_code
            how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            say(f"{self.server.name}: {how}; 正在重启 / restarting")
            if self.failures in (5, 50):
                say(f"{self.server.name}: 多次启动失败,请看 ./parkunion logs / keeps failing, see ./parkunion logs {self.server.name}")
            return True
        if now < self.due:
            return False
        self.due = None
        self.server.spawn()
        self.started = now
        return True

    def end_if_frozen(self, say: Callable[[str], None]) -> None:
        """Kill a process of ours that stands still: nobody takes over from it as long as it is there."""
        if isinstance(self.server, ServiceProcess) and self.server.pid is not None and self.server.frozen(time.monotonic()):
            say(f"{self.server.name}: 没有心跳,强制结束 / no heartbeat, killed")
            self.server.kill()

    def settled(self) -> bool:
        """Whether it runs, and has run for a while: longer if it failed before."""
        return self.server.pid is not None and time.monotonic() - self.started > (SETTLED_AGAIN if self.failures else SETTLED)

    def _pause(self, now: float) -> float:
        code = self.server.exit_code
        ended_by_itself = code is not None and code >= 0
        self.failures = self.failures + 1 if ended_by_itself and now - self.started < STEADY else 0
        return min(FIRST_PAUSE * 2.0 ** max(0, self.failures - 1), LONGEST_PAUSE)
