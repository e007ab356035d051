"""The statistics of cases, agreements and aid: what each counts, by what it may be grouped, and what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal, TypeAlias

from services.metrics.counted import Aspect
from services.metrics.folding.tallying.tally import EVENTS, Name
from shared.contracts.case_codes import CASE_KINDS, CONTRACT_KINDS
from shared.contracts.code_list import CodeList, Named

RULE_VERSION = "statistics-2026.1"
"""Version of the definitions below and of `folding.tallies`. In it: windows, congresses and results of negotiations count for twelve months."""
PER = 1000
"""Cases per so many workers."""

By: TypeAlias = Literal["district", "park", "industry", "size", "kind"]
PLACES = ("district", "park", "industry", "size")
ALL_BY = (*PLACES, "kind")
LETTERS = CodeList(
    "supervision_letters",
    Named("监督文书", "supervision letters"),
    {
        "reminder": Named("提示函", "reminder letter"),
        "opinion": Named("意见书", "letter of opinion"),
        "suggestion": Named("建议书", "letter of suggestion"),
    },
    more=False,
)


class StatisticName(StrEnum):
    """The statistics that can be asked for."""

    CASES_OPEN = "cases_open"
    CASES_OPENED = "cases_opened"
    CASES_OVERDUE = "cases_overdue"
    CASES_PER_1000_WORKERS = "cases_per_1000_workers"
    COLLECTIVE_CASES = "collective_cases"
    DAYS_TO_CLOSE = "days_to_close"
    CONTRACT_COVERAGE = "contract_coverage"
    WAGE_NEGOTIATION_COVERAGE = "wage_negotiation_coverage"
    CONGRESS_RATE = "congress_rate"
    HARMONIOUS_ENTERPRISES = "harmonious_enterprises"
    AID_BY_KIND = "aid_by_kind"
    MEDIATION_SETTLEMENT = "mediation_settlement"
    LETTERS_ANSWERED_IN_TIME = "letters_answered_in_time"
    CASES_BY_COVERAGE = "cases_by_coverage"


@dataclass(frozen=True, slots=True)
class Statistic:
    """One statistic. `names`: the tallies that it is made of; `basis`: the code of what `d` counts, or of what is counted; `kinds`: the codes
    of `by=kind`, None where it is not offered."""

    names: Sequence[Name]
    basis: str
    text: Named
    aspect: Aspect = Aspect.CASES
    by: Sequence[str] = ALL_BY
    kinds: CodeList | None = CASE_KINDS

    @property
    def windowed(self) -> bool:
        """Whether some of it happened in a window."""
        return any(name in EVENTS for name in self.names)


_OPENED = (Name.CASE_OPENED, Name.CASE_OPENED_COLLECTIVE, Name.CASE_OPENED_PROXY)
STATISTICS: Mapping[StatisticName, Statistic] = {
    StatisticName.CASES_OPEN: Statistic(
        (Name.CASE_OPEN, Name.CASE_OPEN_COLLECTIVE, Name.CASE_OPEN_PROXY),
        "OPEN_CASES",
        Named(
            "截至所问日期已受理、未办结的案件；办结后重开的再次计入。",
            "Cases reported by the day and not closed by it; one that was closed and opened again is open.",
        ),
    ),
    StatisticName.CASES_OPENED: Statistic(
        _OPENED,
        "OPENED_CASES",
        Named("窗口期内受理的案件，按受理日。", "Cases reported in the window, by the day of the report."),
    ),
    StatisticName.CASES_OVERDUE: Statistic(
        (Name.CASE_OVERDUE, Name.CASE_OPEN),
        "OPEN_CASES",
        Named(
            "未办结、至少一项期限已逾期的案件；一件只计一次。",
            "Open cases of which at least one clock has passed its due day; a case counts once.",
        ),
    ),
    StatisticName.CASES_PER_1000_WORKERS: Statistic(
        (Name.CASE_OPENED,),
        "WORKERS",
        Named(
            "窗口期内受理的案件与所问日期职工人数之比，每千人。",
            "Cases reported in the window over the workers of the enterprises on the day, per 1,000.",
        ),
    ),
    StatisticName.COLLECTIVE_CASES: Statistic(
        (*_OPENED[1:], Name.CASE_OPEN_COLLECTIVE, Name.CASE_OPEN_PROXY),
        "OPENED_CASES",
        Named(
            "窗口期内受理的集体案件：十人以上且有共同请求，或履行集体合同的争议。十人以上、请求是否共同不详的另列为代用数（proxy），不计入。",
            "Collective cases reported in the window: ten workers or more with a common claim, or a dispute on performing a collective "
            "contract. Ten or more without a known common claim are a proxy, beside and not in the number.",
        ),
    ),
    StatisticName.DAYS_TO_CLOSE: Statistic(
        (Name.CASE_CLOSED, Name.CASE_OPEN),
        "CASES",
        Named(
            "从受理到办结的天数；未办结的作为删失数据计入（Kaplan–Meier 估计），不予剔除。",
            "Days from the report to the closing; open cases are censored (Kaplan–Meier), not dropped.",
        ),
    ),
    StatisticName.CONTRACT_COVERAGE: Statistic(
        (Name.CONTRACT, Name.CONTRACT_WORKERS),
        "UNITS",
        Named(
            "有生效集体合同的在营单位占在营单位的比例；职工口径用各单位职工人数。",
            "Operating units with a collective contract in effect over operating units; of workers, by the headcounts of the units.",
        ),
        Aspect.AGREEMENTS,
        kinds=CONTRACT_KINDS,
    ),
    StatisticName.WAGE_NEGOTIATION_COVERAGE: Statistic(
        (Name.WAGE_NEGOTIATION,),
        "UNITS",
        Named(
            "有生效工资专项集体合同，或近十二个月内工资协商有结果（达成、经协调或未达成）的在营单位占在营单位的比例。",
            "Operating units with a wage contract in effect, or with a result of a wage negotiation (agreed, coordinated, failed) in the last "
            "twelve months, over operating units.",
        ),
        Aspect.AGREEMENTS,
        PLACES,
        None,
    ),
    StatisticName.CONGRESS_RATE: Statistic(
        (Name.CONGRESS,),
        "UNITS",
        Named(
            "近十二个月内召开过职工代表大会的在营单位占在营单位的比例。",
            "Operating units with a workers' congress held in the last twelve months over operating units.",
        ),
        Aspect.AGREEMENTS,
        PLACES,
        None,
    ),
    StatisticName.HARMONIOUS_ENTERPRISES: Statistic(
        (Name.HARMONIOUS,),
        "UNITS",
        Named(
            "有有效和谐劳动关系评价的在营单位占在营单位的比例。",
            "Operating units with a valid assessment of harmonious labour relations over operating units.",
        ),
        Aspect.AGREEMENTS,
        PLACES,
        None,
    ),
    StatisticName.AID_BY_KIND: Statistic(
        (Name.HARDSHIP, Name.AID_PAYMENT, Name.AID_FEN, Name.HELP),
        "AID",
        Named(
            "困难档案按类别（所问日期在册），帮扶发放按资金、就业帮扶按种类（窗口期内）。少于五的数不公布，也不能由其他数推出。",
            "Hardship files by class (in force on the day), payments by fund and employment help by kind (in the window). No number under "
            "five is told, nor follows from others.",
        ),
        Aspect.AID,
        ("kind",),
        None,
    ),
    StatisticName.MEDIATION_SETTLEMENT: Statistic(
        (Name.MEDIATION_SETTLED, Name.MEDIATION_FAILED),
        "MEDIATIONS",
        Named("窗口期内调解成功与调解成功、不成之和的比例。", "Mediations settled in the window over those settled or failed in it."),
    ),
    StatisticName.LETTERS_ANSWERED_IN_TIME: Statistic(
        (Name.LETTER_IN_TIME, Name.LETTER_LATE),
        "LETTERS",
        Named(
            "窗口期内答复到期或已答复的监督文书中，在到期日前答复的比例。",
            "Supervision letters answered by their due day over those answered by it or overdue, in the window.",
        ),
        kinds=LETTERS,
    ),
    StatisticName.CASES_BY_COVERAGE: Statistic(
        (Name.CASE_OPENED, Name.CASE_OPENED_COVERED),
        "WORKERS",
        Named(
            "窗口期内受理的案件，每千名职工：受理日有工会覆盖的单位与没有的单位并列。两数并列，不说明原因：有工会的地方，案件也更容易被报告。",
            "Cases reported in the window per 1,000 workers: in units that a union covered on that day, and in others. Two numbers side by side, "
            "never a cause: where there is a union, cases are also reported more readily.",
        ),
    ),
}


def twelve_months_before(day: date) -> date:
    """The same date a year before; of 29 February, 28 February."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)
