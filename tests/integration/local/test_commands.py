"""`./parkunion`: what its commands answer without a running stack."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.local.__main__ import data_first
from deploy.local.child import ProcessIdentity
from deploy.local.commands.clock import parse_step
from deploy.local.commands.lifecycle import networks_of
from deploy.local.errors import UserError
from deploy.local.folder import ROOT, write_private
from tests.e2e.platform import run_in_process


def parkunion(*words: str | Path, cwd: Path | None = None, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**{name: value for name, value in os.environ.items() if name != "PARKUNION_DATA"}, **environment}
    command = [str(ROOT / "parkunion"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=timeout, check=False)


@pytest.mark.parametrize(
    "words",
    [["clock", "advance", "1d"], ["token", "--client", "bureau"], ["subscriptions", "audit", "2026-06-30"]]
    + [["client", "add", "bureau"], ["client", "list"], ["client", "remove", "bureau"]]
    + [[name] for name in ("status", "down", "token", "logs", "dashboard", "audit", "rebuild", "generations", "switch", "rollback")],
)
def test_without_a_stack_every_command_says_so_in_one_line(words: list[str], tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        answer = run_in_process(*words, "--data", folder)
        assert answer.returncode == 3
        assert answer.stdout == ""
        assert len(answer.stderr.strip().splitlines()) == 1
        assert str(folder) in answer.stderr


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


@pytest.mark.invariant("I7")
@pytest.mark.parametrize("command", ["up", "demo"])
@pytest.mark.parametrize("network", ["", "nonsense", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8,127.0.0.0/8", "example.org", "::1/0"])
def test_a_network_that_is_none_is_refused_before_anything_starts(command: str, network: str, tmp_path: Path) -> None:
    answer = run_in_process(command, "--allow-network", "127.0.0.0/8", "--allow-network", network, "--data", tmp_path / "stack")
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (2, "", 1)
    assert f"--allow-network {network}:" in answer.stderr
    assert not (tmp_path / "stack").exists()


def test_networks_are_taken_as_they_are_each_once() -> None:
    assert networks_of(None) == []
    assert networks_of(["10.0.0.0/8", "127.0.0.1", "fd00::/8", "10.0.0.0/8"]) == ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"]


@pytest.mark.invariant("I7")
@pytest.mark.parametrize("day", ["2026-13-01", "yesterday", "20260630", "2026-02-30"])
def test_the_day_of_an_audit_exists_in_the_calendar(day: str, tmp_path: Path) -> None:
    answer = run_in_process("subscriptions", "audit", day, "--data", tmp_path)
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (2, "", 1)
    assert day in answer.stderr


def test_the_clock_of_a_stack_without_a_test_clock_stands(tmp_path: Path) -> None:
    me = ProcessIdentity.of_self()
    write_private(tmp_path / "stack.json", json.dumps({"supervisor": [me.pid, me.started], "test_clock": False, "services": {}}))
    answer = parkunion("clock", "advance", "1d", "--data", tmp_path)
    assert answer.returncode == 2
    assert "--test-clock" in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
