"""`manifest verify`: what a bureau is told of a day's manifest and of what it has stored, without a stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from shared.manifests.chain import Entry, chain_of, event_hash
from shared.manifests.manifest import VERSION, Head, answer_of, signed
from tests.e2e.platform import run_in_process

SUBSCRIPTION = "0190f1a2-0000-7000-8000-000000000001"
DAY = date(2026, 6, 30)
KEY = OKPKey.generate_key("Ed25519", parameters={"kid": "k1"})


def event(number: int) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"0190f1a2-0000-7000-8000-{number:012}",
        "source": "/services/membership",
        "type": "parkunion.union-founded.v1",
        "subject": "union/1",
        "data": {"kind": "enterprise_union"},
        "deliverynumber": number,
        "watermark": number - 1,
    }


@pytest.fixture
def received() -> list[dict[str, Any]]:
    return [event(number) for number in (1, 2, 3)]


@pytest.fixture
def place(tmp_path: Path, received: list[dict[str, Any]]) -> Path:
    """A folder with `manifest.json`, `jwks.json` and the events in `received/`."""
    entries = [Entry(one["deliverynumber"], one["id"], event_hash(one).hex(), "delivered") for one in received]
    chain = chain_of(SUBSCRIPTION, DAY, entries)
    head = Head(VERSION, SUBSCRIPTION, "bureau", DAY, "2026-07-01T00:00:00Z", 3, 1, 3, chain, None, complete=True)
    (tmp_path / "manifest.json").write_text(json.dumps(answer_of(head, entries, signed(head, KEY, "k1"))))
    (tmp_path / "jwks.json").write_text(json.dumps(keys()))
    (tmp_path / "received").mkdir()
    for one in received:
        (tmp_path / "received" / f"{one['deliverynumber']}.json").write_text(json.dumps(one))
    return tmp_path


def keys() -> dict[str, Any]:
    return {"keys": [{**KEY.as_dict(private=False), "kid": "k1"}]}


def verify(place: Path, *words: str | Path, jwks: str | Path | None = None, received: str = "received") -> Any:
    options = ("--received", place / received, "--jwks", jwks or place / "jwks.json")
    return run_in_process("manifest", "verify", place / "manifest.json", *options, *words)


@pytest.fixture
def address() -> Iterator[str]:
    """Where the key set is served."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(keys() if self.path == "/.well-known/jwks.json" else []).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/.well-known/jwks.json"
    server.shutdown()


def test_what_is_complete_and_unaltered_is_said_so(place: Path, received: list[dict[str, Any]], address: str) -> None:
    (place / "events.ndjson").write_text("".join(json.dumps(one) + "\n" for one in reversed(received)))
    for jwks, stored in ((None, "received"), (address, "received"), (None, "events.ndjson")):
        done = verify(place, jwks=jwks, received=stored)
        assert (done.returncode, done.stderr) == (0, "")
        assert "3 numbers" in done.stdout
    assert json.loads(verify(place, "--json").stdout) == {"findings": []}


def test_what_is_missing_or_altered_is_named(place: Path, received: list[dict[str, Any]]) -> None:
    (place / "received" / "2.json").unlink()
    (place / "received" / "3.json").write_text(json.dumps({**received[2], "data": {"kind": "joint_union"}}))
    done = verify(place)
    assert (done.returncode, done.stderr) == (1, "")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["missing", "altered"]
    assert all(" / " in line for line in done.stdout.splitlines())
    findings = json.loads(verify(place, "--json").stdout)["findings"]
    assert [(one["code"], one["number"], one["event_id"]) for one in findings] == [
        ("missing", 2, received[1]["id"]),
        ("altered", 3, received[2]["id"]),
    ]


def test_a_manifest_that_is_not_the_signed_one_is_altered(place: Path) -> None:
    file = place / "manifest.json"
    genuine = json.loads(file.read_text())
    for content in ({**genuine, "entries": genuine["entries"][:2], "count": 2, "last": 2}, {**genuine, "client": "other"}):
        file.write_text(json.dumps(content))
        assert verify(place).returncode == 1
    for text in ("{", "[]", ""):
        file.write_text(text)
        done = verify(place)
        assert (done.returncode, done.stdout.split(":")[0]) == (1, "form")
    file.write_text(json.dumps(genuine))
    (place / "jwks.json").write_text('{"keys": []}')
    assert verify(place).stdout.split(":")[0] == "key"


def test_a_stored_event_that_is_no_json_is_named(place: Path) -> None:
    (place / "received" / "2.json").write_text("{")
    done = verify(place)
    assert (done.returncode, done.stdout.split(":")[0]) == (1, "unreadable")
    assert "2.json" in done.stdout


@pytest.mark.invariant("I7")
@pytest.mark.parametrize(
    "wrong", ["manifest", "received", "jwks", "jwks of another form", "jwks that nobody serves", "jwks at another address"]
)
def test_an_argument_that_names_nothing_is_wrong(place: Path, wrong: str, address: str) -> None:
    (place / "other.json").write_text('{"keys": 1}')
    keys_at: dict[str, str | Path] = {
        "jwks": place / "none.json",
        "jwks of another form": place / "other.json",
        "jwks that nobody serves": "http://127.0.0.1:1/jwks.json",
        "jwks at another address": address.replace("jwks", "nothing"),
    }
    if wrong == "manifest":
        (place / "manifest.json").unlink()
    done = verify(place, received="none" if wrong == "received" else "received", jwks=keys_at.get(wrong))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert " / " in done.stderr
