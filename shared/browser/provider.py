"""Sign-in of officers at an OpenID provider: authorisation code with PKCE (OpenID Connect Core §3.1, RFC 7636, RFC 9700).

What belongs to one attempt (state, nonce, code verifier) stays in the browser's own signed cookie. Scopes and areas are claims of the ID
token; where it has no `areas`, those of the access token, which is verified as every bearer token is. A claim of the ID token can name the
client for which the person acts (`sign_in_client_claim`).
"""

from __future__ import annotations

import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import httpx
import structlog

from shared.browser.settings import BrowserSettings
from shared.http.auth import Caller
from shared.http.tokens import Verifier, caller_of
from shared.problems.errors import Problem, Unauthorised, Unavailable
from shared.problems.personal import holds_resident_number
from shared.problems.texts import CONTROL
from shared.process.clock import utc_now
from shared.process.logs import described

TIMEOUT = 10.0
LARGEST_ANSWER = 256 * 1024
DISCOVERED_FOR = 3600.0
"""Seconds for which the provider's description is used."""
ATTEMPT_SECONDS = 600
SECRET_BYTES = 32
LONGEST_CODE = 4096
LONGEST_NAME = 100
CALLBACK = "/sign-in/callback"

log = structlog.get_logger()


class Attempt(NamedTuple):
    """One sign-in that has begun; `until` in seconds since 1970, `then` = the page to show afterwards."""

    state: str
    nonce: str
    verifier: str
    then: str
    until: int


class Provider:
    """The OpenID provider of the settings. `transport` replaces the network in tests."""

    def __init__(self, settings: BrowserSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        assert settings.sign_in_issuer is not None
        self._settings = settings
        self._issuer = settings.sign_in_issuer
        self._client = settings.sign_in_client_id
        self._transport = transport
        self._description: dict[str, Any] = {}
        self._described_at = float("-inf")
        self._id_tokens = Verifier(settings, self._keys, issuer=self._issuer, audience=self._client, algorithms=settings.sign_in_algorithms)

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends browsers back to; it is registered there."""
        return self._settings.base_url + CALLBACK

    async def begin(self, then: str) -> tuple[str, Attempt]:
        """(the provider's address for the browser, the attempt). Raises SIGN_IN_UNAVAILABLE (503)."""
        description = await self._discover()
        state, nonce, verifier = (secrets.token_urlsafe(SECRET_BYTES) for _ in range(3))
        attempt = Attempt(state, nonce, verifier, then, int(utc_now().timestamp()) + ATTEMPT_SECONDS)
        challenge = urlsafe_b64encode(sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
        parameters = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": self.redirect_uri,
            "scope": self._settings.sign_in_scope,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        address = str(description["authorization_endpoint"])
        return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(parameters)}", attempt

    async def finish(self, attempt: Attempt, *, code: str, state: str, issuer: str | None, bearer: Verifier) -> Caller:
        """The officer who signed in; `bearer` verifies access tokens. Raises SIGN_IN_FAILED (401), SIGN_IN_UNAVAILABLE (503)."""
        mixed_up = issuer is not None and issuer != self._issuer
        if mixed_up or attempt.until < utc_now().timestamp() or not hmac.compare_digest(state.encode(), attempt.state.encode()):
            raise _failed("state")
        if not 0 < len(code) <= LONGEST_CODE:
            raise _failed("code")
        tokens = await self._exchange(code, attempt.verifier)
        try:
            return await self._caller(tokens, attempt.nonce, bearer)
        except Unauthorised as error:
            raise _failed(f"token: {error.code}") from None

    async def _caller(self, tokens: dict[str, Any], nonce: str, bearer: Verifier) -> Caller:
        identity = await self._id_tokens.claims(str(tokens.get("id_token", "")))
        if not hmac.compare_digest(str(identity.get("nonce", "")).encode("utf-8", "replace"), nonce.encode()):
            raise _failed("nonce")
        audience = identity["aud"]
        if identity.get("azp", self._client) != self._client or (
            isinstance(audience, list) and len(audience) > 1 and "azp" not in identity
        ):
            raise _failed("azp")
        officer = caller_of(identity)
        if "areas" not in identity:
            granted = await bearer.verify(str(tokens.get("access_token", "")))
            if granted.client != officer.client:
                raise _failed("sub")
            officer = granted
        if represented := identity.get(self._settings.sign_in_client_claim):
            officer = replace(officer, client=caller_of({**identity, "sub": represented}).client)
        name = identity.get("name") or identity.get("preferred_username") or ""
        if not isinstance(name, str) or holds_resident_number(name):
            name = ""
        return replace(officer, name=CONTROL.sub("", name)[:LONGEST_NAME])

    async def sign_out_address(self) -> str | None:
        """Where the browser also ends its session at the provider; None if it offers that not, or does not answer."""
        try:
            address = (await self._discover()).get("end_session_endpoint")
        except Problem:
            return None
        if not isinstance(address, str):
            return None
        back = quote(self._settings.base_url + "/", safe="")
        return f"{address}?client_id={quote(self._client)}&post_logout_redirect_uri={back}"

    async def _discover(self) -> dict[str, Any]:
        """The provider's description (OpenID Connect Discovery §4). Raises SIGN_IN_UNAVAILABLE (503)."""
        if time.monotonic() - self._described_at > DISCOVERED_FOR:
            status, found = await self._ask("GET", f"{self._issuer}/.well-known/openid-configuration")
            endpoints = [found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
            if status != 200 or found.get("issuer") != self._issuer or not all(self._is_safe(endpoint) for endpoint in endpoints):
                log.warning("sign_in.description", status=status)
                raise Unavailable("SIGN_IN_UNAVAILABLE")
            self._description, self._described_at = found, time.monotonic()
        return self._description

    def _is_safe(self, endpoint: Any) -> bool:
        """Secrets are sent over https only, unless the provider itself was set without it."""
        return isinstance(endpoint, str) and endpoint.startswith(
            ("https://",) if self._issuer.startswith("https:") else ("https://", "http://")
        )

    async def _exchange(self, code: str, verifier: str) -> dict[str, Any]:
        """The answer of the token endpoint. Raises SIGN_IN_FAILED (401), SIGN_IN_UNAVAILABLE (503)."""
        description = await self._discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
            "client_id": self._client,
        }
        secret, auth = self._settings.sign_in_client_secret, None
        if secret is not None and "client_secret_basic" in description.get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        ):
            auth = httpx.BasicAuth(quote(self._client, safe=""), quote(secret.get_secret_value(), safe=""))
        elif secret is not None:
            form["client_secret"] = secret.get_secret_value()
        status, answer = await self._ask("POST", str(description["token_endpoint"]), form, auth)
        if status >= 500:
            raise Unavailable("SIGN_IN_UNAVAILABLE")
        if status != 200:
            raise _failed("exchange")
        return answer

    async def _keys(self) -> Any:
        return (await self._ask("GET", str((await self._discover())["jwks_uri"])))[1]

    async def _ask(
        self, method: str, address: str, form: dict[str, str] | None = None, auth: httpx.BasicAuth | None = None
    ) -> tuple[int, dict[str, Any]]:
        """(status, JSON object). Raises SIGN_IN_UNAVAILABLE (503) without one."""
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT, transport=self._transport) as http:
                answer = await http.request(
                    method, address, data=form, auth=auth or httpx.USE_CLIENT_DEFAULT, headers={"Accept": "application/json"}
                )
            content = answer.json() if len(answer.content) <= LARGEST_ANSWER else None
            if isinstance(content, dict):
                return answer.status_code, content
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            log.warning("sign_in.unreachable", error=described(error))
        raise Unavailable("SIGN_IN_UNAVAILABLE")


def _failed(why: str) -> Unauthorised:
    log.info("sign_in.failed", why=why)
    return Unauthorised("SIGN_IN_FAILED")
