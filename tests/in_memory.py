"""Folders in memory for the servers and stacks that tests share.

They make and remove a database, or topics, for nearly every test: fifteen gigabytes of files of which nothing is ever read again. On a disk that
others write to, a database takes up to seven times the CPU and nine times as long. What a killed process wrote is still there, as on a disk.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

MEMORY = Path("/dev/shm")
LEAST, UNUSED = 4 << 30, 8 << 30
"""Bytes free there, and of all memory, without which the disk is used: containers often have little. The servers of a worker need about 300 MB, a
stack as many."""


@contextmanager
def folder_in_memory(name: str) -> Iterator[Path]:
    """A new folder, removed at the end; on the disk where there is not enough memory for it."""
    _remove_left()
    enough = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= LEAST and psutil.virtual_memory().available >= UNUSED
    parent = MEMORY if enough else None
    folder = Path(tempfile.mkdtemp(prefix=f"parkunion-{name}-{os.getpid()}-", dir=parent))
    # PostgreSQL runs as another user if we are root.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def stack_in_memory(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A folder for a stack, likewise; what its processes logged stays where pytest keeps what tests leave."""
    kept = factory.mktemp(name)
    with folder_in_memory(name) as folder:
        try:
            yield folder
        finally:
            for logs in folder.glob("**/logs"):
                shutil.copytree(logs, kept / logs.parent.name / "logs", dirs_exist_ok=True)


def _remove_left() -> None:
    """Memory that processes hold which were ended by force."""
    for folder in MEMORY.glob("parkunion-*-*-*"):
        pid = folder.name.split("-")[2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
