"""Every closed list of codes that facts and commands hold, with the names of its codes in Chinese and English.

A command takes a code of its list and nothing else: what is no code cannot reach an event. Free text belongs into a `note`, which stays in
the service's own table. Readers are tolerant: events of earlier releases hold codes that no list has.
A deployment adds codes by PARKUNION_MORE_CODES (`added`). After a change: `python -m shared.contracts.codes > docs/codes.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.contracts import case_codes
from shared.contracts.code_list import FORM, FORMER, OTHER, CodeList, Codes, Named, add

__all__ = ["FORM", "FORMER", "OTHER", "CodeList", "Codes", "Named", "add"]

LEAVING = CodeList(
    "leaving",
    Named("退会原因", "why a member leaves"),
    {
        "resigned": Named("辞职", "resigned from the job"),
        "contract_ended": Named("劳动合同终止", "the labour contract ended"),
        "dismissed": Named("被解除劳动合同", "dismissed"),
        "laid_off": Named("下岗", "laid off"),
        "unemployed": Named("失业", "unemployed"),
        "retired": Named("退休", "retired"),
        "left_city": Named("离开本市", "left the city"),
        "transferred_out": Named("会籍转往平台外的工会", "transferred to a union outside the platform"),
        "unit_closed": Named("所在单位终止", "the unit closed"),
        "withdrew": Named("自愿退会", "withdrew of own will"),
        "expelled": Named("除名", "expelled"),
        "convicted": Named("触犯刑律", "convicted of a crime"),
        "deceased": Named("去世", "deceased"),
        "other": OTHER,
    },
    own={"transfer": Named("会籍接转", "transferred")},
    source="会籍变化原因 of member registers of provincial unions; Trade Union Law 2021, art. 13",
)
DISSOLVING = CodeList(
    "dissolving",
    Named("工会撤销原因", "why a union ends"),
    {
        "merged": Named("合并", "merged with another union"),
        "reorganised": Named("改组", "reorganised"),
        "split": Named("分立", "split up"),
        "unit_closed": Named("所在单位终止", "the unit closed"),
        "no_members": Named("已无会员", "no members are left"),
        "other": OTHER,
    },
    own={
        "last_unit_closed": Named("最后一个单位终止", "the last unit closed"),
    },
    source="Trade Union Law 2021, art. 13",
)
COVERAGE_ENDING = CodeList(
    "coverage_ending",
    Named("覆盖结束原因", "why coverage ends"),
    {
        "ended": Named("不再覆盖", "no longer covered"),
        "own_union": Named("单独建会", "the unit founded a union of its own"),
        "merged": Named("单位合并", "the unit merged with another one"),
        "moved_away": Named("单位迁出", "the unit moved away"),
        "other": OTHER,
    },
    own={
        "enterprise_closed": Named("企业终止", "the enterprise closed"),
        "union_dissolved": Named("工会撤销", "the union was dissolved"),
    },
    source="the platform's own",
)
CLOSING = CodeList(
    "closing",
    Named("企业终止原因", "why an enterprise closes"),
    {
        "bankrupt": Named("破产", "bankrupt"),
        "deregistered": Named("依法注销", "deregistered"),
        "dissolved": Named("解散", "dissolved by its owners"),
        "expired": Named("经营期限届满", "its term ended"),
        "licence_revoked": Named("吊销营业执照", "licence revoked"),
        "ordered_to_close": Named("责令关闭或撤销", "ordered to close"),
        "merged": Named("合并", "merged with another enterprise"),
        "split": Named("分立", "split up"),
        "moved_away": Named("迁出本市", "moved out of the city"),
        "other": OTHER,
    },
    source="Company Law 2023, art. 229; Enterprise Bankruptcy Law",
)
VISIT_OUTCOMES = CodeList(
    "visit_outcomes",
    Named("走访结果", "outcome of a visit"),
    {
        "willing": Named("愿意建会", "willing to found a union"),
        "agreed_to_prepare": Named("同意筹建", "agreed to prepare a union"),
        "considering": Named("考虑中", "considering"),
        "refused": Named("拒绝", "refused"),
        "not_met": Named("未见到负责人", "met nobody in charge"),
        "informed": Named("已宣传政策", "informed"),
        "resolved": Named("问题已解决", "the matter was settled"),
        "visit_again": Named("需再次走访", "to be visited again"),
        "other": OTHER,
    },
    source="the platform's own",
    refusal="NOT_ONE_OF",
)
SIZE_FOLLOWS = "size_follows"
"""The registry decided a size class again, by a fact of an earlier day that became known later."""
FOLLOWING = frozenset({SIZE_FOLLOWS})
"""Reasons of corrections that change nothing of what was entered: who corrects the fact may name the event before them, too."""

CORRECTING = CodeList(
    "correcting",
    Named("更正原因", "why a fact is corrected"),
    {
        "typo": Named("录入错误", "typing error"),
        "never_was": Named("事实不存在", "it never was"),
        "duplicate": Named("重复登记", "entered twice"),
        "wrong_date": Named("日期有误", "wrong date"),
        "wrong_enterprise": Named("企业有误", "wrong enterprise"),
        "wrong_person": Named("人员有误", "wrong person"),
        "wrong_code": Named("代码有误", "wrong code"),
        "code_issued": Named("后获统一社会信用代码", "a credit code was issued later"),
        "new_evidence": Named("有新的材料", "new evidence"),
        "import": Named("导入有误", "wrong import"),
        "other": OTHER,
    },
    own={
        "closure_corrected": Named("企业终止记录已更正", "the closure was corrected"),
        "earlier_end": Named("补录了结束", "its end was entered"),
        "earlier_coverage": Named("补录了更早的覆盖", "an earlier coverage was entered"),
        SIZE_FOLLOWS: Named("规模类型随更早的事实重新判定", "the size class follows an earlier fact"),
        "earlier_transfer": Named("补录了更早的接转", "an earlier transfer was entered"),
    },
    source="the platform's own",
)
WITHDRAWING = CodeList(
    "withdrawing",
    Named("撤销事件的原因", "why events are withdrawn"),
    {
        "never_was": Named("事实不存在", "it never was"),
        "unreadable": Named("无法读取", "it cannot be read"),
        "unknown_type": Named("类型未知", "its type is unknown"),
        "duplicate": Named("重复登记", "entered twice"),
        "wrong_enterprise": Named("企业有误", "wrong enterprise"),
        "wrong_person": Named("人员有误", "wrong person"),
        "typo": Named("录入错误", "typing error"),
        "import": Named("导入有误", "wrong import"),
        "test_data": Named("测试数据", "test data"),
        "late": Named("迟到的事件", "it came too late"),
        "other": OTHER,
    },
    source="the platform's own",
)
OWNERSHIP = CodeList(
    "ownership",
    Named("登记注册类型", "ownership of an enterprise"),
    {
        "100": Named("内资", "domestic"),
        "110": Named("国有全资", "state-owned"),
        "120": Named("集体全资", "collective"),
        "130": Named("股份合作", "share co-operative"),
        "140": Named("联营", "joint operation"),
        "141": Named("国有联营", "joint operation of state units"),
        "142": Named("集体联营", "joint operation of collectives"),
        "143": Named("国有与集体联营", "joint operation of state and collective"),
        "149": Named("其他联营", "other joint operation"),
        "150": Named("有限责任公司", "limited liability company"),
        "151": Named("国有独资公司", "wholly state-owned company"),
        "159": Named("其他有限责任公司", "other limited liability company"),
        "160": Named("股份有限公司", "joint stock company"),
        "170": Named("私有", "private"),
        "171": Named("私有独资", "private, sole owner"),
        "172": Named("私有合伙", "private partnership"),
        "173": Named("私营有限责任公司", "private limited company"),
        "174": Named("私营股份有限公司", "private joint stock company"),
        "175": Named("个体经营", "self-employed"),
        "179": Named("其他私有", "other private"),
        "190": Named("其他内资", "other domestic"),
        "200": Named("港澳台投资", "invested from Hong Kong, Macao, Taiwan"),
        "210": Named("内地和港澳台合资", "equity joint venture with Hong Kong, Macao, Taiwan"),
        "220": Named("内地和港澳台合作", "co-operative venture with Hong Kong, Macao, Taiwan"),
        "230": Named("港澳台独资", "wholly owned from Hong Kong, Macao, Taiwan"),
        "240": Named("港澳台投资股份有限公司", "joint stock company invested from Hong Kong, Macao, Taiwan"),
        "290": Named("其他港澳台投资", "other investment from Hong Kong, Macao, Taiwan"),
        "300": Named("国外投资", "foreign-invested"),
        "310": Named("中外合资", "Sino-foreign equity joint venture"),
        "320": Named("中外合作", "Sino-foreign co-operative venture"),
        "330": Named("外资", "wholly foreign-owned"),
        "340": Named("国外投资股份有限公司", "foreign-invested joint stock company"),
        "390": Named("其他国外投资", "other foreign investment"),
        "400": Named("个体经营(统计分类)", "self-employed (statistical classes)"),
        "410": Named("个体户", "individual business"),
        "420": Named("个人合伙", "personal partnership"),
        "900": Named("其他", "other"),
        "private": Named("私营(未细分)", "private, not divided further"),
    },
    source=(
        "GB/T 12402-2000; 400, 410, 420: 关于划分企业登记注册类型的规定 (1998, 2011). The classes of 2023 (国统字〔2023〕14号) have the same"
        " numbers for other things: a deployment adds them as codes of its own, such as `cn2023-110`"
    ),
    refusal="INVALID_OWNERSHIP",
)
DOCUMENTS = CodeList(
    "documents",
    Named("证件种类", "identity documents"),
    {
        "resident_id": Named("居民身份证", "resident identity card"),
        "residence_permit": Named("港澳台居民居住证", "residence permit of Hong Kong, Macao and Taiwan residents"),
        "hong_kong_macao_permit": Named("港澳居民来往内地通行证", "mainland travel permit of Hong Kong and Macao residents"),
        "taiwan_permit": Named("台湾居民来往大陆通行证", "mainland travel permit of Taiwan residents"),
        "foreign_resident_card": Named("外国人永久居留身份证", "foreign permanent resident card"),
        "passport": Named("护照", "passport"),
        "military_id": Named("军人证件", "military identity card"),
        "sample": Named("样例人员", "invented person of a sample"),
    },
    source="证件号码的规则 / rules of the numbers: `shared/persons/documents.py`",
    more=False,
    refusal="NOT_ONE_OF",
)
ERASING = CodeList(
    "erasing",
    Named("删除个人信息的原因", "reasons for erasing a person"),
    {
        "requested": Named("本人请求", "asked for by the person"),
        "consent_withdrawn": Named("本人撤回同意", "the person withdrew consent"),
        "purpose_met": Named("处理目的已实现或不再必要", "the purpose is met, or needs it no longer"),
        "retention_ended": Named("保存期限届满", "the period of keeping it has ended"),
        "unlawful": Named("违反法律法规或约定", "kept against law or agreement"),
        "entered_by_mistake": Named("误录", "entered by mistake"),
        "sample_data": Named("样例数据", "data of a sample or a test"),
        "restored": Named("备份恢复后再次删除", "erased before, and restored from a backup"),
        "other": Named("其他", "other"),
    },
    source="个人信息保护法 (Personal Information Protection Law) art. 47",
    refusal="NOT_ONE_OF",
)
LISTS: Sequence[CodeList] = (
    *(CLOSING, OWNERSHIP, DISSOLVING, COVERAGE_ENDING, LEAVING, VISIT_OUTCOMES, DOCUMENTS, CORRECTING, WITHDRAWING, ERASING),
    *case_codes.LISTS,
)
"""Every list, in the order of docs/codes.md."""
BY_NAME: Mapping[str, CodeList] = {one.name: one for one in LISTS}


def page() -> str:
    """The lists as Markdown: docs/codes.md."""
    lines = [
        "# Codes",
        "",
        "Generated from `shared/contracts/codes.py` by `python -m shared.contracts.codes > docs/codes.md`.",
        "",
        "Commands take a code of the list and nothing else; the refusal names the codes (`REASON_NOT_LISTED`, `NOT_ONE_OF`). Free text belongs",
        "into the command's `note`: it stays in the service's own table and is in no event. Codes marked “platform” are given by the platform",
        "alone (`RESERVED_REASON`). Events of releases 0.1 and 0.2 may hold other codes; readers take them as they are.",
        "",
        "A deployment adds codes by the variable `PARKUNION_MORE_CODES`, the same for every service (`./parkunion up` hands it on), in JSON:",
        "",
        "```sh",
        """export PARKUNION_MORE_CODES='{"leaving": {"moved-abroad": {"zh": "出国", "en": "moved abroad"}}}'""",
        "```",
        "A code has lower-case ASCII letters, digits, underscores and hyphens, and a letter among them. A process with a wrong variable does not",
        "start and says what is wrong. A code that events hold must stay in the variable, or pages show it without its names.",
        "",
    ]
    for one in LISTS:
        lines += [f"## {one.name}: {one.named.zh} / {one.named.en}", "", f"Source: {one.source}.", ""]
        if not one.more:
            lines += ["A deployment cannot add to this list.", ""]
        lines += ["| code | zh | en |", "|---|---|---|"]
        lines += [f"| `{code}` | {named.zh} | {named.en} |" for code, named in one.codes.items()]
        lines += [f"| `{code}` (platform) | {named.zh} | {named.en} |" for code, named in one.own.items()]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


if __name__ == "__main__":
    print(page(), end="")
