"""A running stack as the other commands see it: where its services are, its tokens, its databases; and how its supervisor tells them."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.folder import Folder, folder_of, read_json, write_private
from deploy.local.servers.issuer import ASSERTION_TYPE, DEFAULT_TTL, client_assertion, client_key
from deploy.local.servers.postgres import database_of
from deploy.local.supervising.child import Known
from deploy.local.supervising.processes import ServiceProcess
from deploy.local.supervising.restarting import Server
from deploy.local.trouble import NotRunning, Trouble

# Addresses are all on this machine: a proxy of the environment must not see them.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def load(data: Path | None = None) -> Stack:
    """The stack running in `data` (default: PARKUNION_DATA, else `.parkunion/`); NotRunning if there is none."""
    stack = Stack(folder_of(data))
    if not stack.alive():
        raise NotRunning(stack.data)
    return stack


class Stack:
    """Reads DIR/stack.json anew at each question, so restarts are seen."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.folder = Folder(data)

    @property
    def content(self) -> dict[str, Any]:
        """DIR/stack.json; empty if there is none."""
        return read_json(self.folder.stack)

    @property
    def test_clock(self) -> bool:
        return bool(self.content.get("test_clock"))

    @property
    def services(self) -> list[str]:
        return list(self.content.get("services", {}))

    def supervisor(self) -> Known | None:
        written = self.content.get("supervisor")
        return Known(int(written[0]), float(written[1])) if written else None

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

    def token(self, scopes: Iterable[str] = (), areas: Iterable[str] = (), ttl: int = DEFAULT_TTL) -> str:
        """An access token from the issuer's `POST /token`; default all scopes, root area, 1 h (`ttl` in seconds)."""
        address = f"{self.content['issuer']}/token"
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": client_assertion(client_key(self.folder), address, time.time()),
            "ttl": str(ttl),
            **({"scope": " ".join(scopes)} if scopes else {}),
            **({"areas": " ".join(areas)} if areas else {}),
        }
        try:
            status, answer = ask(address, data=urllib.parse.urlencode(form).encode())
        except (OSError, ValueError) as error:
            raise Trouble("令牌签发者没有应答;请看 ./parkunion status", "the issuer does not answer; see ./parkunion status") from error
        if status != 200:
            reason = answer.get("error_description", status)
            raise Trouble(f"签发令牌失败:{reason}", f"no token: {reason}", 2)
        return str(answer["access_token"])

    def readiness(self, service: str, timeout: float = 3.0) -> dict[str, Any]:
        """A service's /readyz; `{}` if it does not answer."""
        try:
            return ask(f"{self.url(service)}/readyz", timeout=timeout)[1]
        except (OSError, KeyError, ValueError):
            return {}

    def dashboard_login(self) -> str:
        """The dashboard's address with a fresh one-time code."""
        headers = {"Authorization": f"Bearer {self.token(['metrics:read'])}", "Content-Type": "application/json"}
        try:
            status, answer = ask(f"{self.url('metrics')}/v1/login-codes", data=b"{}", headers=headers)
        except (OSError, ValueError) as error:
            raise Trouble("metrics 没有应答;请看 ./parkunion status", "metrics does not answer; see ./parkunion status") from error
        if "url" not in answer:
            raise Trouble(f"未取得登录码(HTTP {status})", f"no login code (HTTP {status})")
        return str(answer["url"])


@dataclass(frozen=True, slots=True)
class Written:
    """What DIR/stack.json tells of a stack beside its processes."""

    services: Sequence[str]
    ready: bool
    test_clock: bool
    zone: str
    postgres: Mapping[str, Any]
    kafka: Mapping[str, Any]
    issuer: str
    jwks: str


def write(folder: Folder, told: Written, servers: Iterable[Server]) -> None:
    """Write DIR/stack.json. `servers` are all that the supervisor, who is the caller, keeps running."""
    ports = read_json(folder.ports)
    services: dict[str, Any] = {name: {"url": f"http://127.0.0.1:{ports[name]}", "roles": {}} for name in told.services}
    processes = []
    for server in servers:
        if isinstance(server, ServiceProcess):
            for role in server.roles:
                services[server.service]["roles"].setdefault(role, []).extend([server.pid] if server.pid else [])
        if server.pid:
            with contextlib.suppress(Exception):
                known = Known.of(server.pid)
                processes.append([known.pid, known.started])
    supervisor = Known.of_self()
    content = {
        "supervisor": [supervisor.pid, supervisor.started],
        "processes": processes,
        "ready": told.ready,
        "test_clock": told.test_clock,
        "zone": told.zone,
        "services": services,
        "postgres": told.postgres,
        "kafka": told.kafka,
        "issuer": told.issuer,
        "jwks": told.jwks,
    }
    client_key(folder)
    write_private(folder.stack, json.dumps(content, indent=1))


def lacks_log(answer: Mapping[str, Any]) -> str:
    """What a service's /readyz says of a log that lacks what was read of it; empty: nothing, or something else is missing, too."""
    checks = dict(answer.get("checks", {}))
    log = checks.pop("log", "ok")
    return "" if log == "ok" or any(said not in ("ok", "older") for said in checks.values()) else str(log)


def without_log(service: str, said: str) -> str:
    """What a person is told of it."""
    return f"{service}: 日志不再包含已读取的内容,请执行 reconcile 与 relay republish / log: {said}"


def ask(
    address: str, data: bytes | None = None, headers: Mapping[str, str] | None = None, timeout: float = 10.0
) -> tuple[int, dict[str, Any]]:
    """GET, or POST if there is `data`: status and JSON object. OSError if nobody answers, ValueError if it is no JSON object."""
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
