"""`./parkunion` beside a running stack."""

from __future__ import annotations

import json
import os
import signal
from datetime import date, timedelta
from pathlib import Path

import pytest

from deploy.local import stack as stacks
from deploy.local.child import ProcessIdentity
from deploy.local.commands.logs import time_of
from deploy.local.errors import UserError
from shared.contracts.services import SERVICES
from tests.e2e.platform import Platform, parkunion, run_in_process, until

SERVICE_KEYS = {"url", "roles", "ready", "lag_events", "lag_seconds", "outbox", "held"}
ROLES = {name: {role for roles in service.processes for role in roles} for name, service in SERVICES.items()}


@pytest.fixture
def running(platform: Platform) -> Path:
    """The folder of the stack."""
    return platform.data


def test_status_has_exactly_the_agreed_form(platform: Platform, running: Path) -> None:
    until(lambda: platform.status()["ready"] and platform.settled(), "everything is ready")
    answer = parkunion("status", "--json", "--data", running)
    found = json.loads(answer.stdout)
    assert isinstance(found, dict)
    assert set(found) == {"data", "ready", "today", "services", "postgres", "kafka", "issuer", "jwks", "dashboard"}
    assert found["data"] == str(running)
    assert {name: set(service["roles"]) for name, service in found["services"].items()} == ROLES
    for name, service in found["services"].items():
        assert set(service) == SERVICE_KEYS
        assert service["ready"] is True
        assert (service["lag_events"], service["outbox"], service["held"]) == (0, 0, 0)
        assert all(ProcessIdentity.of(pid).alive() for pids in service["roles"].values() for pid in pids)
        assert found["postgres"]["dsn"][name].startswith(f"postgresql://{name}_app:")
        assert found["postgres"]["dsn"][name].partition("@")[0] == f"postgresql://{name}_app:***"
    assert set(found["postgres"]) == {"pid", "dsn"}
    full = json.loads(parkunion("status", "--json", "--secrets", "--data", running).stdout)
    assert full["postgres"]["dsn"] == {name: stacks.load(running).dsn(name) for name in ROLES}
    assert set(found["kafka"]) == {"pid", "bootstrap"}
    assert "metrics" in parkunion("status", "--data", running).stdout


def test_the_stack_file_is_private(running: Path) -> None:
    assert (running / "stack.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.invariant("I1")
def test_every_process_that_is_killed_runs_again(platform: Platform) -> None:
    before = platform.status()
    killed = {pid for service in before["services"].values() for pids in service["roles"].values() for pid in pids}
    for pid in killed:
        os.kill(pid, signal.SIGKILL)

    def again() -> bool:
        now = platform.status()
        pids = [pids for service in now["services"].values() for pids in service["roles"].values()]
        return bool(now["ready"]) and all(pids) and not killed & {pid for each in pids for pid in each}

    until(again, "every process runs again", 60)


def test_a_second_start_in_the_folder_is_refused(running: Path) -> None:
    for words in (["up"], ["up", "--detach"]):
        answer = parkunion(*words, "--data", running, check=False)
        assert answer.returncode == 1
        assert len(answer.stderr.strip().splitlines()) == 1


def test_the_clock_goes_on_by_a_day_in_every_database(platform: Platform, running: Path) -> None:
    before = date.fromisoformat(platform.status()["today"])
    answer = parkunion("clock", "advance", "1d", "--data", running)
    assert date.fromisoformat(answer.stdout.strip()) >= before + timedelta(days=1)
    assert date.fromisoformat(platform.status()["today"]) >= before + timedelta(days=1)


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
    refused = run_in_process("token", *words, "--data", running)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert zh in refused.stderr
    assert en in refused.stderr


def test_the_issuer_grants_no_area_where_none_is_named(running: Path) -> None:
    with pytest.raises(UserError, match="areas must name"):
        stacks.load(running).token(areas=[""])


def test_logs_are_shown_by_service_without_any_secret(running: Path) -> None:
    shown = parkunion("logs", "registry", "--data", running)
    everything = parkunion("logs", "--data", running)
    assert "registry" in shown.stdout
    assert "postgres" in everything.stdout
    secrets = [file.read_text() for file in (running / "keys").iterdir() if file.is_file() and file.suffix != ".json"]
    assert secrets
    assert not any(secret in log.read_text(errors="replace") for secret in secrets for log in (running / "logs").iterdir())
    times = [at for line in everything.stdout.splitlines() if (at := time_of(line.partition(": ")[2])) is not None]
    assert len(times) > 20
    assert times == sorted(times)
    assert parkunion("logs", "--since", "2999-01-01T00:00:00Z", "--data", running).stdout == ""
    assert len(parkunion("logs", "--since", "1d", "--data", running).stdout.splitlines()) >= len(everything.stdout.splitlines())
    unknown = parkunion("logs", "nonsense", "--data", running, check=False)
    assert unknown.returncode == 2
