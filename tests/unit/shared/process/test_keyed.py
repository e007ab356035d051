"""Hashes under a key are those of the library's own HMAC, whatever key and text."""

from __future__ import annotations

import hmac

from hypothesis import given
from hypothesis import strategies as st

from shared.journal.keyed import Keyed, keyed


@given(st.binary(min_size=1, max_size=150), st.lists(st.binary(max_size=200), max_size=3))
def test_a_keyed_hash_is_hmac_sha256(key: bytes, messages: list[bytes]) -> None:
    one = Keyed(key)
    for message in messages:
        assert one.digest(message) == keyed(key).digest(message) == hmac.digest(key, message, "sha256")


def test_a_key_is_not_shown() -> None:
    assert "secret" not in repr(keyed(b"secret"))
