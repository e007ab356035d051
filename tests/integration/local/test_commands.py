"""`./parkunion`: what its commands answer, with and without a running stack."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.local import stack as stacks
from deploy.local.__main__ import data_first
from deploy.local.child import ProcessIdentity
from deploy.local.commands.clock import parse_step
from deploy.local.errors import UserError
from deploy.local.folder import ROOT, write_private
from tests.e2e.platform import asked

SERVICE_KEYS = {"url", "roles", "ready", "lag_events", "lag_seconds", "outbox", "held"}
ROLES = {"registry": {"api", "relay"}, "membership": {"api", "relay", "consumer"}, "metrics": {"api", "projector"}}


def parkunion(*words: str | Path, cwd: Path | None = None, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**{name: value for name, value in os.environ.items() if name != "PARKUNION_DATA"}, **environment}
    command = [str(ROOT / "parkunion"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=timeout, check=False)


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a whole stack with a test clock."""
    # As folders are named by their owners.
    folder = tmp_path_factory.mktemp("stack") / "工会 平台, é"
    folder.mkdir(0o700)
    started = parkunion("up", "--detach", "--test-clock", "--data", folder)
    assert started.returncode == 0, started.stderr
    yield folder
    parkunion("down", "--data", folder)


def status(folder: Path) -> dict[str, Any]:
    answer = parkunion("status", "--json", "--data", folder)
    assert answer.returncode == 0, answer.stderr
    content = json.loads(answer.stdout)
    assert isinstance(content, dict)
    return content


@pytest.mark.parametrize("words", [["status"], ["down"], ["token"], ["logs"], ["dashboard"], ["clock", "advance", "1d"]])
def test_without_a_stack_every_command_says_so_in_one_line(words: list[str], tmp_path: Path) -> None:
    answer = asked(*words, "--data", tmp_path)
    assert answer.returncode == 3
    assert answer.stdout == ""
    assert len(answer.stderr.strip().splitlines()) == 1
    assert str(tmp_path) in answer.stderr


def test_the_folder_is_said_before_or_after_the_command_or_by_the_environment(tmp_path: Path) -> None:
    by_variable = parkunion("status", PARKUNION_DATA=str(tmp_path / "variable"))
    before = parkunion("--data", tmp_path / "option", "status", PARKUNION_DATA=str(tmp_path / "variable"))
    assert "variable" in by_variable.stderr
    assert str(tmp_path / "option") in before.stderr
    assert data_first(["status", "--json", "--data", "x"]) == ["--data", "x", "status", "--json"]
    assert data_first(["demo", "--data=x", "--exit"]) == ["--data=x", "demo", "--exit"]
    assert data_first(["import", "areas", "--", "--data"]) == ["import", "areas", "--", "--data"]


def test_the_launcher_works_through_a_link_from_any_folder(tmp_path: Path) -> None:
    # A folder of the caller's that has the name of one of our packages must not be taken for it.
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "__init__.py").write_text("raise SystemExit(99)")
    link = tmp_path / "pu"
    link.symlink_to(ROOT / "parkunion")
    answer = subprocess.run([str(link), "status", "--data", "here"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert answer.returncode == 3
    assert str(tmp_path / "here") in answer.stderr


def test_the_targets_are_listed_by_make_alone_from_any_folder(tmp_path: Path) -> None:
    answer = subprocess.run(["make", "-s", "-C", str(ROOT)], capture_output=True, text=True, cwd=tmp_path, check=True)
    for target in ("demo", "test", "test-fast", "lint", "types", "bench", "up", "down", "setup", "invariants", "clean"):
        assert f"\n  {target} " in f"\n{answer.stdout}"


@pytest.mark.parametrize(("text", "step"), [("1d", timedelta(days=1)), ("3h", timedelta(hours=3)), ("1d12h30m", timedelta(1, 45000))])
def test_a_step_of_the_clock_is_read(text: str, step: timedelta) -> None:
    assert parse_step(text) == step


@pytest.mark.invariant("I7")
@pytest.mark.parametrize("text", ["", "1", "d", "-1d", "1w", "1 d", "1.5d", "99999d"])
def test_a_step_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_step(text)
    assert caught.value.code == 2


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = parkunion("up", "--data", tmp_path / "file" / "stack")
    assert answer.returncode == 1
    assert len(answer.stderr.strip().splitlines()) == 1


def test_status_has_exactly_the_agreed_form(running: Path) -> None:
    until(lambda: bool(status(running)["ready"]))
    found = status(running)
    assert set(found) == {"data", "ready", "today", "services", "postgres", "kafka", "issuer", "jwks", "dashboard"}
    assert found["data"] == str(running)
    assert {name: set(service["roles"]) for name, service in found["services"].items()} == ROLES
    for name, service in found["services"].items():
        assert set(service) == SERVICE_KEYS
        assert service["ready"] is True
        assert (service["lag_events"], service["outbox"], service["held"]) == (0, 0, 0)
        assert all(ProcessIdentity.of(pid).alive() for pids in service["roles"].values() for pid in pids)
        assert found["postgres"]["dsn"][name].startswith(f"postgresql://{name}_app:")
    assert set(found["postgres"]) == {"pid", "dsn"}
    assert set(found["kafka"]) == {"pid", "bootstrap"}
    assert "metrics" in parkunion("status", "--data", running).stdout


def test_the_stack_file_is_private(running: Path) -> None:
    assert (running / "stack.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.invariant("I1")
def test_every_process_that_is_killed_runs_again(running: Path) -> None:
    before = status(running)
    killed = {pid for service in before["services"].values() for pids in service["roles"].values() for pid in pids}
    for pid in killed:
        os.kill(pid, signal.SIGKILL)

    def again() -> bool:
        now = status(running)
        pids = [pids for service in now["services"].values() for pids in service["roles"].values()]
        return bool(now["ready"]) and all(pids) and not killed & {pid for each in pids for pid in each}

    until(again, 60)


def test_a_second_start_in_the_folder_is_refused(running: Path) -> None:
    for words in (["up"], ["up", "--detach"]):
        answer = parkunion(*words, "--data", running)
        assert answer.returncode == 1
        assert len(answer.stderr.strip().splitlines()) == 1


def test_the_clock_goes_on_by_a_day_in_every_database(running: Path) -> None:
    before = date.fromisoformat(status(running)["today"])
    answer = parkunion("clock", "advance", "1d", "--data", running)
    assert answer.returncode == 0, answer.stderr
    assert date.fromisoformat(answer.stdout.strip()) >= before + timedelta(days=1)
    assert date.fromisoformat(status(running)["today"]) >= before + timedelta(days=1)


def test_the_clock_of_a_stack_without_a_test_clock_stands(tmp_path: Path) -> None:
    me = ProcessIdentity.of_self()
    write_private(tmp_path / "stack.json", json.dumps({"supervisor": [me.pid, me.started], "test_clock": False, "services": {}}))
    answer = parkunion("clock", "advance", "1d", "--data", tmp_path)
    assert answer.returncode == 2
    assert "--test-clock" in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def test_a_token_is_printed_alone(running: Path) -> None:
    answer = parkunion("token", "--scope", "metrics:read", "--area", "330105", "--area", "330106", "--ttl", "60", "--data", running)
    assert answer.stdout.count(".") == 2
    assert answer.stdout.count("\n") == 1
    assert answer.stderr == ""


@pytest.mark.parametrize(
    ("words", "zh", "en"),
    [
        (["--scope", "nonsense"], "没有权限 nonsense", "no such scope: nonsense"),
        (["--area", ""], "--area 为空", "--area is empty"),
        (["--area", "A", "--area", " "], "--area 为空", "--area is empty"),
        (["--area", "a b/c"], "不是区域代码:b/c", "no code of an area: b/c"),
        (["--scope", ","], "--scope 为空", "--scope is empty"),
        (["--ttl", "0"], "--ttl 须为", "--ttl must be"),
        (["--ttl", "soon"], "参数有误", "'--ttl': Input should be a valid integer"),
        (["--zone", "A"], "没有此选项", "No such option: --zone"),
    ],
)
def test_a_token_is_not_given_for_what_says_nothing(running: Path, words: list[str], zh: str, en: str) -> None:
    refused = asked("token", *words, "--data", running)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert zh in refused.stderr
    assert en in refused.stderr


def test_the_issuer_grants_no_area_where_none_is_named(running: Path) -> None:
    with pytest.raises(UserError, match="areas must name"):
        stacks.load(running).token(areas=[""])


def test_logs_are_shown_by_service_without_any_secret(running: Path) -> None:
    shown = parkunion("logs", "registry", "--data", running)
    everything = parkunion("logs", "--data", running)
    assert shown.returncode == 0
    assert "registry" in shown.stdout
    assert "postgres" in everything.stdout
    secrets = [file.read_text() for file in (running / "keys").iterdir() if file.suffix != ".json"]
    assert secrets
    assert not any(secret in log.read_text(errors="replace") for secret in secrets for log in (running / "logs").iterdir())
    unknown = parkunion("logs", "nonsense", "--data", running)
    assert unknown.returncode == 2


def test_down_leaves_no_process_and_a_start_goes_on(running: Path) -> None:
    written = json.loads((running / "stack.json").read_text())
    known = [ProcessIdentity(pid, started) for pid, started in [written["supervisor"], *written["processes"]]]
    today = status(running)["today"]
    assert parkunion("down", "--data", running).returncode == 0
    assert not any(each.alive() for each in known)
    assert parkunion("status", "--data", running).returncode == 3
    assert parkunion("up", "--detach", "--data", running).returncode == 0
    assert status(running)["today"] == today
