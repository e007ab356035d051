"""Secrets are kept encrypted, bound to their row, under a ring of keys."""

from __future__ import annotations

import pytest

from services.subscriptions.signing.keys import new_service_key, opened_key, sealed_key
from services.subscriptions.signing.sealing import NotSealedHereError, Sealed, Sealing, UnknownSealingKeyError
from services.subscriptions.signing.standard_webhooks import AsymmetricKey, SymmetricKey

OLD, NEW = {1: b"1" * 32}, {1: b"1" * 32, 2: b"2" * 32}


def test_the_newest_key_seals_and_older_ones_open() -> None:
    sealed = Sealing(OLD).seal(b"secret", "row")
    assert b"secret" not in sealed.blob
    assert sealed.key_version == 1
    assert Sealing(NEW).open(sealed, "row") == b"secret"
    assert Sealing(NEW).seal(b"secret", "row").key_version == 2


def test_what_was_altered_or_moved_does_not_open() -> None:
    sealing = Sealing(NEW)
    blob, version = sealing.seal(b"secret", "row")
    for wrong, about in ((blob, "another row"), (blob[:-1] + bytes([blob[-1] ^ 1]), "row"), (b"", "row"), (blob[:12], "row")):
        with pytest.raises(NotSealedHereError):
            sealing.open(Sealed(wrong, version), about)
    with pytest.raises(UnknownSealingKeyError):
        Sealing(OLD).open(Sealed(blob, version), "row")


@pytest.mark.parametrize("key", [SymmetricKey.new(), new_service_key()])
def test_a_key_signs_the_same_after_it_was_sealed(key: SymmetricKey | AsymmetricKey) -> None:
    sealing = Sealing(NEW)
    again = opened_key(sealing, "kid", key.version, sealed_key(sealing, "kid", key))
    assert again.sign(b"content") == key.sign(b"content")
