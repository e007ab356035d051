"""GET /.well-known/jwks.json: the public keys with which receivers verify deliveries and manifests."""

from __future__ import annotations

from typing import Literal

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.subscriptions.signing import store
from shared.http.answers import json_response
from shared.http.requests import Router
from shared.process import db

CACHE_CONTROL = "public, max-age=300"
"""A new key may be unknown to a receiver for so long; it should ask again when a signature names a key that it does not have."""

router = Router()


class PublicKey(BaseModel):
    """An Ed25519 key as RFC 8037 writes it."""

    kty: Literal["OKP"] = Field(description="The family of the key.", examples=["OKP"])
    crv: Literal["Ed25519"] = Field(description="Its curve.", examples=["Ed25519"])
    x: str = Field(description="The public key, base64url.", examples=["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"])
    kid: str = Field(
        description="Its thumbprint (RFC 7638), by which it is named.", examples=["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"]
    )
    use: Literal["sig"] = Field(description="What it is for.", examples=["sig"])
    alg: Literal["EdDSA"] = Field(description="How it signs.", examples=["EdDSA"])


class PublicKeys(BaseModel):
    """A JWK set (RFC 7517)."""

    keys: list[PublicKey] = Field(description="The newest first: those that sign, and those that did until 24 hours ago.")


@router.get("/.well-known/jwks.json", tags=["operations"], response_model=PublicKeys)
async def jwks(request: Request) -> Response:
    """The public keys of `v1a` signatures. A key that was replaced signs for 24 hours beside the new one, and stays here for 24 hours more."""
    async with request.app.state.pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn:
        now = await request.app.state.settings.clock.now(conn)
        keys = await store.public_keys(conn, now)
    return json_response({"keys": keys}, headers={"Cache-Control": CACHE_CONTROL})
