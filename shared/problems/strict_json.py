"""Strict JSON: in UTF-8 and with each name of an object once.

RFC 8259 does not say which of two equal names counts, so a command with such an object is refused.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from shared.problems.errors import Unprocessable
from shared.problems.validation import path_of

DEEPEST_JSON = 64
"""Objects and lists around a value, at most."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise Unprocessable("DUPLICATE_FIELD", field=path_of([next(name for name in names if names.count(name) > 1)]))
    return values


_decode = json.JSONDecoder(object_pairs_hook=_once).decode
_decode_fast = msgspec.json.Decoder().decode
_encode_fast = msgspec.json.Encoder().encode


class _Unusual(ValueError):
    """Only the slow way can tell what this content says."""


def values_of(content: bytes) -> Any:
    """Plain values. Raises DUPLICATE_FIELD (422), ValueError if it is no JSON in UTF-8 or nested more than DEEPEST_JSON times, RecursionError.

    NaN and lone surrogates pass: the validation of the fields names the field.
    """
    try:
        values = _usual(content)
    except (ValueError, RecursionError, OverflowError):
        values = _decode(content.decode("utf-8-sig"))
    # Python's own limit depends on who calls; this one is the same at every door.
    if content.count(b"[") + content.count(b"{") > DEEPEST_JSON:
        _require_shallow(values)
    return values


def _usual(content: bytes) -> Any:
    """The values of most contents, in a sixth of the time. Raises ValueError, RecursionError, OverflowError for all others.

    The decoder keeps the last of two equal names. That one is lost is noticed when the values are written again, or, where that gives another
    text because of blanks, by the quotes: without escapes every text has two.
    """
    values = _decode_fast(content)
    again = _encode_fast(values)
    if again == content or again == content.replace(b": ", b":").replace(b", ", b","):
        return values
    if b"\\" in content or content.count(b'"') != _quotes(values):
        raise _Unusual
    return values


def _quotes(value: Any) -> int:
    """The quotes with which these values are written. Raises _Unusual for numbers that decoders may read differently."""
    kind = type(value)
    if kind is dict:
        return 2 * len(value) + sum([2 if type(inner) is str else _quotes(inner) for inner in value.values()])
    if kind is list:
        return sum([2 if type(inner) is str else _quotes(inner) for inner in value])
    if kind is str:
        return 2
    if value is None or kind is bool or (kind is int and -(2**53) < value < 2**53):
        return 0
    raise _Unusual


def _require_shallow(values: Any) -> None:
    level = [values]
    for _ in range(DEEPEST_JSON):
        level = [
            inner for value in level if isinstance(value, dict | list) for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    if any(isinstance(value, dict | list) for value in level):
        raise ValueError("nested too deep")
