"""The codes of the oddities in a file of union elections, in both languages. These rows are kept."""

from __future__ import annotations

from collections.abc import Mapping

FINDINGS: Mapping[str, tuple[str, str]] = {
    "VOTES_OVER_VOTERS": ("票数多于有投票权的人数", "more votes than eligible voters"),
    "FOUNDED_BEFORE_TALLY": ("认证早于计票", "certified before the tally"),
    "FOUNDED_BEFORE_SETTLED": ("认证早于立案(入驻)", "certified before filing (settling)"),
    "HEADCOUNT_BEFORE_SETTLED": ("人数报告早于立案(入驻)", "headcount dated before filing (settling)"),
    "NO_HEADCOUNT": ("没有人数", "no headcount"),
    "ZERO_WORKERS": ("人数为零", "zero workers"),
    "OTHER_SPELLING": ("城市名另有写法", "the city is spelled in another way"),
    "CERTIFIED_WITHOUT_DATE": ("有认证而无结案日期,未建会", "certified without a closing date; no union"),
    "NO_CITY": ("没有城市", "no city"),
    "NO_STATE": ("没有州", "no state"),
    "NO_TALLY_DATE": ("没有计票日期", "no tally date"),
    "ROWS_DIFFER": ("同一案件各行不一致,以首行为准", "the rows of the case differ; the first one counts"),
    "ROW_LEFT_OUT": ("案件有一行无法读取,按其余各行导入", "a row of the case could not be read; the others were used"),
}
"""{code: (zh, en)}"""
