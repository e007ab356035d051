"""What is wrong with a body is said at once: no field hides another."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.registry.enterprises.bodies import EnterpriseBody
from services.registry.facts import TABLE
from shared.problems.errors import Unprocessable
from shared.problems.validation import problem_of
from shared.writing import carry_out

GOOD = {"name": "示例机械厂", "park": "330203-P001", "settled_on": "2025-03-01"}


def errors_of(**more: Any) -> list[tuple[str | None, str]]:
    with pytest.raises(ValidationError) as refused:
        EnterpriseBody.model_validate({**GOOD, **more})
    return [(error.field, error.code) for error in problem_of(refused.value.errors()).errors]


def test_a_code_of_no_list_is_named_with_what_else_is_wrong() -> None:
    assert errors_of(industry="ZZZ", ownership="xx") == [("industry", "INVALID_INDUSTRY"), ("ownership", "INVALID_OWNERSHIP")]
    assert errors_of(settled_on="yesterday", ownership="xx", colour=1) == [
        ("settled_on", "INVALID_DATE"),
        ("colour", "UNKNOWN_FIELD"),
        ("ownership", "INVALID_OWNERSHIP"),
    ]


def test_a_code_of_the_list_is_no_error_and_one_that_has_no_form_is_one_error() -> None:
    assert errors_of(industry="ZZZ", ownership=" 159 ") == [("industry", "INVALID_INDUSTRY")]
    assert errors_of(industry="ZZZ", ownership=159) == [("industry", "INVALID_INDUSTRY"), ("ownership", "NOT_A_TEXT")]


def test_a_code_alone_is_left_to_the_rules_behind_the_key() -> None:
    """What an earlier release accepted is still answered when it is sent again."""
    assert EnterpriseBody.model_validate({**GOOD, "ownership": "xx"}).ownership == "xx"


def test_an_error_holds_no_input_and_keeps_its_parameters() -> None:
    with pytest.raises(ValidationError) as refused:
        EnterpriseBody.model_validate({**GOOD, "name": "x" * 201, "ownership": "{secret}"})
    name, ownership = problem_of(refused.value.errors()).errors
    assert (name.code, dict(name.params)["limit"]) == ("TOO_LONG", 200)
    assert "159" in str(ownership.params["expected"])
    assert "secret" not in str(refused.value)


def test_all_codes_of_a_command_are_checked() -> None:
    lists = {name: codes for command in TABLE.ops.values() for name, codes in command.lists.items()}
    assert len(lists) > 1
    with pytest.raises(Unprocessable) as refused:
        carry_out._require_listed(type("Command", (), dict.fromkeys(lists, "none of them")), lists)
    assert {error.field for error in refused.value.errors} == set(lists)
