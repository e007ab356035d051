"""All sections, in the order of docs/problems.md."""

from __future__ import annotations

from collections.abc import Mapping

from shared.problems.catalogue.entry import Entry
from shared.problems.catalogue.requests import BATCHES, COMMANDS, FIELDS, REQUESTS
from shared.problems.catalogue.services import CASES, FILES, MEMBERSHIP, METRICS, REGISTRY, SHARED_FACTS, SUBSCRIPTIONS

SECTIONS: Mapping[str, Mapping[str, Entry]] = {
    "Requests": REQUESTS,
    "Fields": FIELDS,
    "Commands": COMMANDS,
    "Batches": BATCHES,
    "Facts": SHARED_FACTS,
    "Registry": REGISTRY,
    "Membership": MEMBERSHIP,
    "Cases": CASES,
    "Metrics": METRICS,
    "Files that are imported": FILES,
    "Subscriptions": SUBSCRIPTIONS,
}
CODES: dict[str, Entry] = {code: entry for section in SECTIONS.values() for code, entry in section.items()}


def page() -> str:
    """The catalogue as Markdown: docs/problems.md."""
    lines = [
        "# Problems",
        "",
        "Generated from `shared/problems/catalogue/` by `python -m shared.problems.catalogue > docs/problems.md`.",
        "",
        "Every refusal of every API is an RFC 9457 problem (`application/problem+json`):",
        '`{"type","title","status","code","errors":[{"row","field","code","message_zh","message_en"}]}`.',
        "`type` is the relative reference `/problems/<CODE>`, which each service answers with the code's text; `title` follows",
        "Accept-Language (zh or en; zh by default). `field` is the dotted path in the body or the parameter's name; `row` is the line of a",
        "batch, from 1. The first status is the usual one, another comes where it is said of another thing. With 409 `NOT_YET_KNOWN`,",
        "429 and 503 comes `Retry-After` (seconds). Codes with status 201 are warnings beside a success.",
        "",
    ]
    for name, section in SECTIONS.items():
        if section:
            lines += [f"## {name}", "", "| code | status | zh | en |", "|---|---|---|---|"]
            lines += [
                f"| `{code}` | {', '.join(map(str, (entry.status, *entry.also)))} | {entry.title_zh}:{entry.message_zh} | {entry.title_en}: {entry.message_en} |"
                for code, entry in section.items()
            ]
            lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"
