"""Every bench has a `--help` and takes down what it started, whichever signal ends it."""

from __future__ import annotations

import re
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import stacks
from bench.deliveries import house
from bench.generator.records import TOPICS
from bench.speed import __main__ as speed
from services.subscriptions.settings import Settings
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[3]
WORKERS_OF_PEERS = {"bench.peers.handwritten", "bench.peers.quix"}
"""Run in the environment of the peers, by the bench alone."""
ENDS_WELL = """
import signal, sys, time
from bench import command, stacks
if {ignored}:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
command.begin(command.options("bench.none", "nothing"), [])
with stacks.temporary() as path:
    path.mkdir()
    print(path, flush=True)
    time.sleep(600)
"""


def entry_points() -> Iterator[str]:
    for file in sorted((ROOT / "bench").rglob("*.py")):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
        if 'if __name__ == "__main__"' in file.read_text() and name not in WORKERS_OF_PEERS:
            yield name


@pytest.mark.parametrize("name", list(entry_points()))
def test_help_is_help(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("something was started")

    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.setattr(subprocess, "Popen", started)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(name, run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: .venv/bin/python -m {name} [-h]")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--events", "-1"], "--events: 须为正整数 / must be a whole number of at least 1"),
        (["--workers", "0"], "--workers: 须为正整数"),
        (["--enterprises", "some"], "--enterprises: 须为正整数"),
        (["--kills", "3"], "--kills"),
        (["--events", "20000"], "20000 events are too few for 20000 enterprises"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_a_stack_is_started(
    options: list[str], named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def started(*_: object) -> None:
        raise AssertionError("something was started")

    monkeypatch.setattr(sys, "argv", ["bench.speed", "one", *options])
    monkeypatch.setattr("bench.speed.__main__.measure", started)
    with pytest.raises(SystemExit) as ended:
        speed.main()
    assert ended.value.code == 2
    assert named in capsys.readouterr().err


def test_options_and_stacks_come_from_one_place() -> None:
    """`begin` makes SIGTERM an interruption; a command line that is read otherwise would miss it, a folder made otherwise its end."""
    for file in sorted((ROOT / "bench").rglob("*.py")):
        name, text = file.relative_to(ROOT / "bench").as_posix(), file.read_text()
        if name != "command.py":
            assert not re.search(r"ArgumentParser\(|parse_args\(|signal\.signal\(", text), name
        if name != "stacks.py":
            assert "mkdtemp" not in text, name
            assert not re.search(r'parkunion\([^)]*"down"', text), name


@pytest.mark.parametrize("ignored", [False, True], ids=["in the foreground", "as a background job, which ignores SIGINT"])
def test_sigterm_removes_the_stack(ignored: bool) -> None:
    program = [sys.executable, "-c", ENDS_WELL.format(ignored=ignored)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip())
        assert path.is_dir()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) != 0
    assert not path.parent.exists()


def test_a_command_that_is_interrupted_ends_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parkunion").write_text(
        "#!/bin/sh\ntrap 'touch ended; exit 130' TERM\ntouch started\nwhile [ ! -e never ]; do sleep 0.05; done\n"
    )
    (tmp_path / "parkunion").chmod(0o755)
    program = """
import os, pathlib, signal, threading, time
from bench import command, stacks
stacks.ROOT = pathlib.Path(".").resolve()
command.begin(command.options("bench.none", None), [])
def interrupt():
    while not pathlib.Path("started").exists(): time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=interrupt).start()
stacks.parkunion(None, "up")
"""
    env = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=env, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode != 0
    assert (tmp_path / "ended").exists()


def test_the_fan_outs_topics_are_those_it_waits_for() -> None:
    declared = Settings.declared
    assert declared.name == "subscriptions"
    assert list(house.TOPICS) == declared.topics_read()
    assert set(TOPICS) <= set(house.TOPICS)


def test_a_command_that_fails_says_so(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        stacks.parkunion(tmp_path, "status", "--json")
