"""The loader of employers with their cases against services that answer, refuse and repeat; only the network's other side is made up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from deploy.local.loading.api import Apis
from deploy.local.loading.batches import Sender
from deploy.local.loading.kinds import tables
from deploy.local.loading.samples import cases as loading
from deploy.local.loading.samples.cases import load_employers
from samples.records import Case, Employer
from shared.problems.errors import Problem, Unprocessable
from shared.writing.lines.bodies import models


def case(key: str, row: int, opened_on: str = "1990-05-01", closed_on: str | None = "1990-06-01") -> Case:
    return Case(key, row, "labour_dispute", "work_stoppage", "import", opened_on, 27, closed_on, "ended" if closed_on else None)


def employer(key: str, *its: Case) -> Employer:
    return Employer(key, its[0].row, f"{key} Ltd", "IN-GARY", "1990-05-01", its)


class Services:
    """Registry and cases: batches by key, and `/v1/keys`. `refused` keys are refused."""

    def __init__(self) -> None:
        self.taken: dict[str, tuple[str, str, dict[str, Any]]] = {}
        self.refused: set[str] = set()
        self.batches: list[tuple[str, int]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        service = request.url.host
        if request.url.path == "/v1/keys":
            known = [key for key in json.loads(request.content)["keys"] if key in self.taken]
            return httpx.Response(200, json={"items": [{"key": key, "id": f"id of {key}", "event_ids": []} for key in known]})
        lines = [json.loads(line) for line in request.content.splitlines()]
        self.batches.append((service, len(lines)))
        return httpx.Response(200, text="".join(json.dumps(self._answer(service, n, line)) + "\n" for n, line in enumerate(lines, 1)))

    def _answer(self, service: str, n: int, line: dict[str, Any]) -> dict[str, Any]:
        key, said = line["key"], (service, line["op"], line["body"])
        problem: Problem | None = None
        if key in self.refused:
            problem = Unprocessable("DATE_OUT_OF_RANGE", field="on", params={"earliest": "1900-01-01", "latest": "today"})
        elif self.taken.setdefault(key, said) != said:
            problem = Unprocessable("IDEMPOTENCY_KEY_REUSED", field="key")
        if problem is not None:
            return {"line": n, "status": problem.status, "problem": problem.as_dict()}
        return {"line": n, "status": 201, "id": f"id of {key}", "event_ids": []}

    async def load(self, employers: Sequence[Employer]) -> Sender:
        addresses = {name: f"http://{name}" for name in ("registry", "cases")}
        apis = Apis(addresses, lambda: "token", httpx.AsyncClient(transport=httpx.MockTransport(self)))
        sender = Sender(apis, "import")
        await load_employers(sender, apis, "fmcs", employers)
        return sender


async def test_cases_are_opened_at_their_enterprise_and_closed_by_the_id_that_they_got() -> None:
    services = Services()
    sender = await services.load([employer("A", case("1/2", 2), case("1/3", 3, closed_on=None))])
    assert services.taken["fmcs/employer/A"] == ("registry", "enterprise", {"name": "A Ltd", "park": "IN-GARY", "settled_on": "1990-05-01"})
    opened = services.taken["fmcs/1/2"]
    assert opened[:2] == ("cases", "case")
    assert opened[2] == {
        "kind": "labour_dispute",
        "subkind": "work_stoppage",
        "enterprise_id": "id of fmcs/employer/A",
        "occurred_on": "1990-05-01",
        "reported_on": "1990-05-01",
        "workers_concerned": 27,
        "channel": "import",
    }
    closed = ("cases", "case_outcome", {"case_id": "id of fmcs/1/2", "on": "1990-06-01", "outcome": "ended"})
    assert services.taken["fmcs/1/2/outcome"] == closed
    assert set(services.taken) == {"fmcs/employer/A", "fmcs/1/2", "fmcs/1/3", "fmcs/1/2/outcome"}
    assert dict(sender.result.accepted) == {"enterprise": 1, "case": 2, "case_outcome": 1}


def test_the_fields_that_are_sent_are_those_of_the_commands() -> None:
    forms = models(tables()["cases"])
    assert {"kind", "subkind", "enterprise_id", "occurred_on", "reported_on", "workers_concerned", "channel"} <= forms[
        "case"
    ].model_fields.keys()
    assert {"case_id", "on", "outcome"} <= forms["case_outcome"].model_fields.keys()


async def test_a_second_run_changes_nothing() -> None:
    services = Services()
    employers = [employer("A", case("1/2", 2)), employer("B", case("2/3", 3))]
    await services.load(employers)
    before = dict(services.taken)
    sender = await services.load(employers)
    assert services.taken == before
    assert dict(sender.result.accepted) == {"enterprise": 2, "case": 2, "case_outcome": 2}
    assert not sender.result.refused


async def test_an_employer_of_another_file_is_used_as_it_is_and_a_case_that_has_ended_since_is_closed() -> None:
    services = Services()
    await services.load([employer("A", case("1/2", 2, closed_on=None))])
    later = employer("A", case("1/2", 2), case("9/7", 7, opened_on="1980-01-01"))._replace(settled_on="1980-01-01")
    sender = await services.load([later])
    assert services.taken["fmcs/employer/A"][2]["settled_on"] == "1990-05-01"
    assert services.taken["fmcs/9/7"][2]["enterprise_id"] == "id of fmcs/employer/A"
    assert services.taken["fmcs/1/2/outcome"][2]["case_id"] == "id of fmcs/1/2"
    assert not sender.result.refused


async def test_what_rests_on_a_refused_line_is_counted_as_refused_with_its_row() -> None:
    services = Services()
    services.refused = {"fmcs/employer/B", "fmcs/1/2"}
    sender = await services.load(
        [employer("A", case("1/2", 2), case("1/3", 3)), employer("B", case("2/4", 4), case("2/5", 5, closed_on=None))]
    )
    assert dict(sender.result.refused) == {"enterprise": 1, "case": 3, "case_outcome": 2}
    said = [(notice.row, notice.op, notice.code) for notice in sender.result.notices]
    assert said == [
        (2, "case", "DATE_OUT_OF_RANGE"),
        (2, "case_outcome", "NOT_LOADED_BEFORE_IT"),
        (4, "enterprise", "DATE_OUT_OF_RANGE"),
        (4, "case", "NOT_LOADED_BEFORE_IT"),
        (4, "case_outcome", "NOT_LOADED_BEFORE_IT"),
        (5, "case", "NOT_LOADED_BEFORE_IT"),
    ]


async def test_windows_fill_batches_and_divide_no_employer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MOST_LINES", 4)
    services = Services()
    sizes = [2, 3, 1, 5, 1]
    row = iter(range(2, 100))
    await services.load([employer(f"E{n}", *(case(f"{n}/{at}", next(row)) for at in range(size))) for n, size in enumerate(sizes)])
    assert sorted(count for service, count in services.batches if service == "cases") == sorted([2, 2, 4, 4, 5, 5, 1, 1])
    assert sum(op == "case_outcome" for _, op, _ in services.taken.values()) == sum(sizes)
