"""Sign-in of people at the local issuer: authorisation code with PKCE (RFC 6749 §4.1, RFC 7636), for trials and tests.

Who may sign in stands in DIR/people.json, `{"wang": {"password": "…", "name": "王芳", "areas": ["3302"]}}`; without the file nobody can.
`scopes` is `["metrics:read"]` by default; `client` names the client of a bureau for which the person acts, for the portal of subscriptions.
"""

from __future__ import annotations

import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Any, NamedTuple
from urllib.parse import urlencode

CLIENTS = ("parkunion-dashboard", "parkunion-portal", "parkunion-cases")
"""The services with pages, by their names here."""
CODE_SECONDS = 60
MOST_CODES = 1000
PARAMETERS = ("response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method")
PAGE = """<!DOCTYPE html>
<html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>登录 / Sign in</title>
<h1>登录 / Sign in</h1>{message}<form method="post" action="/authorize">{hidden}
<p><label>用户名 / User <input name="user" autocomplete="username" required></label></p>
<p><label>密码 / Password <input name="password" type="password" autocomplete="current-password" required></label></p>
<button>登录 / Sign in</button></form></html>
"""
WRONG = "<p role=alert>用户名或密码不正确。/ The user or the password is wrong.</p>"


@dataclass(frozen=True, slots=True)
class Person:
    """Who may sign in, and for what."""

    login: str
    password: str
    name: str
    areas: tuple[str, ...]
    scopes: tuple[str, ...] = ("metrics:read",)
    client: str = ""


class Granted(NamedTuple):
    """What a code is exchanged for."""

    person: Person
    client_id: str
    nonce: str
    redirect_uri: str
    challenge: str
    until: float


class Reply(NamedTuple):
    """An answer to the browser: a page, or an address to go to."""

    status: int
    page: str = ""
    location: str = ""


def people_of(content: Mapping[str, Any]) -> list[Person]:
    """The people of a file's content. Raises ValueError, which names the person whose entry is wrong."""
    found = []
    for login, entry in content.items():
        try:
            scopes = tuple(map(str, entry.get("scopes", ("metrics:read",))))
            areas, client = tuple(map(str, entry["areas"])), str(entry.get("client", ""))
            found.append(Person(login, str(entry["password"]), str(entry.get("name", login)), areas, scopes, client))
        except (KeyError, TypeError, AttributeError):
            raise ValueError(f"people.json: {login}") from None
    return found


class SignIn:
    """The authorisation endpoint, and its codes. `redirect_uris`: those of its clients, which are public."""

    def __init__(self, issuer: str, people: Sequence[Person]) -> None:
        self._issuer = issuer
        self._people = {person.login: person for person in people}
        self.redirect_uris: frozenset[str] = frozenset()
        self._codes: dict[str, Granted] = {}

    def __bool__(self) -> bool:
        return bool(self._people)

    def show(self, asked: Mapping[str, str]) -> Reply:
        """The form of a request for a code, or its refusal."""
        return self._refusal(asked) or Reply(200, _page(asked))

    def enter(self, form: Mapping[str, str]) -> Reply:
        """The form was sent: back to the client with a code."""
        if (refused := self._refusal(form)) is not None:
            return refused
        person = self._people.get(form.get("user", ""))
        expected = person.password if person else secrets.token_hex()
        if person is None or not hmac.compare_digest(form.get("password", "").encode("utf-8", "replace"), expected.encode()):
            return Reply(401, _page(form, WRONG))
        code = secrets.token_urlsafe(32)
        while len(self._codes) >= MOST_CODES:
            del self._codes[next(iter(self._codes))]
        until = time.time() + CODE_SECONDS
        self._codes[code] = Granted(person, form["client_id"], form.get("nonce", ""), form["redirect_uri"], form["code_challenge"], until)
        return self._back(form, code=code)

    def exchange(self, form: Mapping[str, str]) -> Granted | None:
        """What the code grants, once; None if anything does not fit."""
        granted = self._codes.pop(form.get("code", ""), None)
        proof = urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if granted is None or granted.until < time.time() or form.get("client_id") != granted.client_id:
            return None
        fits = granted.redirect_uri == form.get("redirect_uri") and hmac.compare_digest(granted.challenge.encode(), proof.encode())
        return granted if fits else None

    def _refusal(self, asked: Mapping[str, str]) -> Reply | None:
        """A wrong client is told here: its address is not to be trusted with an answer."""
        if asked.get("client_id") not in CLIENTS or asked.get("redirect_uri") not in self.redirect_uris:
            return Reply(400, "<!DOCTYPE html><meta charset=utf-8><p>未知的客户端。/ Unknown client.</p>")
        if asked.get("response_type") != "code":
            return self._back(asked, error="unsupported_response_type")
        if "openid" not in asked.get("scope", "").split():
            return self._back(asked, error="invalid_scope")
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            return self._back(asked, error="invalid_request")
        return None

    def _back(self, asked: Mapping[str, str], **parameters: str) -> Reply:
        query = urlencode({**parameters, "state": asked.get("state", ""), "iss": self._issuer})
        return Reply(303, location=f"{asked['redirect_uri']}?{query}")


def _page(asked: Mapping[str, str], message: str = "") -> str:
    hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(asked[name])}">' for name in PARAMETERS if name in asked)
    return PAGE.format(message=message, hidden=hidden)
