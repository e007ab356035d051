"""The portal's texts in Chinese and English, and the names of types, areas of time and errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from services.subscriptions.oversight.names import name_of
from shared.browser import words
from shared.contracts import TYPES

OWN = Path(__file__).parent / "locale"
STATUS_ERROR = "STATUS_"
SHORT = 8
"""Characters of an id that a reader needs to tell two apart."""


@dataclass(frozen=True, slots=True)
class Words(words.Words):
    """Translates and formats for a page in one language. `zone` is the deployment's."""

    LOCALE: ClassVar[Path] = OWN

    def type(self, name: str) -> str:
        """The short name of a type of events; of one without it the name that bureaus are told."""
        if f"type.{name}" in self.texts:
            return self.t(f"type.{name}")
        if name not in TYPES:
            return name
        found = name_of(name)
        return found.zh if self.language == "zh" else found.en

    def notice(self, name: str) -> str:
        """The name of a type of notices likewise."""
        return self.t(f"notice.{name}") if f"notice.{name}" in self.texts else name

    def what(self, name: str) -> str:
        """What was accessed."""
        return self.t(f"what.{name}") if f"what.{name}" in self.texts else name

    def reason(self, code: str) -> str:
        """Why a subscription was disabled, paused or ended: words for the codes of this service, else what was given."""
        return self.t(f"reason.{code}") if f"reason.{code}" in self.texts else code

    def error(self, code: str) -> str:
        """What went wrong with an attempt or a number."""
        return self._error(code, "error")

    def advice(self, code: str) -> str:
        """What to do about it."""
        return self._error(code, "advice")

    def _error(self, code: str, kind: str) -> str:
        if code.startswith(STATUS_ERROR) and code[len(STATUS_ERROR) :].isdigit():
            status = int(code[len(STATUS_ERROR) :])
            key = next((key for key in (f"{status}", f"{status // 100}XX") if f"{kind}.STATUS_{key}" in self.texts), "XXX")
            return self.t(f"{kind}.STATUS_{key}", status=status)
        key = f"{kind}.{code}"
        return self.t(key) if key in self.texts else self.t(f"{kind}.OTHER", code=code)

    def short(self, key: object) -> str:
        """The end of an id: ids of one moment begin alike."""
        return str(key)[-SHORT:]

    def several(self, names: list[str]) -> str:
        """Names in one line."""
        return self.t("who.and").join(names)

    def lasting(self, seconds: float) -> str:
        """How long something has lasted."""
        for unit, most, each in (("seconds", 120, 1), ("minutes", 7200, 60), ("hours", 172800, 3600)):
            if seconds < most:
                return self.t(f"lasting.{unit}", number=self.number(int(seconds // each)))
        return self.t("lasting.days", number=self.number(int(seconds // 86400)))

    def till(self, begin: datetime | None, end: datetime | None) -> str:
        """A span of time with open ends."""
        if end is not None and begin is not None:
            return self.t("span", begin=self.moment(begin), end=self.moment(end))
        if end is not None:
            return self.t("span.until", end=self.moment(end))
        return self.t("span.from", begin=self.moment(begin)) if begin is not None else self.t("span.open")
