"""Names of codes in Chinese and in English: sections of GB/T 4754-2017, size classes, ownership of GB/T 12402-2000."""

from __future__ import annotations

from collections.abc import Mapping

from shared.contracts import TYPES, Event
from shared.contracts.case_codes import CONTRACT_ENDING, HARDSHIP_ENDING, REOPENING
from shared.contracts.cases.agreements import ContractTerminated
from shared.contracts.cases.aid import HardshipClassified, HardshipEnded
from shared.contracts.cases.rights import CaseReopened
from shared.contracts.code_list import Named
from shared.contracts.codes import CLOSING, CORRECTING, COVERAGE_ENDING, DISSOLVING, LEAVING, WITHDRAWING, CodeList
from shared.contracts.membership import CoverageEnded, MemberJoined, MemberLeft, UnionDissolved
from shared.contracts.registry import EnterpriseClosed
from shared.contracts.streams import EventWithdrawn, FactCorrected

# One code a line: the tables are read and compared by eye, as tables.
# fmt: off
LABELS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "all": {"all": ("全部", "All")},
    "unknown": {"unknown": ("未知", "Unknown")},
    "industry": {
        "A": ("农、林、牧、渔业", "Agriculture, forestry, animal husbandry and fishery"),
        "B": ("采矿业", "Mining"),
        "C": ("制造业", "Manufacturing"),
        "D": ("电力、热力、燃气及水生产和供应业", "Electricity, heat, gas and water supply"),
        "E": ("建筑业", "Construction"),
        "F": ("批发和零售业", "Wholesale and retail trade"),
        "G": ("交通运输、仓储和邮政业", "Transport, storage and post"),
        "H": ("住宿和餐饮业", "Accommodation and catering"),
        "I": ("信息传输、软件和信息技术服务业", "Information transmission, software and IT services"),
        "J": ("金融业", "Finance"),
        "K": ("房地产业", "Real estate"),
        "L": ("租赁和商务服务业", "Leasing and business services"),
        "M": ("科学研究和技术服务业", "Scientific research and technical services"),
        "N": ("水利、环境和公共设施管理业", "Water conservancy, environment and public facilities"),
        "O": ("居民服务、修理和其他服务业", "Resident services, repair and other services"),
        "P": ("教育", "Education"),
        "Q": ("卫生和社会工作", "Health and social work"),
        "R": ("文化、体育和娱乐业", "Culture, sports and entertainment"),
        "S": ("公共管理、社会保障和社会组织", "Public administration, social security and social organisations"),
        "T": ("国际组织", "International organisations"),
    },
    "size": {
        "large": ("大型", "Large"),
        "medium": ("中型", "Medium"),
        "small": ("小型", "Small"),
        "micro": ("微型", "Micro"),
    },
    "ownership": {
        "100": ("内资", "Domestic"),
        "110": ("国有全资", "State-owned"),
        "120": ("集体全资", "Collective"),
        "130": ("股份合作", "Joint-stock cooperative"),
        "140": ("联营", "Jointly operated"),
        "150": ("有限责任(公司)", "Limited liability"),
        "160": ("股份有限(公司)", "Joint stock"),
        "170": ("私有", "Private"),
        "190": ("其他内资", "Other domestic"),
        "200": ("港、澳、台投资", "Hong Kong, Macao and Taiwan investment"),
        "210": ("内地和港、澳、台合资", "Joint venture with Hong Kong, Macao or Taiwan"),
        "220": ("内地和港、澳、台合作", "Cooperation with Hong Kong, Macao or Taiwan"),
        "230": ("港、澳、台独资", "Wholly owned from Hong Kong, Macao or Taiwan"),
        "240": ("港、澳、台投资股份有限(公司)", "Joint stock with Hong Kong, Macao or Taiwan investment"),
        "290": ("其他港、澳、台投资", "Other Hong Kong, Macao and Taiwan investment"),
        "300": ("国外投资", "Foreign investment"),
        "310": ("中外合资", "Sino-foreign joint venture"),
        "320": ("中外合作", "Sino-foreign cooperation"),
        "330": ("外资", "Wholly foreign-owned"),
        "340": ("国外投资股份有限(公司)", "Joint stock with foreign investment"),
        "390": ("其他国外投资", "Other foreign investment"),
        "900": ("其他", "Other"),
    },
}
# fmt: on


UNDECIDED = CodeList(
    "hardship_undecided",
    Named("未作认定的原因", "why no class was decided"),
    {},
    own={"NO_RULE": Named("该地尚无规则", "no rule for the place and day")},
)
REASONS: Mapping[type[Event], CodeList] = {
    MemberJoined: LEAVING,
    MemberLeft: LEAVING,
    UnionDissolved: DISSOLVING,
    CoverageEnded: COVERAGE_ENDING,
    EnterpriseClosed: CLOSING,
    FactCorrected: CORRECTING,
    EventWithdrawn: WITHDRAWING,
    CaseReopened: REOPENING,
    HardshipClassified: UNDECIDED,
    ContractTerminated: CONTRACT_ENDING,
    HardshipEnded: HARDSHIP_ENDING,
}
"""{event that gives a reason: the list of its codes}; a test finds every event with a field `reason`. A member joins with a reason only by a transfer."""


def label(table: str, code: str, language: str) -> str:
    """The name of a code; a code that is not in the table is its own name."""
    pair = LABELS.get(table, {}).get(code)
    if pair is None:
        return code
    return pair[1] if language == "en" else pair[0]


def reason_text(type_name: str, code: str | None, language: str) -> str | None:
    """What the code of a reason means; `type_name`: the CloudEvents type of the event that gives it. None without a code."""
    if code is None:
        return None
    given_by = TYPES.get(type_name)
    listed = REASONS.get(given_by) if given_by is not None else None
    if listed is None:
        return code
    named = listed.label(code)
    return named.en if language == "en" else named.zh
