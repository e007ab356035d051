"""Valid numbers that belong to nobody: their division code begins with 99, which GB/T 2260 does not assign."""

from __future__ import annotations

from datetime import date, timedelta

UNASSIGNED_DIVISION = "99"
CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""GB 32100-2015: no I O Z S V."""
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
"""GB 11714-1997."""
RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
RESIDENT_CHECKS = "10X98765432"
"""GB 11643-1999, ISO 7064 mod 11-2."""
FIRST_BIRTH = date(1965, 1, 1)
BIRTHDAYS = 14_000
"""Days from the first birth on: until 2003."""


def credit_code(division: int, number: int) -> str:
    """The unified social credit code of enterprise `number` (below 10^8) of an invented division (0–9999)."""
    organisation = f"{number:08d}"
    rest = 11 - sum(int(digit) * weight for digit, weight in zip(organisation, ORGANISATION_WEIGHTS, strict=True)) % 11
    body = f"91{UNASSIGNED_DIVISION}{division:04d}{organisation}{'X' if rest == 10 else rest % 11}"
    total = sum(CREDIT_ALPHABET.index(character) * pow(3, place, 31) for place, character in enumerate(body))
    return body + CREDIT_ALPHABET[(31 - total % 31) % 31]


def resident_id(division: int, number: int) -> str:
    """The resident id of person `number` (below 14 million) of an invented division (0–9999)."""
    born = FIRST_BIRTH + timedelta(days=number * 1_009 % BIRTHDAYS)
    body = f"{UNASSIGNED_DIVISION}{division:04d}{born:%Y%m%d}{number // BIRTHDAYS:03d}"
    return body + RESIDENT_CHECKS[sum(int(digit) * weight for digit, weight in zip(body, RESIDENT_WEIGHTS, strict=True)) % 11]
