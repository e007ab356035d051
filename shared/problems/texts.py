"""Which characters a text of one line may have, the same at every entry."""

from __future__ import annotations

import re
import unicodedata

DIRECTION = "\u202a-\u202e\u2066-\u2069"
"""They turn the order of what follows, so that a page shows another text than is stored."""
CONTROL = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{DIRECTION}\ud800-\udfff\ufffe\uffff]")
CONTROL_BUT_BREAKS = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{DIRECTION}\ud800-\udfff\ufffe\uffff]")
FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Letters and signs by their category, and yet nothing is seen of them."""


def shows_nothing(text: str) -> bool:
    """Whether a reader sees no character of it: blanks, joiners, fillers and marks alone."""
    return not text.isascii() and all(character in FILLERS or unicodedata.category(character)[0] in "CZM" for character in text)
