"""`up --detach`, ended while the stack starts, leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[4]
SUPERVISOR = """#!/bin/sh
trap 'touch ended; exit 0' TERM
cd {folder} && touch started
while [ ! -e never ]; do sleep 0.05; done
"""
STARTED_BY_A_SHELL_IN_THE_BACKGROUND = """
import os, pathlib, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
from deploy.local.commands import lifecycle
def end():
    while not pathlib.Path("started").exists(): time.sleep(0.01)
    os.kill(os.getpid(), int(sys.argv[1]))
threading.Thread(target=end, daemon=True).start()
sys.executable = "./supervisor"
lifecycle._detach(pathlib.Path("stack").resolve(), [])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_ends_the_start_of_a_stack_ends_the_stack(tmp_path: Path, number: signal.Signals) -> None:
    supervisor = tmp_path / "supervisor"
    supervisor.write_text(SUPERVISOR.format(folder=tmp_path))
    supervisor.chmod(0o755)
    program = [sys.executable, "-c", STARTED_BY_A_SHELL_IN_THE_BACKGROUND.replace("./supervisor", str(supervisor)), str(int(number))]
    try:
        done = subprocess.run(program, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=PATIENCE, check=False)
    finally:
        (tmp_path / "never").touch()
    assert done.returncode == 128 + number
    assert (tmp_path / "ended").exists()
