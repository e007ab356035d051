"""Readers of the fields of enterprises: plain JSON values in, the fact's values out. They raise Wrong."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from services.registry.enterprises import credit_code as credit_codes
from services.registry.enterprises import registration_number as registration_numbers
from shared.contracts.codes import CLOSING, OWNERSHIP
from shared.problems.personal import resident_number
from shared.problems.texts import code_form
from shared.writing import fields
from shared.writing.fields import Wrong

MOST_WORKERS = 10_000_000
HIGHEST_REVENUE = 10_000_000_000_000
"""Yuan a year."""
INDUSTRY = re.compile(r"[A-T]\d{0,4}", re.ASCII)
YUAN = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
LONGEST_OWNERSHIP = 32
ENTERPRISE = "9"
"""Credit codes of enterprises begin with it, resident numbers of citizens never."""

industry = fields.optional(fields.normal(INDUSTRY, "INVALID_INDUSTRY"))
"""A section letter of GB/T 4754-2017 with up to four class digits; None is unknown. Raises INVALID_INDUSTRY."""
ownership = fields.optional(fields.code(OWNERSHIP))
"""A code of the list; None is unknown. Raises INVALID_OWNERSHIP."""
reason_code = fields.code(CLOSING)
"""A reason as a code. Raises REASON_NOT_LISTED."""


def credit_code_form(value: Any) -> str | None:
    """A unified social credit code in its normal form: in capitals, without blanks; None if there is none yet.

    Raises INVALID_CREDIT_CODE, HOLDS_RESIDENT_NUMBER (one such number in 31 also checks as a credit code).
    """
    if value is None:
        return None
    code = "".join(code_form(value).split()).upper() if isinstance(value, str) else ""
    if not credit_codes.has_form(code):
        raise Wrong("INVALID_CREDIT_CODE")
    if code[0] != ENTERPRISE and resident_number(code):
        raise Wrong("HOLDS_RESIDENT_NUMBER")
    return code


def credit_code(value: Any) -> str | None:
    """As `credit_code_form`, and its check character is right. Raises INVALID_CREDIT_CODE, HOLDS_RESIDENT_NUMBER, WRONG_CHECK_CHARACTER."""
    code = credit_code_form(value)
    if code is not None and not credit_codes.checks(code):
        raise Wrong("WRONG_CHECK_CHARACTER")
    return code


def registration_number(value: Any) -> str | None:
    """A business registration number of 15 digits, without blanks; None if there is none.

    Raises INVALID_REGISTRATION_NUMBER, HOLDS_RESIDENT_NUMBER: those of citizens had 15 digits, too. A number of an enterprise that could be
    one is refused with them.
    """
    if value is None:
        return None
    number = "".join(code_form(value).split()) if isinstance(value, str) else ""
    if not registration_numbers.has_form(number):
        raise Wrong("INVALID_REGISTRATION_NUMBER")
    return fields.impersonal(number)


def workers(value: Any) -> int:
    """A whole number of workers; in JSON 40, 40.0 and 4e1 are one. Raises NOT_A_NUMBER, NOT_A_WHOLE_NUMBER, BELOW_ZERO, OUT_OF_RANGE."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise Wrong("NOT_A_NUMBER")
    if value < 0:
        raise Wrong("BELOW_ZERO")
    if value > MOST_WORKERS:
        raise Wrong("OUT_OF_RANGE", limit=f"0–{MOST_WORKERS}")
    if value % 1:
        raise Wrong("NOT_A_WHOLE_NUMBER")
    return int(value)


def revenue_fen(value: Any) -> int | None:
    """Fen from yuan a year, given as a number or its text with at most two decimals; None is unknown.

    Raises NOT_A_NUMBER, BELOW_ZERO, OUT_OF_RANGE, TOO_MANY_DECIMALS.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = code_form(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str) or (isinstance(value, str) and not YUAN.fullmatch(value)):
        raise Wrong("NOT_A_NUMBER")
    try:
        yuan = Decimal(str(value))
    except InvalidOperation:
        raise Wrong("NOT_A_NUMBER") from None
    if not yuan.is_finite():
        raise Wrong("NOT_A_NUMBER")
    if yuan < 0:
        raise Wrong("BELOW_ZERO")
    if yuan > HIGHEST_REVENUE:
        raise Wrong("OUT_OF_RANGE", limit=f"0–{HIGHEST_REVENUE}")
    fen = yuan * 100
    if fen != fen.to_integral_value():
        raise Wrong("TOO_MANY_DECIMALS")
    return int(fen)
