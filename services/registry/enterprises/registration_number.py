"""Business registration numbers of 15 digits (GS 15-2006), which enterprises had before credit codes; the last digit checks the others.

Numbers in use fail the check, so a failure is a finding, never an error.
"""

from __future__ import annotations

import re

from stdnum.iso7064 import mod_11_10

FORM = re.compile(r"\d{15}", re.ASCII)


def has_form(number: str) -> bool:
    """Whether it is 15 digits."""
    return FORM.fullmatch(number) is not None


def checks(number: str) -> bool:
    """Whether the last digit is right: ISO/IEC 7064, MOD 11,10."""
    right: bool = mod_11_10.is_valid(number)
    return right
