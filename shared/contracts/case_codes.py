"""The lists of codes of cases, aid, agreements and assessments."""

from __future__ import annotations

from collections.abc import Sequence

from shared.contracts.code_list import OTHER, CodeList, Named

CASE_KINDS = CodeList(
    "case_kinds",
    Named("维权案件类别", "kinds of rights cases"),
    {
        "wage_arrears": Named("拖欠工资", "wage arrears"),
        "pay_cut": Named("减薪", "pay cut"),
        "social_insurance_arrears": Named("拖欠社会保险费", "social-insurance arrears"),
        "safety_hazard": Named("安全生产隐患", "safety hazard"),
        "safety_accident": Named("生产安全事故", "safety accident"),
        "labour_dispute": Named("劳动争议", "labour dispute"),
        "other": OTHER,
    },
    source="the duties of a federation (docs/design/DOMAIN.md)",
    refusal="NOT_ONE_OF",
    more=False,
)
CASE_SUBKINDS = CodeList(
    "case_subkinds",
    Named("劳动争议种类", "subkinds of labour disputes"),
    {
        "relation": Named("确认劳动关系", "whether there is a labour relation"),
        "contract": Named("订立、履行、变更、解除和终止劳动合同", "conclusion, performance, change or end of a labour contract"),
        "dismissal": Named("除名、辞退、辞职、离职", "dismissal or resignation"),
        "working_time": Named("工作时间、休息休假", "working time and rest"),
        "welfare": Named("社会保险、福利、培训及劳动保护", "insurance, welfare, training or labour protection"),
        "pay": Named("劳动报酬", "pay"),
        "injury": Named("工伤医疗费", "medical costs of a work injury"),
        "compensation": Named("经济补偿或者赔偿金", "compensation or damages"),
        "collective_contract": Named("履行集体合同", "performance of a collective contract"),
        "work_stoppage": Named("停工", "work stoppage"),
        "other": OTHER,
    },
    source="Labour Dispute Mediation and Arbitration Law, art. 2; Case-handling Rules 2017 (order 33), art. 62",
    refusal="NOT_ONE_OF",
)
CHANNELS = CodeList(
    "case_channels",
    Named("受理渠道", "how a case came"),
    {
        "visit": Named("来访", "a visit to the office"),
        "hotline": Named("12351 职工服务热线", "the hotline 12351"),
        "letter": Named("来信", "a letter"),
        "online": Named("网络", "online"),
        "organiser": Named("组织员走访", "an organiser's visit"),
        "union": Named("基层工会上报", "reported by a union"),
        "department": Named("部门转办", "passed on by a department"),
        "inspection": Named("检查发现", "found at an inspection"),
        "media": Named("媒体", "the media"),
        "import": Named("导入", "an import"),
        "other": OTHER,
    },
    source="the platform's own",
    refusal="NOT_ONE_OF",
)
GROUNDS = CodeList(
    "case_grounds",
    Named("中断、中止、恢复和重新计算的事由", "grounds on which a period is interrupted, suspended, resumed or begins anew"),
    {
        "claim": Named("向对方主张权利", "a claim on the other side"),
        "consultation": Named("协商", "consultation"),
        "mediation": Named("申请调解", "mediation"),
        "complaint": Named("向有关部门请求权利救济", "a complaint to a department"),
        "arbitration": Named("申请仲裁", "arbitration"),
        "suit": Named("提起诉讼", "a suit"),
        "payment_order": Named("申请支付令", "a payment order"),
        "acknowledged": Named("对方同意履行义务", "the other side agreed to perform"),
        "force_majeure": Named("不可抗力", "force majeure"),
        "just_cause": Named("其他正当理由", "another just cause"),
        "death_of_party": Named("当事人死亡", "death of a party"),
        "no_representative": Named("尚未确定法定代理人", "no statutory representative is named"),
        "successor_unknown": Named("尚未确定权利义务承受人", "the successor is not known"),
        "other_case": Named("以另一案的审理结果为依据", "it depends on another case"),
        "injury_finding": Named("等待工伤认定或者鉴定结论", "waits for an injury finding or an expert opinion"),
        "joined_party": Named("追加当事人", "a party joined"),
        "added_claim": Named("增加仲裁请求", "a claim was added"),
        "counterclaim": Named("反申请", "a counterclaim"),
        "transfer": Named("移送", "transferred from another commission"),
        "ground_ended": Named("事由消失", "the ground ended"),
        "other": OTHER,
    },
    source="Labour Dispute Mediation and Arbitration Law, art. 27; Case-handling Rules 2017 (order 33), arts 26-28, 46, 47",
)
RESTARTS = frozenset({"joined_party", "added_claim", "counterclaim", "transfer"})
"""Grounds on which the period of an award begins anew (order 33, art. 46)."""
OUTCOMES = CodeList(
    "case_outcomes",
    Named("结案结果", "outcomes of cases"),
    {
        "settled": Named("和解", "settled"),
        "mediated": Named("调解结案", "settled by mediation"),
        "awarded": Named("裁决结案", "ended by an award"),
        "judged": Named("判决结案", "ended by a judgment"),
        "corrected": Named("已改正", "corrected by the employer"),
        "paid": Named("已支付", "paid"),
        "resolved": Named("已解决", "resolved"),
        "partly_resolved": Named("部分解决", "resolved in part"),
        "rejected": Named("不予支持", "rejected"),
        "withdrawn": Named("撤回", "withdrawn by the workers"),
        "referred": Named("转其他机关", "passed on to another body"),
        "ended": Named("结束", "ended"),
        "unresolved": Named("未能解决", "not resolved"),
        "other": OTHER,
    },
    source="the platform's own",
)
REOPENING = CodeList(
    "case_reopening",
    Named("重新立案原因", "why a case is opened again"),
    {
        "not_performed": Named("未履行", "what was agreed was not performed"),
        "new_facts": Named("新的事实", "new facts"),
        "recurred": Named("再次发生", "it happened again"),
        "closed_in_error": Named("结案有误", "closed in error"),
        "other": OTHER,
    },
    source="the platform's own",
)
SHOCKS = CodeList(
    "hardship_shocks",
    Named("意外致困事由", "sudden events behind a hardship"),
    {
        "illness": Named("重大疾病", "serious illness"),
        "accident": Named("意外事故", "accident"),
        "work_injury": Named("工伤", "work injury"),
        "disaster": Named("自然灾害", "natural disaster"),
        "fire": Named("火灾", "fire"),
        "death": Named("家庭成员死亡", "death in the family"),
        "other": OTHER,
    },
    source="local rules of hardship files",
    refusal="NOT_ONE_OF",
)
HARDSHIP_CLASSES = ("deep", "relative", "accidental", "none")
"""What a hardship file is decided to be: 深度困难, 相对困难, 意外致困, none."""
HARDSHIP_ENDING = CodeList(
    "hardship_ending",
    Named("困难档案终止原因", "why a hardship file ends"),
    {
        "relieved": Named("已脱困", "no longer in hardship"),
        "died": Named("死亡", "the person died"),
        "left_city": Named("离开本市", "left the city"),
        "false_statement": Named("情况不实", "what was stated was not true"),
        "withdrew": Named("本人放弃", "withdrew of own will"),
        "other": OTHER,
    },
    source="the platform's own",
)
FUNDS = CodeList(
    "aid_funds",
    Named("帮扶资金来源", "funds that pay aid"),
    {
        "central": Named("中央财政", "central"),
        "local": Named("地方财政", "local"),
        "own": Named("工会自筹", "the union's own"),
        "donated": Named("社会捐助", "donated"),
        "other": OTHER,
    },
    source="the yearly statistics of the federation",
    refusal="NOT_ONE_OF",
)
HELP_KINDS = CodeList(
    "help_kinds",
    Named("就业帮扶种类", "kinds of employment help"),
    {
        "training": Named("就业培训", "training"),
        "placement": Named("职业介绍", "placement"),
        "startup_guidance": Named("创业指导", "startup guidance"),
    },
    source="the duties of a federation (docs/design/DOMAIN.md)",
    refusal="NOT_ONE_OF",
    more=False,
)
HELP_RESULTS = CodeList(
    "help_results",
    Named("就业帮扶结果", "results of employment help"),
    {
        "employed": Named("已就业", "employed"),
        "completed": Named("已完成", "completed"),
        "started_business": Named("已创业", "started a business"),
        "not_placed": Named("未就业", "not placed"),
        "dropped_out": Named("中途退出", "dropped out"),
        "other": OTHER,
    },
    source="the platform's own",
    refusal="NOT_ONE_OF",
)
CONTRACT_KINDS = CodeList(
    "contract_kinds",
    Named("集体合同种类", "kinds of collective contracts"),
    {
        "collective": Named("综合集体合同", "general collective contract"),
        "wage": Named("工资专项集体合同", "wage contract"),
        "safety": Named("劳动安全卫生专项集体合同", "safety contract"),
        "women": Named("女职工权益保护专项集体合同", "contract on the rights of women"),
        "regional": Named("区域性集体合同", "regional contract"),
        "industry": Named("行业性集体合同", "industry contract"),
    },
    source="Labour Contract Law, arts 51-53",
    refusal="NOT_ONE_OF",
    more=False,
)
CONTRACT_ENDING = CodeList(
    "contract_ending",
    Named("集体合同提前终止原因", "why a contract ends before its term"),
    {
        "agreed": Named("协商一致", "by consent"),
        "unit_ended": Named("用人单位终止", "the unit ended"),
        "force_majeure": Named("不可抗力", "force majeure"),
        "condition_met": Named("约定条件出现", "a condition of the contract was met"),
        "replaced": Named("重新签订", "replaced by a new contract"),
        "other": OTHER,
    },
    source="Provisions on Collective Contracts 2004 (order 22), arts 39-41",
)
NEGOTIATION_RESULTS = CodeList(
    "negotiation_results",
    Named("协商结果", "results of negotiations"),
    {
        "agreed": Named("达成一致", "agreed"),
        "failed": Named("未达成一致", "not agreed"),
        "refused": Named("拒绝协商", "refused to negotiate"),
        "coordinated": Named("经协调处理", "settled by the department's coordination"),
        "withdrawn": Named("撤回", "withdrawn"),
    },
    source="Provisions on Collective Contracts 2004 (order 22), arts 32-35, 49-54",
    refusal="NOT_ONE_OF",
)
LEVELS = CodeList(
    "levels",
    Named("级别", "levels of assessments and awards"),
    {
        "enterprise": Named("企业级", "enterprise"),
        "park": Named("园区级", "park"),
        "township": Named("乡镇街道级", "township or street"),
        "district": Named("区县级", "district"),
        "city": Named("市级", "city"),
        "province": Named("省级", "province"),
        "nation": Named("国家级", "nation"),
        "other": OTHER,
    },
    source="Opinion on harmonious labour relations, 人社部发〔2023〕2号",
    refusal="NOT_ONE_OF",
)
LISTS: Sequence[CodeList] = (
    *(CASE_KINDS, CASE_SUBKINDS, CHANNELS, GROUNDS, OUTCOMES, REOPENING),
    *(SHOCKS, HARDSHIP_ENDING, FUNDS, HELP_KINDS, HELP_RESULTS),
    *(CONTRACT_KINDS, CONTRACT_ENDING, NEGOTIATION_RESULTS, LEVELS),
)
"""Every list, in the order of docs/codes.md."""
