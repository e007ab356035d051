"""Unified social credit codes (GB 32100-2015): 18 characters, the last of which checks the others."""

from __future__ import annotations

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 characters of the standard, in the order of their values: no I O Z S V."""

LENGTH = 18
VALUES = {character: value for value, character in enumerate(ALPHABET)}
WEIGHTS = [pow(3, place, 31) for place in range(LENGTH - 1)]


def has_form(code: str) -> bool:
    """Whether it is 18 characters of the alphabet. The first says who registered it: 9 is an enterprise, 8 a union; letters are valid."""
    return len(code) == LENGTH and all(character in VALUES for character in code)


def checks(code: str) -> bool:
    """Whether the last character of a code that `has_form` is the one that belongs there."""
    return code[-1] == check_character(code)


def check_character(code: str) -> str:
    """The character that belongs behind the first 17, which must be of the alphabet: value (31 − Σ value · 3^(i−1)) mod 31."""
    total = sum(VALUES[character] * weight for character, weight in zip(code, WEIGHTS, strict=False))
    return ALPHABET[(31 - total % 31) % 31]
