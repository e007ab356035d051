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
}


def name_of(type_name: str) -> Named:
    """The name of a type; of one without a row the first line of its contract."""
    if (found := NAMES.get(type_name)) is not None:
        return found
    line = (TYPES[type_name].__doc__ or type_name).strip().splitlines()[0]
    return Named(line, line)
