"""The environment of the peers, `.venv-peers`: made from `requirements.lock` beside this file, by hash, when a bench needs it, and of the product's own Python, so
that both have an interpreter of the same speed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from deploy.local.folder import ROOT

LOCK = Path(__file__).with_name("requirements.lock")
FOLDER = ROOT / ".venv-peers"
PYTHON = FOLDER / "bin" / "python"
STAMP = FOLDER / ".stamp"


def provide() -> Path:
    """The Python of the environment; makes it if it is missing, of another lock or of another Python."""
    made_of = f"{hashlib.sha256(LOCK.read_bytes()).hexdigest()} {os.path.realpath(sys.executable)}"
    if not STAMP.is_file() or STAMP.read_text() != made_of:
        print("fetching the other systems, about 205 MB, into .venv-peers", file=sys.stderr, flush=True)
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, FOLDER], check=True)
        subprocess.run([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", PYTHON, LOCK], check=True)
        STAMP.write_text(made_of)
    return PYTHON
