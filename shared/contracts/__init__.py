"""Every event of the platform, one module per source (`services.py` lists them); this module joins their tables.

`TYPES` maps a CloudEvents `type` to its struct. `decode` reads an event, `encode` writes one, `type_of` names a struct's type.
"""

from __future__ import annotations

from typing import Any

import msgspec

from shared.contracts.envelope import JSON, MAX_EVENT_BYTES, Codec, Envelope, Event, TextEvent, UnreadableEvent, WireEvent, write
from shared.contracts.services import types

TYPES: dict[str, type[Event]] = types()

_codec = Codec(TYPES)
decode = _codec.decode
read = _codec.read
read_all = _codec.read_all
certain = _codec.certain
certain_types = _codec.certain_types
places_of_ids = _codec.places_of_ids
says_ids_alone = _codec.says_ids_alone
data_of = _codec.data_of
opened = _codec.opened
encode = _codec.encode
type_of = _codec.type_of
add_types = _codec.add
"""Makes the types of a service known that `SERVICES` does not list. Called by its program before it imports the service's modules."""


def fact(type_name: str, data: dict[str, Any]) -> Event:
    """The typed form of a fact kept as plain JSON, as in `Placed.data`. Raises UnreadableEvent."""
    try:
        return msgspec.convert(data, TYPES[type_name], strict=False)
    except (KeyError, msgspec.ValidationError) as error:
        raise UnreadableEvent(f"{type_name}: {error}") from error


def plain(data: Event) -> dict[str, Any]:
    """A fact as plain JSON values: what `Placed.data` and the journal hold."""
    result: dict[str, Any] = msgspec.to_builtins(data)
    return result


__all__ = [
    "JSON",
    "MAX_EVENT_BYTES",
    "TYPES",
    "Envelope",
    "Event",
    "TextEvent",
    "UnreadableEvent",
    "WireEvent",
    "add_types",
    "certain",
    "certain_types",
    "data_of",
    "decode",
    "encode",
    "fact",
    "opened",
    "places_of_ids",
    "plain",
    "read",
    "read_all",
    "says_ids_alone",
    "type_of",
    "write",
]
