"""Fields that bodies share: their readers, and types of pydantic made from them.

A field of a body is read by the same reader as in a correction, so it has the same errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.writing.fields import AREA_CODE, LONGEST_NAME, Wrong, area_code, day, name, optional


def read(reader: Callable[[Any], Any]) -> BeforeValidator:
    """A validator of pydantic from a reader."""

    def validate(value: Any) -> Any:
        try:
            return reader(value)
        except Wrong as wrong:
            raise PydanticCustomError(wrong.code, wrong.code, wrong.params) from None

    return BeforeValidator(validate)


def text(*, null: bool = False, **more: Any) -> WithJsonSchema:
    """The JSON schema of a text."""
    return WithJsonSchema({"type": ["string", "null"] if null else "string", **more})


def anchored(form: re.Pattern[str]) -> str:
    """The pattern of a whole text."""
    return f"^{form.pattern}$"


Day = Annotated[date, read(day), text(format="date")]
"""A date; its range is checked by the decision."""
AreaCode = Annotated[str, read(area_code), text(pattern=anchored(AREA_CODE))]
ValidFrom = Annotated[date | None, read(optional(day)), text(null=True, format="date")]
Parent = Annotated[str | None, read(optional(area_code)), text(null=True, pattern=anchored(AREA_CODE))]
Name = Annotated[str, read(name), text(minLength=1, maxLength=LONGEST_NAME)]
