"""Characters that no text may have; the same for every input."""

from __future__ import annotations

import re
import unicodedata

DIRECTION = "\u202a-\u202e\u2066-\u2069"
"""They change the writing direction, so that a page shows another text than is stored."""
CONTROL = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{DIRECTION}\ud800-\udfff\ufffe\uffff]")
CONTROL_BUT_BREAKS = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{DIRECTION}\ud800-\udfff\ufffe\uffff]")
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
"""Characters of no width, which copies from documents and chats bring along."""
FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Invisible characters whose category is letter or symbol."""


def shows_nothing(text: str) -> bool:
    """Whether no character is visible: only blanks, joiners, fillers and marks."""
    return not text.isascii() and all(character in FILLERS or unicodedata.category(character)[0] in "CZM" for character in text)


def code_form(text: str) -> str:
    """A code, date or number as it is compared and stored: full-width characters as ASCII, nothing invisible, no blanks around it."""
    return text if text.isascii() and text == text.strip() else INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).strip()
