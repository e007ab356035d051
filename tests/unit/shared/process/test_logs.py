"""The log writes a line of whatever it is given."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import structlog

from shared.process.logs import setup_logs


class WithoutText:
    """A value that has no text."""

    def __str__(self) -> str:
        raise RuntimeError


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else "end"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a\ud800b", "a\\ud800b"),
        ({"\udfff": "\ud800"}, {"\\udfff": "\\ud800"}),
        (["\ud800", {"deep": ("\ud800",)}], ["\\ud800", {"deep": ["\\ud800"]}]),
        (10**400, 10**400),
        pytest.param(10**5000, "integer of 16610 bits", id="past the digits that Python writes"),
        (float("nan"), None),
        ({1: "\ud800", None: 2}, {"1": "\\ud800", "None": 2}),
        (WithoutText(), "test_logs.WithoutText"),
    ],
)
def test_a_value_that_no_json_can_hold_is_written_readably(capsys: pytest.CaptureFixture[str], value: Any, written: Any) -> None:
    setup_logs("INFO", "things", "api")
    structlog.get_logger().info("something", value=value)
    logging.getLogger("library").warning("something %s", "\ud800", extra={"value": value})
    own, foreign = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert own["event"] == "something"
    assert own["value"] == written or own["value"].endswith(str(written))
    assert foreign["event"] == "something \\ud800"


def test_values_without_end_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logs("INFO", "things", "api")
    circle: list[Any] = ["\ud800"]
    circle.append(circle)
    structlog.get_logger().info("something", value=nested(50), circle=circle)
    assert json.loads(capsys.readouterr().out)["event"] == "something"
