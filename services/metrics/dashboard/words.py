"""The dashboard's texts in Chinese and English, and the formats of rates and codes; those of every page are in `shared.browser.words`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar

from services.metrics.explaining.findings import Found, name_of_finding, text_of_finding
from services.metrics.figures.definitions import DEFINITIONS, LAW, PAGE, Definition
from services.metrics.figures.findings import Finding
from services.metrics.figures.labels import label
from services.metrics.figures.questions import Rate
from shared.browser import words
from shared.browser.words import LANGUAGES, MINUS, NONE, Language
from shared.contracts.code_list import CodeList, Named

__all__ = ["LANGUAGES", "NONE", "Language", "Words", "catalogue", "tenths"]

OWN = Path(__file__).parent / "locale"
ARTICLE = re.compile(r", art\. ([\d, ]+)")
CODE = re.compile(r"[a-z][a-z0-9_]*")


def catalogue(language: Language) -> Mapping[str, tuple[str, ...]]:
    """{key: (text,) or (singular, plural)}, with the texts of every page."""
    return words.catalogue(language, words.FRAME, OWN)


def tenths(n: int, d: int) -> int:
    """1000·n/d, rounded half up (away from zero): a rate in tenths of a percent."""
    sign = -1 if n < 0 else 1
    return sign * ((2000 * abs(n) + d) // (2 * d))


@dataclass(frozen=True, slots=True)
class Words(words.Words):
    """Translates and formats for a page in one language. `zone` is the deployment's."""

    LOCALE: ClassVar[Path] = OWN

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

    def month(self, value: date) -> str:
        """A month."""
        return value.strftime("%Y-%m")

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

    def code(self, code: str, *lists: CodeList) -> str:
        """The name of a code that one of the lists has."""
        named = next((one.label(code) for one in lists if code in one.codes), Named(code, code))
        return named.en if self.language == "en" else named.zh

    def finding(self, found: Found) -> str:
        """What was found, with its numbers."""
        return text_of_finding(found, self.language)

    def finding_name(self, found: Found | str) -> str:
        """The name of a finding; of one that was found with the number of enterprises."""
        if isinstance(found, str):
            return name_of_finding(Finding(found), self.language)
        return self.t("findings.of_row", name=name_of_finding(found.finding, self.language), number=self.number(found.count))
