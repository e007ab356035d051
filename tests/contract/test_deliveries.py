"""The published document of what a bureau can receive: up to date, and true of what is delivered."""

from __future__ import annotations

import copy
import json
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from jsonschema import Draft202012Validator, ValidationError

from services.subscriptions.delivering.probes import Probe, event_of_probe
from services.subscriptions.fanout.deciding import Decider
from services.subscriptions.fanout.known import Got, Known
from services.subscriptions.matching.catalogue import defaults, fields_of
from services.subscriptions.matching.current import Current, Grant, assembled
from services.subscriptions.matching.documents import deliveries
from services.subscriptions.matching.outgoing import HEARTBEAT, OWN_TYPES, SOURCE, Content, event_of, numbered, shown_data, withheld
from shared.contracts import Envelope, decode
from shared.contracts.streams import EventWithdrawn, FactCorrected, Placed
from shared.directory.visibility import Stay
from shared.manifests.chain import canonical
from shared.process.clock import Clock
from tests.integration.subscriptions.house import CLOCK

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 7, 1, tzinfo=UTC)
HIDDEN = ("sequence", "traceparent", "actor", "origin", "causeid", "partitionkey")
PARKS = ("P1", "P2")
SUBSCRIPTION = uuid4()


@cache
def document() -> dict[str, Any]:
    return deliveries()


def validate(event: dict[str, Any]) -> None:
    """As a receiver that has the published document does."""
    message = document()["components"]["messages"][event["type"]]["payload"]
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **message, "components": document()["components"]}
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(event)


@cache
def golden() -> dict[str, Envelope]:
    """{type: a sample} of what can be granted."""
    found = (decode(path.read_bytes()) for path in sorted((ROOT / "tests" / "contract" / "golden").rglob("*.json")))
    return {event.type: event for event in found if event.type in defaults()}


def current(*, whole: bool) -> Current:
    """One subscription to everything everywhere, with the default fields or all of them."""
    fields = {name: list(fields_of(name) if whole else shown) for name, shown in defaults().items()}
    grant = Grant(uuid4(), "bureau", "检查", "工会法", False, frozenset({"*"}), frozenset(defaults()), fields, None, None)
    row: dict[str, Any] = {"id": SUBSCRIPTION, "grant_id": grant.id, "types": None, "filter": {}, "kind": "pull", "ended_revision": None}
    return assembled(1, dict.fromkeys((*PARKS, "D"), None), [grant], [row])


def delivered(event: Envelope, state: Current, known: Known) -> list[dict[str, Any]]:
    """The events that follow from one, as they leave the house."""
    decider = Decider(state, known, NOW)
    decider.decide(event)
    found = []
    for number, owed in enumerate(decider.decisions.owed, 1):
        content = decider.decisions.contents[owed.content].content
        data = shown_data(content, owed.subscription.terms, NOW)
        assert data is not None
        sent = numbered(event_of(content, data), number, 0, [one.number or 1 for one in owed.corrects])
        found.append(json.loads(msgspec.json.encode(sent)))
    return found


def known_of(event: Envelope, park: str = "P1", before: str = "P2") -> Known:
    day = event.occurredon
    return Known({event.subject: [Stay(date.min, day, before), Stay(day, date.max, park)]})


def test_the_published_document_is_true() -> None:
    published = json.loads((ROOT / "docs" / "events" / "deliveries.json").read_text("utf-8"))
    assert published == document(), "run: python -m services.subscriptions.matching.documents > docs/events/deliveries.json"


def test_it_lists_every_type_that_a_subscription_can_get() -> None:
    assert set(document()["components"]["messages"]) == {
        *defaults(),
        *OWN_TYPES,
        "parkunion.fact-corrected.v1",
        "parkunion.event-withdrawn.v1",
    }
    for name, shown in defaults().items():
        data = document()["components"]["messages"][name]["payload"]["properties"]["data"]["$ref"].rpartition("/")[2]
        schema = document()["components"]["schemas"][data]
        assert schema["x-default-fields"] == list(shown)
        assert [field for field in schema["properties"] if field != "direction"] == list(fields_of(name))


@pytest.mark.invariant("I5")
@pytest.mark.invariant("I8")
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", defaults())
def test_a_delivered_event_of_every_type_fits_with_default_and_with_all_fields(name: str, whole: bool) -> None:
    event = golden()[name]
    [sent] = delivered(event, current(whole=whole), known_of(event))
    validate(sent)
    assert not sent.keys() & set(HIDDEN)
    for more in (*HIDDEN, "name"):
        with pytest.raises(ValidationError):
            validate({**sent, more: "x"})
    with pytest.raises(ValidationError):
        validate({**copy.deepcopy(sent), "data": {**sent["data"], "other": 1}})


@pytest.mark.parametrize("name", defaults())
def test_corrections_and_withdrawals_of_every_type_fit(name: str) -> None:
    event, state = golden()[name], current(whole=True)
    content = msgspec.to_builtins(event.data)
    for replacement in (None, Placed(event.occurredon, content)):
        correction = FactCorrected(
            corrects=event.id, fact=name, rank=1, reason="typo", withdrawn=Placed(event.occurredon, content), replacement=replacement
        )
        known = known_of(event)
        known.by_event[event.id] = [Got(SUBSCRIPTION, 7, event.id, name, ["P1"])]
        [sent] = delivered(_about(event, "fact-corrected", correction), state, known)
        validate(sent)
        assert sent["correctsnumbers"] == "7"
    known = known_of(event)
    known.by_place[event.source, event.subject] = [(1, Got(SUBSCRIPTION, 7, event.id, name, ["P1"]))]
    [sent] = delivered(_about(event, "event-withdrawn", EventWithdrawn(first=1, last=1, reason="mistake")), state, known)
    validate(sent)
    assert sent["data"]["withdraws"] == [str(event.id)]


def _about(event: Envelope, kind: str, data: FactCorrected | EventWithdrawn) -> Envelope:
    return msgspec.structs.replace(event, id=uuid4(), sequence=2, type=f"parkunion.{kind}.v1", data=data)


def test_what_the_service_itself_says_fits() -> None:
    beat = Content(
        uuid4(), SOURCE, f"subscription/{SUBSCRIPTION}", HEARTBEAT, HEARTBEAT, NOW, NOW.date(), (), canonical({"silent_since": NOW})
    )
    [subscription] = current(whole=False).subscriptions.values()
    data = shown_data(beat, subscription.terms, NOW)
    assert data is not None
    own = [numbered(event_of(beat, data), 3, 2), numbered(withheld(SUBSCRIPTION, [4, 5], NOW, NOW.date()), 4, 3)]
    clock: Clock = CLOCK
    for kind in ("verification", "test"):
        probe = Probe(UUID(int=1), SUBSCRIPTION, kind, "abc" if kind == "verification" else None, NOW, "verifying", None, [])
        own.append(event_of_probe(probe, clock))
    for event in own:
        validate(json.loads(msgspec.json.encode(event)))
