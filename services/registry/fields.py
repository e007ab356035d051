"""Readers of the fields that areas and enterprises share: plain JSON values in, the fact's values out. They raise Wrong."""

from __future__ import annotations

import re
from typing import Any

from shared.problems.texts import CONTROL, shows_nothing
from shared.writing import fields
from shared.writing.fields import Wrong

LONGEST_NAME = 200
AREA_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)

area_code = fields.text(AREA_CODE, "BAD_AREA_CODE")
"""The code of a division or park. Raises BAD_AREA_CODE."""


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
