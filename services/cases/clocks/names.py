"""The closed lists of clocks, states and reasons, with their names."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from services.cases.rulebook.defaults import DEFAULTS
from shared.contracts.codes import Named


class State(StrEnum):
    """What a clock is on a day."""

    RUNNING = "running"
    SUSPENDED = "suspended"
    MET = "met"
    MET_LATE = "met_late"
    OVERDUE = "overdue"
    STOPPED = "stopped"


class Reason(StrEnum):
    """Why a clock has no due day."""

    CALENDAR_ENDS = "CALENDAR_ENDS"
    NO_RULE = "NO_RULE"
    SUSPENDED = "SUSPENDED"
    EMPLOYED = "EMPLOYED"
    NOT_ACCEPTED = "NOT_ACCEPTED"
    NOT_SERVED = "NOT_SERVED"
    NO_DEFENCE = "NO_DEFENCE"
    NOT_RECEIVED = "NOT_RECEIVED"
    NOT_FILED = "NOT_FILED"
    NOT_NOTIFIED = "NOT_NOTIFIED"
    NOT_EFFECTIVE = "NOT_EFFECTIVE"


STATES: Mapping[State, Named] = {
    State.RUNNING: Named("进行中", "running"),
    State.SUSPENDED: Named("中止", "suspended"),
    State.MET: Named("按期完成", "met"),
    State.MET_LATE: Named("逾期完成", "met late"),
    State.OVERDUE: Named("逾期", "overdue"),
    State.STOPPED: Named("终止", "stopped"),
}
REASONS: Mapping[Reason, Named] = {
    Reason.CALENDAR_ENDS: Named("尚无该年的工作日安排", "the working days of the year are not known"),
    Reason.NO_RULE: Named("当地未设定期限", "no period is set for the place"),
    Reason.SUSPENDED: Named("期限中止,尚未恢复", "suspended and not resumed"),
    Reason.EMPLOYED: Named("劳动关系存续,时效不起算", "it does not run while the worker is employed"),
    Reason.NOT_ACCEPTED: Named("仲裁委尚未受理", "the tribunal has not accepted"),
    Reason.NOT_SERVED: Named("尚未送达被申请人", "not served on the respondent"),
    Reason.NO_DEFENCE: Named("尚未收到答辩书", "no defence was filed"),
    Reason.NOT_RECEIVED: Named("尚未收到文书", "the document was not received"),
    Reason.NOT_FILED: Named("尚未立案", "inspection was not filed"),
    Reason.NOT_NOTIFIED: Named("职代会通过的通知未到", "the congress's approval was not notified"),
    Reason.NOT_EFFECTIVE: Named("合同尚未生效", "the contract has not taken effect"),
}
CLOCKS: Mapping[str, Named] = {
    name: DEFAULTS[name].named
    for name in (
        *("mediation", "arbitration_limitation", "arbitration_acceptance", "arbitration_service", "arbitration_defence", "defence_copy"),
        *("arbitration_award", "suit", "set_aside", "agreement_review", "inspection_acceptance", "inspection", "inspection_lookback"),
        *("supervision_reply", "negotiation_reply"),
        *("contract_submission", "contract_publication", "contract_effect", "contract_renewal"),
    )
}
"""{clock: its names}"""
