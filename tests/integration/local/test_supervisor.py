"""The supervisor: starts, restarts what dies, leaves nothing behind, and issues tokens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import KeySet

from deploy.local.child import ProcessIdentity
from deploy.local.errors import NotRunningError, UserError
from deploy.local.folder import ROOT, Folder
from deploy.local.servers.clients import Clients, own_key
from deploy.local.servers.issuer import ASSERTION_TYPE, AUDIENCE, client_assertion
from deploy.local.stack import Stack, ask, load
from deploy.local.supervising.supervisor import Supervisor
from tests.patience import PATIENCE

RUN = """
import asyncio, sys
from pathlib import Path
from deploy.local.supervising.supervisor import Supervisor
asyncio.run(Supervisor(Path(sys.argv[1]), services=()).run())
"""


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def supervisor(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Supervisor]:
    """PostgreSQL, Kafka and the issuer, without the services; one for the tests that leave it running."""
    running = Supervisor(tmp_path_factory.mktemp("supervisor") / "stack", services=(), allow_networks=("10.0.0.0/8", "fd00::/8"))
    await running.start()
    await running.wait_ready()
    yield running
    await running.stop()


@dataclass(frozen=True)
class Stopped:
    """A stack with a label and a table, started and stopped once: its folder, its processes, its stack file."""

    folder: Path
    processes: list[ProcessIdentity]
    content: dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stopped(supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    """It ran while `supervisor` did."""
    folder = tmp_path_factory.mktemp("stopped")
    first = Supervisor(folder, services=(), label={"en": "Sample data"})
    await first.start()
    stack = load(folder)
    found = Stopped(folder, children(stack), stack.content)
    first.postgres.execute("CREATE TABLE kept (n int)")
    await first.stop()
    return found


async def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.02)


def start_another(folder: Path) -> subprocess.Popen[bytes]:
    """A supervisor in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", RUN, str(folder)], env={**os.environ, "PYTHONPATH": str(ROOT)})


def children(stack: Stack) -> list[ProcessIdentity]:
    return [ProcessIdentity(pid, started) for pid, started in stack.content["processes"]]


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("server", ["postgres", "kafka"])
async def test_what_is_killed_runs_again_on_its_port(supervisor: Supervisor, server: str) -> None:
    stack = load(supervisor.folder.path)
    before = stack.content[server]
    os.kill(before["pid"], signal.SIGKILL)
    await until(lambda: stack.content[server]["pid"] not in (None, before["pid"]))
    after = stack.content[server]
    assert {**after, "pid": None} == {**before, "pid": None}
    await asyncio.to_thread(getattr(supervisor, server).wait_ready)


async def test_a_second_stack_in_the_same_folder_is_refused_in_one_line(supervisor: Supervisor) -> None:
    with pytest.raises(UserError, match="already runs") as caught:
        await Supervisor(supervisor.folder.path, services=()).start()
    assert "\n" not in caught.value.line()
    assert load(supervisor.folder.path).alive()


async def test_two_stacks_run_at_the_same_time_on_ports_of_their_own(supervisor: Supervisor, stopped: Stopped) -> None:
    mine, other = load(supervisor.folder.path).content, stopped.content
    assert mine["kafka"]["bootstrap"] != other["kafka"]["bootstrap"]
    assert mine["postgres"]["port"] != other["postgres"]["port"]
    assert mine["issuer"] != other["issuer"]


async def test_a_stop_leaves_nothing_and_a_start_goes_on_where_it_was(stopped: Stopped) -> None:
    assert len(stopped.processes) == 2
    assert not any(child.alive() for child in stopped.processes)
    with pytest.raises(NotRunningError):
        load(stopped.folder)
    second = Supervisor(stopped.folder, services=())
    await second.start()
    try:
        after, before = load(stopped.folder).content, stopped.content
        second.postgres.execute("SELECT n FROM kept")
        assert second.label == {"en": "Sample data"}
    finally:
        await second.stop()
    assert (before["kafka"]["bootstrap"], before["issuer"]) == (after["kafka"]["bootstrap"], after["issuer"])


@pytest.mark.invariant("I1")
async def test_a_killed_supervisor_takes_its_children_with_it_and_the_next_start_works_also_if_a_port_was_taken(stopped: Stopped) -> None:
    process = start_another(stopped.folder)
    stack = Stack(stopped.folder)
    await until(lambda: bool(stack.content.get("ready")), 60)
    known = children(stack)
    process.kill()
    process.wait()
    await until(lambda: not any(child.alive() for child in known))
    with pytest.raises(NotRunningError):
        load(stopped.folder)
    taken = stopped.content["issuer"]
    async with await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", urllib.parse.urlsplit(taken).port):
        again = Supervisor(stopped.folder, services=())
        await again.start()
        await again.wait_ready()
        now = load(stopped.folder).content["issuer"]
        await again.stop()
    assert now != taken, "the port is replaced"


async def test_sigterm_stops_all_while_it_starts(tmp_path: Path) -> None:
    process = start_another(tmp_path)
    await until(lambda: (tmp_path / "kafka" / "server.properties").is_file(), 60)
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 30) == 0
    await until(lambda: not any(child.is_running() for child in started))


async def test_the_keys_are_ours_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "stack")
    folder.prepare()
    encryption, keyed_hash = folder.versions("encryption"), folder.versions("hash")
    own_key(folder)
    assert encryption.startswith("1:")
    assert encryption != keyed_hash
    assert folder.versions("encryption") == encryption
    assert all(file.stat().st_mode & 0o077 == 0 for file in [folder.path, *folder.keys.iterdir()])


async def test_a_token_says_who_may_do_what_where(supervisor: Supervisor) -> None:
    stack = load(supervisor.folder.path)
    text = await asyncio.to_thread(stack.token, ["metrics:read"], ["330105", "330106"], 60)
    _, discovery = await asyncio.to_thread(ask, f"{stack.content['issuer']}/.well-known/openid-configuration")
    _, keys = await asyncio.to_thread(ask, discovery["jwks_uri"])
    token = jwt.decode(text, KeySet.import_key_set(keys), algorithms=["ES256"])  # type: ignore[arg-type]
    claims = token.claims
    assert (claims["iss"], claims["aud"], claims["scope"]) == (discovery["issuer"], AUDIENCE, "metrics:read")
    assert claims["areas"] == ["330105", "330106"]
    assert claims["exp"] - claims["iat"] == 60
    assert "d" not in keys["keys"][0]


async def test_a_token_without_wishes_has_all_scopes_and_areas_for_an_hour(supervisor: Supervisor) -> None:
    stack = load(supervisor.folder.path)
    text = await asyncio.to_thread(stack.token)
    _, keys = await asyncio.to_thread(ask, stack.content["jwks"])
    claims = jwt.decode(text, KeySet.import_key_set(keys), algorithms=["ES256"]).claims  # type: ignore[arg-type]
    assert claims["areas"] == ["*"]
    assert {"registry:write", "membership:write", "metrics:read", "operator"} <= set(claims["scope"].split())
    assert claims["exp"] - claims["iat"] == 3600


async def test_the_issuer_refuses_strangers_repeats_and_unknown_scopes(supervisor: Supervisor, tmp_path: Path) -> None:
    stack = load(supervisor.folder.path)
    address = f"{stack.content['issuer']}/token"
    stranger = Folder(tmp_path / "stranger")
    stranger.prepare()

    def post(assertion: str, **more: str) -> tuple[int, str]:
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, **more}
        status, answer = ask(address, data=urllib.parse.urlencode(form).encode())
        return status, answer.get("error", "")

    def fresh(folder: Folder = stack.folder, audience: str = address) -> str:
        return client_assertion(own_key(folder), audience, time.time())

    used = fresh()
    assert await asyncio.to_thread(post, used) == (200, "")
    assert await asyncio.to_thread(post, used) == (401, "invalid_client")
    assert await asyncio.to_thread(post, fresh(stranger)) == (401, "invalid_client")
    assert await asyncio.to_thread(post, fresh(audience="https://elsewhere.example")) == (401, "invalid_client")
    assert await asyncio.to_thread(post, "nonsense") == (401, "invalid_client")
    assert await asyncio.to_thread(post, fresh(), scope="everything") == (400, "invalid_scope")
    assert await asyncio.to_thread(post, fresh(), ttl="0") == (400, "invalid_request")
    with pytest.raises(UserError, match="unknown scope"):
        await asyncio.to_thread(stack.token, ["everything"])


async def test_services_are_told_whom_the_issuer_knows_and_where_webhooks_may_go(supervisor: Supervisor) -> None:
    env = supervisor._environment("subscriptions", 8000)
    _, answer = await asyncio.to_thread(ask, env["PARKUNION_CLIENTS_URL"])
    assert answer == {"clients": ["parkunion-local"]}
    assert env["PARKUNION_ALLOW_NETWORKS"] == "10.0.0.0/8,fd00::/8"


async def test_a_person_cannot_have_the_name_of_a_client(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.prepare()
    Clients(folder).add("wang", ["subscriptions:use"], [])
    for name in ("wang", "parkunion-local"):
        folder.people.write_text(json.dumps({name: {"password": "x", "areas": ["3302"]}}))
        with pytest.raises(UserError, match=f"{name} is the name of a client"):
            await Supervisor(tmp_path, services=()).start()


async def test_a_broken_stack_file_is_no_stack(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(json.dumps({"supervisor": [os.getpid(), 1.0]}))
    with pytest.raises(NotRunningError):
        load(tmp_path)
    (tmp_path / "stack.json").write_text("{")
    with pytest.raises(NotRunningError):
        load(tmp_path)
