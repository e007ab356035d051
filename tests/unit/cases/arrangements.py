"""The official arrangements of 2024 to 2026, written down from the State Council's notices and not from the package; and made-up 2027."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from services.cases.calendars.calendar import Calendar, YearTable

DAY = timedelta(days=1)


def day(text: str) -> date:
    return date.fromisoformat(text)


def days(first: str, last: str | None = None) -> Iterator[date]:
    one = day(first)
    while one <= day(last or first):
        yield one
        one += DAY


OFF = {
    2024: [
        *days("2024-01-01"),
        *days("2024-02-10", "2024-02-17"),
        *days("2024-04-04", "2024-04-06"),
        *days("2024-05-01", "2024-05-05"),
        *days("2024-06-10"),
        *days("2024-09-15", "2024-09-17"),
        *days("2024-10-01", "2024-10-07"),
    ],
    2025: [
        *days("2025-01-01"),
        *days("2025-01-28", "2025-02-04"),
        *days("2025-04-04", "2025-04-06"),
        *days("2025-05-01", "2025-05-05"),
        *days("2025-05-31", "2025-06-02"),
        *days("2025-10-01", "2025-10-08"),
    ],
    2026: [
        *days("2026-01-01", "2026-01-03"),
        *days("2026-02-15", "2026-02-23"),
        *days("2026-04-04", "2026-04-06"),
        *days("2026-05-01", "2026-05-05"),
        *days("2026-06-19", "2026-06-21"),
        *days("2026-09-25", "2026-09-27"),
        *days("2026-10-01", "2026-10-07"),
    ],
}
"""{year: days off, weekends among them}"""
WORKING_WEEKENDS = {
    2024: "02-04 02-18 04-07 04-28 05-11 09-14 09-29 10-12",
    2025: "01-26 02-08 04-27 09-28 10-11",
    2026: "01-04 02-14 02-28 05-09 09-20 10-10",
}
NOTICE = "notice of the State Council"


def table(year: int) -> YearTable:
    worked = frozenset(day(f"{year}-{text}") for text in WORKING_WEEKENDS[year].split())
    return YearTable(year, frozenset(OFF[year]), worked, NOTICE)


MADE_UP_2027 = YearTable(2027, frozenset([day("2027-01-01"), *days("2027-02-05", "2027-02-11")]), frozenset({day("2027-02-14")}), "made up")
PACKAGED = Calendar()
WITH_2027 = Calendar([MADE_UP_2027])
