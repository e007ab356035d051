"""The sample receiver: what independent packages sign is stored once, in full and for good; what nobody signed is not."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from cloudevents.core.formats.json import JSONFormat
from joserfc.jwk import OKPKey

from samples.receiver.store import Store
from shared.manifests.chain import Entry, chain_of, event_hash
from shared.manifests.manifest import Head, answer_of, signed
from tests.integration.samples.bureau import SUBSCRIPTION, Service, bureau_of, by_secret, event, running
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[3]
WITHHELD = "parkunion.delivery-withheld.v1"
VERIFICATION = "parkunion.subscription-verification.v1"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "received.sqlite"


async def test_what_standardwebhooks_signs_is_stored_and_cloudevents_reads_it(database: Path) -> None:
    async with bureau_of(database) as bureau:
        assert await bureau.send(event(1)) == 204
        [line] = await bureau.lines()
    read = from_structured_event(HTTPMessage({"content-type": "application/cloudevents+json"}, line), JSONFormat())
    assert (read.get_id(), read.get_type(), read.get_subject()) == (event(1)["id"], event(1)["type"], event(1)["subject"])
    assert read.get_extension("deliverynumber") == 1
    assert read.get_data() == event(1)["data"]


async def test_a_delivery_that_is_repeated_is_stored_once(database: Path) -> None:
    async with bureau_of(database) as bureau:
        assert [await bureau.send(event(1, watermark)) for watermark in (0, 1, 1)] == [204, 204, 204]
        assert [json.loads(line) for line in await bureau.lines()] == [event(1)]
        [one] = (await bureau.state())["subscriptions"]
    assert (one["received"], one["repeats"], one["watermark"], one["highest"]) == (1, 2, 1, 1)


BODY = json.dumps(event(1)).encode()
NAME = f"{SUBSCRIPTION}.1"
OTHER = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
FORGED: dict[str, dict[str, str]] = {
    "another secret": by_secret(NAME, BODY, secret=OTHER),
    "another body": by_secret(NAME, BODY + b" "),
    "another id": by_secret(NAME, BODY) | {"webhook-id": f"{SUBSCRIPTION}.2"},
    "too old": by_secret(NAME, BODY, datetime.now(UTC) - timedelta(hours=2)),
    "too new": by_secret(NAME, BODY, datetime.now(UTC) + timedelta(hours=2)),
    "no signature": {"webhook-id": NAME, "webhook-timestamp": str(int(datetime.now(UTC).timestamp()))},
    "a signature of another version": {**by_secret(NAME, BODY), "webhook-signature": by_secret(NAME, BODY)["webhook-signature"].replace("v1,", "v1a,")},
    "no headers": {"accept": "*/*"},
}  # fmt: skip


@pytest.mark.parametrize("case", FORGED)
async def test_a_wrong_signature_is_401_and_stores_nothing(case: str, database: Path) -> None:
    async with bureau_of(database) as bureau:
        assert (await bureau.http.post("/events", content=BODY, headers=FORGED[case])).status_code == 401
        assert await bureau.lines() == []
        assert (await bureau.state())["refused"] == 1


@pytest.mark.parametrize(
    "content",
    [b"[]", b"{", b'{"specversion":"1.0"}', json.dumps(event(2)).encode(), json.dumps(event(1, watermark="x")).encode()],  # type: ignore[arg-type]
)
async def test_what_is_signed_and_no_event_is_400_and_stores_nothing(content: bytes, database: Path) -> None:
    async with bureau_of(database) as bureau:
        answer = await bureau.http.post("/events", content=content, headers=by_secret(NAME, content))
        assert answer.status_code == 400
        assert await bureau.lines() == []


async def test_the_challenge_is_answered_only_if_the_service_signed_it(database: Path) -> None:
    body = json.dumps(event(None, type=VERIFICATION, data={"challenge": "abc"})).encode()
    name = f"{SUBSCRIPTION}.probe"
    async with bureau_of(database) as bureau:
        answer = await bureau.http.post("/events", content=body, headers=by_secret(name, body))
        assert (answer.status_code, answer.json()) == (200, {"challenge": "abc"})
        forged = await bureau.http.post("/events", content=body, headers=by_secret(name, body, secret=OTHER))
        assert (forged.status_code, "challenge" in forged.text) == (401, False)
        assert await bureau.lines() == []


async def test_only_the_named_subscriptions_are_taken(database: Path) -> None:
    async with bureau_of(database, subscriptions=["another"]) as bureau:
        assert await bureau.send(event(1)) == 401
        assert await bureau.lines() == []


async def test_a_key_that_is_new_in_the_key_set_is_fetched_when_it_signs(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samples.receiver.keys.PAUSE", 0.0)
    with running(Service()) as service:
        async with bureau_of(database, secrets=[], jwks=f"{service.url}/.well-known/jwks.json") as bureau:
            for number in (1, 2, 3):
                body = json.dumps(event(number)).encode()
                assert await bureau.send(event(number), service.by_key(f"{SUBSCRIPTION}.{number}", body)) == 204
                service.keys.append(OKPKey.generate_key("Ed25519", auto_kid=True))  # rotation: both sign
            service.keys = service.keys[-1:]  # and then the new one alone
            body = json.dumps(event(4)).encode()
            assert await bureau.send(event(4), service.by_key(f"{SUBSCRIPTION}.4", body)) == 204
            stranger = OKPKey.generate_key("Ed25519", auto_kid=True)
            body = json.dumps(event(5)).encode()
            assert await bureau.send(event(5), service.by_key(f"{SUBSCRIPTION}.5", body, stranger)) == 401
            assert len(await bureau.lines()) == 4


def token(tmp_path: Path) -> str:
    """A command that prints another token each time."""
    return f"{sys.executable} -c \"import time; print('token', time.monotonic_ns())\""


async def test_a_gap_leads_to_a_replay_and_what_is_replayed_closes_it(database: Path, tmp_path: Path) -> None:
    with running(Service()) as service:
        options = {"jwks": f"{service.url}/.well-known/jwks.json", "service": service.url, "token_command": token(tmp_path)}
        async with bureau_of(database, **options) as bureau:
            for number in (1, 2, 5, 7):
                await bureau.send(event(number, 2))
            assert (await bureau.http.post("/check")).json()[SUBSCRIPTION]["gaps"] == []
            assert service.asked == [], "numbers above the watermark may still come"
            await bureau.send(event(8, 7))
            found = (await bureau.http.post("/check")).json()[SUBSCRIPTION]
            assert (found["gaps"], found["replay"]) == ([[3, 4], [6, 6]], "asked")
            assert service.asked == [{"from_number": 3}]
            await bureau.http.post("/check")
            assert service.asked == [{"from_number": 3}], "not again at once"
            for number in range(3, 9):
                await bureau.send(event(number, 8))
            assert (await bureau.http.post("/check")).json()[SUBSCRIPTION]["gaps"] == []
            assert len(await bureau.lines()) == 8
            assert all(one.startswith("Bearer token ") for one in service.tokens)


async def test_numbers_that_the_service_delivered_and_a_receiver_lost_are_asked_for(database: Path, tmp_path: Path) -> None:
    with running(Service()) as service:
        async with bureau_of(database, service=service.url, token_command=token(tmp_path)) as bureau:
            await bureau.send(event(1))
            service.state |= {"assigned_to": 4, "delivered_to": 3}
            assert (await bureau.http.post("/check")).json()[SUBSCRIPTION]["gaps"] == [[2, 3]]
            assert service.asked == [{"from_number": 2}]


async def test_withheld_numbers_are_no_gaps_and_do_not_take_the_place_of_what_came_before(database: Path) -> None:
    notice = {"type": WITHHELD, "data": {"numbers": [2, 3]}, "subject": f"subscription/{SUBSCRIPTION}"}
    async with bureau_of(database) as bureau:
        assert [await bureau.send(one) for one in (event(1), event(2), event(2, 4, **notice), event(4, 4))] == [204] * 4
        [one] = (await bureau.state())["subscriptions"]
        assert (one["gaps"], one["received"], one["withheld"]) == ([], 3, 1)
        assert [json.loads(line)["type"] for line in await bureau.lines()].count(WITHHELD) == 1


async def test_the_same_number_with_less_content_replaces_it_only_if_it_was_sent_later(database: Path) -> None:
    now = datetime.now(UTC)
    fewer = event(1, data={"kind": "enterprise_union"})

    def signed_at(content: dict[str, Any], seconds: int) -> dict[str, str]:
        return by_secret(NAME, json.dumps(content).encode(), now + timedelta(seconds=seconds))

    async with bureau_of(database) as bureau:
        for content, seconds in ((event(1), -60), (fewer, -30), (event(1), -45)):
            assert await bureau.send(content, signed_at(content, seconds)) == 204
        [line] = await bureau.lines()
    assert json.loads(line)["data"] == fewer["data"]


def manifest(key: OKPKey, day: str, *events: dict[str, Any], complete: bool = True) -> dict[str, Any]:
    """The signed manifest of a day on which these were delivered."""
    entries = [Entry(one["deliverynumber"], one["id"], event_hash(one).hex(), "delivered") for one in events]
    chain = chain_of(SUBSCRIPTION, datetime.fromisoformat(day).date(), entries)
    first, last = (entries[0].number, entries[-1].number) if entries else (None, None)
    head = Head(
        1, SUBSCRIPTION, "bureau", datetime.fromisoformat(day).date(), f"{day}T12:00:00Z", len(entries), first, last, chain, None, complete
    )
    return answer_of(head, entries, signed(head, key, str(key.kid)))


async def test_the_manifest_of_a_day_is_verified_and_what_is_missing_or_altered_is_named(database: Path, tmp_path: Path) -> None:
    with running(Service()) as service:
        [key] = service.keys
        options = {"jwks": f"{service.url}/.well-known/jwks.json", "service": service.url, "token_command": token(tmp_path), "zone": "UTC"}
        async with bureau_of(database, **options) as bureau:
            day = str(datetime.now(UTC).date())
            await bureau.send(event(1))
            service.manifests[day] = manifest(key, day, event(1), complete=False)
            assert (await bureau.http.post("/check")).json()[SUBSCRIPTION]["manifests"] == {day: 0}
            service.manifests[day] = manifest(key, day, event(1, data={"kind": "other"}), event(2))
            assert (await bureau.http.post("/check")).json()[SUBSCRIPTION]["manifests"] == {day: 2}
            [one] = (await bureau.state())["subscriptions"]
            assert [found["code"] for found in one["manifests"][0]["findings"]] == ["altered", "missing"]
            stranger = OKPKey.generate_key("Ed25519", auto_kid=True)
            service.manifests[day] = manifest(stranger, day, event(1))
            await bureau.http.post("/check")
            [one] = (await bureau.state())["subscriptions"]
            assert [found["code"] for found in one["manifests"][0]["findings"]] == ["key"]


async def test_pages_are_for_this_machine_alone_and_escape_what_came(database: Path) -> None:
    async with bureau_of(database) as bureau:
        await bureau.send(event(1, subject="<script>"))
        page = await bureau.http.get("/", headers={"Accept": "text/html"})
        assert "&lt;script&gt;" in page.text
        assert "<script>" not in page.text
        away = httpx.ASGITransport(bureau.receiver_app, client=("192.0.2.7", 4711))
        async with httpx.AsyncClient(transport=away, base_url="http://receiver") as other:
            answers = [await other.get("/"), await other.get("/events.ndjson"), await other.post("/check")]
            assert [one.status_code for one in answers] == [404, 404, 404]
            assert (await other.post("/events", content=BODY, headers=by_secret(NAME, BODY))).status_code == 204


def test_what_was_answered_204_is_there_after_a_kill(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    secret, database = tmp_path / "secret", tmp_path / "received.sqlite"
    secret.write_text("whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" + "\n", "utf-8")
    words = ["--port", str(port), "--secret-file", str(secret), "--database", str(database)]
    run = subprocess.Popen([sys.executable, "-m", "samples.receiver", *words], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        transport = httpx.HTTPTransport(retries=8)  # it takes a second to listen
        with httpx.Client(transport=transport, timeout=PATIENCE, trust_env=False) as http:
            answer = http.post(f"http://127.0.0.1:{port}/events", content=BODY, headers=by_secret(NAME, BODY))
        assert answer.status_code == 204
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    store = Store(database)
    assert [json.loads(body) for body in store.bodies()] == [event(1)]
    store.close()
