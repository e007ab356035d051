"""Facts that the registry publishes on `parkunion.registry.v1`: who is there, where, with how many workers."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from shared.contracts.envelope import Event

SOURCE = "/services/registry"


class AreaKind(StrEnum):
    """A division of GB/T 2260 (or of another tree), or a park. A park is not a division; it lies in one."""

    DIVISION = "division"
    PARK = "park"


class AreaRegistered(Event, frozen=True, kw_only=True):
    """A division or park exists, from `occurredon` on. Subject `area/<code>`.

    `parent` is the code of the area in which it lies directly, None for a root. `level` marks a division that is only a level of
    the code (市辖区, 县, 省直辖县级行政区划): pages show its parent's name instead.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("code", "kind", "parent")

    code: str
    name: str
    kind: AreaKind
    parent: str | None = None
    level: bool = False


class EnterpriseRegistered(Event, frozen=True, kw_only=True):
    """An enterprise settled in a park on `occurredon`. Subject `enterprise/<enterprise_id>`.

    `district` is the division in which the park lies directly. `industry` is a section letter of GB/T 4754-2017 with, if known, the
    class digits behind it; None is unknown. `registration_number` is the business registration number of 15 digits, as before credit codes.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("enterprise_id", "park", "district")

    enterprise_id: UUID
    name: str
    park: str
    district: str
    credit_code: str | None = None
    industry: str | None = None
    ownership: str | None = None
    registration_number: str | None = None


class HeadcountReported(Event, frozen=True, kw_only=True):
    """So many workers on `occurredon`; `size` is the class decided with it (`large|medium|small|micro`, None unknown)."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("workers",)

    workers: int
    size: str | None = None
    size_rule: str | None = None


class EnterpriseMoved(Event, frozen=True, kw_only=True):
    """The enterprise is in another park from `occurredon` on."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("park", "district")

    park: str
    district: str


class EnterpriseReclassified(Event, frozen=True, kw_only=True):
    """Industry, ownership or revenue from `occurredon` on. A field left out stays as it was; `size` is decided anew with every one.

    `revenue_fen` is the yearly revenue in fen.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("industry", "ownership")

    industry: str | None = None
    ownership: str | None = None
    revenue_fen: int | None = None
    size: str | None = None
    size_rule: str | None = None


class EnterpriseClosed(Event, frozen=True, kw_only=True):
    """The enterprise no longer operates from `occurredon` on. `note_id` names a text kept by the registry alone."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("reason",)

    reason: str
    note_id: UUID | None = None


TYPES: dict[str, type[Event]] = {
    "parkunion.area-registered.v1": AreaRegistered,
    "parkunion.enterprise-registered.v1": EnterpriseRegistered,
    "parkunion.headcount-reported.v1": HeadcountReported,
    "parkunion.enterprise-moved.v1": EnterpriseMoved,
    "parkunion.enterprise-reclassified.v1": EnterpriseReclassified,
    "parkunion.enterprise-closed.v1": EnterpriseClosed,
}
