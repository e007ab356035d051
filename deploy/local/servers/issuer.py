"""The local stack's token issuer: OpenID discovery, JWKS, and `POST /token` by client_credentials with private_key_jwt (RFC 7523), and by
authorisation code for people (people.py).

Any OIDC provider can replace it by the settings ISSUER, JWKS_URL and AUDIENCE of the services. It signs with ES256; its own key and that of
the stack's own client are created at the first start in DIR/keys (0600); clients.py has the other clients, whose tokens say at most what each
was given. Runs in a thread of the supervisor, on the web server of the services, with the same limits.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
import urllib.parse
import uuid
from collections.abc import Sequence
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jws import extract_compact

from deploy.local.errors import UserError
from deploy.local.folder import Folder
from deploy.local.servers.clients import OWN, Client, Clients, make_key, own_client
from deploy.local.servers.people import Person, SignIn
from shared.contracts.services import SCOPES

AUDIENCE = "parkunion"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEFAULT_TTL = 3600
LONGEST_TTL = 31 * 86400
"""Seconds."""
LEEWAY = 30
"""Allowed clock difference in seconds."""
LARGEST_FORM = 65536
JSON = "application/json"
HTML = "text/html; charset=utf-8"
STOP_WITHIN = 10.0


class TokenError(Exception):
    """An OAuth 2 error answer (RFC 6749 §5.2)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.body = {"error": error, "error_description": description}
        self.status = status


def issuer_key(folder: Folder) -> ECKey:
    return ECKey.import_key(json.loads(folder.key("issuer.json", make_key)))


def client_assertion(key: ECKey, audience: str, now: float, client: str = OWN) -> str:
    """A client's proof for `POST /token` (RFC 7523 §3), valid for one minute and one use."""
    claims = {"iss": client, "sub": client, "aud": audience, "jti": str(uuid.uuid4()), "iat": int(now), "exp": int(now) + 60}
    return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key)


class Issuer:
    """Serves on 127.0.0.1:`port` from `start` to `stop`. `officers` may sign in."""

    def __init__(self, folder: Folder, port: int, officers: Sequence[Person] = ()) -> None:
        # Here, since every command of `parkunion` imports this module.
        from shared.process.web.limits import ConnectionLimits
        from shared.process.web.server import web_server

        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.jwks_url = f"{self.url}/jwks.json"
        self.clients_url = f"{self.url}/clients"
        self._key = issuer_key(folder)
        self._own = own_client(folder)
        self._clients = Clients(folder)
        self._officers = [person.client or person.login for person in officers]
        self._used: dict[tuple[str, str], float] = {}
        self._sign_in = SignIn(self.url, officers)
        self._server = web_server(self._application, ConnectionLimits(), lifespan="off")
        self._thread = threading.Thread(target=self._serve, name="issuer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def return_to(self, *redirect_uris: str) -> None:
        """Where browsers may be sent back to after a sign-in."""
        self._sign_in.redirect_uris = frozenset(redirect_uris)

    def stop(self) -> None:
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(STOP_WITHIN)
        self._listener.close()

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))

    def discovery(self) -> dict[str, Any]:
        sign_in = {
            "authorization_endpoint": f"{self.url}/authorize",
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
            "scopes_supported": ["openid", "profile", *SCOPES],
            "authorization_response_iss_parameter_supported": True,
        }
        return {
            "issuer": self.url,
            "jwks_uri": self.jwks_url,
            "token_endpoint": f"{self.url}/token",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "response_types_supported": ["none"],
            "subject_types_supported": ["public"],
            "scopes_supported": list(SCOPES),
            **(sign_in if self._sign_in else {}),
        }

    def jwks(self) -> dict[str, Any]:
        return {"keys": [{**self._key.as_dict(private=False), "alg": "ES256", "use": "sig"}]}

    def clients(self) -> list[str]:
        """Every `sub` that a token can have."""
        return sorted({self._own.name, *self._clients.all(), *self._officers})

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        """The answer of `POST /token`. Beyond RFC 6749: `areas` (codes separated by spaces) and `ttl` (seconds).

        Without `scope` or `areas` the token says all that the client was given; asking for more is an error.
        """
        if form.get("grant_type") == "authorization_code" and self._sign_in:
            return self._tokens_of_code(form)
        if form.get("grant_type") != "client_credentials":
            raise TokenError("unsupported_grant_type", "grant_type must be client_credentials")
        client = self._authenticate(form)
        scopes = form.get("scope", "").split() or list(client.scopes)
        if unknown := sorted(set(scopes) - set(SCOPES)):
            raise TokenError("invalid_scope", f"unknown scope: {' '.join(unknown)}")
        areas = form["areas"].split() if "areas" in form else list(client.areas)
        if "areas" in form and not areas:
            raise TokenError("invalid_request", "areas must name at least one area")
        if beyond := client.beyond(scopes, areas):
            raise TokenError("invalid_scope", f"not given to {client.name}: {' '.join(beyond)}")
        try:
            ttl = int(form.get("ttl", DEFAULT_TTL))
        except ValueError:
            ttl = 0
        if not 1 <= ttl <= LONGEST_TTL:
            raise TokenError("invalid_request", f"ttl must be 1 to {LONGEST_TTL} seconds")
        return self._access(client.name, scopes, areas, ttl, client_id=client.name)

    def _access(self, subject: str, scopes: Sequence[str], areas: Sequence[str], ttl: int, **more: str) -> dict[str, Any]:
        """The answer with an access token (RFC 9068)."""
        claims = {**self._claims(AUDIENCE, subject, ttl), **more, "scope": " ".join(scopes), "areas": list(areas)}
        return {"access_token": self._signed(claims, "at+jwt"), "token_type": "Bearer", "expires_in": ttl, "scope": claims["scope"]}

    def _tokens_of_code(self, form: dict[str, str]) -> dict[str, Any]:
        """The answer for an authorisation code: an access token, and an ID token (OpenID Connect Core §2)."""
        granted = self._sign_in.exchange(form)
        if granted is None:
            raise TokenError("invalid_grant", "the code is not valid for this client")
        person = granted.person
        identity = {**self._claims(granted.client_id, person.login, DEFAULT_TTL), "nonce": granted.nonce, "name": person.name}
        if person.client:
            identity["client"] = person.client
        return {
            **self._access(person.login, person.scopes, person.areas, DEFAULT_TTL, client_id=granted.client_id),
            "id_token": self._signed(identity, "JWT"),
        }

    def _claims(self, audience: str, subject: str, ttl: int) -> dict[str, Any]:
        now = int(time.time())
        return {"iss": self.url, "aud": audience, "sub": subject, "iat": now, "exp": now + ttl, "jti": str(uuid.uuid4())}

    def _signed(self, claims: dict[str, Any], kind: str) -> str:
        return jwt.encode({"alg": "ES256", "kid": self._key.kid, "typ": kind}, claims, self._key)

    def _authenticate(self, form: dict[str, str]) -> Client:
        """The client of a valid assertion; each assertion is accepted once (RFC 7523 §3)."""
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise TokenError("invalid_client", "client_assertion_type must be jwt-bearer", 401)
        assertion = form.get("client_assertion", "")
        client = self._claimed(assertion)
        rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": client.name},
            sub={"essential": True, "value": client.name},
            aud={"essential": True, "values": [f"{self.url}/token", self.url]},
            exp={"essential": True},
            jti={"essential": True},
        )
        try:
            claims = jwt.decode(assertion, ECKey.import_key(dict(client.key)), algorithms=["ES256"]).claims
            rules.validate(claims)
        except (JoseError, ValueError) as error:
            raise TokenError("invalid_client", "the client assertion is not valid", 401) from error
        now = time.time()
        self._used = {used: until for used, until in self._used.items() if until > now}
        used = (client.name, str(claims["jti"]))
        if used in self._used:
            raise TokenError("invalid_client", "the client assertion was used before", 401)
        self._used[used] = float(claims["exp"]) + LEEWAY
        return client

    def _claimed(self, assertion: str) -> Client:
        """The client that an assertion says to be of; its key alone can prove that."""
        try:
            name = json.loads(extract_compact(assertion.encode()).payload)["iss"]
            return self._own if name == self._own.name else self._clients.get(name)
        except (JoseError, UserError, ValueError, LookupError, TypeError) as error:
            raise TokenError("invalid_client", "the client assertion is not valid", 401) from error

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more and len(body) <= LARGEST_FORM:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if more or len(body) > LARGEST_FORM:
            status, kind, content, location = 413, JSON, json.dumps({"error": "invalid_request"}), ""
        else:
            status, kind, content, location = self._respond(scope["method"], scope["path"], scope["query_string"], body)
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(content.encode())).encode()),
            (b"cache-control", b"no-store"),
            (b"x-frame-options", b"DENY"),
            (b"x-content-type-options", b"nosniff"),
            *([(b"location", location.encode())] if location else []),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content.encode()})

    def _respond(self, method: str, path: str, query: bytes, body: bytes) -> tuple[int, str, str, str]:
        """(status, content type, content, address to go to)"""
        if method in ("GET", "HEAD") and path == "/.well-known/openid-configuration":
            return 200, JSON, json.dumps(self.discovery()), ""
        if method in ("GET", "HEAD") and path == "/jwks.json":
            return 200, JSON, json.dumps(self.jwks()), ""
        if method in ("GET", "HEAD") and path == "/clients":
            try:
                return 200, JSON, json.dumps({"clients": self.clients()}), ""
            except UserError as error:
                return 503, JSON, json.dumps({"error": "temporarily_unavailable", "error_description": error.line()}), ""
        if method == "POST" and path == "/token":
            try:
                return 200, JSON, json.dumps(self.token(_form(body))), ""
            except TokenError as error:
                return error.status, JSON, json.dumps(error.body), ""
        if path == "/authorize" and self._sign_in and method in ("GET", "HEAD", "POST"):
            reply = self._sign_in.enter(_form(body)) if method == "POST" else self._sign_in.show(_form(query))
            return reply.status, HTML, reply.page, reply.location
        return 404, JSON, json.dumps({"error": "not_found"}), ""


def _form(content: bytes) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True))
