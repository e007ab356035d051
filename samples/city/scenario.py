"""What a synthetic city depends on: nothing but these four things. No clock is asked, and chance comes from them alone."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

DEFAULT_ENTERPRISES, MOST_ENTERPRISES = 2_000, 20_000
DEFAULT_YEARS, MOST_YEARS = 5, 20
DEFAULT_SEED = 2260
HIGHEST_SEED = 2**63 - 1
EARLIEST_LAST_DAY = date(1990, 1, 1)
"""The oldest enterprise settled up to 12 years before the first year, and all that was before any union law is out of the sample's range."""


def last_day_before(today: date) -> date:
    """The last day of the month before `today`: so the city is fresh, and the same for a whole month."""
    return today.replace(day=1) - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Scenario:
    """So many enterprises, watched for so many years that end on `last_day`, by the chances of `seed`."""

    last_day: date
    enterprises: int = DEFAULT_ENTERPRISES
    years: int = DEFAULT_YEARS
    seed: int = DEFAULT_SEED

    @property
    def name(self) -> str:
        """What all keys of the scenario begin with, so that two scenarios never share one."""
        return f"city/{self.enterprises}-{self.years}-{self.seed}-{self.last_day:%Y%m%d}"

    @property
    def options(self) -> str:
        """The scenario as options of `demo --sample city`."""
        return f"--enterprises {self.enterprises} --years {self.years} --seed {self.seed} --as-of {self.last_day}"

    @property
    def first_day(self) -> date:
        """The day on which the platform began to be used; what is older was typed in within the first weeks."""
        return self.last_day - timedelta(days=round(365.25 * self.years) - 1)

    def chance(self, aspect: str) -> random.Random:
        """The chances of one aspect of the city: another aspect may draw more or fewer without changing it."""
        return random.Random(f"{self.name}/{aspect}")  # noqa: S311 - a chosen history, no secret
