"""A projector's run is measured when every other service has read the log."""

from __future__ import annotations

from typing import Any

import pytest

from bench.speed.idle import backlog_of, wait_until_idle

IDLE: dict[str, Any] = {"ready": True, "lag_events": 0, "lag_seconds": 0.0, "outbox": 0}


@pytest.mark.parametrize(
    "answer",
    [{}, {**IDLE, "lag_events": 7}, {**IDLE, "lag_seconds": 1e9}, {**IDLE, "outbox": 1}, {**IDLE, "lag_events": None}],
)
def test_a_service_that_reads_publishes_or_is_silent_is_not_idle(answer: dict[str, Any]) -> None:
    assert backlog_of({"registry": IDLE, "subscriptions": answer}).keys() == {"subscriptions"}
    assert not backlog_of({"registry": IDLE, "subscriptions": IDLE})


def test_it_waits_for_the_last_one() -> None:
    lags = iter([9, 5, 0, 0])
    asked = []

    def ask() -> dict[str, dict[str, Any]]:
        asked.append({**IDLE, "lag_events": next(lags)})
        return {"cases": IDLE, "subscriptions": asked[-1]}

    wait_until_idle(ask, pause=0.0)
    assert [answer["lag_events"] for answer in asked] == [9, 5, 0]


def test_a_reader_that_stands_still_is_named() -> None:
    with pytest.raises(TimeoutError, match=r"subscriptions.*lag_events': 3"):
        wait_until_idle(lambda: {"subscriptions": {**IDLE, "lag_events": 3}}, pause=0.0, patience=0.0)
