"""Writes a city's commands as files: `python -m samples.city FOLDER --last-day 2025-12-31 [--enterprises N] [--years Y] [--seed S]`.

FOLDER/registry.ndjson, FOLDER/membership.ndjson and FOLDER/cases.ndjson, in the order of entry, with references in the place of ids (README.md).
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import msgspec

from samples.city.adapter import City
from samples.city.command_log import SERVICES
from samples.city.scenario import DEFAULT_ENTERPRISES, DEFAULT_SEED, DEFAULT_YEARS, Scenario


def main() -> None:
    """Write the files."""
    options = argparse.ArgumentParser(prog="python -m samples.city")
    options.add_argument("folder", type=Path)
    options.add_argument("--last-day", type=date.fromisoformat, required=True)
    options.add_argument("--enterprises", type=int, default=DEFAULT_ENTERPRISES)
    options.add_argument("--years", type=int, default=DEFAULT_YEARS)
    options.add_argument("--seed", type=int, default=DEFAULT_SEED)
    wanted = options.parse_args()
    city = City(Scenario(wanted.last_day, wanted.enterprises, wanted.years, wanted.seed))
    wanted.folder.mkdir(parents=True, exist_ok=True)
    for service in SERVICES:
        (wanted.folder / f"{service}.ndjson").write_bytes(msgspec.json.Encoder().encode_lines(city.lines(service)))


if __name__ == "__main__":
    main()
