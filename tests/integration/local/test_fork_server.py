"""Processes of the fork server: arguments, environment, signals and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.child import ProcessIdentity, end, wait_for
from deploy.local.folder import ROOT
from deploy.local.supervising import fork_server as fork_servers
from deploy.local.supervising.fork_server import ForkedProcess, ForkServer, ForkServerError

CHILD = "tests.integration.local.forked_child"
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "WHO": "this one"}


@pytest.fixture
def fork_server(tmp_path: Path) -> Iterator[ForkServer]:
    made = ForkServer(["json", "no_such_module"], tmp_path / "nursery.log", {"PYTHONPATH": str(ROOT), "WHO": "the fork server"})
    yield made
    made.close()


def stays(fork_server: ForkServer, log: Path) -> ForkedProcess:
    forked = fork_server.fork(CHILD, ["stay"], log, ENVIRONMENT)
    assert wait_for(lambda: log.is_file() and "there" in log.read_text("utf-8"), 30)
    return forked


def pid_of(fork_server: ForkServer) -> int:
    assert fork_server._process is not None
    return fork_server._process.pid


def test_a_forked_process_runs_the_module_and_its_exit_code_is_reported(fork_server: ForkServer, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("what was there before\n")
    assert fork_server.fork(CHILD, ["0", "second word"], log, ENVIRONMENT).wait(30) == 0
    before, said = log.read_text("utf-8").splitlines()
    assert before == "what was there before"
    assert json.loads(said) == {"words": ["0", "second word"], "env": ENVIRONMENT, "group": True}
    assert fork_server.fork(CHILD, ["3"], log, ENVIRONMENT).wait(30) == 3
    assert fork_server.fork(CHILD, ["fail"], log, ENVIRONMENT).wait(30) == 1
    assert "ValueError: as told" in log.read_text("utf-8")
    assert fork_server.fork(CHILD, ["say why"], log, ENVIRONMENT).wait(30) == 1
    assert log.read_text("utf-8").splitlines()[-2:] == ["why it ends", "the handlers run"]


def test_signals_reach_the_process_and_its_exit_code_is_reported(fork_server: ForkServer, tmp_path: Path) -> None:
    asked = stays(fork_server, tmp_path / "asked")
    assert asked.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        asked.wait(0.1)
    end(asked, signal.SIGTERM, 30)
    assert asked.poll() == 5
    killed = stays(fork_server, tmp_path / "killed")
    killed.kill()
    assert killed.wait(30) == -signal.SIGKILL
    killed.kill()  # nobody else is hit


@pytest.mark.invariant("I1")
def test_processes_die_with_the_fork_server_and_the_next_request_starts_another(fork_server: ForkServer, tmp_path: Path) -> None:
    forked = stays(fork_server, tmp_path / "first")
    dead, known = pid_of(fork_server), ProcessIdentity.of(forked.pid)
    os.kill(dead, signal.SIGKILL)
    assert forked.wait(30) == -signal.SIGKILL
    assert not known.alive()
    assert stays(fork_server, tmp_path / "second").poll() is None
    assert pid_of(fork_server) != dead


def test_a_frozen_fork_server_is_killed_and_replaced(fork_server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forked = stays(fork_server, tmp_path / "first")
    monkeypatch.setattr(fork_servers, "REPLY_TIMEOUT", 2.0)
    os.kill(pid_of(fork_server), signal.SIGSTOP)
    with pytest.raises(ForkServerError):
        fork_server.fork(CHILD, ["0"], tmp_path / "log", ENVIRONMENT)
    assert forked.wait(30) == -signal.SIGKILL
    assert stays(fork_server, tmp_path / "second").poll() is None
    os.kill(pid_of(fork_server), signal.SIGSTOP)
    assert fork_server.start(CHILD, ["4"], tmp_path / "log", ENVIRONMENT).wait(30) == 4
    monkeypatch.undo()
    assert fork_server.fork(CHILD, ["0"], tmp_path / "log", ENVIRONMENT).wait(30) == 0


def test_the_fork_server_ends_when_it_is_closed(fork_server: ForkServer, tmp_path: Path) -> None:
    forked = stays(fork_server, tmp_path / "log")
    both = [ProcessIdentity.of(pid_of(fork_server)), ProcessIdentity.of(forked.pid)]
    fork_server.close()
    assert wait_for(lambda: not any(one.alive() for one in both), 30)
