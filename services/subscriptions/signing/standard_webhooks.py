"""Signatures of webhooks by Standard Webhooks (standardwebhooks.com, specification 1.0): over `id.timestamp.body`, asymmetric or symmetric. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SECRET_PREFIX = "whsec_"  # noqa: S105 - the form of secrets, not one
SECRET_BYTES = 32


class Signer(Protocol):
    """Signs bytes; `version` says how (`v1`, `v1a`)."""

    @property
    def version(self) -> str: ...

    def sign(self, content: bytes) -> bytes:
        """The signature."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class SymmetricKey:
    """HMAC-SHA256 under a secret that the receiver has, too."""

    secret: bytes
    version: str = "v1"

    @classmethod
    def new(cls) -> SymmetricKey:
        """A key from the system's source of randomness."""
        return cls(secrets.token_bytes(SECRET_BYTES))

    @property
    def text(self) -> str:
        """How receivers are told it, once."""
        return SECRET_PREFIX + base64.b64encode(self.secret).decode()

    def sign(self, content: bytes) -> bytes:
        return hmac.digest(self.secret, content, hashlib.sha256)


@dataclass(frozen=True, slots=True, repr=False)
class AsymmetricKey:
    """Ed25519 (RFC 8032); `kid` names the public key in the service's JWKS."""

    kid: str
    private: Ed25519PrivateKey
    version: str = "v1a"

    def sign(self, content: bytes) -> bytes:
        return self.private.sign(content)

    def public_jwk(self) -> dict[str, str]:
        """The public key as RFC 8037 writes it."""
        raw = self.private.public_key().public_bytes_raw()
        x = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.kid, "use": "sig", "alg": "EdDSA"}


def signed_content(message_id: str, timestamp: int, body: bytes) -> bytes:
    """What is signed. `timestamp`: seconds since 1970."""
    return f"{message_id}.{timestamp}.".encode() + body


def signature_header(signers: Iterable[Signer], content: bytes) -> str:
    """The header `webhook-signature`: one signature of each key, while two hold (rotation)."""
    return " ".join(f"{one.version},{base64.b64encode(one.sign(content)).decode()}" for one in signers)


def headers(signers: Sequence[Signer], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a request."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature_header(signers, signed_content(message_id, timestamp, body)),
    }
