"""Signatures of webhooks by Standard Webhooks: `v1a` by public keys (Ed25519), `v1` by a secret (HMAC-SHA256). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE = 300
"""Seconds by which a timestamp may differ from this machine's clock: a request that somebody recorded is of no use after that."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - the form of secrets, not one
MESSAGE_ID = re.compile(r"([0-9A-Za-z-]{1,64})\.([0-9A-Za-z-]{1,64})")


class Refused(Exception):
    """The request is not one that the service signed just now; the text says why."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What the headers state. `id` = `<subscription>.<number>`, the same at every attempt; `sent_at`: seconds since 1970."""

    id: str
    subscription: str
    sent_at: int
    signatures: str


def signed_of(headers: Mapping[str, str], now: float, tolerance: float = TOLERANCE) -> Signed:
    """The three headers; `headers` by small names. Raises Refused if one is missing or malformed, or the timestamp is too old or too new."""
    name, timestamp, signatures = (headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature"))
    parts = MESSAGE_ID.fullmatch(name)
    if parts is None or not signatures or not re.fullmatch(r"[0-9]{1,12}", timestamp, re.ASCII):
        raise Refused("webhook-id, webhook-timestamp or webhook-signature is missing or malformed")
    if abs(now - int(timestamp)) > tolerance:
        raise Refused(f"webhook-timestamp differs from this clock by more than {tolerance:.0f} s")
    return Signed(name, parts[1], int(timestamp), signatures)


def verified(signed: Signed, body: bytes, keys: Iterable[Ed25519PublicKey], secrets: Iterable[bytes]) -> bool:
    """Whether one of the signatures is by one of the keys or secrets. While a key is rotated there are two signatures."""
    content = f"{signed.id}.{signed.sent_at}.".encode() + body
    keys, secrets = list(keys), list(secrets)
    for version, signature in _signatures(signed.signatures):
        if version == "v1" and any(hmac.compare_digest(signature, hmac.digest(secret, content, hashlib.sha256)) for secret in secrets):
            return True
        if version == "v1a" and any(_by(key, signature, content) for key in keys):
            return True
    return False


def _signatures(header: str) -> Iterator[tuple[str, bytes]]:
    for one in header.split():
        version, _, text = one.partition(",")
        try:
            yield version, base64.b64decode(text, validate=True)
        except binascii.Error:
            continue


def _by(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True


def secret_of(text: str) -> bytes:
    """The secret as the service told it once, `whsec_…`. Raises ValueError."""
    secret = base64.b64decode(text.strip().removeprefix(SECRET_PREFIX), validate=True)
    if not secret:
        raise ValueError("the secret is empty")
    return secret


def public_keys(jwks: Mapping[str, Any]) -> list[Ed25519PublicKey]:
    """The Ed25519 keys of a key set (RFC 8037); other kinds of keys are passed over. Raises ValueError for what is no key set."""
    listed = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(listed, list):
        raise ValueError("no key set")
    return [
        Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(str(one["x"]) + "=="))
        for one in listed
        if isinstance(one, Mapping) and one.get("crv") == "Ed25519" and "x" in one
    ]
