"""Runs one process of a service: `python -m services.<name> [--role api,relay,…]`, all roles by default.

SIGTERM and SIGINT end it in order within five seconds. A background role that ends by itself ends the process with 1: whoever supervises
starts it again. Only the role `api` loads the web framework.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import structlog

from shared.process import faults
from shared.process import settings as settings_module
from shared.process.settings import MigrationSettings, ServiceSettings, SettingsError
from shared.process.telemetry import setup

if TYPE_CHECKING:
    import uvicorn

Role: TypeAlias = Callable[[asyncio.Event], Awaitable[None]]

API = "api"
MIGRATE = "migrate"
GRACE = 4.0
"""Seconds that the roles have to end after a signal, before they are cancelled."""
LAST_GRACE = 1.0
"""Seconds that a cancelled role has."""
BEAT = 1.0
"""Seconds between two heartbeats."""
CONNECTION_GRACE = 3
"""Seconds that open answers get of GRACE."""

log = structlog.get_logger()


class Trouble(Exception):
    """What keeps the process from running, in one line."""


def run(service: str, roles: Sequence[str] | None = None) -> NoReturn:
    """Run until a signal, then exit: 0 in order, 1 after a crash, 2 if it cannot start. `roles` None: what the command line says."""
    try:
        wanted = list(roles) if roles is not None else _from_command_line(service)
        code = _migrate(service) if MIGRATE in wanted else _serve(service, wanted)
    except (Trouble, SettingsError) as trouble:
        print(f"{service}: {trouble}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 0
    sys.exit(code)


def _from_command_line(service: str) -> list[str]:
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}")
    parser.add_argument(
        "--role", default="", help="roles with commas between: api, the background ones, or migrate; default: all but migrate"
    )
    return [name.strip() for name in parser.parse_args().role.split(",") if name.strip()]


def _migrate(service: str) -> int:
    """The role `migrate`: brings the schema up to date as its owner."""
    from shared.process.migrate import migrate

    told = settings_module.load(MigrationSettings)
    for name in asyncio.run(migrate(told.migration_dsn.get_secret_value(), service)):
        print(name)
    return 0


def _serve(service: str, wanted: Sequence[str]) -> int:
    told = settings_module.load(_settings_of(service))
    wiring: ModuleType = importlib.import_module(f"services.{service}.app")
    background: Mapping[str, Role] = wiring.roles(told)
    known = [API, *background]
    if unknown := sorted(set(wanted) - set(known)):
        raise Trouble(f"no role {', '.join(unknown)}; there are {', '.join(known)}, {MIGRATE}")
    chosen = list(wanted) or known
    setup(told, service, "+".join(chosen))
    faults.arm(told.fault)
    listener = _listen(told) if API in chosen else None
    work = _work(wiring, told, {name: role for name, role in background.items() if name in chosen}, listener)
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(work)
    return uvloop.run(work)


def _settings_of(service: str) -> type[ServiceSettings]:
    """The service's own class in its settings.py: the one that extends ServiceSettings."""
    module = importlib.import_module(f"services.{service}.settings")
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, ServiceSettings)]
    return next((kind for kind in kinds if kind.__module__ == module.__name__), ServiceSettings)


def _listen(told: ServiceSettings) -> socket.socket:
    """The API's socket, taken before anything is started. Raises Trouble if it is not to be had."""
    family = socket.AF_INET6 if ":" in told.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((told.host, told.port))
    except OSError as error:
        listener.close()
        raise Trouble(
            f"端口 {told.host}:{told.port} 不可用({error.strerror}),请设 PARKUNION_PORT / "
            f"port {told.host}:{told.port} cannot be used ({error.strerror}); set PARKUNION_PORT"
        ) from None
    listener.set_inheritable(True)
    return listener


async def _work(wiring: ModuleType, told: ServiceSettings, background: Mapping[str, Role], listener: socket.socket | None) -> int:
    """Everything, until a signal or a crash; the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks: dict[asyncio.Task[Any], str] = {}
    for name, role in background.items():
        tasks[asyncio.create_task(_as_coroutine(role, stop), name=name)] = name
    server = None
    if listener is not None:
        server = _server(wiring.api(told), stop)
        tasks[asyncio.create_task(server.serve(sockets=[listener]), name=API)] = API
    beating = asyncio.create_task(_beat(told.heartbeat)) if told.heartbeat is not None else None
    # What was loaded stays for ever: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    stopped = asyncio.create_task(stop.wait())
    log.info("process.starts", roles=list(tasks.values()))
    await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    crashed = [task for task in tasks if task.done()] if not stop.is_set() else []
    stop.set()
    if beating is not None:
        beating.cancel()
    if server is not None:
        server.should_exit = True
    _done, late = await asyncio.wait(tasks, timeout=GRACE)
    for task in late:
        log.warning("role.late", which=tasks[task])
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=LAST_GRACE)
    for task, name in tasks.items():
        error = task.exception() if task.done() and not task.cancelled() else None
        if error is not None:
            log.error("role.crashed", which=name, exc_info=error)
        elif task in crashed:
            log.error("role.ended", which=name)
    failed = bool(crashed) or any(task.done() and not task.cancelled() and task.exception() for task in tasks)
    log.info("process.ends", failed=failed)
    _flush()
    return 1 if failed else 0


async def _beat(file: Path) -> None:
    """Tell that the event loop turns. The monotonic clock is one for all processes and does not jump when the wall clock is set."""
    while True:
        with contextlib.suppress(OSError):
            # A full disk is no reason to end: it costs a restart at most.
            file.write_text(f"{time.monotonic():.3f}\n")  # noqa: ASYNC240 - a few bytes once a second
        await asyncio.sleep(BEAT)


async def _as_coroutine(role: Role, stop: asyncio.Event) -> None:
    await role(stop)


def _flush() -> None:
    """Send the last spans, if somebody collects them."""
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    if shut := getattr(provider, "shutdown", None):
        shut()


def _server(app: Any, stop: asyncio.Event) -> uvicorn.Server:
    """The web server, whose signals are ours. `app.state.stopping` is set with the signal: open streams end by it."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    app.state.stopping = stop
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=CONNECTION_GRACE,
        timeout_keep_alive=30,
    )
    return Server(config)
