"""What the types of events are called, for officials of bureaus and federations.

A type without a row here can be granted all the same; a test names it.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.contracts import TYPES
from shared.contracts.codes import Named

NAMES: Mapping[str, Named] = {
    "parkunion.area-registered.v1": Named("区域(行政区划或园区)登记", "An area, a division or a park, was registered"),
    "parkunion.enterprise-registered.v1": Named("企业登记并入驻园区", "An enterprise was registered and settled in a park"),
    "parkunion.headcount-reported.v1": Named("企业职工人数上报", "An enterprise's number of workers was reported"),
    "parkunion.enterprise-moved.v1": Named("企业迁入其他园区", "An enterprise moved to another park"),
    "parkunion.enterprise-reclassified.v1": Named(
        "企业行业、登记注册类型或规模变更", "An enterprise's industry, ownership or size changed"
    ),
    "parkunion.enterprise-closed.v1": Named("企业终止", "An enterprise ceased to operate"),
    "parkunion.union-founded.v1": Named("工会成立", "A union was founded"),
    "parkunion.union-dissolved.v1": Named("工会撤销", "A union was dissolved"),
    "parkunion.coverage-started.v1": Named("工会开始覆盖企业", "A union began to cover an enterprise"),
    "parkunion.coverage-ended.v1": Named("工会终止覆盖企业", "A union ceased to cover an enterprise"),
    "parkunion.member-joined.v1": Named("职工入会或转入", "A worker joined a union, or was transferred to it"),
    "parkunion.member-left.v1": Named("会员退会或转出", "A member left a union, or was transferred from it"),
    "parkunion.visit-made.v1": Named("工会工作人员走访企业", "An organiser visited an enterprise"),
    "parkunion.case-opened.v1": Named("登记维权案件", "A rights case was opened"),
    "parkunion.case-progressed.v1": Named("案件有新进展", "A case progressed"),
    "parkunion.case-closed.v1": Named("案件结案", "A case was closed"),
    "parkunion.case-reopened.v1": Named("案件重新立案", "A case was opened again"),
    "parkunion.clock-overdue.v1": Named("法定或约定期限已过", "A period passed"),
    "parkunion.pact-signed.v1": Named("签订共同约定", "A pact was signed"),
    "parkunion.negotiation-progressed.v1": Named("集体协商有新进展", "A negotiation progressed"),
    "parkunion.contract-signed.v1": Named("集体合同签订", "A collective contract was signed"),
    "parkunion.contract-submitted.v1": Named("集体合同报送", "A contract was submitted"),
    "parkunion.contract-received.v1": Named("劳动部门收到集体合同", "A contract was received"),
    "parkunion.contract-objected.v1": Named("对集体合同提出异议", "A contract was objected to"),
    "parkunion.contract-published.v1": Named("集体合同公布", "A contract was published"),
    "parkunion.contract-effective.v1": Named("集体合同生效", "A contract took effect"),
    "parkunion.contract-terminated.v1": Named("集体合同提前终止", "A contract was terminated"),
    "parkunion.contract-expired.v1": Named("集体合同期满", "A contract expired"),
    "parkunion.tripartite-held.v1": Named("召开三方协商会议", "A tripartite meeting was held"),
    "parkunion.congress-held.v1": Named("召开职代会", "A workers' congress was held"),
    "parkunion.assessment-made.v1": Named("和谐劳动关系评定", "An assessment was made"),
    "parkunion.award-granted.v1": Named("授予称号", "An award was granted"),
    "parkunion.award-expired.v1": Named("称号期满", "An award expired"),
}


def name_of(type_name: str) -> Named:
    """The name of a type; of one without a row the first line of its contract."""
    if (found := NAMES.get(type_name)) is not None:
        return found
    line = (TYPES[type_name].__doc__ or type_name).strip().splitlines()[0]
    return Named(line, line)
