"""A running stack as the commands use it: addresses, tokens and databases, from DIR/stack.json."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deploy.local.child import ProcessIdentity
from deploy.local.errors import NotRunningError, UserError
from deploy.local.folder import DEMO, Folder, folder_of, read_json
from deploy.local.servers.clients import OWN, Clients, own_key
from deploy.local.servers.issuer import ASSERTION_TYPE, DEFAULT_TTL, client_assertion
from deploy.local.servers.postgres import database_of

SESSION_TTL = 8 * 3600
"""Seconds of the token that buys a browser's session, which ends with it."""
GRANTING = "subscriptions:grant"
PORTAL = (GRANTING, "subscriptions:use")
"""The scopes with one of which somebody may open the portal."""
HANDLING = ("cases:read", "cases:write", "cases:persons")
"""The scopes with which somebody works on the pages of cases; the first one opens them."""
# All addresses are on this machine, so a proxy of the environment is not used.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def load(data: Path | None = None) -> Stack:
    """The running stack of `folder_in_use(data)`. Raises NotRunningError."""
    stack = Stack(folder_in_use(data))
    if not stack.alive():
        raise NotRunningError(stack.data)
    return stack


def folder_in_use(data: Path | None) -> Path:
    """`data`, else PARKUNION_DATA, else `.parkunion/`; if nothing was chosen and no stack runs there, that of a running demo."""
    chosen = folder_of(data)
    if data is None and not os.environ.get("PARKUNION_DATA") and not Stack(chosen).alive():
        try:
            demo = Path(DEMO.read_text())
        except OSError:
            return chosen
        if Stack(demo).alive():
            print(f"正在运行的演示 / the running demo: {demo}", file=sys.stderr)
            return demo
    return chosen


class Stack:
    """Reads DIR/stack.json at each use, so restarts are seen."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.folder = Folder(data)

    @property
    def content(self) -> dict[str, Any]:
        """DIR/stack.json; {} if there is none."""
        return read_json(self.folder.stack)

    @property
    def test_clock(self) -> bool:
        return bool(self.content.get("test_clock"))

    @property
    def services(self) -> list[str]:
        return list(self.content.get("services", {}))

    def supervisor(self) -> ProcessIdentity | None:
        written = self.content.get("supervisor")
        return ProcessIdentity(int(written[0]), float(written[1])) if written else None

    def alive(self) -> bool:
        supervisor = self.supervisor()
        return supervisor is not None and supervisor.alive()

    def url(self, service: str) -> str:
        """The base address of a service, without a slash at the end."""
        return str(self.content["services"][service]["url"])

    def dashboard(self) -> str:
        return f"{self.url('metrics')}/"

    def dsn(self, service: str, role: str = "app") -> str:
        """The DSN of a service's database for its role `app` or `owner`, with the password."""
        user = f"{service}_{role}"
        password = (self.folder.keys / f"database-{user}").read_text()
        return f"postgresql://{user}:{password}@127.0.0.1:{self.content['postgres']['port']}/{database_of(service)}"

    def token(self, scopes: Iterable[str] = (), areas: Iterable[str] = (), ttl: int = DEFAULT_TTL, client: str | None = None) -> str:
        """An access token of the issuer, of `client` or the stack's own; default: all scopes and areas that it was given, 1 h (`ttl` in seconds).

        Raises UserError.
        """
        address = f"{self.content['issuer']}/token"
        key = own_key(self.folder) if client is None else Clients(self.folder).key(client)
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": client_assertion(key, address, time.time(), client or OWN),
            "ttl": str(ttl),
            **({"scope": " ".join(scopes)} if scopes else {}),
            **({"areas": " ".join(areas)} if areas else {}),
        }
        try:
            status, answer = ask(address, data=urllib.parse.urlencode(form).encode())
        except (OSError, ValueError) as error:
            raise UserError("令牌签发者没有应答;请看 ./parkunion status", "the issuer does not answer; see ./parkunion status") from error
        if status != 200:
            reason = answer.get("error_description", status)
            raise UserError(f"签发令牌失败:{reason}", f"no token: {reason}", 2)
        return str(answer["access_token"])

    def readiness(self, service: str, timeout: float = 3.0) -> dict[str, Any]:
        """A service's /readyz; `{}` if it does not answer."""
        try:
            return ask(f"{self.url(service)}/readyz", timeout=timeout)[1]
        except (OSError, KeyError, ValueError):
            return {}

    def dashboard_login(self) -> str:
        """The dashboard's address with a fresh one-time code."""
        return self._login("metrics", self.token(["metrics:read"], ttl=SESSION_TTL))

    def portal_login(self, client: str | None) -> str:
        """The address of the portal of subscriptions likewise, for a client or (None) the federation with every area. Raises UserError."""
        scopes = [GRANTING] if client is None else [scope for scope in Clients(self.folder).get(client).scopes if scope in PORTAL]
        if not scopes:
            wanted = " / ".join(PORTAL)
            raise UserError(f"客户端 {client} 没有权限 {wanted}", f"the client {client} has no scope {wanted}", 2)
        return self._login("subscriptions", self.token(scopes, ttl=SESSION_TTL, client=client))

    def cases_login(self, client: str | None) -> str:
        """The address of the pages of cases likewise, for a client with its scopes and areas or (None) with all of them. Raises UserError."""
        scopes = [scope for scope in HANDLING if client is None or scope in Clients(self.folder).get(client).scopes]
        if HANDLING[0] not in scopes:
            raise UserError(f"客户端 {client} 没有权限 {HANDLING[0]}", f"the client {client} has no scope {HANDLING[0]}", 2)
        return self._login("cases", self.token(scopes, ttl=SESSION_TTL, client=client))

    def _login(self, service: str, token: str) -> str:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            status, answer = ask(f"{self.url(service)}/v1/login-codes", data=b"{}", headers=headers)
        except (OSError, ValueError) as error:
            raise UserError(f"{service} 没有应答;请看 ./parkunion status", f"{service} does not answer; see ./parkunion status") from error
        if "url" not in answer:
            raise UserError(f"未取得登录码(HTTP {status})", f"no login code (HTTP {status})")
        return str(answer["url"])


def incomplete_log(answer: Mapping[str, Any]) -> str:
    """The message in a /readyz answer if events that were read are missing in the log; empty if not, or if another check fails too."""
    checks = dict(answer.get("checks", {}))
    log = checks.pop("log", "ok")
    return "" if log == "ok" or any(state not in ("ok", "older") for state in checks.values()) else str(log)


def incomplete_log_line(service: str, message: str) -> str:
    """The line for the user about an incomplete log."""
    return f"{service}: 日志不再包含已读取的内容,请执行 reconcile 与 relay republish / log: {message}"


def ask(
    address: str, data: bytes | None = None, headers: Mapping[str, str] | None = None, timeout: float = 10.0
) -> tuple[int, dict[str, Any]]:
    """GET, or POST if there is `data`: status and JSON object. Raises OSError without an answer, ValueError if it is no JSON object."""
    request = urllib.request.Request(address, data=data, headers=dict(headers or {}))
    try:
        with _direct.open(request, timeout=timeout) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    content = json.loads(body)
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    return status, content
