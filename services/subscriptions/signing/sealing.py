"""Secrets as they are kept: encrypted by AES-GCM under a ring of keys. Pure.

`about` names what a secret belongs to, such as a row's key; it is authenticated, so that a sealed secret cannot be moved to another row.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class UnknownSealingKeyError(Exception):
    """A secret was sealed under a key that the settings no longer hold; add it to PARKUNION_ENCRYPTION_KEYS again."""


class NotSealedHereError(Exception):
    """A sealed secret was altered, moved to another row, or sealed under another key of the same version."""


class Sealed(NamedTuple):
    """A secret as its row keeps it: nonce and ciphertext, and the version of the key."""

    blob: bytes
    key_version: int


class Sealing:
    """Seals under the highest version of `keys` = {version: 32 bytes}, opens under any."""

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}
        self.key_version = max(self._ciphers)

    def __repr__(self) -> str:
        return f"Sealing(key_version={self.key_version})"

    def seal(self, secret: bytes, about: str) -> Sealed:
        """Encrypt a secret."""
        nonce = os.urandom(NONCE_BYTES)
        return Sealed(nonce + self._ciphers[self.key_version].encrypt(nonce, secret, about.encode()), self.key_version)

    def open(self, sealed: Sealed, about: str) -> bytes:
        """The secret again. Raises UnknownSealingKeyError, NotSealedHereError."""
        cipher = self._ciphers.get(sealed.key_version)
        if cipher is None:
            raise UnknownSealingKeyError(f"key version {sealed.key_version}")
        try:
            return cipher.decrypt(sealed.blob[:NONCE_BYTES], sealed.blob[NONCE_BYTES:], about.encode())
        except (InvalidTag, ValueError):
            raise NotSealedHereError(about) from None
