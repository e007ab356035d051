"""What each finding about the quality of the data means, in Chinese and in English. A finding changes no figure: it stands beside it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Finding(StrEnum):
    """Something about the facts of some enterprises that a reader of the figures must know."""

    MEMBERS_OVER_WORKERS = "MEMBERS_OVER_WORKERS"
    """More members than workers by the last headcount: their joining rate is over 100 %, and is shown as it is."""
    HEADCOUNT_UNKNOWN = "HEADCOUNT_UNKNOWN"
    """No headcount was ever reported: members there count, workers there do not."""
    HEADCOUNT_STALE = "HEADCOUNT_STALE"
    """The last headcount is older than 12 months; it counts still."""
    BEFORE_SETTLED = "BEFORE_SETTLED"
    """A headcount or a union's coverage is dated before the enterprise settled; it counts from settling on."""


class Meaning(NamedTuple):
    """`text`: about {count} enterprises and their {members} and {workers}; `next`: what to do."""

    name_zh: str
    name_en: str
    text_zh: str
    text_en: str
    next_zh: str
    next_en: str


# One finding an entry: the table is read and compared by eye, as a table.
# fmt: off
MEANINGS: Mapping[Finding, Meaning] = {
    Finding.MEMBERS_OVER_WORKERS: Meaning(
        "会员多于职工", "More members than workers",
        "{count} 家单位会员多于职工（会员 {members} 人，职工 {workers} 人）：入会率照实显示，不截断",
        "Units with more members than workers: {count} ({members} members, {workers} workers); rates are shown as they are, never cut",
        "请核对职工人数是否过期，会员是否已离会或转会。", "Check whether the headcount is out of date, and whether members have left or were transferred."),
    Finding.HEADCOUNT_UNKNOWN: Meaning(
        "人数不详", "Headcount unknown",
        "{count} 家单位从未报告职工人数，不计入应建单位（会员 {members} 人，仍计入会员人数）",
        "Units that never reported a headcount: {count} ({members} members, who count); they are not among those that should organise",
        "请报告职工人数。", "Report the headcount."),
    Finding.HEADCOUNT_STALE: Meaning(
        "人数过期", "Headcount out of date",
        "{count} 家单位的职工人数已超过 12 个月，仍计算",
        "Units whose headcount is older than 12 months: {count}; it counts still",
        "请重新报告职工人数。", "Report the headcount anew."),
    Finding.BEFORE_SETTLED: Meaning(
        "早于落户", "Dated before settling",
        "{count} 家单位有早于落户之日的人数或工会覆盖：保留，自落户起计算",
        "Units with a headcount or a union dated before they settled: {count}; it is kept and counts from settling on",
        "请核对落户日期与该事实的日期，有误的予以更正。", "Check the day of settling and that of the fact; correct the one that is wrong."),
}
# fmt: on
