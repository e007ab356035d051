"""Containers asked for where no engine answers: said once and clearly, before any test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_without_an_engine_one_line_says_so_in_both_languages(tmp_path: Path) -> None:
    environment = {**os.environ, "PARKUNION_TEST_CONTAINERS": "1", "DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}
    program = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/contract/test_broker_suite.py"]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 4
    (line,) = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    assert "没有可用的 Docker 引擎" in line
    assert "no Docker engine answers" in line
