"""What a writing service declares: `from shared.writing.table import Table, FactKind, CommandKind`."""

from shared.writing.table.command_kinds import EXAMPLE_ID, CommandKind
from shared.writing.table.fact_kinds import FactKind, Field, nothing, nowhere
from shared.writing.table.needs import Access, Context, Grants, Needs, Places
from shared.writing.table.table import ConcurrentChange, Corrections, Locks, Recorded, Table, named_streams

__all__ = [
    "EXAMPLE_ID",
    "Access",
    "CommandKind",
    "ConcurrentChange",
    "Context",
    "Corrections",
    "FactKind",
    "Field",
    "Grants",
    "Locks",
    "Needs",
    "Places",
    "Recorded",
    "Table",
    "named_streams",
    "nothing",
    "nowhere",
]
