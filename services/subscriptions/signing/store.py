"""Signing keys and which subscription is signed with which. All functions run in the caller's transaction.

`now` is the instant of the platform's clock. Whoever makes or rotates keys has taken `next_revision(conn)` before, which serialises them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.subscriptions.signing.keys import V1, V1A, new_secret_id, new_service_key, opened_key, sealed_key
from services.subscriptions.signing.sealing import Sealed, Sealing
from services.subscriptions.signing.standard_webhooks import AsymmetricKey, Signer, SymmetricKey
from shared.process.db import Connection

OVERLAP = timedelta(hours=24)
"""How long the old key signs beside the new one, and how long a public key is published after its last use."""

NEWEST = """
SELECT kid, version, sealed, key_version FROM signing_keys WHERE version = 'v1a' ORDER BY created_at DESC, kid DESC LIMIT 1
"""
ADD_KEY = "INSERT INTO signing_keys (kid, version, public, sealed, key_version, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
USE_KEY = "INSERT INTO subscription_keys (subscription, kid, since) VALUES ($1, $2, $3)"
USED = "SELECT EXISTS (SELECT FROM subscription_keys WHERE subscription = $1 AND kid = $2)"
PHASE_OUT = "UPDATE subscription_keys SET until = $2 WHERE subscription = $1 AND until IS NULL"
IN_FORCE = """
SELECT k.kid, k.version, k.sealed, k.key_version FROM subscription_keys AS u JOIN signing_keys AS k USING (kid)
WHERE u.subscription = $1 AND (u.until IS NULL OR u.until > $2) ORDER BY u.since DESC, k.created_at DESC
"""
HOW_MANY = "SELECT count(*) FROM subscription_keys WHERE subscription = $1 AND (until IS NULL OR until > $2)"
BY_KID = "SELECT kid, version, sealed, key_version FROM signing_keys WHERE kid = ANY($1::text[])"
PUBLIC = """
SELECT public FROM signing_keys AS k WHERE version = 'v1a' AND (
    EXISTS (SELECT FROM subscription_keys AS u WHERE u.kid = k.kid AND (u.until IS NULL OR u.until > $1))
    OR k.kid = (SELECT kid FROM signing_keys WHERE version = 'v1a' ORDER BY created_at DESC, kid DESC LIMIT 1)
) ORDER BY created_at DESC
"""


async def new_signing(conn: Connection, sealing: Sealing, subscription: UUID, version: str, now: datetime) -> Mapping[str, str]:
    """Give a new subscription its key. `version`: `v1a` or `v1`. Its row must exist already.

    Returns what its client is told: `{"kid": …}` of the public key in the JWKS, or `{"secret": "whsec_…"}`, which is shown this once.
    """
    if version == V1:
        return await _own_secret(conn, sealing, subscription, now)
    key = await service_key(conn, sealing, now)
    await conn.execute(USE_KEY, subscription, key.kid, now)
    return {"kid": key.kid}


async def rotate(conn: Connection, sealing: Sealing, subscription: UUID, version: str, now: datetime) -> Mapping[str, str]:
    """Give a subscription a new key. The one it has signs beside it for OVERLAP, one that is on its way out not longer than before.

    Returns the same as `new_signing`, of the new key. With `v1a` a new service key is made only if the newest was this subscription's already.
    """
    await conn.execute(PHASE_OUT, subscription, now + OVERLAP)
    if version == V1:
        return await _own_secret(conn, sealing, subscription, now)
    key = await service_key(conn, sealing, now)
    if await conn.fetchval(USED, subscription, key.kid):
        key = await _new_service_key(conn, sealing, now)
    await conn.execute(USE_KEY, subscription, key.kid, now)
    return {"kid": key.kid}


async def how_many(conn: Connection, subscription: UUID, now: datetime) -> int:
    """How many keys sign each delivery of a subscription at this moment."""
    return int(await conn.fetchval(HOW_MANY, subscription, now))


async def service_key(conn: Connection, sealing: Sealing, now: datetime) -> AsymmetricKey:
    """The newest key of the service (`v1a`), made if there is none."""
    row = await conn.fetchrow(NEWEST)
    if row is None:
        return await _new_service_key(conn, sealing, now)
    key = opened_key(sealing, row["kid"], row["version"], Sealed(row["sealed"], row["key_version"]))
    assert isinstance(key, AsymmetricKey)
    return key


async def keys_of(conn: Connection, sealing: Sealing, subscription: UUID, now: datetime) -> list[Signer]:
    """The keys with which a delivery of this moment is signed, the newest first."""
    rows = await conn.fetch(IN_FORCE, subscription, now)
    return [opened_key(sealing, row["kid"], row["version"], Sealed(row["sealed"], row["key_version"])) for row in rows]


async def opened(conn: Connection, sealing: Sealing, kids: Collection[str]) -> dict[str, Signer]:
    """{kid: key}."""
    rows = await conn.fetch(BY_KID, list(kids))
    return {row["kid"]: opened_key(sealing, row["kid"], row["version"], Sealed(row["sealed"], row["key_version"])) for row in rows}


async def public_keys(conn: Connection, now: datetime) -> list[dict[str, Any]]:
    """The public keys as JWKs: the newest, all that sign, and those that did until OVERLAP ago."""
    return [row["public"] for row in await conn.fetch(PUBLIC, now - OVERLAP)]


async def _new_service_key(conn: Connection, sealing: Sealing, now: datetime) -> AsymmetricKey:
    key = new_service_key()
    sealed = sealed_key(sealing, key.kid, key)
    await conn.execute(ADD_KEY, key.kid, V1A, key.public_jwk(), sealed.blob, sealed.key_version, now)
    return key


async def _own_secret(conn: Connection, sealing: Sealing, subscription: UUID, now: datetime) -> Mapping[str, str]:
    key, kid = SymmetricKey.new(), new_secret_id()
    sealed = sealed_key(sealing, kid, key)
    await conn.execute(ADD_KEY, kid, V1, None, sealed.blob, sealed.key_version, now)
    await conn.execute(USE_KEY, subscription, kid, now)
    return {"secret": key.text}
