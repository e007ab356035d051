"""Processes forked from one that has imported everything: they are what was ordered, and their ends are told truly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.folder import ROOT
from deploy.local.supervising import fork_server as rooms
from deploy.local.supervising.child import Known, end, wait_for
from deploy.local.supervising.fork_server import Forked, Nursery, Silent

CHILD = "tests.integration.local.forked_child"
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "WHO": "this one"}


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    made = Nursery(["json", "no_such_module"], tmp_path / "nursery.log", {"PYTHONPATH": str(ROOT), "WHO": "the nursery"})
    yield made
    made.close()


def stays(nursery: Nursery, log: Path) -> Forked:
    forked = nursery.fork(CHILD, ["stay"], log, ENVIRONMENT)
    assert wait_for(lambda: log.is_file() and "there" in log.read_text("utf-8"), 30)
    return forked


def pid_of(nursery: Nursery) -> int:
    assert nursery._process is not None
    return nursery._process.pid


def test_a_process_is_what_was_ordered_and_its_exit_code_is_told(nursery: Nursery, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("what was there before\n")
    assert nursery.fork(CHILD, ["0", "second word"], log, ENVIRONMENT).wait(30) == 0
    before, said = log.read_text("utf-8").splitlines()
    assert before == "what was there before"
    assert json.loads(said) == {"words": ["0", "second word"], "env": ENVIRONMENT, "group": True}
    assert nursery.fork(CHILD, ["3"], log, ENVIRONMENT).wait(30) == 3
    assert nursery.fork(CHILD, ["fail"], log, ENVIRONMENT).wait(30) == 1
    assert "ValueError: as told" in log.read_text("utf-8")


def test_signals_reach_it_and_are_told(nursery: Nursery, tmp_path: Path) -> None:
    asked = stays(nursery, tmp_path / "asked")
    assert asked.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        asked.wait(0.1)
    end(asked, signal.SIGTERM, 30)
    assert asked.poll() == 5
    killed = stays(nursery, tmp_path / "killed")
    killed.kill()
    assert killed.wait(30) == -signal.SIGKILL
    killed.kill()  # nobody else is hit


@pytest.mark.invariant("I1")
def test_what_it_made_dies_with_it_and_the_next_order_has_another_one(nursery: Nursery, tmp_path: Path) -> None:
    forked = stays(nursery, tmp_path / "first")
    dead, known = pid_of(nursery), Known.of(forked.pid)
    os.kill(dead, signal.SIGKILL)
    assert forked.wait(30) == -signal.SIGKILL
    assert not known.alive()
    assert stays(nursery, tmp_path / "second").poll() is None
    assert pid_of(nursery) != dead


def test_one_that_stands_still_is_given_up(nursery: Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forked = stays(nursery, tmp_path / "first")
    monkeypatch.setattr(rooms, "ANSWERS_WITHIN", 2.0)
    os.kill(pid_of(nursery), signal.SIGSTOP)
    with pytest.raises(Silent):
        nursery.fork(CHILD, ["0"], tmp_path / "log", ENVIRONMENT)
    assert forked.wait(30) == -signal.SIGKILL
    assert stays(nursery, tmp_path / "second").poll() is None
    os.kill(pid_of(nursery), signal.SIGSTOP)
    assert nursery.begin(CHILD, ["4"], tmp_path / "log", ENVIRONMENT).wait(30) == 4
    monkeypatch.undo()
    assert nursery.fork(CHILD, ["0"], tmp_path / "log", ENVIRONMENT).wait(30) == 0


def test_it_ends_with_who_orders(nursery: Nursery, tmp_path: Path) -> None:
    forked = stays(nursery, tmp_path / "log")
    both = [Known.of(pid_of(nursery)), Known.of(forked.pid)]
    nursery.close()
    assert wait_for(lambda: not any(one.alive() for one in both), 30)
