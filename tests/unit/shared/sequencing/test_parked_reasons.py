"""Why an event is parked is said in both languages, and what an older release wrote is shown as it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.commands.parked import reason_of
from shared.sequencing import parked_reasons as reasons
from shared.sequencing.parked_reasons import REASONS, DomainError, ParkedReason, coded, parse_reason

ROOT = Path(__file__).parents[4]
SAYING = {"coded", "DomainError", "RefusedFact"}


def codes_said() -> Iterator[str]:
    for path in sorted(path for metrics in ("shared", "services") for path in (ROOT / metrics).rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call) and node.args]
        for call in calls:
            if isinstance(call.func, ast.Name) and call.func.id in SAYING and isinstance(call.args[0], ast.Constant):
                yield str(call.args[0].value)


def test_every_reason_that_is_given_has_its_sentence_and_none_is_left_over() -> None:
    assert set(codes_said()) == set(REASONS)


@pytest.mark.parametrize("code", sorted(REASONS))
def test_a_reason_speaks_both_languages(code: str) -> None:
    assert re.search("[\u4e00-\u9fff]", REASONS[code].zh)
    assert not re.search("[\u4e00-\u9fff]", REASONS[code].en)
    assert parse_reason(coded(code, "5: 6\n7")) == ParkedReason(code, *REASONS[code], "5: 6\n7")
    assert parse_reason(coded(code)) == ParkedReason(code, *REASONS[code], "")


@pytest.mark.parametrize("error", ["RefusedFact: a headcount of -5", "unknown type parkunion.x.v1", "HTTP: no", "NO_SUCH_CODE: x", ""])
def test_what_has_no_code_is_shown_as_it_is(error: str) -> None:
    assert parse_reason(error) == ParkedReason(None, "", "", error)
    assert parse_reason(None) is None


def test_a_refusal_is_kept_with_its_code_and_any_other_error_with_its_name() -> None:
    assert reasons.reason_for(DomainError("HEADCOUNT", "-5")) == "HEADCOUNT: -5"
    assert reasons.reason_for(ZeroDivisionError("by zero")) == "RULE: ZeroDivisionError: by zero"
    assert len(reasons.reason_for(ValueError("x" * 9999))) == reasons.LONGEST_ERROR


def test_the_command_says_a_reason_in_both_languages_with_its_detail() -> None:
    def shown(error: str | None) -> str:
        found = parse_reason(error)
        return reason_of({"error": error, "reason": found._asdict() if found else None})

    assert shown("HEADCOUNT: -5") == "职工人数须在 0 与 10⁹ 之间 / a headcount lies between 0 and 10⁹ (-5)"
    assert shown("RefusedFact: a headcount of -5") == "RefusedFact: a headcount of -5"
    assert shown(None) == ""
    assert reason_of({"error": "what an older service says"}) == "what an older service says"
