"""The folder of one stack (DIR): its files, secrets, ports and lock."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.local.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
"""The project's root folder."""

LEAST_FREE = 200 * 2**20
"""Bytes of free disk that a start requires."""


def folder_of(data: Path | None) -> Path:
    """The chosen folder: `--data`, else PARKUNION_DATA, else `.parkunion/` in the project's root."""
    chosen = data or os.environ.get("PARKUNION_DATA") or ROOT / ".parkunion"
    return Path(chosen).expanduser().resolve()


DEMO = ROOT / ".parkunion-demo"
"""Names the folder of the demo that was started last, so that the commands find it without `--data`."""


def remember_demo(folder: Path) -> None:
    """Write DEMO. A root folder that cannot be written only means that the commands need `--data`."""
    with contextlib.suppress(OSError):
        write_private(DEMO, str(folder))


def forget_demo(folder: Path) -> None:
    """Remove DEMO if it still names this demo."""
    with contextlib.suppress(OSError):
        if DEMO.read_text() == str(folder):
            DEMO.unlink()


class Folder:
    """One stack's folder; nothing is created before `prepare`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = path / "keys"
        self.logs = path / "logs"
        self.stack = path / "stack.json"
        self.ports = path / "ports.json"
        self.settings = path / "settings.json"
        self.people = path / "people.json"
        self.clients = path / "clients.json"
        self._lock: int | None = None

    def prepare(self) -> None:
        """Create the folder (0700). Raises UserError if that fails or the disk is full."""
        try:
            for folder in (self.path, self.keys, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror
            raise UserError(
                f"无法建立文件夹 {self.path}({reason});请换一个 --data", f"cannot make {self.path}: {reason}; use another --data"
            ) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise UserError(f"无权写入 {self.path};请换一个 --data", f"no permission to write to {self.path}; use another --data")
        if shutil.disk_usage(self.path).free < LEAST_FREE:
            raise UserError(f"{self.path} 所在磁盘已满;请腾出至少 200 MB", f"the disk of {self.path} is full; free at least 200 MB")

    def lock(self) -> None:
        """Lock the folder until `unlock` or the end of this process. Raises UserError if it is locked."""
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.unlock()
            raise UserError(
                f"{self.path} 中已有平台在运行;请用 ./parkunion down 停止它,或换一个 --data",
                f"a stack already runs in {self.path}; stop it with ./parkunion down, or use another --data",
            ) from error

    def locked(self) -> bool:
        """Whether a process has locked the folder."""
        try:
            handle = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
        finally:
            os.close(handle)

    def owns_lock(self) -> bool:
        return self._lock is not None

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def secret(self, name: str) -> str:
        """32 random bytes in hex from `keys/<name>` (0600), created at first use."""
        return self.key(name, lambda: secrets.token_hex(32))

    def key(self, name: str, make: Callable[[], str]) -> str:
        """The text of `keys/<name>` (0600), created by `make()` at first use."""
        file = self.keys / name
        if not file.exists():
            write_private(file, make())
        return file.read_text()

    def versions(self, name: str) -> str:
        """All versions of a key as `1:<hex>,2:<hex>`, from `keys/<name>-<version>`; the first is created at first use."""
        self.secret(f"{name}-1")
        numbers = sorted(int(file.name.rpartition("-")[2]) for file in self.keys.glob(f"{name}-*"))
        return ",".join(f"{number}:{self.secret(f'{name}-{number}')}" for number in numbers)


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file; {} if the file is missing or invalid."""
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_private(file: Path, text: str) -> None:
    """Write a file of mode 0600 atomically."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w") as output:
            output.write(text)
        os.replace(temporary, file)
    except BaseException:
        os.unlink(temporary)
        raise
