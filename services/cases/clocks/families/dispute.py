"""Mediation and arbitration: one row a clock."""

from __future__ import annotations

from services.cases.clocks.counting import Row
from services.cases.clocks.names import Reason

APPLIED = ("arbitration_applied", "accepted", "served")
OVER = ("awarded", "mediation_settled", "suit_filed", "judged")
"""What ends the steps of the arbitration: an award, a settlement, or a suit where the tribunal did not decide in time."""

ROWS = (
    # Mediation and Arbitration Law, art. 14: without an agreement in 15 days from the receipt of the application a party may go on.
    Row("mediation", "mediation_applied", ("mediation_settled", "mediation_failed"), ("arbitration_applied", "suit_filed", "judged")),
    # Art. 29: 5 working days from receipt; anew with the completed materials (Case-handling Rules 2017, arts 30, 46).
    Row("arbitration_acceptance", "arbitration_applied", ("accepted",), OVER, anew=("materials_completed",)),
    # Art. 30: the copy to the respondent in 5 working days of acceptance; public notice is left out.
    Row("arbitration_service", "accepted", ("served",), OVER, listed=APPLIED, waits=Reason.NOT_ACCEPTED, without_notice=True),
    # Art. 30: the defence in 10 working days of the respondent's receipt; a late one does not stop the case.
    Row("arbitration_defence", "served", ("defence_filed",), OVER, listed=APPLIED, waits=Reason.NOT_SERVED),
    # Art. 30: its copy to the applicant in 5 working days.
    Row("defence_copy", "defence_filed", ("defence_copied",), OVER, listed=APPLIED, waits=Reason.NO_DEFENCE),
    # Art. 43: 45 days from acceptance, up to 15 more once; anew on the grounds of art. 46 of the rules, without suspension and public notice.
    Row(
        "arbitration_award",
        "accepted",
        ("awarded",),
        ("mediation_settled", "suit_filed", "judged"),
        anew=("award_restarted",),
        listed=APPLIED,
        waits=Reason.NOT_ACCEPTED,
        extended_by="extended",
        suspendable=True,
        without_notice=True,
    ),
    # Consultation Provisions 2011, art. 27: both parties may ask for a review in 15 days of the agreement.
    Row("agreement_review", "mediation_settled", ("review_requested",), ("arbitration_applied", "suit_filed", "judged")),
)
