"""Bearer tokens of any OpenID provider (RFC 9068), verified by its JWKS; and `caller`, the dependency of the routes.

Keys are fetched when first needed, every ten minutes in the background, and when a token names an unknown key (every five seconds at most).
While the issuer does not answer, known keys stay valid. A token is verified once.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeAlias

import httpx
import structlog
from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from starlette.requests import Request

from shared.http.auth import ROOT, Areas, Caller, current_client
from shared.http.forms import AREA_CODE
from shared.problems.errors import Problem, Unauthorised, Unavailable
from shared.problems.personal import holds_resident_number
from shared.problems.texts import CONTROL
from shared.process.clock import utc_now
from shared.process.settings import ServiceSettings

LEEWAY = 30
"""Seconds by which the clocks of issuer and service may differ."""
REFRESH_EVERY = 600.0
"""Seconds between two fetches of the keys."""
REFRESH_AT_LEAST_APART = 5.0
"""Seconds between two fetches for unknown keys."""
RETRY_AT_LEAST_APART = 1.0
"""The same after a fetch that failed."""
FETCH_TIMEOUT = 5.0
LARGEST_KEY_SET = 256 * 1024
LONGEST_TOKEN = 8192
LONGEST_SUBJECT = 255
"""Characters (OpenID Connect Core §2)."""
LATEST_END = 253_402_300_799
"""The last second of the year 9999: a later `exp` is no date."""
MOST_VERIFIED = 10_000
CLIENT_KEY = "parkunion.client"
"""Key of the caller's opaque id in a request's ASGI scope, for its log line."""
CALLER_KEY = "parkunion.caller"
"""Key of the caller in a request's ASGI scope, for its page."""
CHALLENGE = 'Bearer realm="parkunion"'

Authenticator: TypeAlias = Callable[[Request], Awaitable[Caller | None]]
"""Identifies a caller without a token, for example by a session cookie; None if it cannot."""

log = structlog.get_logger()


class JwksFetchError(Exception):
    """The issuer's keys could not be fetched."""


class Verifier:
    """Verifies the tokens of one service. `fetch` returns the JWKS; by default over HTTP. The settings' issuer, audience and algorithms can
    be others: those of ID tokens."""

    def __init__(
        self,
        settings: ServiceSettings,
        fetch: Callable[[], Awaitable[Any]] | None = None,
        *,
        issuer: str | None = None,
        audience: str | None = None,
        algorithms: Sequence[str] = (),
    ) -> None:
        self._algorithms = list(algorithms or settings.token_algorithms)
        self._registry = JWSRegistry(algorithms=self._algorithms)
        self._rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": issuer or settings.issuer},
            aud={"essential": True, "value": audience or settings.audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._jwks_url = settings.jwks_url
        self._fetch = fetch or self._over_http
        self._keys: KeySet | None = None
        self._published: Any = None
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None
        self._verified: dict[str, Caller] = {}

    def known(self, token: str) -> Caller | None:
        """The caller of a token that was verified before and has not expired."""
        caller = self._verified.get(token)
        if caller is not None and caller.expires_at <= utc_now().timestamp():
            del self._verified[token]
            return None
        return caller

    async def verify(self, token: str) -> Caller:
        """The caller. Raises TOKEN_INVALID, TOKEN_EXPIRED (401), UNAVAILABLE (503) while the issuer's keys are unknown."""
        await self._renew()
        if (caller := self.known(token)) is not None:
            return caller
        caller = caller_of(await self.claims(token))
        while len(self._verified) >= MOST_VERIFIED:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = caller
        return caller

    async def claims(self, token: str) -> dict[str, Any]:
        """The claims of a token of this issuer and audience. Raises what `verify` raises."""
        await self._renew()
        if len(token) > LONGEST_TOKEN:
            raise _refused("TOKEN_INVALID")
        try:
            return self._claims(token)
        except InvalidKeyIdError:
            await self._refresh(wait=True)
        try:
            return self._claims(token)
        except InvalidKeyIdError:
            if self._fetched_at < self._tried_at:
                raise Unavailable("UNAVAILABLE") from None
            raise _refused("TOKEN_INVALID") from None

    async def _renew(self) -> None:
        if time.monotonic() - self._fetched_at > REFRESH_EVERY:
            await self._refresh(wait=self._keys is None)

    def _claims(self, token: str) -> dict[str, Any]:
        if self._keys is None:
            raise InvalidKeyIdError("no keys yet")
        try:
            claims = jwt.decode(token, self._keys, algorithms=self._algorithms, registry=self._registry).claims
            self._rules.validate(claims)
        except InvalidKeyIdError:
            raise
        except ExpiredTokenError:
            raise _refused("TOKEN_EXPIRED") from None
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            # Errors that forged headers and claims cause in the library.
            raise _refused("TOKEN_INVALID") from None
        return claims

    async def _refresh(self, *, wait: bool) -> None:
        """Fetch the keys; one fetch at a time serves all requests."""
        if self._refreshing is None or self._refreshing.done():
            apart = RETRY_AT_LEAST_APART if self._fetched_at < self._tried_at else REFRESH_AT_LEAST_APART
            if time.monotonic() - self._tried_at < apart:
                return
            self._tried_at = time.monotonic()
            self._refreshing = asyncio.create_task(self._fetch_keys())
        if wait:
            await asyncio.shield(self._refreshing)

    async def _fetch_keys(self) -> None:
        try:
            published = await self._fetch()
            keys = KeySet.import_key_set({"keys": [key for key in published["keys"] if _signs(key)]})
        except (JwksFetchError, Problem, httpx.HTTPError, JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("jwks.unreachable", error=type(error).__name__)
            return
        self._fetched_at = time.monotonic()
        if published != self._published:
            # Tokens verified with a withdrawn key must not stay valid.
            self._keys, self._published = keys, published
            self._verified.clear()

    async def _over_http(self) -> Any:
        async with httpx.AsyncClient(timeout=FETCH_TIMEOUT) as client:
            answer = await client.get(self._jwks_url, headers={"Accept": "application/json"})
        if answer.status_code != 200 or len(answer.content) > LARGEST_KEY_SET:
            raise JwksFetchError(f"status {answer.status_code}")
        return answer.json()


def _signs(key: Any) -> bool:
    return isinstance(key, dict) and key.get("kty") in ("EC", "RSA", "OKP") and key.get("use", "sig") == "sig"


def _refused(code: str) -> Unauthorised:
    what = "expired" if code == "TOKEN_EXPIRED" else "not valid"
    return Unauthorised(code, headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token", error_description="the token is {what}"'})


def caller_of(claims: dict[str, Any]) -> Caller:
    """The caller of verified claims. Raises TOKEN_INVALID: an issuer can sign claims that no log or database could hold."""
    subject, scope, areas, end = claims["sub"], claims.get("scope", ""), claims.get("areas", []), claims["exp"]
    try:
        json.dumps(claims, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise _refused("TOKEN_INVALID") from None
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or CONTROL.search(subject):
        raise _refused("TOKEN_INVALID")
    if holds_resident_number(subject):
        raise _refused("TOKEN_NAMES_A_PERSON")
    if not isinstance(scope, str) or not isinstance(areas, list) or not all(_names_area(area) for area in areas):
        raise _refused("TOKEN_INVALID")
    if not isinstance(end, int | float) or not 0 <= end <= LATEST_END:
        raise _refused("TOKEN_INVALID")
    return Caller(subject, frozenset(scope.split()), Areas.of(areas), float(end) + LEEWAY, float(end))


def _names_area(area: Any) -> bool:
    return isinstance(area, str) and (area == ROOT or AREA_CODE.fullmatch(area) is not None)


BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT", description="OAuth 2 access token: scopes `service:verb`, claim `areas`.")


async def caller(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> Caller:
    """The route's caller, by bearer token or one of `app.state.authenticators`. Raises TOKEN_MISSING (401) and the errors of `verify`."""
    found = await _identify(request, credentials)
    if found is None:
        raise Unauthorised("TOKEN_MISSING", headers={"WWW-Authenticate": CHALLENGE})
    request.scope[CLIENT_KEY] = found.client
    current_client.set(f"client:{found.client}")
    request.scope[CALLER_KEY] = found
    return found


async def _identify(request: Request, credentials: HTTPAuthorizationCredentials | None) -> Caller | None:
    if credentials is not None:
        verifier: Verifier = request.app.state.verifier
        return await verifier.verify(credentials.credentials)
    if "authorization" in request.headers:
        return None
    authenticators: Sequence[Authenticator] = request.app.state.authenticators
    for authenticate in authenticators:
        if (found := await authenticate(request)) is not None:
            return found
    return None
