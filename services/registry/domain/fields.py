"""What each field of a command may say, read from plain JSON values: the same for a new fact and for its correction."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from services.registry.domain import credit_code as credit_codes
from shared.journal.reasons import REASON_CODE
from shared.problems.texts import CONTROL, shows_nothing

LONGEST_NAME = 200
MOST_WORKERS = 10_000_000
HIGHEST_REVENUE = 10_000_000_000_000
AREA_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
INDUSTRY = re.compile(r"[A-T]\d{0,4}", re.ASCII)
YUAN = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
OWNERSHIP = re.compile(r"[A-Za-z0-9_.-]{1,32}", re.ASCII)


class Wrong(ValueError):
    """A value that its field may not have; `code` and `params` are those of the problem."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


def day(value: Any) -> date:
    """A date `YYYY-MM-DD`. Raises INVALID_DATE; whether it is too early or late is the decision's to say."""
    try:
        if isinstance(value, str) and ISO_DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise Wrong("INVALID_DATE")


def area_code(value: Any) -> str:
    """The code of a division or park. Raises BAD_AREA_CODE."""
    if isinstance(value, str) and AREA_CODE.fullmatch(value):
        return value
    raise Wrong("BAD_AREA_CODE")


def name(value: Any) -> str:
    """1 to 200 characters without blanks around them. Raises NOT_A_TEXT, EMPTY, TOO_LONG, CONTROL_CHARACTERS."""
    if not isinstance(value, str):
        raise Wrong("NOT_A_TEXT")
    text = value.strip()
    if not text or shows_nothing(text):
        raise Wrong("EMPTY")
    if len(text) > LONGEST_NAME:
        raise Wrong("TOO_LONG", limit=LONGEST_NAME)
    if CONTROL.search(text):
        raise Wrong("CONTROL_CHARACTERS")
    return text


def credit_code(value: Any) -> str | None:
    """A unified social credit code, in capitals; None if there is none yet. Raises INVALID_CREDIT_CODE, WRONG_CHECK_CHARACTER."""
    if value is None:
        return None
    code = value.upper() if isinstance(value, str) and value.isascii() else ""
    if not credit_codes.has_form(code):
        raise Wrong("INVALID_CREDIT_CODE")
    if code[-1] != credit_codes.check_character(code):
        raise Wrong("WRONG_CHECK_CHARACTER")
    return code


def industry(value: Any) -> str | None:
    """A section letter of GB/T 4754-2017 with up to four class digits; None is unknown. Raises INVALID_INDUSTRY."""
    if value is None or (isinstance(value, str) and INDUSTRY.fullmatch(value)):
        return value
    raise Wrong("INVALID_INDUSTRY")


def ownership(value: Any) -> str | None:
    """A code, for instance three digits of GB/T 12402; None is unknown. Raises INVALID_OWNERSHIP."""
    if value is None or (isinstance(value, str) and OWNERSHIP.fullmatch(value)):
        return value
    raise Wrong("INVALID_OWNERSHIP")


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


def reason_code(value: Any) -> str:
    """A reason as a code. Raises BAD_FORM."""
    if isinstance(value, str) and REASON_CODE.fullmatch(value):
        return value
    raise Wrong("BAD_FORM")
