"""Names as they are compared: when two are probably one enterprise, and what a search looks at."""

from __future__ import annotations

import unicodedata


def name_key(name: str) -> str:
    """What is left of a name that people write differently: letters and digits, without width, case, blanks and punctuation."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(character for character in folded if character.isalnum()) or folded


def searchable(text: str) -> str:
    """A text as searches compare it: without width and case, runs of blanks as one."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def pairs(text: str) -> list[str]:
    """Every two neighbouring characters of a searchable text, and every one beyond ASCII, which searches often give alone; sorted."""
    found = {text[n : n + 2] for n in range(len(text) - 1)}
    return sorted(found | {character for character in text if character > "\x7f"})
