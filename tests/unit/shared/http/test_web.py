"""The web application around a service's routes."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import httpx
import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from starlette.requests import Request

from shared.http.auth import Areas, Caller
from shared.http.operations import Readiness
from shared.journal.journal import ClockAheadError, EventTooLargeError
from shared.problems.languages import preferred
from shared.process.logs import setup_logs
from tests.unit.shared.http.web_service import ID, RESIDENT_ID, Issuer, app_of, client_of, failing

GOOD: dict[str, Any] = {"name": "一厂", "park": "OH-AKRON", "on": "2020-01-02"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def issuer() -> Issuer:
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    return Issuer()


@pytest.fixture
def logs(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """The log lines as a service writes them."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    setup_logs("INFO", "things", "api")
    yield capsys
    structlog.reset_defaults()
    root.handlers[:], level = before
    root.setLevel(level)


@pytest.fixture
async def client(issuer: Issuer) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_of(issuer), issuer.token()) as client:
        yield client


def problem(answer: httpx.Response) -> tuple[int, str, set[str | None]]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body.keys() == {"type", "title", "status", "code", "errors"}
    assert (body["status"], body["type"]) == (answer.status_code, f"/problems/{body['code']}")
    assert all(error.keys() == {"row", "field", "code", "message_zh", "message_en"} for error in body["errors"])
    return answer.status_code, body["code"], {error["field"] for error in body["errors"]}


async def test_a_command_is_answered_with_201(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/things", json=GOOD)
    assert answer.status_code == 201
    body = answer.json()
    assert body.keys() == {"id", "subject", "sequence", "event_ids"}
    assert body["id"] == answer.headers["traceparent"], "the event carries the trace that the caller is told"
    warned = (await client.post("/v1/things", json={**GOOD, "name": "early"})).json()["warnings"]
    assert [warning["code"] for warning in warned] == ["BEFORE_SETTLED"]


async def test_a_trace_goes_on_through_the_service(client: httpx.AsyncClient) -> None:
    given_ = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = await client.post("/v1/things", json=GOOD, headers={"traceparent": given_})
    assert answer.json()["id"].split("-")[1] == given_.split("-")[1]


@pytest.mark.invariant("I7")
@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"name": None}, "NOT_A_TEXT", "name"),
        ({"name": "\n"}, "EMPTY", "name"),
        ({"name": "a\tb"}, "CONTROL_CHARACTERS", "name"),
        ({"name": "\ud800"}, "CONTROL_CHARACTERS", "name"),
        ({"name": "abc\u202edef"}, "CONTROL_CHARACTERS", "name"),
        ({"name": "\u200b\ufeff"}, "EMPTY", "name"),
        ({"name": "\u3164"}, "EMPTY", "name"),
        ({"on": "2020-02-30"}, "INVALID_DATE", "on"),
        ({"on": "20200102"}, "INVALID_DATE", "on"),
        ({"on": "2020-01-02T00:00:00"}, "INVALID_DATE", "on"),
        ({"on": 1577923200}, "INVALID_DATE", "on"),
        ({"on": "٢٠٢٠-٠١-٠٢"}, "INVALID_DATE", "on"),
        ({"on": "1899-12-31"}, "DATE_OUT_OF_RANGE", "on"),
        ({"workers": -1}, "BELOW_ZERO", "workers"),
        ({"workers": "many"}, "NOT_A_WHOLE_NUMBER", "workers"),
        ({"workers": False}, "NOT_A_WHOLE_NUMBER", "workers"),
        ({"workers": 10**30}, "OUT_OF_RANGE", "workers"),
        ({"revenue": float("nan")}, "NOT_A_NUMBER", "revenue"),
        ({"revenue": "x"}, "NOT_A_NUMBER", "revenue"),
        ({"park": "上海"}, "BAD_AREA_CODE", "park"),
        ({"park": "A" * 65}, "BAD_AREA_CODE", "park"),
        ({"owner": 5}, "INVALID_ID", "owner"),
        ({"data": {"a": {"b": "\x00"}}}, "CONTROL_CHARACTERS", "data"),
        ({"data": {"a": 10**30}}, "OUT_OF_RANGE", "data"),
        ({"data": 5}, "NOT_AN_OBJECT", "data"),
        ({"extra": 1}, "UNKNOWN_FIELD", "extra"),
        ({"document": {"kind": "resident_id", "number": 5}}, "NOT_A_TEXT", "document.number"),
    ],
)
async def test_a_bad_field_is_named_in_both_languages(client: httpx.AsyncClient, changes: dict[str, Any], code: str, field: str) -> None:
    answer = await client.post("/v1/things", content=json.dumps({**GOOD, **changes}), headers=JSON)
    assert problem(answer) == (422, code, {field})
    (error,) = answer.json()["errors"]
    assert error["message_zh"] != error["message_en"]


async def test_everything_that_is_wrong_is_said_at_once(client: httpx.AsyncClient) -> None:
    assert problem(await client.post("/v1/things", json={"workers": -1, "x": 1}))[2] == {"name", "park", "on", "workers", "x"}


@pytest.mark.invariant("I5")
async def test_no_problem_repeats_what_may_be_personal(client: httpx.AsyncClient) -> None:
    for body in (
        {**GOOD, "document": {"kind": "x", "number": [RESIDENT_ID]}},
        {**GOOD, RESIDENT_ID: RESIDENT_ID},
        {**GOOD, "name": RESIDENT_ID * 20},
        {**GOOD, "on": RESIDENT_ID},
        {**GOOD, "document": RESIDENT_ID},
    ):
        answer = await client.post("/v1/things", json=body)
        assert answer.status_code == 422
        assert RESIDENT_ID not in answer.text


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe{}", b"\x80", b"[" * 100_000, b'{"a":' * 100_000, b"nul"])
async def test_broken_json_is_said_to_be_broken(client: httpx.AsyncClient, content: bytes) -> None:
    status, code, _ = problem(await client.post("/v1/things", content=content, headers=JSON))
    assert (status, code) in {(400, "BROKEN_JSON"), (422, "FIELD_REQUIRED")}
    assert (code == "BROKEN_JSON") == bool(content)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""])
async def test_a_body_that_is_not_json_is_415(client: httpx.AsyncClient, kind: str) -> None:
    assert problem(await client.post("/v1/things", content=b"{}", headers={"Content-Type": kind}))[:2] == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_large_body_is_refused_by_its_length_and_while_it_comes(client: httpx.AsyncClient) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 65536

    assert problem(await client.post("/v1/things", content=b" " * (2**20 + 1), headers=JSON))[:2] == (413, "BODY_TOO_LARGE")
    assert problem(await client.post("/v1/things", content=parts(), headers=JSON))[:2] == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("GET", "/v1/things/", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/v1/things", 405, "METHOD_NOT_ALLOWED"),
        ("BREW", "/v1/things", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/things/5", 422, "INVALID_ID"),
        ("GET", f"/v1/things/{ID}?limit=x", 422, "NOT_A_WHOLE_NUMBER"),
        ("GET", f"/v1/things/{ID}?limit=1&q=%00", 400, "BAD_REQUEST"),
        ("GET", "/problems/NO_SUCH", 404, "NOT_FOUND"),
    ],
)
async def test_every_refusal_has_one_form(client: httpx.AsyncClient, method: str, path: str, status: int, code: str) -> None:
    answer = await client.request(method, path)
    if path.endswith("things/"):
        assert answer.status_code in (404, 405)
    else:
        assert problem(answer)[:2] == (status, code)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ConnectionRefusedError(), 503, "UNAVAILABLE"),
        (TimeoutError(), 503, "UNAVAILABLE"),
        (asyncpg.InterfaceError("pool is closed"), 503, "UNAVAILABLE"),
        (asyncpg.CannotConnectNowError("starting"), 503, "UNAVAILABLE"),
        (asyncpg.TooManyConnectionsError("full"), 503, "UNAVAILABLE"),
        (asyncpg.DiskFullError("full"), 503, "UNAVAILABLE"),
        (asyncpg.DeadlockDetectedError("three times"), 503, "UNAVAILABLE"),
        (ClockAheadError("an hour"), 503, "CLOCK_AHEAD"),
        (EventTooLargeError("x"), 413, "EVENT_TOO_LARGE"),
        (asyncpg.CharacterNotInRepertoireError("0x00"), 422, "INVALID_VALUE"),
        (asyncpg.UniqueViolationError("Key (code)=(x)"), 500, "INTERNAL"),
        (ValueError(RESIDENT_ID), 500, "INTERNAL"),
        (ZeroDivisionError(), 500, "INTERNAL"),
    ],
)
async def test_failures_are_told_apart(issuer: Issuer, logs: pytest.CaptureFixture[str], error: Exception, status: int, code: str) -> None:
    async with client_of(app_of(issuer, failing(error))) as client:
        answer = await client.get("/v1/broken")
    assert problem(answer)[:2] == (status, code)
    assert ("retry-after" in answer.headers) == (status == 503)
    assert RESIDENT_ID not in answer.text + logs.readouterr().out


async def test_an_answer_that_breaks_off_is_not_ended_properly(issuer: Issuer) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/half",
        "raw_path": b"/v1/half",
        "query_string": b"",
        "headers": [(b"host", b"service")],
        "http_version": "1.1",
    }
    await app_of(issuer, failing(ValueError("x")))({**scope, "client": ("x", 1), "server": ("s", 1), "scheme": "http"}, receive, send)
    assert sent[0]["status"] == 200
    assert all(message.get("more_body") for message in sent[1:])


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "zh"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en;q=0.5, zh;q=0.7", "zh"),
        ("fr, en;q=0.1", "en"),
        ("fr", "zh"),
        ("*", "zh"),
        ("zh;q=0, *", "en"),
        ("en;q=x", "zh"),
        ("en;q=0", "zh"),
        (",;=", "zh"),
    ],
)
async def test_titles_follow_accept_language(client: httpx.AsyncClient, accepted: str, language: str) -> None:
    assert preferred(accepted) == language
    answer = await client.get("/nowhere", headers={"Accept-Language": accepted} if accepted else {})
    assert answer.json()["title"] == {"zh": "未找到", "en": "Not found"}[language]
    assert (answer.headers["content-language"], answer.headers["vary"]) == (language, "Accept-Language")


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_no_accept_language_crashes(accepted: str) -> None:
    assert preferred(accepted) in ("zh", "en")


async def test_no_token_no_entry(issuer: Issuer) -> None:
    async with client_of(app_of(issuer)) as client:
        for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}):
            answer = await client.post("/v1/things", json=GOOD, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert problem(await client.post("/v1/things", json=GOOD, headers={"Authorization": "Bearer x.y.z"}))[1] == "TOKEN_INVALID"
        refused = await client.post("/v1/things", json=GOOD, headers={"Authorization": f"Bearer {issuer.token(scope='registry:read')}"})
        assert problem(refused)[:2] == (403, "SCOPE_MISSING")


async def test_another_authenticator_knows_callers_without_a_token(issuer: Issuer) -> None:
    async def by_cookie(request: Request) -> Caller | None:
        return Caller("cookie", frozenset(), Areas()) if request.cookies.get("session") == "s" else None

    app = app_of(issuer)
    app.state.authenticators.append(by_cookie)
    async with client_of(app) as client:
        path = f"/v1/things/{ID}"
        assert (await client.get(path, headers={"Cookie": "session=s"})).json()["client"] == "cookie"
        assert (await client.get(path, headers={"Cookie": "session=t"})).status_code == 401
        assert (await client.get(path, headers={"Cookie": "session=s", "Authorization": "Basic x"})).status_code == 401


async def test_a_client_that_asks_too_often_is_told_when_to_go_on(issuer: Issuer) -> None:
    app = app_of(issuer, rate_per_second=0.5, rate_burst=2)
    async with client_of(app, issuer.token()) as client, client_of(app, issuer.token(sub="other")) as other:
        path = f"/v1/things/{ID}"
        # The first request of a token is counted for its address: the token is not verified before it.
        answers = [await client.get(path) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert problem(answers[-1])[1] == "TOO_MANY_REQUESTS"
        assert int(answers[-1].headers["retry-after"]) == 2
        assert answers[1].headers["ratelimit"] == '"default";r=1;t=0'
        assert answers[1].headers["ratelimit-policy"] == '"default";q=2;w=4'
        assert (await other.get(path)).status_code == 200
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(("key", "status"), [("a-b.c:1", 201), ("x" * 256, 422), ("a b", 422), ("", 422)])
async def test_an_idempotency_key_has_a_form(client: httpx.AsyncClient, key: str, status: int) -> None:
    answer = await client.post("/v1/things", json=GOOD, headers={"Idempotency-Key": key})
    assert answer.status_code == status
    if status == 422:
        assert problem(answer)[1] == "BAD_IDEMPOTENCY_KEY"


async def test_health_and_readiness(issuer: Issuer) -> None:
    async with client_of(app_of(issuer)) as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        answer = await client.get("/readyz")
        assert answer.status_code == 200
        assert answer.json() == {
            "ready": True,
            "lag_events": 3,
            "lag_seconds": 0.5,
            "outbox": 1,
            "held": 2,
            "checks": {"database": "ok"},
            "closed_day": None,
            "closed_day_age_days": None,
        }


@pytest.mark.parametrize("failure", [ConnectionRefusedError(), TimeoutError(), ValueError("secret")])
async def test_a_readiness_that_fails_is_not_ready_and_not_known(issuer: Issuer, failure: Exception) -> None:
    async def broken() -> Readiness:
        raise failure

    async with client_of(app_of(issuer, readiness=broken)) as client:
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert (answer.json()["ready"], answer.json()["lag_events"]) == (False, None)
        assert "parkunion_ready 0.0" in (await client.get("/metrics")).text


async def test_a_readiness_that_hangs_is_not_ready(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.http.operations.PATIENCE", 0.01)

    async def hanging() -> Readiness:
        await asyncio.Event().wait()
        raise AssertionError

    async with client_of(app_of(issuer, readiness=hanging)) as client:
        assert (await client.get("/readyz")).status_code == 503


@pytest.mark.invariant("I5")
async def test_figures_carry_no_id_and_no_person(client: httpx.AsyncClient) -> None:
    await client.get(f"/v1/things/{ID}?q={RESIDENT_ID}")
    await client.post("/v1/things", json={**GOOD, "document": {"kind": "x", "number": RESIDENT_ID}})
    await client.get(f"/{RESIDENT_ID}")
    text = (await client.get("/metrics")).text
    assert 'parkunion_http_requests_total{method="GET",route="/v1/things/{thing_id}",status="422"} 1.0' in text
    assert 'route="unmatched",status="404"' in text
    assert "parkunion_lag_events 3.0" in text
    assert ID not in text
    assert RESIDENT_ID not in text
    assert "client-1" not in text


@pytest.mark.invariant("I5")
async def test_log_lines_carry_no_query_and_no_path_of_the_caller(client: httpx.AsyncClient, logs: pytest.CaptureFixture[str]) -> None:
    await client.get(f"/v1/things/{ID}?q={RESIDENT_ID}")
    await client.get(f"/{RESIDENT_ID}/张三")
    output = logs.readouterr()
    assert '"route":"/v1/things/{thing_id}"' in output.out
    assert RESIDENT_ID not in output.out + output.err
    assert "张三" not in output.out + output.err


async def test_log_lines_name_the_client_also_of_what_is_refused_before_its_route(
    client: httpx.AsyncClient, logs: pytest.CaptureFixture[str]
) -> None:
    await client.get(f"/v1/things/{ID}")
    await client.post("/v1/things", content=b"{", headers={"Content-Type": "application/json"})
    await client.post("/v1/things", content=b"x" * 2**21)
    await client.get("/v1/nothing")
    lines = [json.loads(line) for line in logs.readouterr().out.splitlines() if line.startswith("{")]
    seen = [(line["status"], line["client"]) for line in lines if line["event"] == "http"]
    assert seen == [(200, "client-1"), (400, "client-1"), (413, "client-1"), (404, "client-1")]


async def test_the_documentation_needs_no_other_host(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    sources = [part.split('"')[1] for part in page.text.replace("href=", "src=").split("src=")[1:]]
    assert sources
    for source in sources:
        assert source.startswith(("/", "http://service/"))
        assert (await client.get(source)).status_code == 200
    assert "https://" not in page.text


async def test_a_code_has_its_text_behind_its_type(client: httpx.AsyncClient) -> None:
    assert "没有区域" in (await client.get("/problems/UNKNOWN_AREA")).text
    assert "There is no area" in (await client.get("/problems/UNKNOWN_AREA", headers={"Accept-Language": "en"})).text


async def test_the_openapi_document_names_every_problem(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    post = document["paths"]["/v1/things"]["post"]["responses"]
    assert post.keys() == {"201", "400", "401", "403", "408", "409", "413", "414", "415", "421", "422", "429", "431", "500", "503"}
    refused = post["409"]["content"]["application/problem+json"]
    assert refused["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert refused["examples"] == {"ALREADY_CORRECTED": {"$ref": "#/components/examples/ALREADY_CORRECTED"}}
    assert document["components"]["examples"]["ALREADY_CORRECTED"]["value"]["status"] == 409
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert "application/x-ndjson" in document["paths"]["/v1/batch"]["post"]["requestBody"]["content"]


async def test_security_headers_stand_on_every_answer(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/nowhere", f"/v1/things/{ID}"):
        answer = await client.get(path)
        assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("name", "park", "on", "workers", "owner", "document", "data", "zz"), json_values)))
@pytest.mark.invariant("I7")
async def test_no_body_is_answered_by_a_failure(issuer: Issuer, body: dict[str, Any]) -> None:
    async with client_of(app_of(issuer), issuer.token()) as client:
        answer = await client.post("/v1/things", content=json.dumps({**GOOD, **body}), headers=JSON)
    assert answer.status_code in (201, 422)
    if answer.status_code == 422:
        problem(answer)
