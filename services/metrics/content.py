"""What is kept of a fact: the bases of `counted` and `matters`."""

from __future__ import annotations

import msgspec


class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of one fact, as JSON in `facts.says` and as msgpack in `states`.

    Values are those of the fact as JSON: ids and codes are text. None is unknown and is not written.
    """


class Uncounted(Content, frozen=True):
    """What is kept of a fact that is not counted."""
