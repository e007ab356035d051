"""The deliberate oddities of the city: codes with their meaning in both languages, and the commands behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from samples.records import Finding

MEANINGS: Mapping[str, tuple[str, str]] = {
    "NO_HEADCOUNT": ("从未报告人数", "no headcount was ever reported"),
    "ZERO_WORKERS": ("人数为零", "zero workers"),
    "STALE_HEADCOUNT": ("最近一次人数报告已超过 12 个月", "the last headcount is older than 12 months"),
    "HEADCOUNT_BEFORE_SETTLED": ("人数报告早于落户", "headcount dated before settling"),
    "FOUNDED_BEFORE_SETTLED": ("建会早于落户", "union approved before settling"),
    "MEMBERS_OVER_WORKERS": ("会员多于职工", "more members than workers"),
    "MEMBERS_OF_DISSOLVED": ("工会已撤销,会员仍在册", "members of a dissolved union"),
    "BACKDATED": ("事后一年以上才录入", "typed in more than a year after it happened"),
    "FACTS_AFTER_CLOSURE": ("关闭日之后另有人数报告", "a headcount dated after the closure"),
    "CLOSURE_WITHDRAWN": ("关闭系误录,已撤回", "closed by mistake, and taken back"),
    "REGISTERED_TWICE": ("重复登记,后已撤回", "registered twice, one of them taken back"),
    "CORRECTED_TWICE": ("更正之后再次更正", "corrected, and corrected again"),
    "WITHDRAWN": ("误录,已撤回", "typed in by mistake, and taken back"),
}
"""{code: (zh, en)}"""


class Findings:
    """Collects findings by the key of their command; its line number is known only when all commands are sorted."""

    def __init__(self) -> None:
        self._noted: list[tuple[str, str, str, str]] = []

    def note(self, code: str, case: str, key: str, detail: str = "") -> None:
        """Add a finding; `key` is the command's key or a reference to it."""
        self._noted.append((code, case, key.removeprefix("@"), detail))

    def in_order(self, line_of: Mapping[str, int]) -> Iterator[Finding]:
        """Sorted by code; `row` is the command's line among those of its service, and a missing detail is the end of its key."""
        order = {code: n for n, code in enumerate(MEANINGS)}
        found = sorted((order[code], case, line_of[key], detail or _end(key), code) for code, case, key, detail in self._noted)
        return (Finding(case, code, row, detail) for _, case, row, detail, code in found)

    def counts(self) -> Counter[str]:
        """{code: how often}"""
        return Counter(code for code, _, _, _ in self._noted)


def _end(key: str) -> str:
    """A key without the scenario's name."""
    return "/".join(key.split("/")[2:])
