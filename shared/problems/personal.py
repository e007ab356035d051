"""Resident identity numbers in texts that must not hold one (invariant I5): names, codes, notes, subjects of tokens.

GB 11643-1999: 18 characters, of which 7 to 14 are the date of birth and the last one checks the others (ISO 7064 mod 11-2); until 1999
15 digits without century and check character. A number counts however it is written: full-width, in other digits, with blanks, hyphens or
dots between, with a small x, inside a longer text.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from stdnum.cn import ric

BIRTH = slice(6, 14)
EARLIEST_YEAR = 1900
LATEST_YEAR = 2099
LEGACY_YEARS = range(1920, 2000)
"""Births of living people whose number had 15 digits. Grid codes of communities (15 digits, too) begin with smaller ones."""
LEGACY_LENGTH = 15
LENGTH = 18
PLAIN = str.maketrans({"\u03a7": "X", "\u0425": "X", "\u00d7": "X", **dict(zip("〇零一二三四五六七八九", "00123456789", strict=True))})
"""Letters of other scripts that are shown as an X, and Chinese digits."""
RUN = re.compile(r"[0-9]+X?")


def resident_number(text: str) -> bool:
    """Whether this is a resident number of 18 characters, written plainly: form, date of birth and check character. Any division."""
    if len(text) != LENGTH or not text.isascii() or not text[:17].isdigit() or text[0] == "0":
        return False
    return born_on(text) is not None and check_character(text[:17]) == text[17]


def born_on(number: str) -> date | None:
    """The date of birth in a number of 18 characters; None if it is no date of a person."""
    try:
        born = date.fromisoformat(number[BIRTH])
    except ValueError:
        return None
    return born if EARLIEST_YEAR <= born.year <= LATEST_YEAR else None


def check_character(body: str) -> str:
    """The last character of a number whose first 17 digits are `body` (ISO 7064 mod 11-2)."""
    made: str = ric.calc_check_digit(body + "0")
    return made


def of_legacy(text: str) -> str:
    """The 18 characters of a number of 15 digits: the century and the check character were added to it."""
    body = f"{text[:6]}19{text[6:]}"
    return body + check_character(body)


def holds_resident_number(text: str) -> bool:
    """Whether a resident number stands anywhere in the text."""
    if len(text) < LEGACY_LENGTH:
        return False
    for run in _runs(text):
        if legacy_number(run.removesuffix("X")):
            return True
        if any(resident_number(run[at : at + LENGTH]) for at in range(len(run) - LENGTH + 1)):
            return True
    return False


def legacy_number(text: str) -> bool:
    """Whether this is a resident number of 15 digits, written plainly: form and a date of birth from 1920 on."""
    if len(text) != LEGACY_LENGTH or not text.isascii() or not text.isdigit() or text[0] == "0":
        return False
    born = born_on(of_legacy(text))
    return born is not None and born.year in LEGACY_YEARS


def _runs(text: str) -> list[str]:
    """The runs of digits, with an X behind them, in which only letters of other kinds make a break."""
    plain = unicodedata.normalize("NFKC", text).upper().translate(PLAIN)
    kept = []
    for character in plain:
        digit = unicodedata.decimal(character, None)
        if digit is not None:
            kept.append(str(digit))
        elif unicodedata.category(character)[0] in "LN":
            kept.append(character)
    return RUN.findall("".join(kept))
