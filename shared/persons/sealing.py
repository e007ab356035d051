"""Persons in the database of the service that owns them: found by keyed hashes, stored encrypted. In the clear they never leave it.

A row holds `Sealed`, bound to the row's id: a blob that is copied to another row, or changed, cannot be opened. Both keys have versions, per
row: add a higher version to rotate; old rows are read with their own key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.journal.keyed import Keyed

NONCE_BYTES = 12
WHOLE = b"person"
"""What a sealed person is, besides a sealed number of the same row."""


class UnknownKey(Exception):
    """A row was written with a key version that the settings no longer hold."""


class Undecipherable(Exception):
    """What is stored was changed, or belongs to another person's row."""


class Sealed(msgspec.Struct, frozen=True):
    """What is encrypted (nonce, then ciphertext and tag of AES-256-GCM) and the version of its key."""

    blob: bytes
    key_version: int


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a person; the document in its normal form (`documents.document_of`). Nothing of it is shown by `repr`."""

    document_kind: str | None = None
    document_number: str | None = None
    name: str | None = None
    phone: str | None = None

    def __repr__(self) -> str:
        return "Person()"


class PersonKeys:
    """The keys of a service: `{version: key}` of 32 bytes each, for encryption and for the hash; the highest version writes."""

    def __init__(self, encryption: Mapping[int, bytes], hashing: Mapping[int, bytes]) -> None:
        self._ciphers = {version: AESGCM(key) for version, key in encryption.items()}
        self._hash_keys = [(version, Keyed(key)) for version, key in sorted(hashing.items(), reverse=True)]
        self.key_version = max(self._ciphers)
        self.hash_version = max(hashing)

    def __repr__(self) -> str:
        return f"PersonKeys(key_version={self.key_version}, hash_version={self.hash_version})"

    def hashes(self, kind: str, number: str) -> list[tuple[int, bytes]]:
        """(version, HMAC-SHA256) of a normalised number with its kind under every key, the newest first: as releases 0.1 and 0.2 found persons."""
        message = f"{kind}\x00{number}".encode()
        return [(version, key.digest(message)) for version, key in self._hash_keys]

    def number_hashes(self, number: str) -> list[tuple[int, bytes]]:
        """(version, HMAC-SHA256) of a normalised number under every key, the newest first: one number is one person, whatever kind was typed."""
        return self.hashes("", number)

    def seal(self, person_id: UUID, number: str) -> Sealed:
        """Encrypt a number for one person's row."""
        return self.encrypt(person_id, number.encode())

    def open(self, person_id: UUID, sealed: Sealed) -> str:
        """The number again. Raises UnknownKey, Undecipherable."""
        return self.decrypt(person_id, sealed).decode()

    def encrypt(self, person_id: UUID, content: bytes, what: bytes = b"") -> Sealed:
        """Encrypt under the newest key, bound to the row and to `what` the content is: both must be given again to decrypt it."""
        nonce = os.urandom(NONCE_BYTES)
        return Sealed(nonce + self._ciphers[self.key_version].encrypt(nonce, content, person_id.bytes + what), self.key_version)

    def decrypt(self, person_id: UUID, sealed: Sealed, what: bytes = b"") -> bytes:
        """The content again. Raises UnknownKey, Undecipherable."""
        cipher = self._ciphers.get(sealed.key_version)
        if cipher is None:
            raise UnknownKey(f"encryption key version {sealed.key_version}")
        try:
            return cipher.decrypt(sealed.blob[:NONCE_BYTES], sealed.blob[NONCE_BYTES:], person_id.bytes + what)
        except InvalidTag:
            raise Undecipherable(f"person {person_id}") from None


def seal_person(keys: PersonKeys, person_id: UUID, person: Person) -> Sealed:
    """Encrypt all that is known of a person, as one JSON object, for the row `person_id`."""
    return keys.encrypt(person_id, msgspec.json.encode(person), WHOLE)


def open_person(keys: PersonKeys, person_id: UUID, sealed: Sealed) -> Person:
    """The person again. Raises UnknownKey, Undecipherable."""
    return msgspec.json.decode(keys.decrypt(person_id, sealed, WHOLE), type=Person)
