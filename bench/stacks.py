"""The stacks that benches start: run by `parkunion` in a folder that is removed, and taken down however the bench ends."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.stack import Stack

ROOT = Path(__file__).parents[1]


def parkunion(data: Path | None, *arguments: str) -> str:
    """The output of a `parkunion` command. Raises CalledProcessError."""
    folder = ["--data", str(data)] if data else []
    program = [str(ROOT / "parkunion"), *folder, *arguments]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            output, errors = process.communicate()
        except BaseException:
            # `up` then ends what it has started. `subprocess.run` would kill it, and the stack would go on. A background job ignores SIGINT.
            process.send_signal(signal.SIGTERM)
            process.communicate()
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, program, output, errors)
    return output.strip()


def stop(data: Path) -> None:
    """Stop the stack of a folder, if one runs there."""
    if Stack(data).alive():
        parkunion(data, "down")


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder for a stack. What runs there at the end is stopped, and the folder removed."""
    path = Path(tempfile.mkdtemp(prefix="parkunion-bench-"))
    try:
        yield path / "stack"
    finally:
        try:
            stop(path / "stack")
        finally:
            shutil.rmtree(path, ignore_errors=True)
