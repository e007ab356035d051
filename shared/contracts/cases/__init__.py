"""Facts that cases publishes on `parkunion.cases.v1`: rights cases, aid, agreements, assessments, and the tables that decide them.

No event names a person or holds free text: reporters and households stay in the service's own tables.
"""

from __future__ import annotations

from shared.contracts.cases import agreements, aid, assessments, rights, rules
from shared.contracts.envelope import Event

SOURCE = "/services/cases"

TYPES: dict[str, type[Event]] = {**rights.TYPES, **aid.TYPES, **agreements.TYPES, **assessments.TYPES, **rules.TYPES}
