"""Every op of a batch has a Chinese name in the report of an import."""

from __future__ import annotations

from deploy.local.loading.kinds import tables
from deploy.local.loading.report import NAMES
from shared.writing.lines.bodies import CORRECTION_OP


def test_every_op_has_a_name() -> None:
    ops = {op for table in tables().values() for op in table.ops}
    assert {*ops, CORRECTION_OP} <= NAMES.keys()
