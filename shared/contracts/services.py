"""Every service of the platform, declared once. Topics, event types, scopes, the lock order and the local stack's processes follow from it.

A new service adds one row to SERVICES; tests/architecture/test_services.py fails for a folder without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Protocol

from shared.contracts import cases, membership, registry, streams
from shared.contracts.envelope import Event

TOPIC_PREFIX = "parkunion."
OPERATOR = "operator"
"""The scope of what is no single service's."""


class Contracts(Protocol):
    """A module of `shared.contracts`: the `source` of the events and `{type: struct}`."""

    SOURCE: str
    TYPES: dict[str, type[Event]]


@dataclass(frozen=True, slots=True)
class Service:
    """One service: the folder `services/<name>` and the schema of its database `parkunion_<name>`.

    - `contracts`: what it publishes; None: it publishes nothing.
    - `about`: what its API is for, for those who call it (OpenAPI).
    - `streams`: the kinds of stream that it writes, in the order in which a transaction locks them.
    - `reads`: the services whose topics it reads.
    - `verbs`: its scopes, `<name>:<verb>`.
    - `processes`: the roles of each process in a small deployment. `divided`: the role that several processes share, each with a part of
      the shards.
    - `modules`: what its processes import besides `app`, under `services.<name>`.
    - `key_rings`: its settings `<NAME>_KEYS`.
    - `fault_lines`: its files at whose every line a test kills a process (`shared/process/faults.py`).
    """

    name: str
    contracts: Contracts | None
    verbs: Sequence[str]
    processes: Sequence[Sequence[str]]
    modules: Sequence[str]
    about: str = ""
    streams: Sequence[str] = ()
    reads: Sequence[str] = ()
    divided: str | None = None
    key_rings: Sequence[str] = ()
    fault_lines: Sequence[str] = ()

    @property
    def scopes(self) -> list[str]:
        """Its scopes, as tokens have them."""
        return [f"{self.name}:{verb}" for verb in self.verbs]

    def topic(self, prefix: str = TOPIC_PREFIX) -> str:
        """The topic that it publishes to."""
        return f"{prefix}{self.name}.v1"

    def topics_read(self, prefix: str = TOPIC_PREFIX) -> list[str]:
        """The topics that it reads."""
        return [SERVICES[name].topic(prefix) for name in self.reads]


_ALL = (
    Service(
        "registry",
        contracts=registry,
        about="The registry knows divisions, parks and enterprises: which enterprise is in which park, since when, with how many workers, in which "
        "industry, and since when no longer. The other services learn all this from its events.",
        streams=("enterprise", "area"),
        verbs=("read", "write", "operate"),
        processes=(("api",), ("relay",)),
        modules=("routes",),
    ),
    Service(
        "membership",
        contracts=membership,
        about="Membership knows unions, the enterprises that they cover, their members and the visits of organisers. Documents of persons are "
        "encrypted here and leave in no event; answers show them masked.",
        streams=("union", "enterprise"),
        reads=("registry",),
        verbs=("read", "write", "operate", "persons"),
        processes=(("api",), ("relay", "consumer")),
        modules=("routes",),
        key_rings=("encryption", "hash"),
        fault_lines=("events_in.py",),
    ),
    Service(
        "cases",
        contracts=cases,
        about="Cases keeps the rights cases of enterprises with every period of law that runs for them, aid to workers in hardship, and the "
        "registers of agreements and assessments. What is said of persons is encrypted here and leaves in no event.",
        streams=("enterprise", "area", "hardship", "help", "rule", "calendar"),
        reads=("registry",),
        verbs=("read", "write", "persons", "operate"),
        processes=(("api",), ("relay", "consumer", "clocks")),
        modules=("routes",),
        key_rings=("encryption", "hash"),
        fault_lines=("entries/waking.py",),
    ),
    Service(
        "metrics",
        contracts=None,
        about="Metrics answers how many enterprises have a union and how many workers are members, in an area, as of a business day, as it was known "
        "at another: with the enterprises and events behind each figure, why it changed, and live. Figures known at a closed day never change again; "
        "`provisional` says of all others why they may.",
        reads=("registry", "membership", "cases"),
        verbs=("read", "operate"),
        processes=(("api",), ("projector",)),
        divided="projector",
        modules=(
            "dashboard",
            "figures.questions",
            "http.ahead",
            "http.coverage_routes",
            "http.duration_routes",
            "http.finding_routes",
            "http.statistics.routes",
            "http.stream",
        ),
        fault_lines=(
            *("folding/ledger.py", "folding/projector.py", "folding/events/reading.py"),
            *("tables/fact_runs.py", "tables/feed.py", "tables/fresh.py", "tables/ledger_store.py", "tables/store.py"),
        ),
    ),
    Service(
        "subscriptions",
        contracts=None,
        about="Subscriptions brings events to labour bureaus and other systems: what a grant allows them, in order, once in effect, signed, with "
        "proofs of what was sent. Grants are checked again at each delivery.",
        reads=("registry", "membership", "cases"),
        verbs=("grant", "use", "read", "operate"),
        processes=(("api",), ("fanout",), ("delivery",)),
        modules=("fanout.applying", "routes"),
        fault_lines=("fanout/applying.py", "fanout/standing.py", "fanout/store.py"),
        key_rings=("encryption",),
    ),
)
SERVICES: Mapping[str, Service] = {service.name: service for service in _ALL}
"""{name: service}, writing services first."""

SCOPES = (*(scope for service in _ALL for scope in service.scopes), OPERATOR)


def types(services: Iterable[Service] = _ALL) -> dict[str, type[Event]]:
    """{type: struct} of every event of every source."""
    own = [service.contracts.TYPES for service in services if service.contracts is not None]
    return {name: struct for table in (*own, streams.TYPES) for name, struct in table.items()}


def published(services: Iterable[Service] = _ALL) -> dict[str, tuple[str, dict[str, type[Event]]]]:
    """{topic: (source, {type: struct})} of every service that publishes."""
    return {
        service.topic(): (service.contracts.SOURCE, {**service.contracts.TYPES, **streams.TYPES})
        for service in services
        if service.contracts is not None
    }


def lock_order(services: Iterable[Service]) -> list[str]:
    """All kinds of stream in one order that agrees with every service's. Raises graphlib.CycleError if there is none."""
    order: TopologicalSorter[str] = TopologicalSorter()
    for service in services:
        for first, second in pairwise(service.streams):
            order.add(second, first)
    return list(order.static_order())
