"""Keys of signatures: made, named, and opened from their sealed form. Pure."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.subscriptions.signing.sealing import Sealed, Sealing
from services.subscriptions.signing.standard_webhooks import AsymmetricKey, Signer, SymmetricKey
from shared.contracts.ids import uuid7

V1 = "v1"
V1A = "v1a"


def new_service_key() -> AsymmetricKey:
    """A new Ed25519 key. Its `kid` is its thumbprint (RFC 7638): nobody can publish another key under it."""
    # Here, since a process that delivers makes keys only for manifests and rotations, if at all.
    from joserfc.jwk import OKPKey

    private = Ed25519PrivateKey.generate()
    jwk = AsymmetricKey("", private).public_jwk()
    return AsymmetricKey(OKPKey.import_key({name: jwk[name] for name in ("kty", "crv", "x")}).thumbprint(), private)


def new_secret_id() -> str:
    """The name of a new secret's row; receivers never see it."""
    return f"secret-{uuid7()}"


def sealed_key(sealing: Sealing, kid: str, key: Signer) -> Sealed:
    """A key's private part as its row keeps it."""
    match key:
        case AsymmetricKey():
            return sealing.seal(key.private.private_bytes_raw(), kid)
        case SymmetricKey():
            return sealing.seal(key.secret, kid)
        case _:
            raise TypeError(key.version)


def opened_key(sealing: Sealing, kid: str, version: str, sealed: Sealed) -> Signer:
    """The key of a row. Raises UnknownSealingKeyError, NotSealedHereError."""
    secret = sealing.open(sealed, kid)
    return AsymmetricKey(kid, Ed25519PrivateKey.from_private_bytes(secret)) if version == V1A else SymmetricKey(secret)
