"""The loader of the synthetic city against services that answer, refuse, learn late or go away; only the network's other side is made up."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import httpx
import pytest

from deploy.local.errors import UserError
from deploy.local.loading import api, batches
from deploy.local.loading.api import Apis
from deploy.local.loading.batches import Sender
from deploy.local.loading.samples.city import load_city
from samples.city import City, Scenario, references
from samples.city.command_log import SERVICES, key_of
from shared.problems.errors import Unprocessable

ALL = 10_000_000


@pytest.fixture(scope="module")
def city() -> City:
    return City(Scenario(date(2025, 6, 30), 40, 2, 3))


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (api, batches):
        monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
        monkeypatch.setattr(module, "LONGEST_PAUSE", 0.002)


class Services:
    """The batch routes, kept by key in order; `refused` keys are refused, `late` ones once not yet known, and after `most` batches none."""

    def __init__(self) -> None:
        self.taken: dict[str, dict[str, Any]] = {}
        self.refused: set[str] = set()
        self.late: set[str] = set()
        self.most = ALL

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.most -= 1
        if self.most < 0:
            return httpx.Response(403, json={"errors": [{"message_zh": "停", "message_en": "stop"}]})
        lines = [json.loads(line) for line in request.content.splitlines()]
        return httpx.Response(200, text="".join(json.dumps(self._answer(n, line)) + "\n" for n, line in enumerate(lines, 1)))

    def _answer(self, n: int, line: dict[str, Any]) -> dict[str, Any]:
        key = line["key"]
        if key in self.refused:
            return {"line": n, "status": 422, "problem": Unprocessable("UNKNOWN_AREA", field="park", params={"area": "X"}).as_dict()}
        if key in self.late:
            self.late.remove(key)
            return {"line": n, "status": 409, "problem": {"code": "NOT_YET_KNOWN"}}
        assert self.taken.setdefault(key, line) == line, "a repeat says the same"
        return {"line": n, "status": 201, "id": f"id of {key}", "event_ids": [f"event {event} of {key}" for event in range(2)]}

    async def load(self, city: City) -> Sender:
        addresses = {str(name): f"http://{name}" for name in SERVICES}
        sender = Sender(Apis(addresses, lambda: "token", httpx.AsyncClient(transport=httpx.MockTransport(self))), "city")
        await load_city(sender, city)
        return sender


async def test_every_command_arrives_once_with_ids_in_the_place_of_references(city: City) -> None:
    services = Services()
    services.late = {command.key for command in city.commands if command.op == "union"}
    sender = await services.load(city)
    assert services.taken.keys() == {command.key for command in city.commands}
    assert sum(sender.result.accepted.values()) == len(city.commands)
    assert not sender.result.refused
    for line in services.taken.values():
        assert not list(references(line["body"]))
    correction = next(command for command in city.commands if command.op == "correction")
    assert services.taken[correction.key]["body"]["corrects"] == f"event 0 of {key_of(correction.body['corrects'])}"


async def test_what_was_cut_off_goes_on_with_the_same_keys_and_contents(city: City) -> None:
    services = Services()
    services.most = 12
    with pytest.raises(UserError):
        await services.load(city)
    assert 0 < len(services.taken) < len(city.commands)
    services.most = ALL
    await services.load(city)
    assert services.taken.keys() == {command.key for command in city.commands}


async def test_what_names_something_refused_is_refused_with_its_line_and_the_rest_goes_on(city: City) -> None:
    services = Services()
    services.refused = {next(command.key for command in city.commands if command.op == "enterprise")}
    sender = await services.load(city)
    kept = {command.key for command in city.commands} - services.taken.keys()
    assert services.refused < kept
    assert sum(sender.result.refused.values()) == len(kept)
    assert sum(sender.result.accepted.values()) == len(city.commands) - len(kept)
    lines = {notice.row for notice in sender.result.notices if notice.code == "NOT_LOADED_BEFORE_IT"}
    headcounts = [n for n, line in enumerate(city.lines("registry"), 1) if line["key"] in kept and line["op"] == "headcount"]
    assert headcounts
    assert lines.issuperset(headcounts)
