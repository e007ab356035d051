"""What the commands of this service need besides a connection; made once, in app.py."""

from __future__ import annotations

from dataclasses import dataclass

from services.membership.documents import Documents
from shared.process.clock import Clock


@dataclass(frozen=True, slots=True)
class Context:
    """`registry_topic` and `partitions` say how far the registry was read; `fingerprint_key` hides bodies in idempotency rows."""

    clock: Clock
    documents: Documents
    fingerprint_key: bytes
    registry_topic: str
    partitions: int
