"""A closed list of codes, and the codes that a deployment adds to lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

FORM = re.compile(r"(?=.*[a-z])[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
"""A code that a deployment adds: lower-case letters, digits, underscore, hyphen; with a letter, so that it is no number."""


class Named(NamedTuple):
    """What a code means."""

    zh: str
    en: str


Codes = Mapping[str, Named]


class CodeList:
    """A closed list. `own`: codes that only the platform itself gives. `source`: where the list comes from, or what it is.

    `refusal`: the problem of another code; a reason's field comes with a `note` for free text. `more`: a deployment may add codes.
    """

    def __init__(
        self,
        name: str,
        named: Named,
        codes: Codes,
        *,
        own: Codes | None = None,
        source: str = "",
        refusal: str = "REASON_NOT_LISTED",
        more: bool = True,
    ) -> None:
        self.name = name
        self.refusal = refusal
        self.named = named
        self.own: Codes = own or {}
        self.source = source
        self.more = more
        self.listed = codes

    @property
    def codes(self) -> Codes:
        """What commands may say: the platform's codes and those of the deployment."""
        return {**self.listed, **_added.get(self.name, {})}

    def label(self, code: str) -> Named:
        """The names of a code; one that no list has (an older event's) stands for itself."""
        return self.codes.get(code) or self.own.get(code) or FORMER.get(code) or Named(code, code)

    def choices(self) -> Named:
        """All codes with their names, for messages."""
        return Named(
            "、".join(f"{code}({named.zh})" for code, named in self.codes.items()),
            ", ".join(f"{code} ({named.en})" for code, named in self.codes.items()),
        )


_added: dict[str, dict[str, Named]] = {}


def add(more: Mapping[str, Mapping[str, Named]]) -> None:
    """Make a deployment's codes known, `{list: {code: names}}`, in place of those given before. Called once, when a process begins."""
    _added.clear()
    _added.update({name: dict(codes) for name, codes in more.items()})


FORMER: Codes = {
    "note": Named("见备注", "see the note"),
    "typing_error": Named("录入错误", "typing error"),
    "dissolved": Named("撤销", "dissolved"),
    "relocated": Named("迁出", "relocated"),
}
"""Codes that events of releases 0.1 and 0.2 may hold and that no command takes."""

OTHER = Named("其他", "other")
