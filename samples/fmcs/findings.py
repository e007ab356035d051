"""The codes of the oddities in a file of work stoppages, in both languages. These rows are kept."""

from __future__ import annotations

from collections.abc import Mapping

FINDINGS: Mapping[str, tuple[str, str]] = {
    "END_BEFORE_START": ("结束早于开始,案件保持未结", "ends before it starts; the case stays open"),
    "NO_END": ("没有结束日期,案件未结", "no end; the case is open"),
    "NO_WORKERS": ("没有人数", "no number of workers"),
    "ZERO_WORKERS": ("人数为零", "zero workers"),
    "REPEATED_NUMBER": ("案号重复,各行各为一案", "the number was there before; each row is a case"),
    "NO_PLACE": ("没有地点", "no place"),
    "NO_CITY": ("没有城市", "no city"),
    "NO_STATE": ("没有州", "no state"),
    "OTHER_SPELLING": ("城市名另有写法", "the city is spelled in another way"),
    "OTHER_NAME": ("雇主名另有写法", "the employer is spelled in another way"),
}
"""{code: (zh, en)}"""
