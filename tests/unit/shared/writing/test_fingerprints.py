"""Idempotency keys answer for 30 days, also those that an earlier release kept: fingerprints of batch lines keep their form."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from services.membership.facts import TABLE
from shared.writing.routes import line_fingerprint

KEY = bytes(32)


@pytest.mark.parametrize(("separator", "path"), [("/", "/v1/batch/leave"), ("#", "/v1/batch#leave")])
def test_a_line_of_a_batch_is_fingerprinted_as_before(separator: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TABLE, "batch_separator", separator)
    canonical = f'["POST","{path}",{{"member_id":"m","on":"2024-01-01"}}]'.encode()
    expected = hmac.new(KEY, canonical, hashlib.sha256).digest()
    assert line_fingerprint(TABLE, KEY, "leave", {"on": "2024-01-01", "member_id": "m"}) == expected


def test_membership_keeps_its_separator() -> None:
    assert TABLE.batch_separator == "/"
