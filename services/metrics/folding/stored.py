"""A set of facts as `states` stores it: msgpack, read without decoding what its facts say. Days are ordinals."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from services.metrics import counted
from services.metrics.folding.coverage import AttributeFact
from services.metrics.folding.tallying.tally import MatterFact


class StoredFact(msgspec.Struct, array_like=True):
    """A fact of a stored set, its content not decoded yet."""

    kind: str
    occurred: int
    rank: int
    known: int
    until: int
    content: msgspec.Raw


class StoredState(msgspec.Struct, array_like=True):
    """A stored set."""

    attributes: list[StoredFact]
    members: dict[int, dict[int, int]]
    since: int = 0
    matters: list[StoredFact] = []


class _State(msgspec.Struct, array_like=True):
    attributes: list[AttributeFact]
    members: dict[int, dict[int, int]]
    since: int = 0


class _StateWithMatters(msgspec.Struct, array_like=True):
    attributes: list[AttributeFact]
    members: dict[int, dict[int, int]]
    since: int
    matters: list[MatterFact]


encode = msgspec.msgpack.Encoder().encode
decode_state = msgspec.msgpack.Decoder(StoredState).decode
decode_content = {
    kind: msgspec.msgpack.Decoder(row.content).decode for kind, row in counted.BY_KIND.items() if isinstance(row, counted.Attribute)
}
decode_matter = {
    kind: msgspec.msgpack.Decoder(row.content).decode for kind, row in counted.BY_KIND.items() if isinstance(row, counted.Matter)
}


def dumped(attributes: list[AttributeFact], members: dict[int, dict[int, int]], since: int) -> bytes:
    """A set without matters as msgpack, as the releases before them wrote it."""
    return encode(_State(attributes, members, since))


def dumped_with_matters(
    attributes: list[AttributeFact], members: dict[int, dict[int, int]], since: int, matters: list[MatterFact]
) -> bytes:
    """A set with matters as msgpack."""
    return encode(_StateWithMatters(attributes, members, since, matters))


def are_stored_as(facts: Sequence[AttributeFact] | Sequence[MatterFact], stored: Sequence[StoredFact]) -> bool:
    """Whether facts are those of a stored set; their order does not matter."""
    theirs = [(fact.kind, fact.occurred, fact.rank, fact.known, fact.until, bytes(fact.content)) for fact in stored]
    own = [(fact.kind, fact.occurred, fact.rank, fact.known, fact.until, encode(fact.content)) for fact in facts]
    return theirs == own or sorted(theirs) == sorted(own)
