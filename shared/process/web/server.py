"""The web server of a process: uvicorn with limits on its connections (connections.py)."""

from __future__ import annotations

import contextlib
import functools
import resource
from collections.abc import Iterator, Sequence
from typing import Any, cast

import uvicorn

from shared.process.web.connections import LimitedConnection
from shared.process.web.limits import ConnectionLimits, Peers

CONNECTION_GRACE = 3
"""Seconds that open responses have to end after the process's signal."""
TICKS = 10
"""uvicorn's ticks between two checks of the connections' deadlines: one second."""
MOST_OPEN_FILES = 65_536


class WebServer(uvicorn.Server):
    """Runs until `should_exit`, without signal handlers of its own: signals are the process's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS == 0:
            for connection in list(self.server_state.connections):
                limited = cast(LimitedConnection, connection)
                limited.check(limited.loop.time())
        return await super().on_tick(counter)


def web_server(app: Any, limits: ConnectionLimits, trusted_proxies: Sequence[str] = (), **changes: Any) -> WebServer:
    """The server of an ASGI application. X-Forwarded-For and -Proto are believed of `trusted_proxies` only."""
    _allow_open_files()
    options: dict[str, Any] = {
        "http": functools.partial(LimitedConnection, Peers(limits, trusted_proxies)),
        "interface": "asgi3",
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": CONNECTION_GRACE,
        "timeout_keep_alive": int(limits.idle_seconds),
        "proxy_headers": bool(trusted_proxies),
        "forwarded_allow_ips": list(trusted_proxies),
    }
    config = uvicorn.Config(app, **{**options, **changes})
    return WebServer(config)


def _allow_open_files() -> None:
    """As many open files as the system allows this process: a shell's limit is often 1,024, which fewer than two peers would use up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
