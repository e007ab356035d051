"""Identity documents: their kinds, the forms of their numbers, the one normal form of each, and how one is shown. Pure.

Resident ids: GB 11643-1999, check character by ISO 7064 mod 11-2; the 15-digit legacy form is the same person's 18-digit one without
the century and the check character, so it is brought into that form. Kinds: `DOCUMENTS` of shared/contracts/codes.py.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from shared.contracts.codes import DOCUMENTS
from shared.problems.errors import Unprocessable
from shared.problems.personal import LEGACY_LENGTH, LENGTH, PLAIN, born_on, legacy_number, of_legacy, resident_number

RESIDENT_ID = "resident_id"
SAMPLE = "sample"
LIKE_RESIDENT_IDS = frozenset({RESIDENT_ID, "residence_permit", "foreign_resident_card"})
"""Kinds whose numbers have the form of GB 11643, in one space of numbers: a person of one of them is found by any kind typed."""
LONGEST = 64
MASK = slice(6, 14)
"""Positions 7 to 14: the date of birth of a resident id."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The numbers of a kind: their form after blanks, hyphens and the like are gone, what of it names the person, and the form in words."""

    form: re.Pattern[str]
    zh: str
    en: str
    person: Sequence[int] = (0,)
    """The groups of the form that make the normal form."""

    def of(self, match: re.Match[str]) -> str:
        """The normal form of a number that has the form."""
        return "".join(match.group(number) for number in self.person)


RESIDENT_RULE = (
    "18 位,出生日期真实,末位校验码相符(旧号 15 位)",
    "18 characters with a real date of birth and the right check character, or 15 digits",
)
_NONE = re.compile(r"(?!)")
RULES: Mapping[str, Rule] = {
    RESIDENT_ID: Rule(_NONE, *RESIDENT_RULE),
    "residence_permit": Rule(_NONE, *RESIDENT_RULE),
    "foreign_resident_card": Rule(
        re.compile(r"[A-Z]{3}\d{12}", re.ASCII),
        "18 位,以 9 开头,出生日期真实,末位校验码相符;旧证为 3 个字母加 12 位数字",
        "18 characters from 9 on, with a real birth date and the right check character; old cards: 3 letters and 12 digits",
    ),
    # The last two digits of eleven count the renewals of the document.
    "hong_kong_macao_permit": Rule(
        re.compile(r"([HM]\d{8})(\d{2})?", re.ASCII),
        "H 或 M 加 8 位数字(旧证再加 2 位换证次数)",
        "H or M and 8 digits (of old ones 2 more for renewals)",
        (1,),
    ),
    "taiwan_permit": Rule(
        re.compile(r"(\d{8})(\d{2}[A-Z]?)?", re.ASCII),
        "8 位数字(旧证再加 2 位换证次数和 1 个字母)",
        "8 digits (of old ones 2 more for renewals and a letter)",
        (1,),
    ),
    "passport": Rule(
        re.compile(r"(?=[A-Z]*\d)[A-Z0-9]{2,20}", re.ASCII), "2 至 20 个字母和数字,含数字", "2 to 20 letters and digits, a digit among them"
    ),
    "military_id": Rule(
        re.compile(r"([\u4e00-\u9fff]{0,6}?)字?第?(\d{4,10})号?"), "汉字加 4 至 10 位数字", "Chinese characters and 4 to 10 digits", (1, 2)
    ),
    SAMPLE: Rule(re.compile(r".{1,64}"), "1 至 64 个字符", "1 to 64 characters"),
}
"""{kind of shared/contracts/codes.py: its rule}. Resident permits and the new cards of foreigners follow GB 11643."""


class Document(msgspec.Struct, frozen=True):
    """A document in its normal form. `number` names one person, whatever kind was typed; `kind` is that of the number where they disagree."""

    kind: str
    number: str

    def __repr__(self) -> str:
        return f"Document(kind={self.kind!r})"


def document_of(kind: str, number: str, on: date | None = None, field: str = "document") -> Document:
    """The normal form of what was typed. A resident number is one under any kind. `on`: a day on which the person was born already.

    `field`: of the body, for refusals. Raises NOT_ONE_OF (`<field>.kind`), INVALID_DOCUMENT (`<field>.number`) (422), which do not repeat the
    number.
    """
    if kind not in DOCUMENTS.listed:
        choices = DOCUMENTS.choices()
        raise Unprocessable(DOCUMENTS.refusal, field=f"{field}.kind", params={"expected": choices.en, "expected_zh": choices.zh})
    found = resident_form(number)
    if found is not None:
        born = born_on(found)
        if on is not None and born is not None and born > on:
            raise _invalid(kind, field)
        return Document(kind if kind in LIKE_RESIDENT_IDS else RESIDENT_ID, found)
    text = _sample(number) if kind == SAMPLE else plain(number)
    match = RULES[kind].form.fullmatch(text) if len(text) <= LONGEST and text.isprintable() else None
    if match is None:
        raise _invalid(kind, field)
    return Document(kind, RULES[kind].of(match))


def normalised(kind: str, number: str) -> str:
    """The one form of a number by which a person is found. Raises what `document_of` does."""
    return document_of(kind, number).number


def _invalid(kind: str, field: str) -> Unprocessable:
    rule, named = RULES[kind], DOCUMENTS.label(kind)
    params = {"document": named.en, "document_zh": named.zh, "rule": rule.en, "rule_zh": rule.zh}
    return Unprocessable("INVALID_DOCUMENT", field=f"{field}.number", params=params)


def plain(number: str) -> str:
    """The number in capitals and plain letters and digits, without blanks, hyphens, dots, slashes, brackets and what cannot be seen."""
    if number.isascii():
        return number.upper().translate(_NOT_PLAIN)
    text = unicodedata.normalize("NFKC", number).upper()
    return "".join(one for one in text if _is_plain(one))


def _is_plain(one: str) -> bool:
    return one not in "./·•()_'" and unicodedata.category(one) not in ("Zs", "Cf", "Pd") and not one.isspace()


_NOT_PLAIN = {number: None for number in range(128) if not _is_plain(chr(number))}


def _sample(number: str) -> str:
    if number.isascii():
        return "".join(number.split()).upper()
    return "".join(unicodedata.normalize("NFKC", number).split()).upper()


def resident_form(number: str) -> str | None:
    """The 18 characters, if what was typed is a resident number of 18 or 15."""
    text = plain(number)
    if len(text) not in (LENGTH, LEGACY_LENGTH):
        return None
    text = text.translate(PLAIN)
    if legacy_number(text):
        text = of_legacy(text)
    return text if resident_number(text) else None


def masked(number: str) -> str:
    """A number as it may be shown: positions 7 to 14 hidden; a short one is hidden whole."""
    if len(number) <= MASK.start:
        return "*" * len(number)
    hidden = len(number[MASK])
    return number[: MASK.start] + "*" * hidden + number[MASK.stop :]
