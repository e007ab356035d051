"""Names as they are compared: when two are probably one enterprise, and what a search looks at."""

from __future__ import annotations

import unicodedata
from itertools import pairwise


def name_key(name: str) -> str:
    """What is left of a name that people write differently: letters and digits, without width, case, blanks and punctuation."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(filter(str.isalnum, folded)) or folded


def searchable(text: str) -> str:
    """A text as searches compare it: without width and case, runs of blanks as one."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def characters(text: str) -> list[str]:
    """What a searchable text is found by: its characters, and every two neighbouring ones; sorted."""
    return sorted({*text, *map("".join, pairwise(text))})


def sought(part: str) -> list[str]:
    """Of a searchable part of a text, what the text must have among its `characters`."""
    return sorted({*map("".join, pairwise(part))}) or [part]
