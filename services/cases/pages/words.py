"""The texts of these pages in Chinese and English, and the names of clocks, steps and codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from babel.numbers import format_decimal

from services.cases.clocks.names import CLOCKS, REASONS, STATES, Reason, State
from shared.browser import words
from shared.browser.words import NONE
from shared.contracts import case_codes
from shared.contracts.code_list import CodeList, Named
from shared.contracts.codes import DOCUMENTS
from shared.problems.errors import FieldError, messages

OWN = Path(__file__).parent / "locale"
SHORT = 8
"""Characters of an id that a reader needs to tell two apart."""
FEN = 100
LISTS: Mapping[str, CodeList] = {codes.name: codes for codes in case_codes.LISTS}
UNITS = ("working", "calendar", "months")


@dataclass(frozen=True, slots=True)
class Words(words.Words):
    """Translates and formats for a page in one language. `zone` is the deployment's."""

    LOCALE: ClassVar[Path] = OWN

    def named(self, name: Named) -> str:
        """The name in the page's language."""
        return name.zh if self.language == "zh" else name.en

    def clock(self, name: str) -> str:
        """The name of a clock."""
        return self.named(CLOCKS[name])

    def clock_state(self, name: str) -> str:
        """What a clock is on a day."""
        return self.named(STATES[State(name)])

    def reason(self, name: str) -> str:
        """Why a clock has no due day."""
        return self.named(REASONS[Reason(name)])

    def code(self, codes: str, code: str | None) -> str:
        """A code of a list of `shared.contracts.case_codes`; what a list does not have stands for itself."""
        return NONE if code is None else self.named(LISTS[codes].label(code))

    def document(self, kind: str) -> str:
        """A kind of identity document."""
        return self.named(DOCUMENTS.label(kind))

    def choices(self, codes: str) -> list[tuple[str, str]]:
        """(code, name) of every code of a list that a command may say."""
        return [(code, self.named(name)) for code, name in LISTS[codes].codes.items()]

    def said(self, family: str, code: str | None) -> str:
        """A word of a family of the catalogue, such as `step`; what it does not have stands for itself."""
        if code is None:
            return NONE
        key = f"{family}.{code}"
        return self.t(key) if key in self.texts else code

    def yes_or_no(self, value: bool | None) -> str:
        """A yes, a no, or that it is not known."""
        return self.t("unknown") if value is None else self.t("yes" if value else "no")

    def details(self, step: Mapping[str, Any], letters: Mapping[int, Any]) -> list[str]:
        """What a step of a case says besides its name and day. `letters`: {rank: supervision letter} of the case."""
        letter = letters.get(step.get("letter") or 0)
        said = (
            ("days", lambda days: self.t("said.days", count=days)),
            ("clock", self.clock),
            ("ground", lambda ground: self.code("case_grounds", ground)),
            ("party", lambda party: self.said("party", party)),
            ("final", lambda final: self.t("said.final" if final else "said.not_final")),
            ("document", lambda document: self.said("document", document)),
            ("addressee", lambda addressee: self.t("said.to", name=self.said("addressee", addressee))),
            ("received_on", lambda day: self.t("said.received", day=self.day(day))),
            ("reply_by", lambda day: self.t("said.reply_by", day=self.day(day))),
            ("letter", lambda _: f"{self.said('document', letter.document.value)} {self.day(letter.on)}" if letter else ""),
            ("assigned_to", str),
            ("outcome", lambda outcome: self.code("case_outcomes", outcome)),
            ("recovered_fen", self.money),
            ("reason", lambda reason: self.code("case_reopening", reason)),
        )
        found = [write(step[name]) for name, write in said if step.get(name) is not None]
        return [text for text in found if text]

    def money(self, fen: int | None) -> str:
        """A sum in yuan."""
        return NONE if fen is None else self.t("yuan", sum=format_decimal(Decimal(fen) / FEN, format="#,##0.00", locale=self.language))

    def short(self, key: object) -> str:
        """The end of an id: ids of one moment begin alike."""
        return str(key)[-SHORT:]

    def area(self, code: str | None, names: Mapping[str, str]) -> str:
        """The name of an area, of one that is not known its code."""
        return NONE if code is None else names.get(code, code)

    def left(self, due: date, today: date) -> str:
        """How far a due day is away."""
        days = (due - today).days
        if days == 0:
            return self.t("left.today")
        return self.t("left.overdue", count=-days) if days < 0 else self.t("left.days", count=days)

    def period(self, days: int | None, kind: str | None, extended: int = 0) -> str:
        """The length of a period."""
        if days is None or kind is None:
            return NONE
        text = self.t(f"period.{kind}", count=days)
        return text + self.t("period.extended", count=extended) if extended else text

    def value(self, value: Any) -> str:
        """The value of a rule in words."""
        if value is None:
            return self.t("value.none")
        if isinstance(value, bool):
            return self.yes_or_no(value)
        if not isinstance(value, Mapping):
            return self.said("value", value) if isinstance(value, str) else str(value)
        rest = dict(value)
        kind = rest.pop("day_kind", "months" if "months" in rest else None)
        length = rest.pop("months", None) if "months" in rest else rest.pop("days", None)
        parts = [self.period(length, kind)] if length is not None else []
        parts += [self.t("value.of", name=self.said("value", name), value=self._part(name, one)) for name, one in rest.items()]
        return self.t("semicolon").join(parts)

    def _part(self, name: str, value: Any) -> str:
        if name.endswith("_fen") and isinstance(value, int):
            return self.money(value)
        return f"{value}%" if name.endswith(("_percent", "_percent_of_income")) else self.value(value)

    def error(self, error: FieldError) -> str:
        """What is wrong, without codes of the program."""
        key = f"problem.{error.code}"
        text = self.t(key) if key in self.texts else messages(error.code, error.params)[self.language == "en"]
        return text if error.row is None else self.t("line", number=error.row, text=text)
