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


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of a folder with the configuration of the project."""
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", "-v", *options]
    # Schemathesis takes a second to import, in each of five processes.
    command += ["-p", "no:schemathesis", "-p", "no:cacheprovider"]
    configured = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), "-p", "tests.conftest"]
    return subprocess.run([*command, *configured, str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_a_test_that_never_ends_fails_and_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "test_hanging.py").write_text(HANGING, "utf-8")
    (tmp_path / "test_beside.py").write_text("def test_beside(): ...\n", "utf-8")
    done = run(tmp_path, "--timeout", "2")
    # The second one has failed twice: first itself, then with its worker.
    assert "3 failed, 2 passed" in done.stdout, done.stdout[-4000:]
    assert done.returncode == 1


def test_without_a_limit_a_long_test_runs_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "test_long.py").write_text("import time\n\ndef test_long(): time.sleep(2)\n", "utf-8")
    done = run(tmp_path, "-o", "timeout=1", "--timeout", "0", "-n", "0")
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout[-4000:]
