"""Facts about a stream itself, which any source may publish: what was said before is corrected, never overwritten."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from shared.contracts.envelope import Event


class Placed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A fact's content: its business date and its `data` in full, in the form of its own type."""

    occurred_on: date
    data: dict[str, Any]


class FactCorrected(Event, frozen=True, kw_only=True):
    """An earlier fact of this stream was wrong. Same subject as the corrected event.

    `corrects` is the id of the event corrected (the original or an earlier correction), `fact` the type of the original
    (`parkunion.headcount-reported.v1`), `rank` the original's sequence: the replacement keeps it in every "last wins", also through
    a chain of corrections. `withdrawn` is what no longer holds, in full; `replacement` what holds instead, None for nothing.
    So a consumer needs no history to apply it. `note_id` names a text kept by the source alone.
    """

    corrects: UUID
    fact: str
    rank: int
    reason: str
    withdrawn: Placed
    replacement: Placed | None = None
    note_id: UUID | None = None


TYPES: dict[str, type[Event]] = {"parkunion.fact-corrected.v1": FactCorrected}
