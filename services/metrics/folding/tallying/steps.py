"""Collects the steps of the tallies of one subject."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from services.metrics.folding.coverage import FOREVER, Segment
from services.metrics.folding.tallying.tally import Entry, Name, Span
from services.metrics.measures import measure, vector
from services.metrics.tables.rows import Cell

_COVERED = vector(covered_units=1)


class _Piece(NamedTuple):
    start: int
    end: int
    cell: Cell
    workers: int


class Steps:
    """Collects the steps of one subject."""

    def __init__(self, shape: Sequence[Segment]) -> None:
        self.steps: defaultdict[Entry, int] = defaultdict(int)
        self._operating = [
            _Piece(one.start, end, one.cell, measure(one.base, "workers"))
            for one, end in zip(shape, [*(one.start for one in shape[1:]), FOREVER], strict=False)
            if one.cell is not None
        ]
        self._covered = [(one.start, one.cell is not None and bool(one.base & _COVERED)) for one in shape]
        self._placed = _placed(self._operating)
        self._starts = [piece.start for piece in self._placed]

    def covered_on(self, day: int) -> bool:
        """Whether a union covers the unit, which operates, on a day."""
        index = bisect_right(self._covered, (day, True))
        return index > 0 and self._covered[index - 1][1]

    def state(self, span: Span, name: Name, code: str, value: int = 0) -> None:
        """Something that holds from a day to before another, wherever the enterprise is meanwhile."""
        self._add(self._placed, span, name, code, value)

    def event(self, day: int, name: Name, code: str) -> None:
        """Something that happened on a day: it stays where the enterprise was then."""
        index = max(0, bisect_right(self._starts, day) - 1)
        if self._placed:
            self.steps[self._placed[index].cell, day, name, code, 0] += 1

    def event_in(self, area: str | None, day: int, name: Name, code: str, count: int) -> None:
        """Something that happened in an area."""
        self.steps[(area, None, None, None), day, name, code, 0] += count

    def state_in(self, area: str, span: Span, name: Name, code: str) -> None:
        """Something that holds in an area."""
        start, end = span
        if start < end:
            self.steps[(area, None, None, None), start, name, code, 0] += 1
            if end < FOREVER:
                self.steps[(area, None, None, None), end, name, code, 0] -= 1

    def units(self, name: Name, code: str, spans: Iterable[Span], workers: Name | None = None) -> None:
        """The unit counts once while it operates and any of the spans holds, and with it its workers."""
        for span in _united(spans):
            self._add(self._operating, span, name, code, 0)
            if workers is not None:
                self._add(self._operating, span, workers, code, 0, each=True)

    def _add(self, pieces: Sequence[_Piece], span: Span, name: Name, code: str, value: int, *, each: bool = False) -> None:
        for piece in pieces:
            start, end = max(piece.start, span[0]), min(piece.end, span[1])
            count = piece.workers if each else 1
            if start < end and count:
                self.steps[piece.cell, start, name, code, value] += count
                if end < FOREVER:
                    self.steps[piece.cell, end, name, code, value] -= count


def _placed(operating: Sequence[_Piece]) -> list[_Piece]:
    """Where cases of the enterprise count, for every day: from its settling on backwards, and after its closing."""
    found = list[_Piece]()
    for piece in operating:
        if found and found[-1].cell == piece.cell:
            continue
        if found:
            found[-1] = found[-1]._replace(end=piece.start)
        found.append(_Piece(piece.start if found else 0, FOREVER, piece.cell, 0))
    return found


def _united(spans: Iterable[Span]) -> Iterator[Span]:
    """The spans without overlaps."""
    last: Span | None = None
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if last is not None and start <= last[1]:
            last = (last[0], max(last[1], end))
            continue
        if last is not None:
            yield last
        last = (start, end)
    if last is not None:
        yield last
