"""Upgrade of figures that were computed by the rules of an earlier release."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from deploy.local.child import end, last_lines, spawn
from deploy.local.supervising.processes import operate_program, operator_environment

POLL_PAUSE = 0.1


async def upgrade_rules(owner_dsn: str, kafka: str, log: Path, report: Callable[[str], None]) -> None:
    """Fold a new generation by this release's rules while the old one is served. `report` gets the begin and the end, `log` all output."""
    report(
        "规则有更新,正在按新规则重算;完成前仍显示旧数字 / the rules have changed: figures are folded anew, the old ones are served until then"
    )
    working = spawn(operate_program("metrics", "upgrade"), log, env=operator_environment(owner_dsn, kafka))
    try:
        while working.poll() is None:
            await asyncio.sleep(POLL_PAUSE)
    finally:
        await asyncio.to_thread(end, working, signal.SIGTERM, 2.0)
    failed = "" if working.returncode == 0 else "重算失败,可执行 rebuild / folding anew failed, see rebuild: "
    report(f"{failed}{last_lines(log, 1)}")
