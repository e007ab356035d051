"""The definition of each figure in Chinese and in English, with its formula and the source of the rule."""

from __future__ import annotations

from typing import NamedTuple

LAW = "Trade Union Law of the PRC (2021)"
PAGE = "docs/design/DOMAIN.md, Coverage: exact definitions"


class Definition(NamedTuple):
    """One measure or rate."""

    name_zh: str
    name_en: str
    text_zh: str
    text_en: str
    formula: str
    source: str = PAGE


# One figure an entry: the table is read and compared by eye, as a table.
# fmt: off
DEFINITIONS: dict[str, Definition] = {
    "units": Definition("单位数", "Units", "截至所问日期在园区经营的企业:已入驻、未终止。", "Enterprises operating on the day asked about: settled and not closed.", "settled_on <= as_of < closed_on"),
    "units_headcount_known": Definition("已知职工人数的单位", "Units with known headcount", "至少报告过一次职工人数的单位(含已过期的);与单位数之比即完整度。", "Units with at least one headcount report, stale ones too; over units it is the completeness.", "count(units with a headcount)"),
    "units_headcount_stale": Definition("人数已过期的单位", "Units with stale headcount", "最近一次职工人数已超过 12 个月的单位:仍计算,单独列示。", "Units whose last headcount is older than 12 months: counted still, shown beside.", "as_of > headcount date + 12 months"),
    "should_organise_all": Definition("应建单位(全部)", "Units that should organise (ALL)", "职工人数不少于 1 人的单位。", "Units with one worker or more.", "workers >= 1"),
    "covered_all": Definition("已覆盖的应建单位(全部)", "Covered units that should organise (ALL)", "应建单位(全部)中,有已批准且未撤销的工会覆盖的单位;一个单位只计一次。", "Of the units that should organise (ALL), those that an approved, undissolved union covers; a unit counts once.", "covered and workers >= 1", f"{PAGE}; {LAW}, art. 12"),
    "should_organise_ge25": Definition("应建单位(25 人及以上)", "Units that should organise (GE25)", "职工人数不少于 25 人的单位。法律以 25 名会员为界,职工人数是其代用指标。", "Units with 25 workers or more. The law says 25 members; workers are its proxy.", "workers >= 25", f"{PAGE}; {LAW}, art. 11"),
    "covered_ge25": Definition("已覆盖的应建单位(25 人及以上)", "Covered units that should organise (GE25)", "应建单位(25 人及以上)中有工会覆盖的单位。", "Of the units that should organise (GE25), those that a union covers.", "covered and workers >= 25", f"{PAGE}; {LAW}, art. 11, 12"),
    "covered_units": Definition("覆盖单位", "Covered units", "有已批准且未撤销的工会覆盖的单位,不论职工人数。筹备组、申请和组织员不计。", "Units that an approved, undissolved union covers, whatever the headcount. Preparatory groups, applications and organisers do not count.", "covered", f"{PAGE}; {LAW}, art. 12"),
    "workers": Definition("职工人数", "Workers", "各单位最近一次报告的职工人数之和;未报告的单位为未知,不按 0 计入比率的完整度。", "The sum of each unit's last reported headcount; a unit without a report is unknown, which completeness shows.", "sum(last headcount by as_of)"),
    "members": Definition("会员人数", "Members", "各单位的会员人数之和,包括职工人数未知的单位;工会解散后,其会员在离会、转会或单位关闭前仍计在单位。", "Members at the units, those of units with unknown headcount too. Members of a dissolved union count at their unit until they leave, transfer or it closes.", "joined_on <= as_of < left_on"),
    "members_headcount_unknown": Definition("人数未知单位的会员", "Members at units of unknown headcount", "职工人数未知的单位的会员:计入会员人数,单独列示。", "Members at units without a headcount report: counted among members, shown beside.", "members where headcount is unknown"),
    "workers_unionised": Definition("覆盖单位的职工人数", "Workers of covered units", "覆盖单位的职工人数之和。", "Workers of covered units.", "sum(workers of covered units)"),
    "members_unionised": Definition("覆盖单位的会员人数", "Members of covered units", "覆盖单位的会员人数之和。", "Members of covered units.", "sum(members of covered units)"),
    "covered_all_own": Definition("其中:单独建会", "Of these: own union", "由本单位基层工会委员会覆盖的应建单位(全部)。", "Covered units that should organise (ALL) with an enterprise union of their own.", "covered_all and an own union"),
    "covered_all_joint": Definition("其中:联合建会", "Of these: joint union", "无单独工会,由联合基层工会或园区工会覆盖的应建单位(全部)。", "Without an own union, covered by a joint or park union.", "covered_all, no own union, a joint or park union"),
    "covered_all_federation": Definition("其中:联合会覆盖", "Of these: federation", "仅由区域性、行业性或基层工会联合会覆盖的应建单位(全部)。", "Covered by a federation alone.", "covered_all, only federations"),
    "second_covered": Definition("二次覆盖单位", "Second coverage", "已有工会又加入联合会的覆盖单位。", "Covered units that are also in an active federation.", "own or joint union, and a federation"),
    "in_grace": Definition("宽限期内单位", "Units in grace", "尚在宽限期内、暂不计为应建的单位。现行宽限期为 0 天。", "Units inside the period of grace, not yet counted as units that should organise. Grace is 0 days now.", "as_of < settled_on + grace"),
    "unions": Definition("工会数", "Unions", "已批准、未撤销的工会组织,计在其驻地。", "Union organisations approved and not dissolved, at their seat.", "approved_on <= as_of < dissolved_on", f"{PAGE}; {LAW}, art. 12, 13"),
    "unit_founding_rate_all": Definition("建会率(全部)", "Unit founding rate (ALL)", "应建单位(全部)中已覆盖的比例。", "Covered units over units that should organise, basis ALL.", "covered_all / should_organise_all"),
    "unit_founding_rate_ge25": Definition("建会率(25 人及以上)", "Unit founding rate (GE25)", "应建单位(25 人及以上)中已覆盖的比例。", "Covered units over units that should organise, basis GE25.", "covered_ge25 / should_organise_ge25"),
    "worker_joining_rate_all": Definition("入会率(全部)", "Worker joining rate (ALL)", "全部单位的会员人数与职工人数之比;可能超过 100%,不截断。", "Members over workers of all units; it can exceed 100 % and is never cut.", "members / workers"),
    "worker_joining_rate_unionised": Definition("入会率(覆盖单位)", "Worker joining rate (UNIONISED)", "覆盖单位的会员人数与职工人数之比。", "Members over workers of covered units.", "members_unionised / workers_unionised"),
    "time_to_found": Definition("建会用时", "Time to found", "从应建之日(入驻之日;如入驻后才有职工,则为首次应建之日)到首次被工会覆盖之日的天数,只计所问日期在园区经营的单位。此前已被覆盖的计 0 天;此后失去覆盖的不改变。仍在等待的单位作为删失数据计入(Kaplan–Meier 估计),不予剔除;中位数为生存率降至一半之日。", "Days from the first day on which a unit should organise (ALL), the day of settling or a later one, to the first day on which a union covers it, over units operating on the day asked about. Covered before counts 0 days; losing the union later changes nothing. Units still waiting are censored (Kaplan–Meier), not dropped; the median is the day on which half are founded.", "min(d: survival(d) <= 1/2), survival = product(1 - founded / at_risk)", f"{PAGE}; {LAW}, art. 12"),
    "units_without_union_all": Definition("应建未建单位（全部）", "Units without a union (ALL)", "应建单位（全部）中没有工会覆盖的单位。“还差”是其中至少还需建会的家数，使建会率高于目标。", "Units that should organise (ALL) and that no union covers. “To go” is how many of them must found a union, at the least, to take the rate over its target.", "should_organise_all - covered_all"),
    "units_without_union_ge25": Definition("应建未建单位（25 人及以上）", "Units without a union (GE25)", "应建单位（25 人及以上）中没有工会覆盖的单位。“还差”是其中至少还需建会的家数，使建会率高于目标。", "Units that should organise (GE25) and that no union covers. “To go” is how many of them must found a union, at the least, to take the rate over its target.", "should_organise_ge25 - covered_ge25"),
    "units_headcount_unknown": Definition("人数不详的单位", "Units of unknown headcount", "从未报告过职工人数的单位。人数不详不等于没有职工，所以不计入应建单位。", "Units that have never reported a headcount. Unknown is not zero, so they are not among those that should organise.", "units - units_headcount_known"),
    "headcount_completeness": Definition("人数完整度", "Headcount completeness", "职工人数已知且未过期（十二个月以内）的单位占全部单位的比例，只舍不入。", "Units whose headcount is known and not stale (within 12 months) over all units, rounded down.", "(units_headcount_known - units_headcount_stale) / units"),
    "founding_lag": Definition("建会滞后 · 近十二个月", "Founding lag · last twelve months", "已覆盖应建单位的增长减去单位的增长，以百分点计；低于零，建会慢于建企。十二个月前为零的不计算。名单是这期间有增减的企业。", "Growth of covered units that should organise less growth of units, in percentage points; below zero, founding is behind new units. Not computed where there was nothing twelve months ago. The list has the enterprises that changed in between.", "growth(covered_all) - growth(units)"),
    "joining_lag": Definition("入会滞后 · 近十二个月", "Joining lag · last twelve months", "会员人数的增长减去职工人数的增长，以百分点计；低于零，入会慢于职工增长。十二个月前为零的不计算。名单是这期间有增减的企业。", "Growth of members less growth of workers, in percentage points; below zero, joining is behind the workforce. Not computed where there was nothing twelve months ago. The list has the enterprises that changed in between.", "growth(members) - growth(workers)"),
    "headcount_current": Definition("人数有效的单位", "Units with a current headcount", "职工人数已知且未过期（十二个月以内）的单位。", "Units whose headcount is known and not older than 12 months.", "units_headcount_known - units_headcount_stale"),
}
# fmt: on
