"""Runs one process of a service: `python -m services.<name> [--role api,relay,…]`, all roles by default.

SIGTERM and SIGINT end it in order within five seconds. If a background role ends by itself, the process exits with 1 and its supervisor
restarts it. Only the role `api` loads the web framework.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import structlog

from shared.process import faults
from shared.process import settings as settings_module
from shared.process.logs import setup_logs
from shared.process.memory import collect_seldom, give_back_large
from shared.process.settings import MigrationSettings, ServiceSettings, SettingsError
from shared.process.telemetry import setup_traces

if TYPE_CHECKING:
    from shared.process.web.server import WebServer

Role: TypeAlias = Callable[[asyncio.Event], Awaitable[None]]

API = "api"
MIGRATE = "migrate"
GRACE = 4.0
"""Seconds from a signal until roles that have not ended are cancelled; open responses have a second less (web/server.py)."""
LAST_GRACE = 1.0
"""Seconds that a cancelled role has to end."""
BEAT = 1.0
"""Seconds between two heartbeats."""

log = structlog.get_logger()


class StartupError(Exception):
    """Why the process cannot start, in one line."""


def run(service: str, roles: Sequence[str] | None = None, *, package: str | None = None) -> NoReturn:
    """Run until a signal, then exit: 0 in order, 1 after a crash, 2 if it cannot start. `roles` None: those of the command line.

    `package`: the package of the service, `services.<service>` by default.
    """
    package = package or f"services.{service}"
    try:
        wanted = list(roles) if roles is not None else _from_command_line(package)
        code = _migrate(service, package) if MIGRATE in wanted else _serve(service, package, wanted)
    except (StartupError, SettingsError) as error:
        print(f"{service}: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 0
    sys.exit(code)


def _from_command_line(package: str) -> list[str]:
    parser = argparse.ArgumentParser(prog=f"python -m {package}")
    parser.add_argument(
        "--role", default="", help="roles with commas between: api, the background ones, or migrate; default: all but migrate"
    )
    return [name.strip() for name in parser.parse_args().role.split(",") if name.strip()]


def _migrate(service: str, package: str) -> int:
    """The role `migrate`: updates the schema, as its owner."""
    from shared.process.migrate import ROOT, migrate

    settings = settings_module.load(MigrationSettings)
    folder = ROOT.joinpath(*package.split("."), "migrations")
    for name in asyncio.run(migrate(settings.migration_dsn.get_secret_value(), service, folder=folder)):
        print(name)
    return 0


def _serve(service: str, package: str, wanted: Sequence[str]) -> int:
    settings = settings_module.load(_settings_of(package))
    wiring: ModuleType = importlib.import_module(f"{package}.app")
    background: Mapping[str, Role] = wiring.roles(settings)
    known = [API, *background]
    if unknown := sorted(set(wanted) - set(known)):
        raise StartupError(f"no role {', '.join(unknown)}; there are {', '.join(known)}, {MIGRATE}")
    chosen = list(wanted) or known
    setup_traces(service, settings.otlp_endpoint)
    setup_logs(settings.log_level, service, "+".join(chosen))
    faults.arm(settings.fault)
    listener = _listen(settings) if API in chosen else None
    work = _run_roles(wiring, settings, {name: role for name, role in background.items() if name in chosen}, listener)
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(work)
    return uvloop.run(work)


def _settings_of(package: str) -> type[ServiceSettings]:
    """The class in the service's settings.py that extends ServiceSettings."""
    module = importlib.import_module(f"{package}.settings")
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, ServiceSettings)]
    return next((kind for kind in kinds if kind.__module__ == module.__name__), ServiceSettings)


def _listen(settings: ServiceSettings) -> socket.socket:
    """The API's socket, bound before anything is started. Raises StartupError if it cannot be bound."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise StartupError(
            f"端口 {settings.host}:{settings.port} 不可用({error.strerror}),请设 PARKUNION_PORT / "
            f"port {settings.host}:{settings.port} cannot be used ({error.strerror}); set PARKUNION_PORT"
        ) from None
    listener.set_inheritable(True)
    return listener


async def _run_roles(wiring: ModuleType, settings: ServiceSettings, background: Mapping[str, Role], listener: socket.socket | None) -> int:
    """Run the roles until a signal or a crash; returns the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks: dict[asyncio.Task[Any], str] = {}
    for name, role in background.items():
        tasks[asyncio.create_task(_as_coroutine(role, stop), name=name)] = name
    server = None
    if listener is not None:
        server = _server(wiring.api(settings), settings, stop)
        tasks[asyncio.create_task(server.serve(sockets=[listener]), name=API)] = API
    beating = asyncio.create_task(_heartbeat(settings.heartbeat)) if settings.heartbeat is not None else None
    collect_seldom()
    give_back_large()
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


async def _heartbeat(file: Path) -> None:
    """Show that the event loop runs. The monotonic clock is the same for all processes and does not jump when the wall clock is set."""
    while True:
        with contextlib.suppress(OSError):
            # A full disk must not end the process; at worst it is restarted.
            file.write_text(f"{time.monotonic():.3f}\n")  # noqa: ASYNC240 - a few bytes once a second
        await asyncio.sleep(BEAT)


async def _as_coroutine(role: Role, stop: asyncio.Event) -> None:
    await role(stop)


def _flush() -> None:
    """Export the last spans."""
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    if shut := getattr(provider, "shutdown", None):
        shut()


def _server(app: Any, settings: ServiceSettings, stop: asyncio.Event) -> WebServer:
    """The web server. `app.state.stopping` is set by the signal, and ends open streams."""
    from shared.process.web.limits import ConnectionLimits
    from shared.process.web.server import web_server

    app.state.stopping = stop
    return web_server(app, ConnectionLimits(per_peer=settings.connections_per_peer), settings.trusted_proxies)
