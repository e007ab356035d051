"""Every op of a batch has a Chinese name in the report of an import."""

from __future__ import annotations

from deploy.local.loading.report import NAMES
from services.membership.facts import TABLE as MEMBERSHIP
from services.registry.facts import TABLE as REGISTRY
from shared.writing.routes import CORRECTION_OP


def test_every_op_has_a_name() -> None:
    assert {*REGISTRY.ops, *MEMBERSHIP.ops, CORRECTION_OP} <= NAMES.keys()
