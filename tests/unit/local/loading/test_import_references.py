"""Rows that name enterprises, unions, members and events: by id, by code, by the key of an earlier row of this run or of another one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import httpx
import pytest

from deploy.local.loading.api import Apis
from deploy.local.loading.batches import BatchLine, LineAnswer, Sender
from deploy.local.loading.kinds import kinds, tables
from deploy.local.loading.row_loading import load_rows
from deploy.local.loading.rows import CheckedFile
from shared.problems.errors import Unprocessable

CODE, NUMBER = "91350100M000100Y43", "110108000000016"
SPACE = UUID(int=7)


def id_of(key: str) -> str:
    """The id that the services of the test give to what a key makes."""
    return str(uuid5(SPACE, key))


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


class Services:
    """The writing services: batches by key, `/v1/keys` of what was taken, and one enterprise that has a code and a number.

    `events` = {id of an event: the service that has it}; `after` = {key of a transfer back: that of the transfer away}.
    """

    def __init__(self) -> None:
        self.taken: dict[str, tuple[str, dict[str, Any]]] = {}
        self.batches: list[tuple[str, list[str]]] = []
        self.events: dict[str, str] = {}
        self.after: dict[str, str] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        service = request.url.host
        if request.url.path == "/v1/enterprises":
            item = {"id": id_of("by code"), "credit_code": CODE, "registration_number": NUMBER}
            return httpx.Response(200, json={"items": [item] if request.url.params["q"] in (CODE, NUMBER) else []})
        if request.url.path == "/v1/keys":
            known = [key for key in json.loads(request.content)["keys"] if self.taken.get(key, ("", {}))[0] == service]
            return httpx.Response(200, json={"items": [{"key": key, **self._made(key)} for key in known]})
        lines = [json.loads(line) for line in request.content.splitlines()]
        self.batches.append((service, [line["key"] for line in lines]))
        return httpx.Response(200, text="".join(json.dumps(self._answer(service, n, line)) + "\n" for n, line in enumerate(lines, 1)))

    def _made(self, key: str) -> dict[str, Any]:
        return {"id": id_of(key), "event_ids": [id_of(f"{key}#{n}") for n in range(2)]}

    def _answer(self, service: str, n: int, line: dict[str, Any]) -> dict[str, Any]:
        named = line["body"].get("corrects")
        if named in self.events and self.events[named] != service:
            problem = Unprocessable("UNKNOWN_EVENT", field="corrects", params={"event": named})
            return {"line": n, "status": 422, "problem": problem.as_dict()}
        if line["body"].get("name") == "refused":
            return {"line": n, "status": 422, "problem": Unprocessable("UNKNOWN_PARK", field="park").as_dict()}
        if (first := self.after.get(line["key"])) is not None and first not in self.taken:
            return {"line": n, "status": 422, "problem": Unprocessable("SAME_MEMBERSHIP", field="union_id").as_dict()}
        assert self.taken.setdefault(line["key"], (service, line["body"])) == (service, line["body"]), "a repeat says the same"
        return {"line": n, "status": 201, **self._made(line["key"])}

    async def load(self, path: Path, kind: str, *rows: dict[str, Any], origin: str = "") -> Sender:
        """An import of its own, which remembers nothing of others."""
        write(path, rows)
        addresses = {name: f"http://{name}" for name in tables()}
        apis = Apis(addresses, lambda: "token", httpx.AsyncClient(transport=httpx.MockTransport(self)))
        self.made: list[tuple[str, int | None, str | None, str | None]] = []

        def remember(service: str, line: BatchLine, answer: LineAnswer) -> None:
            self.made.append((service, line.row, line.name, answer.id))

        sender = Sender(apis, "file", on_made=remember)
        await load_rows(sender, apis, CheckedFile(path, kinds()[kind], origin).take_rows(), kinds()[kind], origin)
        return sender


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.ndjson"


def enterprise(key: str, name: str = "甲") -> dict[str, Any]:
    return {"key": key, "name": name, "park": "P", "settled_on": "2024-01-01"}


def headcount(name: str, **more: Any) -> dict[str, Any]:
    return {"enterprise_id": name, "on": "2025-01-01", "workers": 4, **more}


def union(key: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "kind": "regional_federation", "seat_area": "P", "approved_on": "2024-05-05", **more}


def said(sender: Sender) -> list[tuple[int | None, str | None, str]]:
    return [(notice.row, notice.field, notice.code) for notice in sender.result.notices]


async def test_an_enterprise_is_named_by_id_code_number_or_key_of_an_earlier_import(path: Path) -> None:
    services = Services()
    await services.load(path, "enterprises", {**enterprise("A-1"), "headcount": {"on": "2024-02-01", "workers": 3}})
    assert services.made == [
        ("registry", 1, "A-1", id_of("enterprises/A-1")),
        ("registry", 1, "A-1/headcount", id_of("enterprises/A-1/headcount")),
    ]
    names = [id_of("x"), f" {CODE.lower()}　", "１１０１０８００００００016".replace("００００００", "000000"), "A-1", "A-2"]
    sender = await services.load(path, "headcounts", *(headcount(name, key=f"H-{n}") for n, name in enumerate(names)))
    assert [services.taken[f"headcounts/H-{n}"][1]["enterprise_id"] for n in range(4)] == [
        id_of("x"),
        id_of("by code"),
        id_of("by code"),
        id_of("enterprises/A-1"),
    ]
    assert said(sender) == [(5, "enterprise_id", "UNKNOWN_REFERENCE")]


async def test_a_row_may_name_one_above_it_in_the_same_file_and_goes_into_a_later_batch(path: Path) -> None:
    services = Services()
    rows = [union("F-1"), union("F-2", parent_union_id="F-1"), union("F-3", parent_union_id="F-1"), union("F-4", parent_union_id="F-3")]
    sender = await services.load(path, "unions", *rows)
    assert said(sender) == []
    assert [keys for _, keys in services.batches] == [["unions/F-1"], ["unions/F-2", "unions/F-3"], ["unions/F-4"]]
    assert services.taken["unions/F-4"][1]["parent_union_id"] == id_of("unions/F-3")
    await services.load(path, "unions", *rows)
    assert len(services.taken) == 4


async def test_what_names_a_refused_row_is_refused_for_that_and_the_rest_is_taken(path: Path) -> None:
    services = Services()
    rows = [union("F-1", name="refused"), union("F-2", parent_union_id="F-1"), union("F-3", enterprises=["A-9", CODE])]
    sender = await services.load(path, "unions", *rows, union("F-4"))
    assert said(sender) == [
        (1, "park", "UNKNOWN_PARK"),
        (2, "parent_union_id", "NOT_LOADED_BEFORE_IT"),
        (3, "enterprises.0", "UNKNOWN_REFERENCE"),
    ]
    assert services.taken.keys() == {"unions/F-4"}


async def test_a_member_is_named_by_the_row_that_made_the_membership(path: Path) -> None:
    services = Services()
    document = {"kind": "sample", "number": "1"}
    joined = {"union_id": id_of("u"), "enterprise_id": id_of("e"), "document": document, "joined_on": "2024-01-01"}
    await services.load(path, "members", {"key": "M-1", **joined})
    moved = {"key": "M-1b", "member_id": "M-1", "on": "2025-01-01", "union_id": id_of("u"), "enterprise_id": id_of("e")}
    await services.load(path, "transfers", moved)
    await services.load(path, "leaves", {"key": "L-1", "member_id": "M-1b", "on": "2025-02-01", "reason": "resigned"})
    assert services.taken["transfers/M-1b"][1]["member_id"] == id_of("members/M-1")
    assert services.taken["leaves/L-1"][1]["member_id"] == id_of("transfers/M-1b")


async def test_who_goes_away_and_comes_back_may_be_entered_in_any_order_of_rows(path: Path) -> None:
    services = Services()
    services.after = {"transfers/4": "transfers/3", "transfers/3": "transfers/2", "transfers/5": "transfers/9"}
    body = {"member_id": id_of("m"), "on": "2025-01-01", "union_id": id_of("u"), "enterprise_id": id_of("e")}
    rows: list[dict[str, Any]] = [{"key": key, **body} for key in ("4", "3", "5", "2")]
    named = [{"key": "4b", **body, "member_id": "4"}, {"key": "5b", **body, "member_id": "5"}]
    sender = await services.load(path, "transfers", *rows, *named)
    assert list(services.taken) == [f"transfers/{key}" for key in ("2", "3", "4", "4b")]
    assert services.taken["transfers/4b"][1]["member_id"] == id_of("transfers/4")
    assert (sender.result.accepted, sender.result.refused) == ({"transfer": 4}, {"transfer": 2})
    assert said(sender) == [(3, "union_id", "SAME_MEMBERSHIP"), (6, "member_id", "NOT_LOADED_BEFORE_IT")]


async def test_a_correction_names_an_event_by_the_row_that_made_it_or_by_its_id_in_either_service(path: Path) -> None:
    services = Services()
    await services.load(path, "unions", union("F-1"))
    await services.load(path, "enterprises", {**enterprise("A-1"), "headcount": {"on": "2024-02-01", "workers": 3}})
    services.events = {id_of("there"): "membership", id_of("here"): "registry", id_of("nowhere"): "none"}
    names = ["unions/F-1#1", "enterprises/A-1/headcount", id_of("there"), id_of("here"), id_of("nowhere"), "unions/F-1#7", "F-1"]
    rows = [{"key": f"C-{n}", "corrects": name, "reason": "typo", "data": None} for n, name in enumerate(names)]
    sender = await services.load(path, "corrections", *rows)
    found = {key: (service, body["corrects"]) for key, (service, body) in services.taken.items() if key.startswith("corrections/")}
    assert found == {
        "corrections/C-0": ("membership", id_of("unions/F-1#1")),
        "corrections/C-1": ("registry", id_of("enterprises/A-1/headcount#0")),
        "corrections/C-2": ("membership", id_of("there")),
        "corrections/C-3": ("registry", id_of("here")),
    }
    assert said(sender) == [
        (5, "corrects", "UNKNOWN_EVENT"),
        (6, "corrects", "UNKNOWN_REFERENCE"),
        (7, "corrects", "UNKNOWN_REFERENCE"),
    ]


async def test_sources_name_their_own_rows_only(path: Path) -> None:
    services = Services()
    await services.load(path, "enterprises", enterprise("A-1"), origin="tax")
    sender = await services.load(path, "headcounts", headcount("A-1", key="H-1"))
    assert said(sender) == [(1, "enterprise_id", "UNKNOWN_REFERENCE")]
    sender = await services.load(path, "headcounts", headcount("A-1", key="H-1"), origin="tax")
    assert said(sender) == []
    assert services.taken["tax:headcounts/H-1"][1]["enterprise_id"] == id_of("tax:enterprises/A-1")


@pytest.mark.invariant("I5")
async def test_a_number_of_a_person_in_the_place_of_a_name_is_not_repeated(path: Path) -> None:
    sender = await Services().load(path, "headcounts", headcount("11010519491231002X"))
    [notice] = sender.result.notices
    assert "19491231" not in notice.zh + notice.en
