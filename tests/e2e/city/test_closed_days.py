"""A stack whose clock is turned over midnight: the day left behind closes within seconds, and its figures stay."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.city.conftest import City
from tests.e2e.platform import Platform, parkunion, until


def figures(data: Path, known_at: date) -> dict[str, Any]:
    said = parkunion(
        "coverage", "--data", data, "--by", "park", "--known-at", known_at.isoformat(), "--as-of", "2026-01-01", "--format", "json"
    )
    answer: dict[str, Any] = json.loads(said.stdout)
    return answer


def settle(platform: Platform, name: str) -> str:
    made = platform.accepted("registry", "/v1/enterprises", {"name": name, "park": "T-P001", "settled_on": "2024-01-02"})
    platform.accepted("registry", f"/v1/enterprises/{made['id']}/headcounts", {"on": "2024-02-01", "workers": 40})
    return str(made["id"])


def closed_day(platform: Platform) -> str | None:
    found: str | None = platform.get("metrics", "/readyz").json()["closed_day"]
    return found


@pytest.mark.invariant("I4")
def test_the_day_left_behind_closes_and_its_figures_stay(city: City) -> None:
    turning = city.platform
    turning.accepted("registry", "/v1/areas", {"code": "T", "name": "示例市", "kind": "division", "parent": None})
    turning.accepted("registry", "/v1/areas", {"code": "T-P001", "name": "示例园", "kind": "park", "parent": "T"})
    first = settle(turning, "第一厂")
    until(turning.settled, "everything projected")
    day = date.fromisoformat(parkunion("clock", "advance", "1m", "--data", turning.data).stdout.split()[0])
    # A stack that is new closes the day before at once.
    until(lambda: closed_day(turning) == (day - timedelta(days=1)).isoformat(), "yesterday closed")
    # The ends of the day came to every shard a moment ago, and until they are read the figures are those of a reader that catches up.
    until(lambda: figures(turning.data, day)["provisional"] == ["DAY_NOT_CLOSED"], "every shard has read the ends of the day")
    before = figures(turning.data, day)

    parkunion("clock", "advance", "1d", "--data", turning.data)
    until(lambda: closed_day(turning) == day.isoformat(), "the day left behind is closed", seconds=90)
    final = figures(turning.data, day)
    assert final["provisional"] == []
    assert final["rows"] == before["rows"]
    assert turning.get("metrics", "/readyz").json()["closed_day_age_days"] == 1

    settle(turning, "第二厂")
    turning.accepted("registry", f"/v1/enterprises/{first}/headcounts", {"on": "2024-02-01", "workers": 90})
    until(turning.settled, "everything projected")
    parkunion("clock", "advance", "1d", "--data", turning.data)
    until(lambda: closed_day(turning) == (day + timedelta(days=1)).isoformat(), "the next day is closed", seconds=90)
    again = figures(turning.data, day)
    assert again.pop("closed_day") == (day + timedelta(days=1)).isoformat()
    assert final.pop("closed_day") == day.isoformat()
    assert json.dumps(again) == json.dumps(final)
    assert figures(turning.data, day + timedelta(days=1))["rows"] != final["rows"]


def test_a_fact_that_counted_is_withdrawn_and_nothing_stands_still(city: City) -> None:
    """Through the API: the figure goes back, nothing is held, the next day closes, the audit finds no difference."""
    turning = city.platform
    turning.accepted("registry", "/v1/areas", {"code": "W", "name": "示例市", "kind": "division", "parent": None})
    turning.accepted("registry", "/v1/areas", {"code": "W-P001", "name": "示例园", "kind": "park", "parent": "W"})
    made = turning.accepted("registry", "/v1/enterprises", {"name": "第三厂", "park": "W-P001", "settled_on": "2024-01-02"})
    wrong = turning.accepted("registry", f"/v1/enterprises/{made['id']}/headcounts", {"on": "2024-02-01", "workers": 900})
    until(lambda: turning.figures(area="W", by="park").get("W-P001", {}).get("workers") == 900, "it counts")
    body = {"subject": wrong["subject"], "from": wrong["sequence"], "to": wrong["sequence"], "reason": "never_was"}
    turning.accepted("registry", "/v1/withdrawals", body)
    until(lambda: turning.figures(area="W", by="park")["W-P001"]["workers"] == 0, "it counts no longer")
    assert parkunion("parked", "list", "--data", turning.data, check=False).returncode == 0
    day = date.fromisoformat(parkunion("clock", "advance", "1m", "--data", turning.data).stdout.split()[0])
    parkunion("clock", "advance", "1d", "--data", turning.data)
    until(lambda: closed_day(turning) == day.isoformat(), "the withdrawal's day is closed", seconds=90)
    audited = parkunion("audit", "--json", "--data", turning.data, check=False)
    assert audited.returncode == 0, audited.stdout
