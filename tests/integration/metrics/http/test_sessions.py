"""Sessions of browsers: they end with the token that bought them or by a logout, in every process; and officers sign in at a provider."""

from __future__ import annotations

import asyncio
import html
import json
import re
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from deploy.local.servers.issuer import Issuer
from deploy.local.servers.people import Person
from tests.conftest import Database
from tests.integration.metrics.provider import EVERYONE, OFFICER, STRANGER, deployed, issuer_of_a_test  # noqa: F401
from tests.integration.metrics.server import MetricsServer, server_of
from tests.integration.metrics.service import metrics_database_of_a_test  # noqa: F401
from tests.patience import PATIENCE

TOKEN_SECONDS = (3, 10, 30)
"""Of a short token; the longer ones are for a machine on which the shorter do not suffice to come in."""


@pytest.fixture
async def server(metrics_database: Database) -> AsyncIterator[MetricsServer]:
    async with server_of(metrics_database) as made:
        made.metrics.area("C01", None, "示例市")
        made.metrics.area("C01A", "C01", "示例区")
        await made.metrics.fold()
        yield made


async def code_of(server: MetricsServer, *areas: str, **claims: Any) -> str:
    async with server.client(*areas, **claims) as http:
        return str((await http.post("/v1/login-codes")).json()["url"])


@asynccontextmanager
async def browser(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, headers={"Accept-Language": "en"}) as http:
        yield http


async def test_a_session_ends_with_the_token_that_bought_it(server: MetricsServer) -> None:
    for seconds in TOKEN_SECONDS:
        address = await code_of(server, lasts=seconds)
        async with browser(server.url) as http:
            entered = await http.get(address)
            if entered.status_code == 401 or (await http.get("/areas/C01")).status_code == 401:
                continue
            assert 0 < int(re.findall(r"(?i)max-age=(\d+)", entered.headers["set-cookie"])[0]) <= seconds
            cookie = http.cookies["parkunion_session"]
            async with asyncio.timeout(PATIENCE):
                while (answer := await http.get("/areas/C01", headers={"Cookie": f"parkunion_session={cookie}"})).status_code != 401:
                    await asyncio.sleep(0.2)
            assert "Your session has ended." in answer.text
            return
    pytest.fail("nobody came in")


async def test_a_code_of_a_token_that_has_ended_buys_nothing(server: MetricsServer) -> None:
    address = await code_of(server, lasts=-5)
    async with browser(server.url) as http:
        assert (await http.get(address)).status_code == 401
        assert not http.cookies


async def test_a_long_token_buys_eight_hours_at_most(server: MetricsServer) -> None:
    address = await code_of(server, lasts=30 * 86400)
    async with browser(server.url) as http:
        entered = await http.get(address)
        assert 7.9 * 3600 < int(re.findall(r"(?i)max-age=(\d+)", entered.headers["set-cookie"])[0]) <= 8 * 3600


async def test_a_logout_holds_in_every_process_and_for_open_streams(server: MetricsServer, metrics_database: Database) -> None:
    address = await code_of(server)
    async with server_of(metrics_database) as replica, browser(server.url) as http, browser(replica.url) as other:
        await http.get(address)
        cookie = {"Cookie": f"parkunion_session={http.cookies['parkunion_session']}"}
        assert (await other.get("/areas/C01", headers=cookie)).status_code == 200
        async with other.stream("GET", "/v1/coverage/stream", headers=cookie) as stream:
            lines = stream.aiter_lines()
            assert (await anext(lines)).startswith("retry")
            answer = await http.post("/logout", headers={"Origin": server.url})
            assert (answer.status_code, answer.headers["location"]) == (303, "/signed-out")
            assert not http.cookies
            async with asyncio.timeout(PATIENCE):
                rest = [line async for line in lines]
            assert "event: end" in rest
            assert 'data: {"reason":"SIGNED_OUT"}' in rest
        for one in (http, other):
            assert (await one.get("/areas/C01", headers=cookie)).status_code == 401
            assert (await one.get("/v1/coverage", headers=cookie)).status_code == 401
        assert "You are signed out" in (await http.get("/signed-out")).text
    async with server_of(metrics_database) as restarted, browser(restarted.url) as again:
        assert (await again.get("/areas/C01", headers=cookie)).status_code == 401


async def test_another_site_cannot_end_a_session(server: MetricsServer) -> None:
    address = await code_of(server)
    async with browser(server.url) as http:
        await http.get(address)
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:1"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            assert (await http.post("/logout", headers=headers)).status_code == 403
            assert (await http.get("/areas/C01")).status_code == 200
            assert (await http.post("/v1/parked/retry", json={}, headers=headers)).json()["code"] == "NOT_OUR_PAGE"
        assert (await http.get("/logout")).status_code == 405


async def test_every_page_says_who_is_in_where_until_when_and_how_to_leave(server: MetricsServer) -> None:
    address = await code_of(server, "C01A", "C01")
    async with browser(server.url) as http:
        await http.get(address)
        for page in ("/areas/C01A", "/held", "/age", "/explain?measure=units&area=C01A", "/", "/areas/unknown", "/areas/C01?as_of=x"):
            text = (await http.get(page)).text
            assert "Signed in: tester" in text, page
            assert "areas: 示例市, 示例区" in text
            assert re.search(r"until \d{4}-\d\d-\d\d \d\d:\d\d", text)
            assert '<form method="post" action="/logout">' in text
        text = (await http.get("/age?lang=zh")).text
        assert "登录人：tester" in text
        assert "退出登录" in text


async def test_the_401_page_speaks_to_an_officer(server: MetricsServer) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        for language, words in (("zh", ("请先登录", "一次性登录码")), ("en", ("Please sign in", "one-time code"))):
            answer = await http.get(f"/areas/C01?lang={language}")
            assert answer.status_code == 401
            assert all(word in answer.text for word in words)
            assert not re.search(r"(?i)authorization|bearer|header|POST /", answer.text.partition("<main")[2])
        assert (await http.get("/sign-in")).status_code == 404


async def test_the_login_address_does_not_follow_the_request(server: MetricsServer) -> None:
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example;proto=https"}
    async with server.client() as http:
        for host in ("evil.example", urlsplit(server.url).netloc):
            answer = await http.post("/v1/login-codes", headers={"Host": host, **headers})
            assert answer.json()["url"].startswith(f"{server.url}/login?code=")


async def test_head_does_not_use_a_code(server: MetricsServer) -> None:
    address = await code_of(server)
    async with browser(server.url) as http:
        assert (await http.head(address)).status_code == 303
        assert not http.cookies
        assert (await http.head("/login?code=unknown")).status_code == 401
        assert (await http.get(address)).status_code == 303


async def test_with_https_cookies_are_secure_and_of_no_other_host(metrics_database: Database) -> None:
    async with server_of(metrics_database, public_url="https://park.example/") as server, browser(server.url) as http:
        address = await code_of(server)
        assert address.startswith("https://park.example/login?code=")
        cookie = (await http.get(address.removeprefix("https://park.example"))).headers["set-cookie"].lower()
        assert "secure" in cookie
        assert "domain" not in cookie


# Sign-in at a provider


async def entered(http: httpx.AsyncClient, address: str, person: Person, password: str | None = None) -> httpx.Response:
    """Fill in the provider's form."""
    async with httpx.AsyncClient(timeout=PATIENCE) as provider:
        form = await provider.get(address)
        assert form.status_code == 200, form.text
        fields = {name: html.unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form.text)}
        url = urlsplit(address)
        return await provider.post(
            f"{url.scheme}://{url.netloc}/authorize", data={**fields, "user": person.login, "password": password or person.password}
        )


async def test_an_officer_signs_in_at_the_provider_and_returns_to_the_page(metrics_database: Database, issuer: Issuer) -> None:
    async with deployed(metrics_database, issuer) as server, browser(server.url) as http:
        refused = await http.get("/areas/C01A?founding=ge25")
        assert refused.status_code == 401
        way_in = html.unescape(re.findall(r'class="button" href="([^"]+)"', refused.text)[0])
        begun = await http.get(way_in)
        asked = parse_qs(urlsplit(begun.headers["location"]).query)
        assert begun.headers["location"].startswith(f"{issuer.url}/authorize?")
        assert asked["code_challenge_method"] == ["S256"]
        assert "samesite=lax" in begun.headers["set-cookie"].lower()
        wrong = await entered(http, begun.headers["location"], OFFICER, "guessed")
        assert (wrong.status_code, "location" in wrong.headers) == (401, False)
        back = await entered(http, begun.headers["location"], OFFICER)
        assert back.status_code == 303
        done = await http.get(back.headers["location"])
        assert done.status_code == 200
        assert 'http-equiv="refresh" content="0; url=/areas/C01A?founding=ge25"' in done.text
        page = await http.get("/areas/C01A")
        assert "Signed in: 王芳" in page.text
        assert "areas: 示例区" in page.text
        assert (await http.get("/areas/C01")).status_code == 403
        again = await http.get(back.headers["location"])
        assert again.status_code == 401, "a code was used twice"
        await http.post("/logout")
        assert (await http.get("/areas/C01A")).status_code == 401


async def test_an_answer_that_does_not_belong_to_the_attempt_lets_nobody_in(metrics_database: Database, issuer: Issuer) -> None:
    async with deployed(metrics_database, issuer) as server:
        for changed in ("state", "code", "iss", "cookie", "error"):
            async with browser(server.url) as http:
                begun = await http.get("/sign-in")
                url = urlsplit((await entered(http, begun.headers["location"], OFFICER)).headers["location"])
                parameters = {name: values[0] for name, values in parse_qs(url.query).items()}
                if changed == "cookie":
                    http.cookies.clear()
                elif changed == "error":
                    parameters = {"error": "access_denied", "state": parameters["state"]}
                else:
                    parameters[changed] = "forged"
                answer = await http.get(url.path, params=parameters)
                assert answer.status_code == 401, changed
                assert "parkunion_session" not in http.cookies
                assert "Sign-in not completed" in answer.text


async def test_someone_without_the_scope_is_refused(metrics_database: Database, issuer: Issuer) -> None:
    async with deployed(metrics_database, issuer) as server, browser(server.url) as http:
        begun = await http.get("/sign-in")
        answer = await http.get((await entered(http, begun.headers["location"], STRANGER)).headers["location"])
        assert answer.status_code == 403
        assert "parkunion_session" not in http.cookies


async def test_a_sign_in_leads_to_pages_of_this_service_only(metrics_database: Database, issuer: Issuer) -> None:
    async with deployed(metrics_database, issuer) as server:
        for then in ("//evil.example/", "https://evil.example/", "/\\evil.example", "/a\nb", "javascript:alert(1)"):
            async with browser(server.url) as http:
                begun = await http.get("/sign-in", params={"then": then})
                done = await http.get((await entered(http, begun.headers["location"], EVERYONE)).headers["location"])
                assert 'content="0; url=/"' in done.text, then
                assert "evil" not in done.text


async def test_a_provider_that_does_not_answer_is_said_to_be_away(metrics_database: Database, issuer: Issuer) -> None:
    async with deployed(metrics_database, issuer, sign_in_issuer="http://127.0.0.1:9") as server, browser(server.url) as http:
        answer = await http.get("/sign-in")
        assert answer.status_code == 503
        assert "identity provider does not answer" in answer.text
        assert (await http.get("/signed-out")).status_code == 200


KEY = ECKey.generate_key("P-256", auto_kid=True)
GOOD = {"aud": "parkunion-dashboard", "sub": "li", "scope": "metrics:read", "areas": ["C01A"], "name": "李\u0000雷"}


ID_TOKENS: list[tuple[dict[str, Any], int]] = [
    ({}, 200),
    ({"aud": ["parkunion-dashboard", "other"], "azp": "parkunion-dashboard"}, 200),
    ({"nonce": "other"}, 401),
    ({"aud": "parkunion"}, 401),
    ({"aud": ["parkunion-dashboard", "other"]}, 401),
    ({"azp": "other"}, 401),
    ({"iss": "https://other.example"}, 401),
    ({"exp": 1}, 401),
    ({"sub": None}, 401),
    ({"areas": ["a,b"]}, 401),
    ({"areas": None}, 401),
    ({"scope": "registry:read"}, 403),
]
"""(changes of the claims of a good ID token, status of the answer)"""


async def test_an_id_token_is_checked(metrics_database: Database) -> None:
    provider = _StubProvider()
    with provider:
        async with server_of(metrics_database, sign_in_issuer=provider.url, sign_in_client_secret="hidden") as server:
            server.metrics.area("C01A", None, "示例区")
            await server.metrics.fold()
            for changes, status in ID_TOKENS:
                async with browser(server.url) as http:
                    asked = parse_qs(urlsplit((await http.get("/sign-in")).headers["location"]).query)
                    provider.nonce, provider.changes = asked["nonce"][0], changes
                    answer = await http.get("/sign-in/callback", params={"code": "c", "state": asked["state"][0]})
                    assert answer.status_code == status, changes
                    assert ("parkunion_session" in http.cookies) == (status == 200)
                    assert provider.authorization.startswith("Basic ")
                    if status == 200:
                        assert "李雷" in (await http.get("/areas/C01A")).text


class _StubProvider:
    """A provider whose ID tokens carry grants, and may be wrong in one claim."""

    def __init__(self) -> None:
        stub = self
        self.changes: dict[str, Any] = {}
        self.nonce = ""
        self.authorization = ""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply(stub.description() if "well-known" in self.path else {"keys": [KEY.as_dict(private=False)]})

            def do_POST(self) -> None:
                stub.authorization = self.headers.get("Authorization", "")
                self.rfile.read(int(self.headers["Content-Length"]))
                self.reply({"access_token": "opaque", "id_token": stub.id_token()})

            def reply(self, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def description(self) -> dict[str, Any]:
        endpoints = {"authorization_endpoint": "auth", "token_endpoint": "token", "jwks_uri": "jwks"}
        return {"issuer": self.url, **{name: f"{self.url}/{path}" for name, path in endpoints.items()}}

    def id_token(self) -> str:
        claims = {"iss": self.url, "exp": int(time.time()) + 600, "nonce": self.nonce, **GOOD, **self.changes}
        return jwt.encode({"alg": "ES256", "kid": KEY.kid}, {name: value for name, value in claims.items() if value is not None}, KEY)

    def __enter__(self) -> None:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
