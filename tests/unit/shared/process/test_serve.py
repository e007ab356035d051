"""How a service's process starts and ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.process.settings import KeyRing, MigrationSettings, ServiceSettings, SettingsError, load
from tests.patience import PATIENCE, at_best

ROOT = Path(__file__).parents[4]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/app.py"))
ENDS_WITHIN = 5.0
"""Seconds that a process takes at most to end in order (shared/process/serve.py)."""
ENVIRONMENT = {
    "PARKUNION_DSN": "postgresql://u:hidden-password@nowhere/x",
    "PARKUNION_KAFKA": "nowhere:9092",
    "PARKUNION_ISSUER": "https://issuer.example",
    "PARKUNION_JWKS_URL": "https://issuer.example/jwks",
    "PARKUNION_FINGERPRINT_KEY": "ab" * 32,
    "PARKUNION_CURSOR_KEY": "cd" * 32,
}
PROGRAM = """
import asyncio, sys, types
from contextlib import asynccontextmanager
from shared.process.serve import run
from shared.process.settings import ServiceSettings

class Settings(ServiceSettings):
    extra: int = 7

settings = types.ModuleType("services.things.settings")
Settings.__module__ = settings.__name__
settings.ServiceSettings, settings.Settings = ServiceSettings, Settings
app = types.ModuleType("services.things.app")

async def relay(stop):
    assert "fastapi" not in sys.modules or "api" in sys.argv[2]
    print("relay runs", flush=True)
    await stop.wait()
    print("relay ended", flush=True)

async def crashing(stop):
    raise RuntimeError("hidden-text")

async def ending(stop):
    return

async def stubborn(stop):
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            print("stubborn cancelled", flush=True)
            raise

def roles(told):
    assert told.extra == 7
    return {"relay": relay, "crashing": crashing, "ending": ending, "stubborn": stubborn}

def api(told):
    from starlette.responses import StreamingResponse
    from shared.http.operations import Readiness
    from shared.http.requests import Router
    from shared.http.web import create_app

    router = Router()

    @router.get("/v1/stream")
    async def stream():
        async def parts():
            yield b"begun"
            await app.state.stopping.wait()
            yield b"ended"
        return StreamingResponse(parts())

    @asynccontextmanager
    async def lifespan(app):
        print("api up", flush=True)
        yield
        print("api down", flush=True)

    async def ready():
        return Readiness(ready=True)

    app = create_app(told, title="things", routers=[router], lifespan=lifespan, readiness=ready)
    return app

app.roles, app.api = roles, api
package = types.ModuleType("services.things")
package.__path__ = []
sys.modules |= {"services.things": package, "services.things.settings": settings, "services.things.app": app}
run("things")
"""


class Process:
    """The program above with `--role`; its output, line by line."""

    def __init__(self, role: str, **environment: str) -> None:
        env = {"PATH": os.environ["PATH"], **ENVIRONMENT, **environment}
        command = [sys.executable, "-c", PROGRAM, "--role", role]
        self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []

    def until(self, word: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if word in line:
                return line
        raise AssertionError(f"no {word!r} in {self.lines} {self.process.stderr and self.process.stderr.read()}")

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, "".join(self.lines) + out, err


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start_(role: str, **environment: str) -> Process:
        started.append(Process(role, **environment))
        return started[-1]

    yield start_
    for one in started:
        one.process.kill()
        one.process.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_background_role_ends_in_order_with_a_signal(start: Callable[..., Process], number: int) -> None:
    process = start("relay")
    process.until("relay runs")
    code, out, err = process.end(number)
    assert (code, err) == (0, "")
    assert "relay ended" in out
    assert all(json.loads(line)["service"] == "things" for line in out.splitlines() if line.startswith("{"))


async def test_api_and_relay_run_in_one_process_and_open_streams_end(start: Callable[..., Process]) -> None:
    async def ending() -> float:
        return _ended_with_a_stream(start)

    await at_best(ending, ENDS_WITHIN)


def _ended_with_a_stream(start: Callable[..., Process]) -> float:
    """End a process of which somebody reads a stream; the seconds from the stream's end to its own."""
    port = free_port()
    process = start("api,relay", PARKUNION_PORT=str(port))
    process.until("api up")
    deadline = time.monotonic() + PATIENCE
    answer = None
    while answer is None and time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError):
            answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/stream", timeout=PATIENCE)
    assert answer is not None
    assert answer.read(5) == b"begun"
    process.process.send_signal(signal.SIGTERM)
    assert answer.read() == b"ended"
    began = time.monotonic()
    code, out, _ = process.wait()
    assert code == 0
    assert "api down" in out
    assert "relay ended" in out
    return time.monotonic() - began


@pytest.mark.parametrize(("role", "word"), [("crashing,relay", "role.crashed"), ("ending,relay", "role.ended")])
def test_a_role_that_ends_by_itself_ends_the_process(start: Callable[..., Process], role: str, word: str) -> None:
    code, out, err = start(role).wait()
    assert code == 1
    assert word in out
    assert "relay ended" in out
    assert "hidden-text" not in out + err


def test_a_role_that_does_not_stop_is_cancelled(start: Callable[..., Process]) -> None:
    process = start("stubborn")
    process.until("process.starts")
    code, out, _ = process.end()
    assert code == 0
    assert "stubborn cancelled" in out


def test_a_port_that_is_taken_is_said_in_one_line(start: Callable[..., Process]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, out, err = start("api", PARKUNION_PORT=str(taken.getsockname()[1])).wait()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "set PARKUNION_PORT" in err


def test_an_unknown_role_is_said_in_one_line(start: Callable[..., Process]) -> None:
    code, _, err = start("rely").wait()
    assert (code, err) == (2, "things: no role rely; there are api, relay, crashing, ending, stubborn, migrate\n")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"PARKUNION_DSN": ""}, "PARKUNION_DSN: "),
        ({"PARKUNION_FINGERPRINT_KEY": "hidden"}, "PARKUNION_FINGERPRINT_KEY: must be written in hexadecimal digits"),
        ({"PARKUNION_CURSOR_KEY": "ab"}, "PARKUNION_CURSOR_KEY: must have at least 16 bytes"),
        ({"PARKUNION_ZONE": "Mars/Crater"}, "PARKUNION_ZONE: is no zone of the IANA database"),
        ({"PARKUNION_PORT": "many"}, "PARKUNION_PORT: "),
        ({"PARKUNION_PARTITIONS": "0"}, "PARKUNION_PARTITIONS: "),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], says: str | None) -> None:
    for name, value in {**ENVIRONMENT, **changes}.items():
        monkeypatch.setenv(name, value)
    if says is None:
        assert load(ServiceSettings).fingerprint_key == b"\xab" * 32
        return
    with pytest.raises(SettingsError) as unusable:
        load(ServiceSettings)
    assert str(unusable.value).startswith(says)
    assert "hidden" not in str(unusable.value)


def test_missing_settings_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*ENVIRONMENT, "PARKUNION_MIGRATION_DSN"]:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError) as unusable:
        load(ServiceSettings)
    assert all(f"{name}: is missing" in str(unusable.value) for name in ENVIRONMENT)
    with pytest.raises(SettingsError, match=r"^PARKUNION_MIGRATION_DSN: is missing$"):
        load(MigrationSettings)


@pytest.mark.invariant("I5")
def test_settings_never_show_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    class Settings(ServiceSettings):
        keys: KeyRing

    for name, value in {**ENVIRONMENT, "PARKUNION_KEYS": "1:" + "ef" * 32 + ",2:" + "01" * 32}.items():
        monkeypatch.setenv(name, value)
    told = load(Settings)
    assert told.keys == {1: b"\xef" * 32, 2: b"\x01" * 32}
    shown = repr(told) + str(told)
    assert not any(secret in shown for secret in ("hidden-password", "\\xab", "\\xcd", "\\xef", "efef"))


@pytest.mark.parametrize("ring", ["", "1", "1:ab", "x:" + "ab" * 32, "1:" + "ab" * 32 + ",1:" + "cd" * 32, "0:" + "ab" * 32])
def test_a_wrong_key_ring_is_refused(monkeypatch: pytest.MonkeyPatch, ring: str) -> None:
    class Settings(ServiceSettings):
        keys: KeyRing

    for name, value in {**ENVIRONMENT, "PARKUNION_KEYS": ring}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="PARKUNION_KEYS"):
        load(Settings)


@pytest.mark.parametrize("service", SERVICES)
def test_background_processes_load_no_web_framework(service: str) -> None:
    program = f"import sys, shared.process.serve, services.{service}.app, services.{service}.settings; print([m for m in {list(WEB)} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


WEB = ("fastapi", "starlette", "uvicorn", "httpx", "joserfc")
