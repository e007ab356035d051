"""What every source asks of a withdrawal, and its form as a body (docs/design/ENGINE.md, Reading 6)."""

from __future__ import annotations

from collections.abc import Container

from shared.problems.errors import Unprocessable


def require_range(first: int, last: int, newest: int, facts: Container[int]) -> None:
    """`first` to `last` are sequences of a stream of `newest` events, and facts all of them: `facts` has their sequences.

    Raises FROM_AFTER_TO, UNKNOWN_SEQUENCE, HOLDS_CORRECTION (422).
    """
    if first > last:
        raise Unprocessable("FROM_AFTER_TO", field="from")
    for field, sequence in (("from", first), ("to", last)):
        if not 0 < sequence <= newest:
            raise Unprocessable("UNKNOWN_SEQUENCE", field=field, params={"last": newest})
    for sequence in range(first, last + 1):
        if sequence not in facts:
            raise Unprocessable("HOLDS_CORRECTION", field="from", params={"sequence": sequence})
