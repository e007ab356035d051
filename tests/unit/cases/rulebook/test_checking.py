"""Which values the API takes for a rule."""

from __future__ import annotations

from typing import Any

import pytest

from services.cases.rulebook.checking import check_value
from shared.problems.errors import Unprocessable

PERIOD = {"days": 10, "day_kind": "calendar"}


def refused(name: str, value: Any) -> list[tuple[str, str | None]]:
    with pytest.raises(Unprocessable) as problem:
        check_value(name, value)
    assert all(error.as_dict()["message_zh"] and error.as_dict()["message_en"] for error in problem.value.errors)
    return [(error.code, error.field) for error in problem.value.errors]


def test_an_unknown_rule_is_refused_and_the_others_are_named() -> None:
    with pytest.raises(Unprocessable) as problem:
        check_value("coffee", PERIOD)
    (error,) = problem.value.as_dict("en")["errors"]
    assert (error["code"], error["field"]) == ("UNKNOWN_RULE", "name")
    assert "supervision_reply" in error["message_zh"]


@pytest.mark.parametrize(
    ("name", "value", "normal"),
    [
        ("mediation", {"days": 15.0, "day_kind": "working"}, {"days": 15, "day_kind": "working"}),
        ("mediation", {**PERIOD, "rolls": True}, PERIOD),
        ("contract_effect", {**PERIOD, "rolls": False}, {**PERIOD, "rolls": False}),
        ("arbitration_limitation", {"months": 24}, {"months": 24, "day_kind": "months"}),
        ("contract_submission", PERIOD, {**PERIOD, "from": "signed_on"}),
        ("contract_submission", {**PERIOD, "from": "approval_notified_on"}, {**PERIOD, "from": "approval_notified_on"}),
        ("supervision_reply", {"opinion": PERIOD}, {"reminder": None, "opinion": PERIOD, "suggestion": None}),
        ("contract_renewal", {"days": 90, "day_kind": "calendar"}, {"days": 90, "day_kind": "calendar"}),
        ("congress_window", {"months": 18}, {"months": 18, "day_kind": "months"}),
        ("collective_workers", {"workers": 5}, {"workers": 5}),
        (
            "hardship",
            {"line_fen": 110_000, "deep": {"operator": "<="}, "accidental": {"cost_percent_of_income": 80}},
            {
                "line_fen": 110_000,
                "deep": {"operator": "<=", "factor_percent": 100},
                "relative": {"operator": "<", "factor_percent": 200, "deduct_employment_costs": True},
                "accidental": {"operator": ">", "cost_percent_of_income": 80},
            },
        ),
    ],
)
def test_a_value_has_one_normal_form(name: str, value: Any, normal: Any) -> None:
    assert check_value(name, value) == normal
    assert check_value(name, normal) == normal


@pytest.mark.parametrize(
    ("name", "value", "errors"),
    [
        ("mediation", [15], [("NOT_AN_OBJECT", "value")]),
        ("mediation", {}, [("FIELD_REQUIRED", "value.days"), ("FIELD_REQUIRED", "value.day_kind")]),
        ("mediation", {"days": 15}, [("FIELD_REQUIRED", "value.day_kind")]),
        ("mediation", {"days": "15", "day_kind": "calendar"}, [("NOT_A_WHOLE_NUMBER", "value.days")]),
        ("mediation", {"days": True, "day_kind": "calendar"}, [("NOT_A_WHOLE_NUMBER", "value.days")]),
        ("mediation", {"days": 1.5, "day_kind": "calendar"}, [("NOT_A_WHOLE_NUMBER", "value.days")]),
        ("mediation", {"days": 0, "day_kind": "calendar"}, [("OUT_OF_RANGE", "value.days")]),
        ("mediation", {"days": -3, "day_kind": "weeks"}, [("OUT_OF_RANGE", "value.days"), ("NOT_ONE_OF", "value.day_kind")]),
        ("mediation", {"days": 15, "day_kind": "months"}, [("NOT_ONE_OF", "value.day_kind")]),
        ("mediation", {"months": 1, "day_kind": "working"}, [("NOT_ONE_OF", "value.day_kind")]),
        ("mediation", {**PERIOD, "months": 1}, [("UNKNOWN_FIELD", "value.months")]),
        ("mediation", {**PERIOD, "110105194912310021": 1}, [("UNKNOWN_FIELD", "value.?")]),
        ("mediation", {**PERIOD, "rolls": 1}, [("NOT_YES_OR_NO", "value.rolls")]),
        ("contract_submission", {**PERIOD, "from": "today"}, [("NOT_ONE_OF", "value.from")]),
        ("contract_renewal", {"days": 60, "day_kind": "working"}, [("NOT_ONE_OF", "value.day_kind")]),
        ("supervision_reply", {"opinion": {"days": 15}, "letter": None}, [("UNKNOWN_FIELD", "value.letter"), ("FIELD_REQUIRED", "value.opinion.day_kind")]),
        ("hardship", {"deep": {"operator": "="}}, [("FIELD_REQUIRED", "value.line_fen"), ("NOT_ONE_OF", "value.deep.operator")]),
        ("hardship", {"line_fen": 1, "accidental": {}}, [("FIELD_REQUIRED", "value.accidental.cost_percent_of_income")]),
        ("hardship", {"line_fen": 1, "relative": {"deduct_employment_costs": "yes"}}, [("NOT_YES_OR_NO", "value.relative.deduct_employment_costs")]),
        ("congress_window", {"months": 0}, [("OUT_OF_RANGE", "value.months")]),
        ("collective_workers", {"workers": None}, [("NOT_A_WHOLE_NUMBER", "value.workers")]),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_field(name: str, value: Any, errors: list[tuple[str, str | None]]) -> None:
    assert refused(name, value) == errors
