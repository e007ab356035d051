"""Readers of the fields of enterprises: plain JSON values in, the fact's values out. They raise Wrong."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from services.registry.enterprises import credit_code as credit_codes
from shared.contracts.codes import CLOSING, OWNERSHIP
from shared.problems.personal import resident_number
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

industry = fields.optional(fields.text(INDUSTRY, "INVALID_INDUSTRY"))
"""A section letter of GB/T 4754-2017 with up to four class digits; None is unknown. Raises INVALID_INDUSTRY."""
ownership = fields.optional(fields.code(OWNERSHIP))
"""A code of the list; None is unknown. Raises INVALID_OWNERSHIP."""
reason_code = fields.code(CLOSING)
"""A reason as a code. Raises REASON_NOT_LISTED."""


def credit_code(value: Any) -> str | None:
    """A unified social credit code, in capitals; None if there is none yet. Raises INVALID_CREDIT_CODE, WRONG_CHECK_CHARACTER,
    HOLDS_RESIDENT_NUMBER (one such number in 31 also checks as a credit code)."""
    if value is None:
        return None
    code = value.upper() if isinstance(value, str) and value.isascii() else ""
    if not credit_codes.has_form(code):
        raise Wrong("INVALID_CREDIT_CODE")
    if code[-1] != credit_codes.check_character(code):
        raise Wrong("WRONG_CHECK_CHARACTER")
    if code[0] != ENTERPRISE and resident_number(code):
        raise Wrong("HOLDS_RESIDENT_NUMBER")
    return code


def workers(value: Any) -> int:
    """A whole number of workers. Raises NOT_A_NUMBER, NOT_A_WHOLE_NUMBER, BELOW_ZERO, OUT_OF_RANGE."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Wrong("NOT_A_NUMBER")
    if value < 0:
        raise Wrong("BELOW_ZERO")
    if isinstance(value, float):
        raise Wrong("NOT_A_WHOLE_NUMBER")
    if value > MOST_WORKERS:
        raise Wrong("OUT_OF_RANGE", limit=f"0–{MOST_WORKERS}")
    return value


def revenue_fen(value: Any) -> int | None:
    """Fen from yuan a year, given as a number or its text with at most two decimals; None is unknown.

    Raises NOT_A_NUMBER, BELOW_ZERO, OUT_OF_RANGE, TOO_MANY_DECIMALS.
    """
    if value is None:
        return None
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
