"""The local stack's token issuer: OpenID discovery, JWKS, and `POST /token` by client_credentials with private_key_jwt (RFC 7523).

Any OIDC provider can replace it by the settings ISSUER, JWKS_URL and AUDIENCE of the services. It signs with ES256; its own key and the
key of its one client are created at the first start in DIR/keys (0600). Runs in a thread of the supervisor.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from deploy.local.folder import Folder
from shared.contracts.services import SCOPES

AUDIENCE = "parkunion"
CLIENT = "parkunion-local"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEFAULT_TTL = 3600
LONGEST_TTL = 31 * 86400
"""Seconds."""
LEEWAY = 30
"""Allowed clock difference in seconds."""


class TokenError(Exception):
    """An OAuth 2 error answer (RFC 6749 §5.2)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.body = {"error": error, "error_description": description}
        self.status = status


def make_key() -> str:
    """A new private ES256 key as JSON, with its thumbprint as `kid`."""
    return json.dumps(ECKey.generate_key("P-256", auto_kid=True).as_dict(private=True))


def issuer_key(folder: Folder) -> ECKey:
    return ECKey.import_key(json.loads(folder.key("issuer.json", make_key)))


def client_key(folder: Folder) -> ECKey:
    return ECKey.import_key(json.loads(folder.key("client.json", make_key)))


def client_assertion(key: ECKey, audience: str, now: float) -> str:
    """The client's proof for `POST /token` (RFC 7523 §3), valid for one minute and one use."""
    claims = {"iss": CLIENT, "sub": CLIENT, "aud": audience, "jti": str(uuid.uuid4()), "iat": int(now), "exp": int(now) + 60}
    return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key)


class Issuer:
    """Serves on 127.0.0.1:`port` from `start` to `stop`."""

    def __init__(self, folder: Folder, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.jwks_url = f"{self.url}/jwks.json"
        self._key = issuer_key(folder)
        self._client_keys = KeySet([client_key(folder)])
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, name="issuer", daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def discovery(self) -> dict[str, Any]:
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
        }

    def jwks(self) -> dict[str, Any]:
        return {"keys": [{**self._key.as_dict(private=False), "alg": "ES256", "use": "sig"}]}

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        """The answer of `POST /token`. Beyond RFC 6749: `areas` (codes separated by spaces, default `*`) and `ttl` (seconds)."""
        if form.get("grant_type") != "client_credentials":
            raise TokenError("unsupported_grant_type", "grant_type must be client_credentials")
        client = self._authenticate(form)
        scopes = form.get("scope", "").split() or list(SCOPES)
        if unknown := sorted(set(scopes) - set(SCOPES)):
            raise TokenError("invalid_scope", f"unknown scope: {' '.join(unknown)}")
        areas = form["areas"].split() if "areas" in form else ["*"]
        if not areas:
            raise TokenError("invalid_request", "areas must name at least one area")
        try:
            ttl = int(form.get("ttl", DEFAULT_TTL))
        except ValueError:
            ttl = 0
        if not 1 <= ttl <= LONGEST_TTL:
            raise TokenError("invalid_request", f"ttl must be 1 to {LONGEST_TTL} seconds")
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": client,
            "client_id": client,
            "iat": now,
            "exp": now + ttl,
            "jti": str(uuid.uuid4()),
            "scope": " ".join(scopes),
            "areas": areas,
        }
        signed = jwt.encode({"alg": "ES256", "kid": self._key.kid, "typ": "at+jwt"}, claims, self._key)
        return {"access_token": signed, "token_type": "Bearer", "expires_in": ttl, "scope": claims["scope"]}

    def _authenticate(self, form: dict[str, str]) -> str:
        """The client id of a valid assertion; each assertion is accepted once (RFC 7523 §3)."""
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise TokenError("invalid_client", "client_assertion_type must be jwt-bearer", 401)
        rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": CLIENT},
            sub={"essential": True, "value": CLIENT},
            aud={"essential": True, "values": [f"{self.url}/token", self.url]},
            exp={"essential": True},
            jti={"essential": True},
        )
        try:
            claims = jwt.decode(form.get("client_assertion", ""), self._client_keys, algorithms=["ES256"]).claims
            rules.validate(claims)
        except (JoseError, ValueError) as error:
            raise TokenError("invalid_client", "the client assertion is not valid", 401) from error
        with self._lock:
            now = time.time()
            self._used = {jti: until for jti, until in self._used.items() if until > now}
            if claims["jti"] in self._used:
                raise TokenError("invalid_client", "the client assertion was used before", 401)
            self._used[claims["jti"]] = float(claims["exp"]) + LEEWAY
        return str(claims["sub"])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_GET(self) -> None:
                if self.path == "/.well-known/openid-configuration":
                    self._answer(200, issuer.discovery())
                elif self.path == "/jwks.json":
                    self._answer(200, issuer.jwks())
                else:
                    self._answer(404, {"error": "not_found"})

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                if self.path != "/token" or not 0 < length <= 65536:
                    self.close_connection = True
                    self._answer(404 if self.path != "/token" else 413, {"error": "invalid_request"})
                    return
                form = dict(urllib.parse.parse_qsl(self.rfile.read(length).decode("utf-8", "replace"), keep_blank_values=True))
                try:
                    self._answer(200, issuer.token(form))
                except TokenError as error:
                    self._answer(error.status, error.body)

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """No request log."""

        return Handler
