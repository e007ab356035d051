"""The API of cases on a real database: no request that its OpenAPI document allows or forbids gets an answer that the document does not tell of.

Requests are made of the document by schemathesis, the same ones in every run, and half of the good ones name entries that exist.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.integration.cases.service import Cases, cases_of_a_test, client_of_a_test
from tests.integration.client import Client

__all__ = ["cases_of_a_test", "client_of_a_test"]
EXAMPLES = 3
"""Requests of each operation and mode: the whole takes well under a minute."""
DAY = "2026-03-02"
NOT_ASKED = ["/healthz", "/readyz"]
LEFT_OUT: list[Any] = [positive_data_acceptance]
"""A schema cannot say every rule of a command."""
BATCH = "/v1/batch"
"""Its bad lines are refused one by one, inside a 200."""


@schemathesis.serializer("application/x-ndjson")
def as_it_is(_context: Any, value: Any) -> bytes:
    """A batch is described as one text."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else repr(value).encode()


async def entries(client: Client, cases: Cases) -> dict[str, str]:
    """One entry of every noun that has commands of its own: {the name of its id: the id}."""
    enterprise = str(await cases.enterprise())
    known = {"enterprise_id": enterprise, "area": "D1", "year": "2027", "name": "mediation"}
    person = {"name": "样例", "document": {"kind": "resident_id", "number": "11010519491231002X"}}
    need = {"area": "D1", "on": DAY, "persons": 2, "annual_income_fen": 100, "rigid_expenditure_fen": 0}
    for key, path, body in (
        ("case_id", "cases", {"kind": "labour_dispute", "enterprise_id": enterprise, "occurred_on": DAY, "reported_on": DAY}),
        ("negotiation_id", "negotiations", {"enterprise_id": enterprise, "kind": "wage", "invited_on": DAY}),
        ("contract_id", "contracts", {"kind": "wage", "enterprises": [enterprise], "signed_on": DAY, "term_until": "2027-03-01"}),
        ("hardship_id", "hardships", {"person": person, **need}),
        ("help_id", "employment-help", {"kind": "training", "person": person, "area": "D1", "on": DAY}),
        ("pact_id", "pacts", {"enterprise_id": enterprise, "signed_on": DAY}),
        ("meeting_id", "tripartite-meetings", {"area": "D1", "held_on": DAY}),
        ("congress_id", "workers-congresses", {"enterprise_id": enterprise, "held_on": DAY}),
    ):
        known[key] = (await client.made(f"/v1/{path}", body))["id"]
    return known


def without_tokens(document: dict[str, Any]) -> dict[str, Any]:
    """The document of a service whose callers need no token: the client's caller is its own, and tokens have tests of their own."""
    document.pop("security", None)
    for item in document["paths"].values():
        for operation in item.values():
            operation.pop("security", None)
    return document


def named(case: Any, known: dict[str, str], chance: random.Random) -> None:
    """Half of the good requests name what exists."""
    for place in (case.path_parameters, case.query, case.body):
        if isinstance(place, dict):
            for name in place.keys() & known.keys():
                if chance.random() < 0.5:
                    place[name] = known[name]


def attempts(operation: Any, mode: GenerationMode, send: Callable[[Any], httpx.Response], known: dict[str, str]) -> None:
    """The requests of one operation, all good or all bad."""
    chance = random.Random(operation.label)
    left_out = [*LEFT_OUT, *([negative_data_rejection] if operation.path == BATCH else [])]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if mode is GenerationMode.POSITIVE:
            named(case, known, chance)
        answer = send(case)
        assert answer.status_code < 500, answer.text
        case.validate_response(Response.from_httpx(answer, verify=False), excluded_checks=left_out)

    try:
        ask()
    except Unsatisfiable:
        # No request of the operation can be bad: its text is read line by line.
        assert mode is GenerationMode.NEGATIVE, operation.label


@pytest.mark.filterwarnings("ignore")
async def test_every_answer_is_one_that_the_document_tells_of(client: Client, cases: Cases) -> None:
    known = await entries(client, cases)
    document = without_tokens((await client.http.get("/openapi.json")).json())
    schema = schemathesis.openapi.from_dict(document).exclude(path=NOT_ASKED)
    loop, asked = asyncio.get_running_loop(), []

    async def request(said: dict[str, Any]) -> httpx.Response:
        # Cookies belong to the client of httpx; the service has none.
        return await client.http.request(**{name: value for name, value in said.items() if name != "cookies"})

    def send(case: Any) -> httpx.Response:
        said = case.as_transport_kwargs(base_url="http://service")
        asked.append(f"{case.method} {case.path}")
        return asyncio.run_coroutine_threadsafe(request(said), loop).result()

    def all_of_them() -> None:
        for result in schema.get_all_operations():
            assert isinstance(result, Ok), result
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                attempts(result.ok(), mode, send, known)

    await asyncio.to_thread(all_of_them)
    assert len(set(asked)) == sum(len(item) for path, item in document["paths"].items() if path not in NOT_ASKED)
