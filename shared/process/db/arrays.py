"""Many values as one parameter of a statement: the text of an array, which asyncpg sends as it is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

_encode = msgspec.json.Encoder().encode


def array(values: Iterable[UUID | date | datetime | int | None]) -> str:
    """Values as the text of an array, for `$1::text::uuid[]`: asyncpg takes ten times as long to pack a list."""
    return f"{{{_encode(list(values)).decode()[1:-1]}}}"


def text_array(values: Iterable[str | None]) -> str:
    """Texts likewise, for `$1::text::text[]`."""
    texts = list(values)
    if texts and None not in texts:
        # Most texts are ids and codes, in which nothing is to be escaped: all are looked at in one pass.
        together = '","'.join(texts)  # type: ignore[arg-type]
        if "\\" not in together and together.count('"') == 2 * (len(texts) - 1):
            return f'{{"{together}"}}'
    return f"{{{','.join([_quoted(value) for value in texts])}}}"


def bytes_array(values: Iterable[bytes]) -> str:
    """Bytes likewise, for `$1::text::bytea[]`."""
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"


def json_array(values: Iterable[Any]) -> str:
    """Values as JSON likewise, for `$1::text::jsonb[]`."""
    return text_array([_encode(value).decode() for value in values])


def _quoted(value: str | None) -> str:
    if value is None:
        return "NULL"
    if "\\" in value:
        value = value.replace("\\", "\\\\")
    return '"' + value.replace('"', '\\"') + '"'
