"""The national default of every rule: what holds where no area has set a value. One row a rule.

`mark`: R read in a copy of the law, R2 read second-hand, M from memory, V a choice of this project or local everywhere; legal staff confirm
what binds. `value` None: there is no national value, and what depends on it says NO_RULE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.cases.rulebook import laws
from shared.contracts.codes import Named


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule and its national value. `since`: the day from which the text holds. `local`: cities set values of their own; `note` says how."""

    name: str
    named: Named
    value: Mapping[str, Any] | None
    law: str
    article: str | None
    mark: str
    since: date
    local: bool = False
    note: Named | None = None


def _days(number: int, kind: str = "calendar", **more: Any) -> dict[str, Any]:
    return {"days": number, "day_kind": kind, **more}


def _months(number: int) -> dict[str, Any]:
    return {"months": number, "day_kind": "months"}


ARBITRATION_LAW = date(2008, 5, 1)
PROVISIONS_17 = date(2012, 1, 1)
INSPECTION = date(2004, 12, 1)
INSPECTION_DETAIL = date(2005, 2, 1)
ORDER_22 = date(2004, 5, 1)
ORDER_9 = date(2000, 11, 8)
UNION_LAW = date(2022, 1, 1)
CONTRACT_LAW = date(2008, 1, 1)
MANAGEMENT = date(2012, 2, 13)
REFORM_OF_AID = date(2020, 1, 1)

# One line a rule, so that it reads as a table; notes below it.
# fmt: off
_ROWS = (
    Rule("mediation", Named("调解期限", "mediation"), _days(15), laws.MEDIATION_ARBITRATION, "14", "R", ARBITRATION_LAW),
    Rule("arbitration_limitation", Named("仲裁时效", "limitation of arbitration"), _months(12), laws.MEDIATION_ARBITRATION, "27", "R", ARBITRATION_LAW),
    Rule("arbitration_acceptance", Named("仲裁受理", "acceptance by the tribunal"), _days(5, "working"), laws.MEDIATION_ARBITRATION, "29", "R", ARBITRATION_LAW),
    Rule("arbitration_service", Named("送达申请书副本", "service on the respondent"), _days(5, "working"), laws.MEDIATION_ARBITRATION, "30", "R", ARBITRATION_LAW),
    Rule("arbitration_defence", Named("提交答辩书", "defence"), _days(10, "working"), laws.MEDIATION_ARBITRATION, "30", "R", ARBITRATION_LAW),
    Rule("defence_copy", Named("送达答辩书副本", "copy of the defence"), _days(5, "working"), laws.MEDIATION_ARBITRATION, "30", "R", ARBITRATION_LAW),
    Rule("arbitration_award", Named("仲裁裁决", "award"), _days(45), laws.MEDIATION_ARBITRATION, "43", "R", ARBITRATION_LAW, True,
         Named("简易处理的案件,有的地方为 30 日(如浙江)。", "Some places have 30 days in the simple procedure (Zhejiang).")),
    Rule("suit", Named("起诉", "suit"), _days(15), laws.MEDIATION_ARBITRATION, "48, 50", "R", ARBITRATION_LAW),
    Rule("set_aside", Named("申请撤销终局裁决", "setting aside a final award"), _days(30), laws.MEDIATION_ARBITRATION, "49", "R", ARBITRATION_LAW),
    Rule("agreement_review", Named("调解协议审查申请", "joint request to review the agreement"), _days(15), laws.CONSULTATION, "27", "R", PROVISIONS_17),
    Rule("inspection_acceptance", Named("监察立案审查", "decision to file a complaint"), _days(5, "working"), laws.INSPECTION_DETAIL, "18", "R2", INSPECTION_DETAIL),
    Rule("inspection", Named("监察办结", "inspection"), _days(60, "working"), laws.INSPECTION, "17", "R", INSPECTION, True,
         Named("旧的地方规定曾为 30 日另加 30 日。", "Older local rules had 30 days and 30 more.")),
    Rule("inspection_lookback", Named("监察查处时效", "look-back of inspection"), _months(24), laws.INSPECTION, "20", "R", INSPECTION),
    Rule("supervision_reply", Named("一函两书答复", "reply to a supervision letter"), None, laws.TRADE_UNIONS, "22, 23", "V", UNION_LAW, True,
         Named("法律要求答复,全国未规定天数;按地方和文书设定,如浙江 {\"opinion\": {\"days\": 15, \"day_kind\": \"working\"}};文书自定的答复日期优先。",
               "The law asks for an answer and names no days. They are set by place and document, in Zhejiang {\"opinion\": {\"days\": 15, \"day_kind\": \"working\"}}; a date that the letter itself names goes before.")),
    Rule("negotiation_reply", Named("协商要约答复", "reply to an invitation to negotiate"), _days(20), laws.COLLECTIVE_CONTRACTS, "32", "R", ORDER_22, True,
         Named("上海 15 日,浙江 10 个工作日。", "Shanghai has 15 days, Zhejiang 10 working days.")),
    Rule("contract_submission", Named("集体合同报送", "submission of a contract"), _days(10, **{"from": "signed_on"}), laws.COLLECTIVE_CONTRACTS, "42", "R", ORDER_22, True,
         Named("自签字之日起;有的地方自职代会通过的书面通知之日起(如上海),用 from 设定。",
               "From the signatures; in some places from the written notice of the congress's approval (Shanghai), which `from` says.")),
    Rule("wage_contract_submission", Named("工资协议报送", "submission of a wage contract"), _days(7, **{"from": "signed_on"}), laws.WAGE_NEGOTIATION, "21", "R", ORDER_9, True),
    Rule("contract_publication", Named("集体合同公布", "publication of a contract"), None, laws.COLLECTIVE_CONTRACTS, "48", "V", ORDER_22, True,
         Named("全国未规定天数;浙江 5 个工作日,重庆 10 日。", "There is no national number of days; Zhejiang has 5 working days, Chongqing 10 days.")),
    Rule("wage_contract_publication", Named("工资协议公布", "publication of a wage contract"), _days(5), laws.WAGE_NEGOTIATION, "23", "R", ORDER_9, True),
    Rule("contract_effect", Named("集体合同生效", "effect of a contract"), _days(15, rolls=False), laws.LABOUR_CONTRACTS, "54", "R", CONTRACT_LAW, True,
         Named("收到文本后第 15 日生效,遇休息日不顺延:生效不是办事期限。此为本平台的取法,可按地方设定 rolls。",
               "On the 15th day after receipt, on a rest day, too: an effect is no deadline. This is a choice of the platform; `rolls` changes it.")),
    Rule("contract_renewal", Named("集体合同续签", "renewal of a contract"), _months(3), laws.COLLECTIVE_CONTRACTS, "38", "R", ORDER_22, True,
         Named("期满前多久可以提出续订;浙江 90 日。", "How long before its end a renewal may be asked; Zhejiang has 90 days.")),
    Rule("wage_contract_renewal", Named("工资协议续签", "renewal of a wage contract"), _days(60), laws.WAGE_NEGOTIATION, "24", "R", ORDER_9, True),
    Rule("hardship", Named("困难职工认定", "classes of hardship"), None, laws.HARDSHIP, None, "V", REFORM_OF_AID, True,
         Named("按地方和日期设定:每人每月低保标准(分)、各档的比较符和百分比,如 {\"line_fen\": 110000, \"deep\": {\"operator\": \"<=\", \"factor_percent\": 100}, \"accidental\": {\"cost_percent_of_income\": 80}}。",
               "Set by place and day: the monthly line per person in fen, operator and per cent of each class, such as {\"line_fen\": 110000, \"deep\": {\"operator\": \"<=\", \"factor_percent\": 100}, \"accidental\": {\"cost_percent_of_income\": 80}}.")),
    Rule("congress_window", Named("职代会统计区间", "window of workers' congresses"), _months(12), laws.DEMOCRATIC_MANAGEMENT, None, "M", MANAGEMENT, True,
         Named("职代会每年至少召开一次。", "A congress is held once a year at least.")),
    Rule("collective_workers", Named("集体争议人数", "workers of a collective dispute"), {"workers": 10}, laws.MEDIATION_ARBITRATION, "7", "R", ARBITRATION_LAW),
)
# fmt: on

DEFAULTS: Mapping[str, Rule] = {rule.name: rule for rule in _ROWS}
"""{name: rule}"""
