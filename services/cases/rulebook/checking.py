"""What value a rule may have, of `POST /v1/rules/{name}`: one form a rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.cases.rulebook.defaults import DEFAULTS
from services.cases.rulebook.forms import Form, Part, choice, flag, nullable, whole, whole_object
from shared.problems.errors import FieldError, Unprocessable

MOST_DAYS = 3660
MOST_MONTHS = 240
MOST_FEN = 10_000_000
MOST_PERCENT = 10_000
MOST_WORKERS = 10_000
DOCUMENTS = ("reminder", "opinion", "suggestion")
STARTS = ("signed_on", "approval_notified_on")


def check_value(name: str, value: Any) -> dict[str, Any]:
    """The value of a rule in its normal form.

    Raises UNKNOWN_RULE (field `name`), and with fields as `value.days`: NOT_AN_OBJECT, UNKNOWN_FIELD, FIELD_REQUIRED, NOT_A_WHOLE_NUMBER,
    OUT_OF_RANGE, NOT_ONE_OF, NOT_YES_OR_NO.
    """
    form = FORMS.get(name)
    if form is None:
        raise Unprocessable("UNKNOWN_RULE", field="name", params={"expected": ", ".join(DEFAULTS)})
    errors: list[FieldError] = []
    found: dict[str, Any] = form(value, "value", errors)
    if errors:
        raise Unprocessable(errors=errors)
    return found


def period(kinds: tuple[str, ...] = ("working", "calendar"), *, may_roll: bool = True, more: Mapping[str, Part] | None = None) -> Form:
    """A period: `{"days", "day_kind"}` or `{"months"}`; `"rolls": false` if its end stays on a rest day. `more`: other fields."""
    others = dict(more or {})
    if may_roll:
        others["rolls"] = Part(flag, True)
    days = whole_object({"days": Part(whole(1, MOST_DAYS)), "day_kind": Part(choice(*kinds)), **others})
    months = whole_object({"months": Part(whole(1, MOST_MONTHS)), "day_kind": Part(choice("months"), "months"), **others})

    def read(value: Any, field: str, errors: list[FieldError]) -> Any:
        in_months = isinstance(value, Mapping) and "months" in value and "days" not in value
        found = (months if in_months else days)(value, field, errors)
        if found is not None and found.get("rolls") is True:
            del found["rolls"]
        return found

    return read


SUBMISSION = period(more={"from": Part(choice(*STARTS), "signed_on")})
BEFORE_THE_END = period(("calendar",), may_roll=False)
LETTERS = whole_object({document: Part(nullable(period()), None) for document in DOCUMENTS})
OPERATOR = Part(choice("<", "<="), "<")
FACTOR = whole(1, MOST_PERCENT)
HARDSHIP = whole_object(
    {
        "line_fen": Part(whole(1, MOST_FEN)),
        "deep": Part(whole_object({"operator": OPERATOR, "factor_percent": Part(FACTOR, 100)}), {"operator": "<", "factor_percent": 100}),
        "relative": Part(
            whole_object({"operator": OPERATOR, "factor_percent": Part(FACTOR, 200), "deduct_employment_costs": Part(flag, True)}),
            {"operator": "<", "factor_percent": 200, "deduct_employment_costs": True},
        ),
        "accidental": Part(
            nullable(whole_object({"operator": Part(choice(">", ">="), ">"), "cost_percent_of_income": Part(whole(0, MOST_PERCENT))})), None
        ),
    }
)
"""`line_fen`: the monthly subsistence line per person. A class holds if the monthly income per person stands in this relation to so many per
cent of the line. `accidental`: costs of the shock after compensation against so many per cent of the family's yearly income; null: the place
has no formula."""

OWN_FORMS: Mapping[str, Form] = {
    "supervision_reply": LETTERS,
    "contract_submission": SUBMISSION,
    "wage_contract_submission": SUBMISSION,
    "contract_renewal": BEFORE_THE_END,
    "wage_contract_renewal": BEFORE_THE_END,
    "hardship": HARDSHIP,
    "congress_window": whole_object({"months": Part(whole(1, MOST_MONTHS)), "day_kind": Part(choice("months"), "months")}),
    "collective_workers": whole_object({"workers": Part(whole(2, MOST_WORKERS))}),
}
FORMS: Mapping[str, Form] = {name: OWN_FORMS.get(name, period()) for name in DEFAULTS}
"""{rule: the form of its value}; a rule without its own is a period."""
