"""What the commands of this service need besides a connection; made once, in app.py."""

from __future__ import annotations

from dataclasses import dataclass

from shared.process.clock import Clock


@dataclass(frozen=True, slots=True)
class Context:
    """`fingerprint_key` hides bodies in idempotency rows."""

    clock: Clock
    fingerprint_key: bytes
