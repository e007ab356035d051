"""Readers of the fields that a correction changes: a plain JSON value in, the fact's value out. They raise Wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Any, TypeAlias

from shared.contracts.codes import CodeList
from shared.problems.personal import holds_resident_number
from shared.problems.texts import CONTROL, code_form, shows_nothing

Reader: TypeAlias = Callable[[Any], Any]

LONGEST_NAME = 200
AREA_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Wrong(ValueError):
    """A value that its field may not have; `code` and `params` are those of the problem."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


def day(value: Any) -> date:
    """A date `YYYY-MM-DD`. Raises INVALID_DATE."""
    try:
        if isinstance(value, str) and ISO_DAY.fullmatch(text := code_form(value)):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Wrong("INVALID_DATE")


def text(form: re.Pattern[str], code: str = "INVALID_VALUE") -> Reader:
    """A text of this form. Raises `code`."""

    def read(value: Any) -> str:
        if isinstance(value, str) and form.fullmatch(value):
            return value
        raise Wrong(code)

    return read


def normal(form: re.Pattern[str], problem: str = "INVALID_VALUE") -> Reader:
    """A text of this form, in its normal form (`code_form`): blanks around it and full-width characters make no other. Raises `problem`."""
    read_text = text(form, problem)
    return lambda value: read_text(code_form(value) if isinstance(value, str) else value)


def name(value: Any) -> str:
    """1 to 200 characters without blanks around them, and no resident number in them.

    Raises NOT_A_TEXT, EMPTY, TOO_LONG, CONTROL_CHARACTERS, HOLDS_RESIDENT_NUMBER.
    """
    if not isinstance(value, str):
        raise Wrong("NOT_A_TEXT")
    shown = value.strip()
    if not shown or shows_nothing(shown):
        raise Wrong("EMPTY")
    if len(shown) > LONGEST_NAME:
        raise Wrong("TOO_LONG", limit=LONGEST_NAME)
    if CONTROL.search(shown):
        raise Wrong("CONTROL_CHARACTERS")
    return impersonal(shown)


def area_code(value: Any) -> str:
    """The code of a division or park, in its normal form. Raises BAD_AREA_CODE, HOLDS_RESIDENT_NUMBER."""
    if isinstance(value, str) and AREA_CODE.fullmatch(code := code_form(value)):
        return impersonal(code)
    raise Wrong("BAD_AREA_CODE")


def impersonal(value: str) -> str:
    """The text, if it holds no resident number. Raises HOLDS_RESIDENT_NUMBER."""
    if holds_resident_number(value):
        raise Wrong("HOLDS_RESIDENT_NUMBER")
    return value


def optional(reader: Reader) -> Reader:
    """null, or what `reader` reads."""
    return lambda value: None if value is None else reader(value)


def whole_number(value: Any) -> int:
    """A whole number from 0 on; in JSON 40, 40.0 and 4e1 are one. Raises NOT_A_WHOLE_NUMBER, BELOW_ZERO."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1:
        raise Wrong("NOT_A_WHOLE_NUMBER")
    if value < 0:
        raise Wrong("BELOW_ZERO")
    return int(value)


def code(codes: CodeList) -> Reader:
    """A code of a closed list. Raises RESERVED_REASON, or the list's refusal."""

    def read(value: Any) -> str:
        if isinstance(value, str) and value in codes.codes:
            return value
        if isinstance(value, str) and value in codes.own:
            raise Wrong("RESERVED_REASON", reason=value)
        choices = codes.choices()
        raise Wrong(codes.refusal, expected=choices.en, expected_zh=choices.zh)

    return read


def one_of(codes: type[StrEnum]) -> Reader:
    """A code of a closed list. Raises INVALID_VALUE."""

    def read(value: Any) -> StrEnum:
        try:
            return codes(value)
        except ValueError:
            raise Wrong("INVALID_VALUE") from None

    return read
