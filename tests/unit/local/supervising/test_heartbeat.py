"""When the supervisor takes a process for frozen."""

from __future__ import annotations

from pathlib import Path

from deploy.local.supervising.fork_server import ForkServer
from deploy.local.supervising.processes import FROZEN_AFTER, SILENT_AFTER, ServiceProcess


def test_a_heartbeat_that_is_just_being_written_is_not_taken_for_none(tmp_path: Path) -> None:
    process = ServiceProcess("registry", ("api",), {}, tmp_path / "registry.api.log", ForkServer([], tmp_path / "nursery.log", {}))
    process.reset_timeouts(100.0)
    process.beat.write_text("200.0\n")
    assert not process.frozen(201.0)
    process.beat.write_text("")
    assert not process.frozen(201.1)
    assert process.frozen(200.0 + FROZEN_AFTER + 0.1)
    process.beat.write_text("0.0\n")
    assert process.frozen(200.0 + SILENT_AFTER + 0.1)
