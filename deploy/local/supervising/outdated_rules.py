"""What a start does with figures that follow the rules of an earlier release."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from deploy.local.supervising.child import end, last_lines, spawn
from deploy.local.supervising.processes import operate_program, operator_environment

LOOK = 0.1


async def bring_rules_up(owner_dsn: str, kafka: str, log: Path, say: Callable[[str], None]) -> None:
    """Fold the figures anew by this release's rules; until then the old ones are served. `say` gets how it begins and ends, `log` the rest."""
    say(
        "规则有更新,正在按新规则重算;完成前仍显示旧数字 / the rules have changed: figures are folded anew, the old ones are served until then"
    )
    working = spawn(operate_program("upgrade"), log, env=operator_environment(owner_dsn, kafka))
    try:
        while working.poll() is None:
            await asyncio.sleep(LOOK)
    finally:
        await asyncio.to_thread(end, working, signal.SIGTERM, 2.0)
    failed = "" if working.returncode == 0 else "重算失败,可执行 rebuild / folding anew failed, see rebuild: "
    say(f"{failed}{last_lines(log, 1)}")
