"""Texts of pages in Chinese and English, and the formats of numbers, days and instants.

The catalogues `locale/zh.po` and `locale/en.po` of a service and of this package have the same keys in both languages and are read once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias
from zoneinfo import ZoneInfo

from babel.messages.pofile import read_po
from babel.numbers import format_decimal

Language: TypeAlias = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
FRAME = Path(__file__).parent / "locale"
NONE = "—"
DAY = 86400
AGO = (("seconds", 120, 1), ("minutes", 2 * 3600, 60), ("hours", 2 * DAY, 3600))
"""(unit, seconds up to which it is used, seconds of one)"""
MINUS = "\N{MINUS SIGN}"


@cache
def catalogue(language: Language, *folders: Path) -> Mapping[str, tuple[str, ...]]:
    """{key: (text,) or (singular, plural)} of the catalogues in these folders."""
    found: dict[str, tuple[str, ...]] = {}
    for folder in folders:
        with (folder / f"{language}.po").open("rb") as file:
            messages = read_po(file, locale=language)
        for message in messages:
            if message.id:
                key = message.id if isinstance(message.id, str) else message.id[0]
                found[key] = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
    return found


@dataclass(frozen=True, slots=True)
class Words:
    """Translates and formats for a page in one language. `zone` is the deployment's; a service sets `LOCALE`."""

    language: Language
    zone: ZoneInfo
    LOCALE: ClassVar[Path] = FRAME

    @property
    def texts(self) -> Mapping[str, tuple[str, ...]]:
        """The frame's texts and the service's own."""
        return catalogue(self.language, FRAME, self.LOCALE)

    def t(self, key: str, **values: object) -> str:
        """The text of a key with its placeholders filled; `count` chooses the plural and is written as a number."""
        forms = self.texts[key]
        count = values.get("count")
        text = forms[0] if len(forms) == 1 or count == 1 else forms[1]
        if isinstance(count, int):
            values["count"] = self.number(count)
        return text.format(**values)

    def number(self, value: int | None) -> str:
        """A count with separated thousands."""
        return NONE if value is None else format_decimal(value, locale=self.language).replace("-", MINUS)

    def day(self, value: date | None) -> str:
        """A business day."""
        return NONE if value is None else value.isoformat()

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

    def field(self, name: str) -> str:
        """The label of a field in the address of a page; a field without one keeps its name."""
        return self.t(f"form.{name}") if f"form.{name}" in self.texts else name

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
