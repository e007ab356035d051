"""Builds the stack on which the questions are measured: a city's log, folded by the product's own projectors. It is kept for the next time."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.generator.city import City
from bench.generator.city_records import records
from bench.generator.records import ZONE
from bench.speed.projecting import project
from bench.speed.stack import BenchStack

NOTE = "city.json"
"""In the stack's folder: which city it holds."""
WORKERS = 2


def city_of(seed: int, enterprises: int, members: int) -> City:
    """A city whose last known day is yesterday."""
    return City(seed, datetime.now(ZONE).date() - timedelta(days=1), enterprises, members)


def built(data: Path, city: City) -> tuple[BenchStack, City]:
    """A running stack with a folded city in `data`: the one that is there, or `city`."""
    stack, note = BenchStack(data / "stack"), data / NOTE
    if note.exists():
        found: dict[str, Any] = json.loads(note.read_text())
        stack.up(1)
        return stack, City(**{**found, "last": date.fromisoformat(found["last"])})
    began = time.perf_counter()
    ends = stack.fill(records(city), city.last)
    events = sum(extent.end for extent in ends.values())
    print(f"{events:,} records written in {time.perf_counter() - began:.0f} s", flush=True)
    stack.up(WORKERS)
    run = asyncio.run(project(stack, ends))
    print(f"folded in {run.seconds:.0f} s by {WORKERS} projectors: {run.per_second:,.0f}/s", flush=True)
    note.write_text(json.dumps({**asdict(city), "last": city.last.isoformat()}))
    return stack, city
