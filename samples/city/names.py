"""Words for invented names; every name states that it is synthetic."""

from __future__ import annotations

SYNTHETIC = "（合成）"
"""The suffix of every area's name."""

FIRST = "云澜星屿竹榛萤霁砚禾汐岚栎棠鹭穹芷桐溪雁"
SECOND = "垣杉岑陌荻筱弦渚穗漪笙岫蔚槿朔楹葭瓴沅芃"
"""A firm's name begins with one character of each."""

PARK_FIRST = ("青禾", "鹭汀", "竹溪", "云栖", "霁月", "桐荫", "岚山", "星屿", "芷江", "栎原")
PARK_KINDS = ("经济示范园", "高新示范园", "装备产业园", "物流园", "科创园", "轻工园", "电商园")

INDUSTRIES: tuple[tuple[str, str, int, float], ...] = (
    ("C3484", "机械零部件", 14, 26),
    ("C3670", "汽车配件", 9, 42),
    ("C3857", "家电配件", 7, 38),
    ("C3982", "电子电路", 8, 45),
    ("C2929", "塑料制品", 9, 22),
    ("C3311", "金属结构", 8, 20),
    ("C1810", "服装", 6, 34),
    ("C1353", "食品加工", 4, 28),
    ("F5179", "机电贸易", 8, 6),
    ("F5211", "百货", 3, 12),
    ("G5431", "运输", 5, 14),
    ("G5990", "仓储", 3, 16),
    ("I6513", "软件", 6, 15),
    ("M7320", "工程研究", 2, 12),
    ("L7263", "劳务派遣", 2, 30),
    ("E4710", "建筑", 3, 30),
    ("H6210", "餐饮", 2, 14),
    ("O8111", "汽车维修", 2, 7),
    ("C", "制造", 2, 20),
)
"""(class or section of GB/T 4754-2017, the word in the firm's name, weight, typical size)."""

OWNERSHIPS = {"150": 46, "170": 28, "160": 8, "330": 6, "310": 4, "230": 3, "110": 2, "130": 1}
"""{code of GB/T 12402: weight}"""

NOTES = ("员工主动提出", "档案核对后更正", "经办人笔误")
"""Free text beside a reason; the services keep it out of events."""


def reason_of(text: str) -> dict[str, str]:
    """The fields of a reason: a code of its list, or one of NOTES beside the code `other`."""
    return {"reason": "other", "note": text} if text in NOTES else {"reason": text}
