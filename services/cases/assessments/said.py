"""What an event holds for a level or a grade, which are local: a code, and never a free text. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shared.contracts.case_codes import LEVELS
from shared.problems.texts import code_form
from shared.writing.fields import Wrong, impersonal

OTHER = "other"
GRADE = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
ALSO: Mapping[str, str] = {
    "provincial": "province",
    "national": "nation",
    "state": "nation",
    "municipal": "city",
    "county": "district",
    "street": "township",
    "乡镇级": "township",
    "街道级": "township",
    "区级": "district",
    "县级": "district",
    "全国": "nation",
}
"""{another word for a level: its code}"""


def level_of(text: str) -> str:
    """The level as a code of the list `levels`; `other` if it is none of them."""
    words = {named.zh: code for code, named in LEVELS.codes.items()} | dict(ALSO)
    given = code_form(text)
    return given if given in LEVELS.codes else words.get(given.lower(), OTHER)


def grade_of(text: str) -> str:
    """The grade, if it is written as a code; else `other`."""
    given = code_form(text)
    return given if GRADE.fullmatch(given) else OTHER


def private(**given: tuple[str, str]) -> dict[str, str]:
    """What was entered, of each field whose code does not say it: {field: (entered, code)}."""
    return {name: text for name, (text, code) in given.items() if code == OTHER}


def shown(code: str, name: str, kept: Mapping[str, Any]) -> str:
    """What answers show of a field: its code, or what was entered if there is none."""
    entered = kept.get(name) if code == OTHER else None
    return code if entered is None else str(entered)


def read_level(value: Any) -> str:
    """The level that a correction says. Raises NOT_ONE_OF."""
    if isinstance(value, str) and ((code := level_of(value)) != OTHER or code_form(value) == OTHER):
        return code
    choices = LEVELS.choices()
    raise Wrong("NOT_ONE_OF", expected=choices.en, expected_zh=choices.zh)


def read_grade(value: Any) -> str:
    """The grade that a correction says, written as a code. Raises INVALID_VALUE, HOLDS_RESIDENT_NUMBER."""
    if isinstance(value, str) and GRADE.fullmatch(given := code_form(value)):
        return impersonal(given)
    raise Wrong("INVALID_VALUE")
