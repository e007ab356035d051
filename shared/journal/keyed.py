"""HMAC-SHA256 under one key, many times: the key is prepared once."""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

MOST_KEYS = 16


class Keyed:
    """The hashes of a key. `hmac.digest` looks its algorithm up at each call, which takes three times as long as the hash of a short text."""

    def __init__(self, key: bytes) -> None:
        self._begun = HMAC(key, SHA256())

    def __repr__(self) -> str:
        return "Keyed()"

    def digest(self, message: bytes) -> bytes:
        """The 32 bytes of a message."""
        context = self._begun.copy()
        context.update(message)
        return context.finalize()


@lru_cache(MOST_KEYS)
def keyed(key: bytes) -> Keyed:
    """The hashes of a key that a process holds."""
    return Keyed(key)
