"""Which `data` of an event is certain to decode, seen from its bytes: most events have a few ids and codes, written by `envelope.write`.

Decoding such `data` into a struct costs several times what these checks do, and most readers need nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import msgspec

_PATTERNS = {UUID: rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", str: rb"[ !#-\[\]-~]*"}
"""How `envelope.write` writes a value of these types; of text, what needs no escape."""
_HEX = b"0123456789abcdef"
_DIGITS_TO_NUL = bytes.maketrans(_HEX + b"\0", b"\0" * len(_HEX) + b"?")
"""Maps every hexadecimal digit to NUL, and NUL, which no JSON text has, to something else."""
_ID = b"00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class PlainForm:
    """The required fields of a contract in their order, as `envelope.write` writes them, and nothing else.

    `layout`: the bytes with each hexadecimal digit as NUL, if all fields are ids and every such `data` is equally long; else None. `named` =
    {position: the hexadecimal digit that stands there as a letter of a field's name}.
    """

    pattern: re.Pattern[bytes]
    layout: bytes | None
    named: dict[int, int]

    def matches(self, data: msgspec.Raw) -> bool:
        """Whether one `data` has this form."""
        return self.pattern.fullmatch(data) is not None

    def matches_all(self, data: Collection[msgspec.Raw]) -> bool:
        """Whether each of several does. They are laid end to end: each is one JSON object, so none can end inside the form of another."""
        if self.layout is None:
            return all(map(self.matches, data))
        text, size = b"".join(data), len(self.layout)
        return text.translate(_DIGITS_TO_NUL) == self.layout * len(data) and all(
            text[at::size].count(digit) == len(data) for at, digit in self.named.items()
        )


def plain_form(struct: type[msgspec.Struct]) -> PlainForm | None:
    """The plain form of a contract. None if a required field is neither an id nor text."""
    fields = [field for field in msgspec.structs.fields(struct) if field.required]
    if not all(field.type in _PATTERNS for field in fields):
        return None
    names = [field.encode_name.encode() for field in fields]
    pattern = (
        rb"\{"
        + b",".join(b'"%b":"%b"' % (re.escape(name), _PATTERNS[field.type]) for name, field in zip(names, fields, strict=True))
        + rb"\}"
    )
    if any(field.type is not UUID for field in fields):
        return PlainForm(re.compile(pattern), None, {})
    example, named = b"{", dict[int, int]()
    for name in names:
        example += b"," * (len(example) > 1) + b'"'
        named |= {len(example) + at: letter for at, letter in enumerate(name) if letter in _HEX}
        example += name + b'":"' + _ID + b'"'
    return PlainForm(re.compile(pattern), (example + b"}").translate(_DIGITS_TO_NUL), named)
