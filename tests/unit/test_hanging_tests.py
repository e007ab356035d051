"""A test that never ends fails, the tests beside and behind it run, and the run ends (tests/conftest.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HANGING = """
import asyncio

async def stubborn():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

async def test_that_waits():
    await asyncio.sleep(3600)

async def test_whose_end_waits():
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(3600)

def test_behind(): ...
"""


def test_a_test_that_never_ends_fails_and_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "test_hanging.py").write_text(HANGING, "utf-8")
    (tmp_path / "test_beside.py").write_text("def test_beside(): ...\n", "utf-8")
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", "-v", "--timeout", "2"]
    configured = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-p", "tests.conftest", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *configured, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    # The second one has failed twice: first itself, then with its worker.
    assert "3 failed, 2 passed" in done.stdout, done.stdout[-4000:]
    assert done.returncode == 1
