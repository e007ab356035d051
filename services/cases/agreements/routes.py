"""Reads of agreements."""

from __future__ import annotations

from services.cases.agreements import answers as a
from services.cases.agreements.registers import CONGRESS, CONTRACT, MEETING, NEGOTIATION, PACT
from services.cases.reads.routes import register_router

ROUTERS = (
    register_router(PACT, item=a.PactAnswer, items=a.PactsAnswer, show=a.show_pact, tag="pacts"),
    register_router(NEGOTIATION, item=a.NegotiationAnswer, items=a.NegotiationsAnswer, show=a.show_negotiation, tag="negotiations"),
    register_router(CONTRACT, item=a.ContractAnswer, items=a.ContractsAnswer, show=a.show_contract, tag="contracts"),
    register_router(MEETING, item=a.MeetingAnswer, items=a.MeetingsAnswer, show=a.show_meeting, tag="tripartite-meetings"),
    register_router(CONGRESS, item=a.CongressAnswer, items=a.CongressesAnswer, show=a.show_congress, tag="workers-congresses"),
)
