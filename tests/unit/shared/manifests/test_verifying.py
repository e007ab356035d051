"""What a receiver finds out, offline, by the manifest of a day."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from shared.manifests.chain import STATES, Entry, again_of, chain_of, event_hash
from shared.manifests.chain import WITHHELD as NOT_AGAIN
from shared.manifests.manifest import Head, Previous, answer_of, signed
from shared.manifests.received import Unreadable, events_in
from shared.manifests.verifying import WITHHELD, verify

KEY = OKPKey.generate_key("Ed25519")
OTHER = OKPKey.generate_key("Ed25519")
SUBSCRIPTION = "0192f3c0-0000-7000-8000-000000000001"
DAY = date(2026, 7, 1)


def public(key: OKPKey = KEY, kid: str = "k1") -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": "EdDSA"}


JWKS = {"keys": [public(OTHER, "k0"), public()]}


def event(number: int, workers: int = 5) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(UUID(int=number + (7 << 76) + (2 << 62))),
        "source": "/services/registry",
        "type": "parkunion.headcount-reported.v1",
        "subject": "enterprise/1",
        "time": "2026-07-01T00:00:00Z",
        "occurredon": "2026-07-01",
        "datacontenttype": "application/json",
        "deliverynumber": number,
        "watermark": number - 1,
        "data": {"workers": workers},
    }


def withheld(*numbers: int) -> dict[str, Any]:
    return {**event(numbers[0]), "id": f"{SUBSCRIPTION}.{numbers[0]}.withheld", "type": WITHHELD, "data": {"numbers": list(numbers)}}


def entry(number: int, state: str = "delivered") -> Entry:
    if state == "withheld":
        return Entry(number, None, None, state)
    return Entry(number, event(number)["id"], event_hash(event(number)).hex(), state)


def head_of(entries: list[Entry], **changed: Any) -> Head:
    first, last = (entries[0].number, entries[-1].number) if entries else (None, None)
    previous = Previous(date(2026, 6, 30), first - 1, "00" * 32) if first is not None and first > 1 else None
    chain = chain_of(SUBSCRIPTION, DAY, entries)
    fields: dict[str, Any] = {"made_at": "2026-07-02T00:01:00Z", "complete": True, **changed}
    return Head(
        1, SUBSCRIPTION, "bureau", DAY, fields["made_at"], len(entries), first, last, chain, again_of(entries), previous, fields["complete"]
    )


def manifest(*entries: Entry) -> dict[str, Any]:
    listed = list(entries)
    head = head_of(listed)
    answer: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer_of(head, listed, signed(head, KEY, "k1"))))
    return answer


def found(answer: Any, *received: Mapping[str, Any], jwks: Mapping[str, Any] = JWKS) -> list[tuple[str, int | None]]:
    return [(one.code, one.number) for one in verify(answer, received, jwks)]


def test_what_was_received_as_it_was_sent_has_no_findings() -> None:
    later = {**event(2), "watermark": 9}
    others = [event(900), {**event(7), "type": "parkunion.subscription-test.v1", "deliverynumber": None}]
    assert found(manifest(entry(1), entry(2), entry(3)), event(3), event(1), event(2), later, *others) == []


def test_a_day_without_numbers_is_proved_as_well() -> None:
    answer = manifest()
    assert (answer["count"], answer["first"], answer["last"]) == (0, None, None)
    assert found(answer) == []
    assert found({**answer, "day": "2026-07-02"}) == [("head", None), ("chain", None)]


def test_a_missing_delivery_is_found() -> None:
    assert found(manifest(entry(1), entry(2), entry(3)), event(1), event(3)) == [("missing", 2)]


def test_a_parked_delivery_is_missing_until_it_was_received_and_a_queued_one_has_yet_to_come() -> None:
    answer = manifest(entry(1, "parked"), entry(2, "queued"))
    assert found(answer) == [("missing", 1)]
    assert found(answer, event(1)) == []
    assert found(answer, event(1), event(2, workers=6)) == [("altered", 2)]


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one["data"].update(workers=6),
        lambda one: one["data"].update(name="x"),
        lambda one: one.update(subject="enterprise/2"),
        lambda one: one.update(occurredon="2026-06-30"),
        lambda one: one.update(traceparent="00-1-2-00"),
        lambda one: one.pop("source"),
    ],
)
def test_an_altered_delivery_is_found(change: Callable[[dict[str, Any]], object]) -> None:
    altered = event(2)
    change(altered)
    assert found(manifest(entry(1), entry(2)), event(1), altered) == [("altered", 2)]
    assert found(manifest(entry(1), entry(2)), event(1), altered, event(2)) == [("altered", 2)], "also beside the genuine one"


def test_another_event_under_a_number_is_unexpected() -> None:
    forged = {**event(2), "id": event(77)["id"]}
    assert found(manifest(entry(1), entry(2)), event(1), forged) == [("unexpected", 2), ("missing", 2)]
    assert found(manifest(entry(1)), event(1), {name: value for name, value in event(9).items() if name != "deliverynumber"}) == [
        ("unexpected", None)
    ]


def test_a_renumbered_delivery_is_found() -> None:
    answer = manifest(entry(4), entry(5))
    assert found(answer, {**event(4), "deliverynumber": 5}, {**event(5), "deliverynumber": 4}) == [("renumbered", 5), ("renumbered", 4)]
    assert found(answer, event(4), {**event(5), "deliverynumber": 50}) == [("renumbered", 5)]
    assert found(answer, event(4), {**event(5), "deliverynumber": "5"}) == [("renumbered", 5)]


def test_a_withheld_event_accounts_for_its_numbers() -> None:
    answer = manifest(entry(1), entry(2, "withheld"), entry(3, "withheld"), entry(4))
    assert found(answer, event(1), withheld(2, 3), event(4)) == []
    assert found(answer, event(1), withheld(2), event(4)) == [("missing", 3)]
    assert found(answer, event(1), withheld(2, 3), event(2), event(4)) == [], "it came before the grant ended"
    assert found(answer, event(1), withheld(2), event(3), event(4)) == [("unexpected", 3), ("missing", 3)]
    assert found(answer, event(1), withheld(2, 3), withheld(4)) == [("missing", 4)], "what was delivered is not accounted for by a notice"


def tampered(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    answer = copy.deepcopy(manifest(entry(1), entry(2, "parked")))
    change(answer)
    return answer


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (lambda a: a["entries"].pop(), {"chain", "entries"}),
        (lambda a: a["entries"][1].update(state="delivered"), {"chain"}),
        (lambda a: a["entries"][0].update(hash="ab" * 32), {"chain"}),
        (lambda a: a["entries"][0].update(event_id=None), {"chain"}),
        (lambda a: a["entries"].reverse(), {"chain", "entries"}),
        (lambda a: a.update(count=3), {"head", "entries"}),
        (lambda a: a.update(complete=False), {"head"}),
        (lambda a: a.update(client="another"), {"head"}),
        (lambda a: a.update(previous={"day": "2026-06-01", "last": 9, "chain": "00"}), {"head", "entries"}),
        (lambda a: a.update(version=2), {"form"}),
        (lambda a: a.update(further=1), {"form"}),
        (lambda a: a["entries"][0].update(name="x"), {"form"}),
        (lambda a: a["entries"][0].update(event_id="1\n2"), {"form"}),
        (lambda a: a.pop("jws"), {"form"}),
        (lambda a: a.update(jws="x.y.z"), {"signature"}),
        (lambda a: a.update(jws=a["jws"][:-8] + "AAAAAAAA"), {"signature"}),
        (lambda a: a.update(jws=signed(head_of([entry(1), entry(2, "parked")]), OTHER, "k1")), {"signature"}),
        (lambda a: a.update(jws=signed(head_of([entry(1), entry(2, "parked")]), KEY, "k9")), {"key"}),
        (lambda a: a.update(jws=signed(head_of([entry(1)]), KEY, "k1")), {"head"}),
    ],
)
def test_a_manifest_that_is_not_the_one_signed_is_found(change: Callable[[dict[str, Any]], object], codes: set[str]) -> None:
    received = [event(1), event(2)]
    assert {one.code for one in verify(tampered(change), received, JWKS)} - {"missing", "unexpected", "altered"} == codes


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"version": 1}, {"version": 1, "entries": [], "jws": ""}])
def test_what_is_no_manifest_is_one_finding(answer: Any) -> None:
    assert found(answer, event(1)) == [("form", None)]


def test_a_key_set_without_keys_proves_nothing() -> None:
    assert found(manifest(entry(1)), event(1), jwks={"keys": []}) == [("key", None)]
    assert found(manifest(entry(1)), event(1), jwks={"keys": [{"kid": "k1", "kty": "oct", "k": "AA"}]}) == [("signature", None)]


@given(st.lists(st.sampled_from(sorted(STATES)), max_size=8), st.integers(1, 50), st.randoms(use_true_random=False), st.data())
def test_exactly_what_is_lost_is_missing(states: list[str], first: int, order: random.Random, data: st.DataObject) -> None:
    entries = [entry(first + at, state) for at, state in enumerate(states)]
    arrived = {one.number: withheld(one.number) if one.state == "withheld" else event(one.number) for one in entries}
    lost = data.draw(st.sets(st.sampled_from(sorted(arrived)))) if arrived else set()
    received = [one for number, one in arrived.items() if number not in lost for _ in range(order.randint(1, 2))]
    order.shuffle(received)
    expected = [("missing", one.number) for one in entries if one.number in lost and one.state != "queued"]
    assert found(manifest(*entries), *received) == expected


def test_received_events_are_read_from_a_folder_and_from_lines(tmp_path: Path) -> None:
    lines = tmp_path / "all.ndjson"
    lines.write_bytes(b"\n".join(msgspec.json.encode(event(number)) for number in (1, 2)) + b"\n\n")
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / f"{SUBSCRIPTION}.3").write_bytes(msgspec.json.encode(event(3)))
    (folder / "deep" / "4.json").write_bytes(msgspec.json.encode([event(4), {"no": "event"}]))
    (folder / "page.json").write_bytes(msgspec.json.encode({"items": [event(5)], "next": "x"}))
    (folder / "notes.txt").write_text("not JSON")
    assert [one["deliverynumber"] for one in events_in(lines)] == [1, 2]
    assert sorted(one["deliverynumber"] for one in events_in(folder)) == [3, 4, 5]
    (folder / "broken.json").write_text("{")
    with pytest.raises(Unreadable, match=r"broken\.json"):
        list(events_in(folder))
    with pytest.raises(Unreadable, match=r"notes\.txt:1"):
        list(events_in(folder / "notes.txt"))


def test_what_a_delivery_corrects_is_proved() -> None:
    corrected = {**event(2), "correctsnumbers": "1"}
    answer = manifest(entry(1), replace(entry(2), corrects="1"))
    assert verify(answer, [event(1), corrected], JWKS) == []
    for changed in ({**event(2), "correctsnumbers": "2"}, event(2)):
        assert [one.code for one in verify(answer, [event(1), changed], JWKS)] == ["altered"]
    assert [one.code for one in verify(manifest(entry(1), entry(2)), [event(1), corrected], JWKS)] == ["altered"]


def test_what_a_replay_shows_now_is_accepted_and_nothing_less() -> None:
    fewer = {**event(2), "data": {}}
    answer = manifest(replace(entry(1), again=NOT_AGAIN), replace(entry(2), again=event_hash(fewer).hex()), entry(3))
    assert verify(answer, [withheld(1), fewer, event(3)], JWKS) == []
    assert verify(answer, [event(1), event(2), event(3)], JWKS) == []
    assert [one.code for one in verify(answer, [withheld(1, 2, 3)], JWKS)] == ["missing", "missing"]
    claimed = {**answer, "entries": [{**one, "again": NOT_AGAIN} for one in answer["entries"]]}
    assert [one.code for one in verify(claimed, [withheld(1, 2, 3)], JWKS)] == ["chain"]
