"""The rows of the ledger that a fold makes, as tests compare them."""

from __future__ import annotations

from collections import defaultdict

from services.metrics.tables.rows import Figures, Rows


def all_figures(rows: Rows) -> Figures:
    """The ledger's rows, members among them; `rows` stays as it is."""
    found: Figures = defaultdict(int, rows.figures)
    for (cell, known, each), counts in rows.members.items():
        for effective, net in counts.items():
            found[cell, effective, known] += net * each
    return found
