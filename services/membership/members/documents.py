"""Identity documents: checked, found by a keyed hash, stored encrypted, shown masked. In the clear they never leave this service.

Resident ids: GB 11643-1999, check character by ISO 7064 mod 11-2; the 15-digit legacy form is the same person's 18-digit one without
the century and the check character, so it is brought into that form.
"""

from __future__ import annotations

import hmac
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.problems.errors import Unprocessable

RESIDENT_ID = "resident_id"
KIND_FORM = re.compile(r"[a-z][a-z0-9_]{0,31}")
RESIDENT_FORM = re.compile(r"[1-9]\d{16}[\dX]", re.ASCII)
LEGACY_FORM = re.compile(r"[1-9]\d{14}", re.ASCII)
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_CHARACTERS = "10X98765432"
LONGEST = 64
NONCE_BYTES = 12
MASK = slice(6, 14)
"""Positions 7 to 14: the date of birth of a resident id."""


class UnknownKey(Exception):
    """A row was written with a key version that the settings no longer hold."""


class Undecipherable(Exception):
    """A stored document was changed, or belongs to another person's row."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted number (nonce, then ciphertext and tag) and the version of its key."""

    blob: bytes
    key_version: int


def normalised(kind: str, number: str) -> str:
    """The one form of a number by which a person is found. Raises INVALID_DOCUMENT (422), which does not repeat the number."""
    text = "".join(unicodedata.normalize("NFKC", number).split()).upper() if not number.isascii() or " " in number else number.upper()
    if not KIND_FORM.fullmatch(kind):
        raise Unprocessable("INVALID_DOCUMENT", field="document.kind")
    if not text or len(text) > LONGEST or not text.isprintable():
        raise Unprocessable("INVALID_DOCUMENT", field="document.number")
    return _resident(text) if kind == RESIDENT_ID else text


def _resident(text: str) -> str:
    if LEGACY_FORM.fullmatch(text):
        body = text[:6] + "19" + text[6:]
        text = body + check_character(body)
    if not RESIDENT_FORM.fullmatch(text) or text[17] != check_character(text[:17]):
        raise Unprocessable("INVALID_DOCUMENT", field="document.number")
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        raise Unprocessable("INVALID_DOCUMENT", field="document.number") from None
    return text


def check_character(body: str) -> str:
    """The last character of a resident id whose first 17 digits are `body` (ISO 7064 mod 11-2)."""
    return CHECK_CHARACTERS[sum(weight * int(digit) for weight, digit in zip(WEIGHTS, body, strict=True)) % 11]


def masked(number: str) -> str:
    """A number as it may be shown: positions 7 to 14 hidden; a short one is hidden whole."""
    if len(number) <= MASK.start:
        return "*" * len(number)
    hidden = len(number[MASK])
    return number[: MASK.start] + "*" * hidden + number[MASK.stop :]


class Documents:
    """The keys: `{version: key}` of 32 bytes each, for encryption and for the hash; the highest version writes."""

    def __init__(self, encryption: Mapping[int, bytes], hashing: Mapping[int, bytes]) -> None:
        self._ciphers = {version: AESGCM(key) for version, key in encryption.items()}
        self._hash_keys = dict(sorted(hashing.items(), reverse=True))
        self.key_version = max(self._ciphers)
        self.hash_version = max(self._hash_keys)

    def __repr__(self) -> str:
        return f"Documents(key_version={self.key_version}, hash_version={self.hash_version})"

    def hashes(self, kind: str, number: str) -> list[tuple[int, bytes]]:
        """(version, HMAC-SHA256) of a normalised number under every key, the newest first."""
        message = f"{kind}\x00{number}".encode()
        return [(version, hmac.digest(key, message, "sha256")) for version, key in self._hash_keys.items()]

    def seal(self, person_id: UUID, number: str) -> Sealed:
        """Encrypt a number for one person's row."""
        nonce = os.urandom(NONCE_BYTES)
        return Sealed(nonce + self._ciphers[self.key_version].encrypt(nonce, number.encode(), person_id.bytes), self.key_version)

    def open(self, person_id: UUID, sealed: Sealed) -> str:
        """The number again. Raises UnknownKey, Undecipherable."""
        cipher = self._ciphers.get(sealed.key_version)
        if cipher is None:
            raise UnknownKey(f"encryption key version {sealed.key_version}")
        try:
            return cipher.decrypt(sealed.blob[:NONCE_BYTES], sealed.blob[NONCE_BYTES:], person_id.bytes).decode()
        except InvalidTag:
            raise Undecipherable(f"person {person_id}") from None
