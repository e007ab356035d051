"""Letters of the union that supervises: a reminder or an opinion to the employer, a suggestion to the authority."""

from __future__ import annotations

from services.cases.clocks.clock import Clock
from services.cases.clocks.counting import Counting, Ends
from services.cases.clocks.happened import Happened, Timeline
from services.cases.clocks.names import Reason
from services.cases.rulebook.defaults import DEFAULTS

NAME = "supervision_reply"


def letter_clocks(line: Timeline, counting: Counting) -> list[Clock]:
    """One clock a letter, from its receipt. The day that the letter names goes before the rule of the place; without both: NO_RULE.

    The employer and the authority must answer (Trade Union Law 2021, arts 22, 23), but no national text says in how many days; neither do
    the Measures for Trade Union Supervision 2021, as far as they could be read.
    """
    letters = line.named("supervision_letter_sent")
    return [_clock(letter, reply, counting) for letter, reply in zip(letters, _replies(letters, line.named("replied")), strict=True)]


def _clock(letter: Happened, reply: Happened | None, counting: Counting) -> Clock:
    ends = Ends(None if reply is None else reply.on)
    document = letter.said["document"]
    whose = {"party": letter.said.get("addressee"), "document": document, "begun_by": letter.rank}
    received_on, reply_by = letter.said.get("received_on"), letter.said.get("reply_by")
    if reply_by is not None:
        settled = ends.settled(counting.closed_on)
        return Clock(
            clock=NAME,
            **whose,
            starts_on=received_on or letter.on,
            due_on=reply_by,
            not_before=reply_by,
            law=DEFAULTS[NAME].law,
            article=DEFAULTS[NAME].article,
            rule_version=f"{NAME}/letter/{reply_by.isoformat()}",
            met_on=settled.met_on,
            stopped_on=settled.stopped_on,
        )
    if received_on is None:
        return counting.waiting(NAME, Reason.NOT_RECEIVED, ends, **whose)
    return counting.running(NAME, received_on, ends, part=document, **whose)


def _replies(letters: list[Happened], replies: list[Happened]) -> list[Happened | None]:
    """The reply to each letter: a reply answers the earliest open letter of the day or before that it may be about.

    The reply may name its letter by `letter`, the letter's rank, or say something of it by `document` and `addressee`.
    """
    answered: list[Happened | None] = [None] * len(letters)
    for reply in replies:
        for number, letter in enumerate(letters):
            if answered[number] is None and letter.on <= reply.on and _about(reply, letter):
                answered[number] = reply
                break
    return answered


def _about(reply: Happened, letter: Happened) -> bool:
    if reply.said.get("letter") not in (None, letter.rank):
        return False
    return all(reply.said.get(name) in (None, letter.said.get(name)) for name in ("document", "addressee"))
