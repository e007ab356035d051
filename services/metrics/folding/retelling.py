"""What is kept of events, so that their effect can be told again, and what was said can be taken back. Pure.

A withdrawal of what has counted is a correction to nothing of every fact that it names, on its own known day. It does not repeat what they
said; the rows of `facts` do, in which nothing stands that never counted. Corrections and withdrawals are no facts: no source withdraws them,
and where one is named it stays as it is.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from services.metrics.folding.facts import CORRECTED, WITHDRAWN, Change, Placed

Stream = tuple[str, str]
"""(source, subject)"""


class Said(NamedTuple):
    """What one event said, as `facts` keeps it."""

    kind: str
    occurred_on: date
    says: dict[str, Any] | None


def summary(told: Change, kind: str) -> dict[str, Any] | None:
    """What is kept of an event beside its attributes, so that its effect can be told again; None: its type says it all."""
    if kind == CORRECTED:
        return {"withdrawn": _written(told.withdrawn), "replacement": _written(told.placed)}
    return (told.placed.says or None) if told.placed else None


def told_again(kind: str, occurred: int, sequence: int, known: int, says: dict[str, Any] | None) -> tuple[Change, ...]:
    """The changes of an event from what is kept of it."""
    if kind == CORRECTED and says is not None:
        return (Change(known, _read(says["withdrawn"]), _read(says["replacement"])),)
    if kind == WITHDRAWN and says is not None:
        return tuple(Change(known, _read(one), None) for one in says["withdrawn"])
    return (Change(known, None, Placed(kind, occurred, sequence, says or {})),)


def taken_back(named: Iterable[tuple[int, Said]], known: int) -> tuple[dict[str, Any], tuple[Change, ...]] | None:
    """What is kept of a withdrawal that names these events, by sequence, and its changes; None: none of them is a fact that counted."""
    facts = [
        Placed(said.kind, said.occurred_on.toordinal(), sequence, said.says or {})
        for sequence, said in named
        if said.kind not in (CORRECTED, WITHDRAWN)
    ]
    if not facts:
        return None
    return {"withdrawn": [_written(fact) for fact in facts]}, tuple(Change(known, fact, None) for fact in facts)


def _written(placed: Placed | None) -> dict[str, Any] | None:
    if placed is None:
        return None
    return {"fact": placed.kind, "occurred_on": date.fromordinal(placed.occurred).isoformat(), "rank": placed.rank, "says": placed.says}


def _read(written: dict[str, Any] | None) -> Placed | None:
    if written is None:
        return None
    return Placed(written["fact"], date.fromisoformat(written["occurred_on"]).toordinal(), written["rank"], written["says"])


@dataclass(slots=True)
class _Own:
    sequences: array[int] = field(default_factory=lambda: array("q"))
    said: list[Said] = field(default_factory=list)


@dataclass(slots=True)
class Memory:
    """What the events of a shard said, while it is folded in memory: 18 bytes an event, since what says the same is kept once."""

    _streams: defaultdict[Stream, _Own] = field(default_factory=lambda: defaultdict(_Own))
    _same: dict[tuple[str, date], Said] = field(default_factory=dict)

    def keep(self, stream: Stream, sequence: int, said: Said) -> None:
        """Remember an event; those of a stream in its order."""
        own = self._streams[stream]
        own.sequences.append(sequence)
        own.said.append(self._same.setdefault((said.kind, said.occurred_on), said) if said.says is None else said)

    def named(self, stream: Stream, first: int, last: int) -> list[tuple[int, Said]]:
        """The events `first` to `last` of a stream, as far as they counted."""
        own = self._streams.get(stream, _Own())
        part = slice(bisect_left(own.sequences, first), bisect_right(own.sequences, last))
        return list(zip(own.sequences[part], own.said[part], strict=True))
