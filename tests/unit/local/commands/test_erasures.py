"""`erasures`: what `export` wrote is erased again by `replay`."""

from __future__ import annotations

import json

import httpx
import pytest

from deploy.local.commands.persons.erasures import Line, exported, lines_of, replayed
from deploy.local.errors import UserError
from deploy.local.loading.api import Apis

KNOWN, UNKNOWN = "01938c5e-7f00-7000-8000-0000000000d1", "01938c5e-7f00-7000-8000-0000000000d2"


class Service:
    """A service that knows one person, and has erased three."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path} {request.url.params.get('reason')}")
        if request.method == "DELETE":
            return httpx.Response(200, json={}) if request.url.path.endswith(KNOWN) else httpx.Response(404, json={"status": 404})
        if request.url.params.get("after") == "2":
            return httpx.Response(200, json={"items": [{"person_id": UNKNOWN, "reason": "other"}], "next": None})
        return httpx.Response(200, json={"items": [{"person_id": KNOWN, "reason": "requested"}], "next": "2"})

    def apis(self) -> Apis:
        return Apis({"membership": "http://m"}, lambda: "token", httpx.AsyncClient(transport=httpx.MockTransport(self)))


async def test_what_was_exported_is_erased_again() -> None:
    service = Service()
    lines = await exported(service.apis(), ["membership"])
    content = "\n".join(json.dumps(line) for line in lines).encode() + b"\n\n"
    assert lines_of(content) == [Line("membership", KNOWN), Line("membership", UNKNOWN)]
    service.asked.clear()
    assert await replayed(service.apis(), lines_of(content)) == (1, 1)
    assert service.asked == [f"DELETE /v1/persons/{one} restored" for one in (KNOWN, UNKNOWN)]


@pytest.mark.parametrize(
    "wrong",
    ["x", "{}", '{"service": "membership", "person_id": "../x"}', '{"service": "metrics", "person_id": "' + KNOWN + '"}', '["membership"]'],
)
def test_another_file_is_refused_by_line_before_anything_is_erased(wrong: str) -> None:
    good = json.dumps({"service": "membership", "person_id": KNOWN})
    with pytest.raises(UserError, match="line 2"):
        lines_of(f"{good}\n{wrong}\n".encode())
