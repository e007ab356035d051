"""The four inputs of a synthetic city. The generator reads no clock; its random numbers depend on these alone."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

DEFAULT_ENTERPRISES, MOST_ENTERPRISES = 2_000, 20_000
DEFAULT_YEARS, MOST_YEARS = 5, 20
DEFAULT_SEED = 2260
HIGHEST_SEED = 2**63 - 1
EARLIEST_LAST_DAY = date(1990, 1, 1)
"""The earliest `last_day`: enterprises settle up to 12 years before the first day."""


def last_day_before(today: date) -> date:
    """The last day of the month before `today`: the same for a whole month."""
    return today.replace(day=1) - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`enterprises` over `years` that end on `last_day`, generated from `seed`."""

    last_day: date
    enterprises: int = DEFAULT_ENTERPRISES
    years: int = DEFAULT_YEARS
    seed: int = DEFAULT_SEED

    @property
    def name(self) -> str:
        """The prefix of all keys, so that two scenarios share none."""
        return f"city/{self.enterprises}-{self.years}-{self.seed}-{self.last_day:%Y%m%d}"

    @property
    def options(self) -> str:
        """The scenario as options of `demo --sample city`."""
        return f"--enterprises {self.enterprises} --years {self.years} --seed {self.seed} --as-of {self.last_day}"

    @property
    def first_day(self) -> date:
        """The first day of entry; earlier facts are entered within the first weeks."""
        return self.last_day - timedelta(days=round(365.25 * self.years) - 1)

    def rng(self, aspect: str) -> random.Random:
        """A generator per aspect: the draws of one aspect do not change those of another."""
        return random.Random(f"{self.name}/{aspect}")  # noqa: S311 - reproducible data, no secret
