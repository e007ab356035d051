"""What bureaus can be granted: the types of events, the fields of each, and those that are shown by default.

It follows from the contracts (`Event.bureau_fields`), so a type can be granted the moment it exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import msgspec

from shared.contracts import TYPES


@cache
def defaults() -> Mapping[str, tuple[str, ...]]:
    """{type: the fields that are shown where a grant names none} of every type that can be granted."""
    return {name: struct.bureau_fields for name, struct in sorted(TYPES.items()) if struct.bureau_fields is not None}


@cache
def fields_of(type_name: str) -> tuple[str, ...]:
    """The fields of a type that a grant may name, in the order of its contract. Raises KeyError for a type that cannot be granted."""
    if type_name not in defaults():
        raise KeyError(type_name)
    return tuple(one.encode_name for one in msgspec.structs.fields(TYPES[type_name]))
