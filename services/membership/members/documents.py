"""Identity documents: checked, found by a keyed hash, stored encrypted, shown masked. In the clear they never leave this service.

Resident ids: GB 11643-1999, check character by ISO 7064 mod 11-2; the 15-digit legacy form is the same person's 18-digit one without
the century and the check character, so it is brought into that form. Kinds: `DOCUMENTS` of shared/contracts/codes.py.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.contracts.codes import DOCUMENTS
from shared.journal.keyed import Keyed
from shared.problems.errors import Unprocessable
from shared.problems.personal import LEGACY_LENGTH, LENGTH, PLAIN, born_on, legacy_number, of_legacy, resident_number
from shared.writing.fields import Wrong, code

RESIDENT_ID = "resident_id"
SAMPLE = "sample"
LIKE_RESIDENT_IDS = frozenset({RESIDENT_ID, "residence_permit", "foreign_resident_card"})
"""Kinds whose numbers have the form of GB 11643, in one space of numbers: a person of one of them is found by any kind typed."""
LONGEST = 64
NONCE_BYTES = 12
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


class UnknownKey(Exception):
    """A row was written with a key version that the settings no longer hold."""


class Undecipherable(Exception):
    """A stored document was changed, or belongs to another person's row."""


class Sealed(msgspec.Struct, frozen=True):
    """An encrypted number (nonce, then ciphertext and tag) and the version of its key."""

    blob: bytes
    key_version: int


class Document(msgspec.Struct, frozen=True):
    """A document in its normal form. `number` names one person, whatever kind was typed; `kind` is that of the number where they disagree."""

    kind: str
    number: str

    def __repr__(self) -> str:
        return f"Document(kind={self.kind!r})"

    @property
    def hashed_as(self) -> str:
        """The kind under which releases 0.1 and 0.2 look for the person."""
        return RESIDENT_ID if self.kind in LIKE_RESIDENT_IDS and resident_number(self.number) else self.kind

    def written_as(self, kind: str) -> list[str]:
        """The forms of the number that earlier releases knew under a kind: they took the 15 digits as others under all kinds but one."""
        if kind == RESIDENT_ID or not resident_number(self.number) or self.number[6:8] != "19":
            return [self.number]
        return [self.number, self.number[:6] + self.number[8:17]]


def document_of(kind: str, number: str, on: date | None = None) -> Document:
    """The normal form of what was typed. A resident number is one under any kind. `on`: a day on which the person was born already.

    Raises NOT_ONE_OF (`document.kind`), INVALID_DOCUMENT (`document.number`) (422), which do not repeat the number.
    """
    if kind not in DOCUMENTS.listed:
        try:
            code(DOCUMENTS)(kind)
        except Wrong as wrong:
            raise Unprocessable(wrong.code, field="document.kind", params=wrong.params) from None
    found = _resident(number)
    if found is not None:
        born = born_on(found)
        if on is not None and born is not None and born > on:
            raise _invalid(kind)
        return Document(kind if kind in LIKE_RESIDENT_IDS else RESIDENT_ID, found)
    text = _sample(number) if kind == SAMPLE else plain(number)
    match = RULES[kind].form.fullmatch(text) if len(text) <= LONGEST and text.isprintable() else None
    if match is None:
        raise _invalid(kind)
    return Document(kind, RULES[kind].of(match))


def normalised(kind: str, number: str) -> str:
    """The one form of a number by which a person is found. Raises what `document_of` does."""
    return document_of(kind, number).number


def written_before(kind: str, number: str) -> str:
    """The normal form of a number in a row of an earlier release, whose kinds and forms were free."""
    found = _resident(number)
    if found is not None:
        return found
    if kind == SAMPLE:
        return number
    text = plain(number)
    for one in (kind, "hong_kong_macao_permit", "military_id"):
        if one in RULES and (match := RULES[one].form.fullmatch(text)):
            return RULES[one].of(match)
    return text or number


def _invalid(kind: str) -> Unprocessable:
    rule, named = RULES[kind], DOCUMENTS.label(kind)
    params = {"document": named.en, "document_zh": named.zh, "rule": rule.en, "rule_zh": rule.zh}
    return Unprocessable("INVALID_DOCUMENT", field="document.number", params=params)


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


def _resident(number: str) -> str | None:
    """The 18 characters, if the number is a resident number of 18 or 15."""
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


class Documents:
    """The keys: `{version: key}` of 32 bytes each, for encryption and for the hash; the highest version writes."""

    def __init__(self, encryption: Mapping[int, bytes], hashing: Mapping[int, bytes]) -> None:
        self._ciphers = {version: AESGCM(key) for version, key in encryption.items()}
        self._hash_keys = [(version, Keyed(key)) for version, key in sorted(hashing.items(), reverse=True)]
        self.key_version = max(self._ciphers)
        self.hash_version = max(hashing)

    def __repr__(self) -> str:
        return f"Documents(key_version={self.key_version}, hash_version={self.hash_version})"

    def hashes(self, kind: str, number: str) -> list[tuple[int, bytes]]:
        """(version, HMAC-SHA256) of a normalised number under every key, the newest first."""
        message = f"{kind}\x00{number}".encode()
        return [(version, key.digest(message)) for version, key in self._hash_keys]

    def number_hashes(self, number: str) -> list[tuple[int, bytes]]:
        """As `hashes`, of the number alone: one number is one person."""
        return self.hashes("", number)

    def seal(self, person_id: UUID, number: str) -> Sealed:
        """Encrypt a number for one person's row."""
        nonce = os.urandom(NONCE_BYTES)
        return Sealed(nonce + self._ciphers[self.key_version].encrypt(nonce, number.encode(), person_id.bytes), self.key_version)

    def open(self, person_id: UUID, sealed: Sealed) -> str:
        """The number again. Raises UnknownKey, Undecipherable."""
        cipher = self._ciphers.get(sealed.key_version)
        if cipher is None:
            raise UnknownKey(f"encryption key version {sealed.key_version}")
        try:
            return cipher.decrypt(sealed.blob[:NONCE_BYTES], sealed.blob[NONCE_BYTES:], person_id.bytes).decode()
        except InvalidTag:
            raise Undecipherable(f"person {person_id}") from None
