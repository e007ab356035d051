"""The options of `demo`, validated before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from deploy.local.errors import UserError
from samples.city.scenario import (
    DEFAULT_ENTERPRISES,
    DEFAULT_SEED,
    DEFAULT_YEARS,
    EARLIEST_LAST_DAY,
    HIGHEST_SEED,
    MOST_ENTERPRISES,
    MOST_YEARS,
    Scenario,
    last_day_before,
)

MISUSED = 2


class SampleName(StrEnum):
    """The samples of `demo --sample`."""

    nlrb = "nlrb"
    city = "city"


LABELS: Mapping[SampleName, Mapping[str, str]] = {
    SampleName.nlrb: {
        "zh": "样本数据：美国工会选举（NLRB），并非中国园区数据",
        "en": "Sample data: union elections in the United States (NLRB)",
    },
    SampleName.city: {
        "zh": "合成样本数据：企业、工会和会员均属虚构，并非任何城市的真实数据",
        "en": "Synthetic sample data: invented enterprises, unions and members, not figures of any real city",
    },
}
"""Labels of pages and tables, so that nobody takes the sample for real figures: {sample: {language: text}}."""


@dataclass(frozen=True, slots=True)
class CityOptions:
    """The options of a synthetic city; None if not given."""

    enterprises: int | None
    years: int | None
    seed: int | None

    def scenario(self, as_of: str | None, today: date) -> Scenario:
        """The scenario, which ends on `as_of`, or with the month before `today`. Raises UserError."""
        last_day = date.fromisoformat(as_of) if as_of else last_day_before(today)
        if last_day > today:
            raise UserError(f"--as-of {last_day}:在今天 {today} 之后", f"--as-of {last_day} is after today, {today}", MISUSED)
        if last_day < EARLIEST_LAST_DAY:
            raise UserError(
                f"--as-of {last_day}:不得早于 {EARLIEST_LAST_DAY}", f"--as-of {last_day}: {EARLIEST_LAST_DAY} or later", MISUSED
            )
        enterprises = _within("--enterprises", self.enterprises, DEFAULT_ENTERPRISES, 1, MOST_ENTERPRISES)
        years = _within("--years", self.years, DEFAULT_YEARS, 1, MOST_YEARS)
        seed = _within("--seed", self.seed, DEFAULT_SEED, 0, HIGHEST_SEED)
        return Scenario(last_day, enterprises, years, seed)

    def require_unset(self) -> None:
        """Raise UserError if an option is given, because the sample is no synthetic city."""
        for option, value in (("--enterprises", self.enterprises), ("--years", self.years), ("--seed", self.seed)):
            if value is not None:
                raise UserError(f"{option} 只用于 --sample city", f"{option} goes with --sample city only", MISUSED)


def _within(option: str, value: int | None, default: int, least: int, most: int) -> int:
    value = default if value is None else value
    if not least <= value <= most:
        raise UserError(f"{option} {value}:须在 {least} 与 {most} 之间", f"{option} {value}: from {least} to {most}", MISUSED)
    return value


def require_own_folder(label: Mapping[str, str], sample: SampleName) -> None:
    """Samples are not mixed in one folder: `label` is the folder's label ({} if none). Raises UserError."""
    if label and dict(label) != dict(LABELS[sample]):
        raise UserError(
            f"该文件夹已有另一样本的数据({label.get('zh', '')});请另选 --data",
            f"the folder holds another sample already ({label.get('en', '')}); choose another --data",
            MISUSED,
        )
