"""The loader against services that are away, slow to learn, or refuse lines; only the network's other side is made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.errors import UserError
from deploy.local.loading import api, batches
from deploy.local.loading.api import Apis, RequestDeniedError
from deploy.local.loading.batches import Sender
from deploy.local.loading.records import load_areas, load_enterprises
from deploy.local.loading.sources import city_of, digest_of
from samples.city.scenario import Scenario
from samples.records import Area, Enterprise, Founding, Headcount
from shared.http.requests import IMPORT_ID
from shared.problems.errors import Unprocessable, warnings
from shared.problems.personal import LEGACY_LENGTH

Handle = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(batches, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(api, "LONGEST_PAUSE", 0.002)
    monkeypatch.setattr(batches, "LONGEST_PAUSE", 0.002)


class Services:
    """Both services' batch routes: they keep what they took by key, and do as `before` says first."""

    def __init__(self, before: Handle | None = None) -> None:
        self.taken: dict[str, dict[str, Any]] = {}
        self.batches: list[tuple[str, int]] = []
        self.late: dict[str, int] = {}
        self.refused: set[str] = set()
        self.warned: dict[str, list[str]] = {}
        self.headers: list[httpx.Headers] = []
        self._before = before

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self._before is not None and (answer := self._before(request)) is not None:
            return answer
        self.headers.append(request.headers)
        lines = [json.loads(line) for line in request.content.splitlines()]
        assert len(lines) <= 1000
        self.batches.append((request.url.host, len(lines)))
        return httpx.Response(200, text="".join(json.dumps(self._answer(n, line)) + "\n" for n, line in enumerate(lines, 1)))

    def _answer(self, n: int, line: dict[str, Any]) -> dict[str, Any]:
        key = line["key"]
        if key in self.refused:
            return {"line": n, "status": 422, "problem": Unprocessable("UNKNOWN_AREA", field="park", params={"area": "X"}).as_dict()}
        if self.late.get(key, 0):
            self.late[key] -= 1
            return {"line": n, "status": 409, "problem": {"code": "NOT_YET_KNOWN"}}
        assert self.taken.setdefault(key, line) == line
        said = {"warnings": warnings(self.warned[key])} if key in self.warned else {}
        return {"line": n, "status": 201, "id": f"id of {key}", **said}

    def sender(self, **more: Any) -> Sender:
        addresses = {"registry": "http://registry", "membership": "http://membership"}
        return Sender(Apis(addresses, lambda: "token", httpx.AsyncClient(transport=httpx.MockTransport(self))), "file-1", **more)


def unit(key: str, members: int = 2, row: int = 2) -> Enterprise:
    return Enterprise(key, row, f"Mill {key}", "CT-X", "2020-01-01", Headcount("2020-02-01", 9), Founding("2020-03-01", members))


async def test_records_become_lines_with_stable_keys_and_ids_from_the_answers() -> None:
    services = Services()
    sender = services.sender()
    await load_areas(sender, "s", [Area("US", "US", "division", None), Area("CT-X", "X", "park", "US", 2)])
    await load_enterprises(sender, "s", [unit("1"), Enterprise("2", 3, "Alone", "CT-X", "2020-01-01", None, None)])
    assert {key: (line["op"], line["body"]) for key, line in services.taken.items()} == {
        "s/area/US": ("area", {"code": "US", "name": "US", "kind": "division", "parent": None}),
        "s/area/CT-X": ("area", {"code": "CT-X", "name": "X", "kind": "park", "parent": "US"}),
        "s/1": ("enterprise", {"name": "Mill 1", "park": "CT-X", "settled_on": "2020-01-01"}),
        "s/2": ("enterprise", {"name": "Alone", "park": "CT-X", "settled_on": "2020-01-01"}),
        "s/1/headcount/2020-02-01/9": ("headcount", {"enterprise_id": "id of s/1", "on": "2020-02-01", "workers": 9}),
        "s/1/union": (
            "union",
            {"kind": "enterprise_union", "seat_area": "CT-X", "approved_on": "2020-03-01", "enterprises": ["id of s/1"]},
        ),
        **{
            f"s/1/member/{n}": (
                "member",
                {
                    "union_id": "id of s/1/union",
                    "enterprise_id": "id of s/1",
                    "document": {"kind": "sample", "number": f"1/{n}"},
                    "joined_on": "2020-03-01",
                },
            )
            for n in (1, 2)
        },
    }
    assert sender.result.accepted == {"area": 2, "enterprise": 2, "headcount": 1, "union": 1, "member": 2}
    assert all(headers["X-Parkunion-Import"] == "file-1" and headers["Authorization"] == "Bearer token" for headers in services.headers)


async def test_members_go_in_full_batches_and_progress_adds_up() -> None:
    services, told = Services(), dict[str, int]()

    def tell(op: str, count: int, refused: int) -> None:
        assert refused == 0
        told[op] = told.get(op, 0) + count

    await load_enterprises(services.sender(on_progress=tell), "s", [unit(str(n), members=7) for n in range(1200)])
    members = [size for host, size in services.batches if host == "membership" and size == 1000]
    assert len(members) >= 6
    assert told == {"enterprise": 1200, "headcount": 1200, "union": 1200, "member": 8400}


async def test_what_is_away_is_asked_again_with_the_same_keys() -> None:
    faults = iter([httpx.ConnectError("refused"), 503, 429, httpx.ReadError("cut"), 502, httpx.ReadTimeout("late")])

    def fail(_: httpx.Request) -> httpx.Response | None:
        match next(faults, None):
            case Exception() as error:
                raise error
            case int() as status:
                return httpx.Response(status, headers={"Retry-After": "1"})
        return None

    services = Services(fail)  # type: ignore[arg-type]
    sender = services.sender()
    await load_enterprises(sender, "s", [unit("1")])
    assert sender.result.accepted == {"enterprise": 1, "headcount": 1, "union": 1, "member": 2}
    assert next(faults, None) is None


async def test_an_answer_that_was_lost_leaves_nothing_twice() -> None:
    services = Services()
    lost = iter([True])

    def cut(request: httpx.Request) -> httpx.Response:
        answer = services(request)
        if next(lost, False):
            raise httpx.RemoteProtocolError("cut after the work was done")
        return answer

    again = Services()
    sender = again.sender()
    sender._apis._client = httpx.AsyncClient(transport=httpx.MockTransport(cut))
    await load_enterprises(sender, "s", [unit("1")])
    await load_enterprises(sender, "s", [unit("1")])
    assert len(services.taken) == 5


async def test_lines_not_yet_known_are_sent_again_and_only_these() -> None:
    services = Services()
    services.late = {"s/2/union": 3}
    sender = services.sender()
    await load_enterprises(sender, "s", [unit("1"), unit("2"), unit("3")])
    assert [size for host, size in services.batches if host == "membership"] == [3, 1, 1, 1, 6]
    assert not sender.result.refused


async def test_what_depends_on_a_refused_line_is_told_and_not_sent() -> None:
    services = Services()
    services.refused = {"s/1", "s/2/union", "s/3/member/2"}
    sender = services.sender()
    await load_enterprises(sender, "s", [unit("1", row=5), unit("2", row=6), unit("3", row=7)])
    assert sender.result.accepted == {"enterprise": 2, "headcount": 2, "union": 1, "member": 1}
    assert sender.result.refused == {"enterprise": 1, "headcount": 1, "union": 2, "member": 5}
    assert sorted((refusal.row, refusal.op, refusal.code) for refusal in sender.result.notices) == [
        (5, "enterprise", "UNKNOWN_AREA"),
        (5, "headcount", "NOT_LOADED_BEFORE_IT"),
        (5, "member", "NOT_LOADED_BEFORE_IT"),
        (5, "union", "NOT_LOADED_BEFORE_IT"),
        (6, "member", "NOT_LOADED_BEFORE_IT"),
        (6, "union", "UNKNOWN_AREA"),
        (7, "member", "UNKNOWN_AREA"),
    ]
    assert all(refusal.zh and refusal.en for refusal in sender.result.notices)


async def test_a_token_that_ran_out_is_renewed_once() -> None:
    tokens = iter(["old", "new"])

    def check(request: httpx.Request) -> httpx.Response | None:
        return None if request.headers["Authorization"] == "Bearer new" else httpx.Response(401)

    services = Services(check)  # type: ignore[arg-type]
    sender = services.sender()
    sender._apis._new_token = lambda: next(tokens)
    await load_enterprises(sender, "s", [unit("1")])
    assert sender.result.accepted["member"] == 2


async def test_a_refused_request_says_why_in_both_languages() -> None:
    problem = Unprocessable("DATE_OUT_OF_RANGE", field="as_of", params={"earliest": "1900-01-01", "latest": "2030-01-01"})
    services = Services(lambda _: httpx.Response(422, json=problem.as_dict()))
    with pytest.raises(RequestDeniedError, match=r"as_of: 日期须在.*as_of: The date must lie"):
        await load_enterprises(services.sender(), "s", [unit("1")])


async def test_patience_ends_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "WAIT_TIMEOUT", 0.05)
    monkeypatch.setattr(batches, "WAIT_TIMEOUT", 0.0)
    with pytest.raises(UserError, match="run this again"):
        await load_enterprises(Services(lambda _: httpx.Response(503)).sender(), "s", [unit("1")])


async def test_what_is_not_learned_in_time_is_refused_by_line_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "WAIT_TIMEOUT", 0.0)
    services = Services()
    services.late = {"s/1/union": 10**6}
    sender = services.sender()
    await load_enterprises(sender, "s", [unit("1", row=7), unit("2", row=8)])
    assert sender.result.refused == {"union": 1, "member": 2}
    assert sender.result.accepted["union"] == 1
    told = [(notice.row, notice.op, notice.code) for notice in sender.result.notices]
    assert told == [(7, "union", "NOT_YET_KNOWN"), (7, "member", "NOT_LOADED_BEFORE_IT")]


async def test_an_area_on_its_way_is_waited_for_and_one_that_is_none_is_refused() -> None:
    """Membership cannot tell an area that it has not read yet from one that is none; the registry can."""
    asked: list[str] = []
    unread = {"s/1/union": 2, "s/2/union": 10**6}

    def answer(request: httpx.Request) -> httpx.Response | None:
        if request.method == "GET":
            asked.append(request.url.path)
            return httpx.Response(200, json={}) if request.url.path == "/v1/areas/CT-X" else httpx.Response(404, json={})
        lines = [json.loads(line) for line in request.content.splitlines()]
        problem = Unprocessable("UNKNOWN_AREA", field="seat_area", params={"area": "X"}).as_dict()
        if not any(unread.get(line["key"]) for line in lines):
            return None
        answers = []
        for n, line in enumerate(lines, 1):
            if unread.get(line["key"], 0):
                unread[line["key"]] -= 1
                answers.append({"line": n, "status": 422, "problem": problem})
            else:
                answers.append(services._answer(n, line))
        return httpx.Response(200, text="".join(json.dumps(answer) + "\n" for answer in answers))

    services = Services(answer)  # type: ignore[arg-type]
    sender = services.sender()
    strange = unit("2")._replace(park="CT-Y")
    await load_enterprises(sender, "s", [unit("1"), strange, unit("3")])
    assert sender.result.accepted["union"] == 2
    assert next((notice.op, notice.field, notice.code) for notice in sender.result.notices) == ("union", "seat_area", "UNKNOWN_AREA")
    assert set(asked) == {"/v1/areas/CT-X", "/v1/areas/CT-Y"}


async def test_warnings_are_kept_by_line_in_both_languages() -> None:
    services = Services()
    services.warned = {"s/1": ["PROBABLE_DUPLICATE"]}
    sender = services.sender()
    await load_enterprises(sender, "s", [unit("1", row=9)])
    assert not sender.result.refused
    [notice] = sender.result.notices
    assert (notice.row, notice.op, notice.code, notice.warning) == (9, "enterprise", "PROBABLE_DUPLICATE", True)
    assert notice.zh
    assert notice.en


async def test_a_stack_that_was_stopped_is_not_waited_for() -> None:
    runs = iter([True, True, False])
    away = httpx.MockTransport(lambda _request: httpx.Response(503))
    stopped = Apis({"registry": "http://registry"}, lambda: "token", httpx.AsyncClient(transport=away), lambda: next(runs))
    with pytest.raises(api.StackStoppedError, match="the stack was stopped"):
        await stopped.get("registry", "/v1/areas")
    assert next(runs, None) is None


def test_the_id_of_every_import_is_one_that_the_services_take(tmp_path: Path) -> None:
    """However many files: no id looks like a resident number, for which they would be refused."""
    file = tmp_path / "rows.ndjson"
    ids = [city_of(Scenario(date(2025, 12, 31), enterprises=20, years=1, seed=n)).id for n in range(3)]
    for n in range(50):
        file.write_bytes(str(n).encode())
        ids.append(digest_of(file))
    assert all(IMPORT_ID.fullmatch(one) and len(one) < LEGACY_LENGTH for one in ids)
    assert len(set(ids)) == len(ids)
