"""Reads of hardship files and employment help. Each tells that somebody is in need, so all stand behind the scope of persons."""

from __future__ import annotations

from services.cases.aid.answers import (
    HardshipAnswer,
    HardshipPersonsAnswer,
    HardshipsAnswer,
    HelpAnswer,
    HelpedPersonsAnswer,
    HelpsAnswer,
    show_hardship,
    show_help,
    with_enterprise,
    with_figures,
)
from services.cases.aid.registers import HARDSHIP, HELP
from services.cases.persons.routes import PERSONS, persons_router
from services.cases.reads.routes import register_router

routers = (
    register_router(HARDSHIP, item=HardshipAnswer, items=HardshipsAnswer, show=show_hardship, tag="aid", scope=PERSONS),
    register_router(HELP, item=HelpAnswer, items=HelpsAnswer, show=show_help, tag="aid", scope=PERSONS),
    persons_router(HARDSHIP, tag="aid", answer=HardshipPersonsAnswer, more=with_figures),
    persons_router(HELP, tag="aid", answer=HelpedPersonsAnswer, more=with_enterprise),
)
