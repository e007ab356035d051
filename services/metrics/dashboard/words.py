"""The dashboard's texts in Chinese and English, and the formats of numbers, rates, days and instants.

The catalogues `locale/zh.po` and `locale/en.po` have the same keys and are read once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from services.metrics.explaining.findings import Found, name_of_finding, text_of_finding
from services.metrics.figures.definitions import DEFINITIONS, LAW, PAGE, Definition
from services.metrics.figures.findings import Finding
from services.metrics.figures.labels import label
from services.metrics.figures.questions import Rate

Language: TypeAlias = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
LOCALE = Path(__file__).parent / "locale"
NONE = "—"
SESSION_COOKIE = "parkunion_session"
ARTICLE = re.compile(r", art\. ([\d, ]+)")
CODE = re.compile(r"[a-z][a-z0-9_]*")
DAY = 86400
AGO = (("seconds", 120, 1), ("minutes", 2 * 3600, 60), ("hours", 2 * DAY, 3600))
"""(unit, seconds up to which it is used, seconds of one)"""
MINUS = "\N{MINUS SIGN}"


@cache
def catalogue(language: Language) -> Mapping[str, tuple[str, ...]]:
    """{key: (text,) or (singular, plural)}."""
    with (LOCALE / f"{language}.po").open("rb") as file:
        messages = read_po(file, locale=language)
    found: dict[str, tuple[str, ...]] = {}
    for message in messages:
        if message.id:
            key = message.id if isinstance(message.id, str) else message.id[0]
            found[key] = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
    return found


def tenths(n: int, d: int) -> int:
    """1000·n/d, rounded half up (away from zero): a rate in tenths of a percent."""
    sign = -1 if n < 0 else 1
    return sign * ((2000 * abs(n) + d) // (2 * d))


@dataclass(frozen=True, slots=True)
class Words:
    """Translates and formats for a page in one language. `zone` is the deployment's."""

    language: Language
    zone: ZoneInfo

    def t(self, key: str, **values: object) -> str:
        """The text of a key with its placeholders filled; `count` chooses the plural and is written as a number."""
        forms = catalogue(self.language)[key]
        count = values.get("count")
        text = forms[0] if len(forms) == 1 or count == 1 else forms[1]
        if isinstance(count, int):
            values["count"] = self.number(count)
        return text.format(**values)

    def number(self, value: int | None) -> str:
        """A count with separated thousands."""
        return NONE if value is None else format_decimal(value, locale=self.language).replace("-", MINUS)

    def tenths(self, rate: Rate) -> int | None:
        """A rate in tenths of a percent; None without a base."""
        return tenths(rate.n, rate.d) if rate.d else None

    def signed(self, value: int | None) -> str:
        """Tenths with their sign."""
        if value is None:
            return NONE
        sign = "+" if value > 0 else MINUS if value < 0 else ""
        return f"{sign}{abs(value) // 10}.{abs(value) % 10}"

    def change(self, value: int) -> str:
        """A difference with its sign."""
        return f"+{self.number(value)}" if value > 0 else self.number(value)

    def rate(self, rate: Rate) -> str:
        """A rate in percent with one decimal, without the percent sign."""
        if not rate.d:
            return NONE
        value = tenths(rate.n, rate.d)
        return f"{MINUS if value < 0 else ''}{self.number(abs(value) // 10)}.{abs(value) % 10}"

    def whole(self, n: int, d: int) -> str:
        """A share in whole percent; 100 % only if n ≥ d."""
        if not d:
            return NONE
        return f"{n * 100 // d if n < d else tenths(n, d) // 10}%"

    def day(self, value: date | None) -> str:
        """A business day."""
        return NONE if value is None else value.isoformat()

    def month(self, value: date) -> str:
        """A month."""
        return value.strftime("%Y-%m")

    def ago(self, seconds: float) -> str:
        """How long ago something was; dashboard.js says it in the same words."""
        if seconds < 10:
            return self.t("ago.seconds", number=f"{seconds:.1f}")
        for key, most, each in AGO:
            if seconds < most:
                return self.t(f"ago.{key}", number=self.number(int(seconds // each)))
        return self.t("ago.days", number=self.number(int(seconds // DAY)))

    def moment(self, instant: datetime) -> str:
        """The day and time of an instant."""
        return instant.astimezone(self.zone).strftime("%Y-%m-%d %H:%M")

    def instant(self, instant: datetime) -> str:
        """The day and time of an instant, to the second."""
        return instant.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")

    def definition(self, measure: str) -> Definition:
        """The definition of a measure."""
        return DEFINITIONS[measure]

    def name_of(self, measure: str) -> str:
        """The name of a measure."""
        found = DEFINITIONS[measure]
        return found.name_en if self.language == "en" else found.name_zh

    def formula(self, formula: str) -> str:
        """A formula with the names of its measures, each with its code behind it."""
        return CODE.sub(lambda match: f"{self.name_of(match[0])} ({match[0]})" if match[0] in DEFINITIONS else match[0], formula)

    def source(self, source: str) -> str:
        """The source of a rule, translated."""
        if self.language == "en":
            return source
        found = source.replace(PAGE, self.t("source.page")).replace(LAW, self.t("source.law"))
        return ARTICLE.sub(lambda match: self.t("source.article", numbers=match[1].replace(", ", "、")), found).replace("; ", "；")

    def label(self, kind: str, code: object) -> str:
        """The name of a code of an industry, a size or an ownership."""
        section = str(code)[:1] if kind == "industry" else str(code)
        name = label(kind, section, self.language)
        if name == section:
            return str(code)
        return name if section == str(code) else f"{name} ({code})"

    def field(self, name: str) -> str:
        """The label of a field in the address of a page; a field without one keeps its name."""
        return self.t(f"form.{name}") if f"form.{name}" in catalogue(self.language) else name

    def finding(self, found: Found) -> str:
        """What was found, with its numbers."""
        return text_of_finding(found, self.language)

    def finding_name(self, found: Found | str) -> str:
        """The name of a finding; of one that was found with the number of enterprises."""
        if isinstance(found, str):
            return name_of_finding(Finding(found), self.language)
        return self.t("findings.of_row", name=name_of_finding(found.finding, self.language), number=self.number(found.count))

    @property
    def other(self) -> Language:
        """The other language."""
        return "en" if self.language == "zh" else "zh"


def chosen(requested: str | None, remembered: str | None, preferred: str) -> Language:
    """The language of a page: the requested, else the remembered, else the preferred one."""
    for language in (requested, remembered, preferred):
        if language in LANGUAGES:
            return language
    return "zh"
