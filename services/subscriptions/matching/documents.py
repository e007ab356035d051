"""Writes the document of what a bureau can receive: AsyncAPI 3 with the JSON Schema of the delivered form of every type, from the contracts.

`python -m services.subscriptions.matching.documents > docs/events/deliveries.json`; a test keeps the file true.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

import msgspec

from services.subscriptions.matching.catalogue import defaults, fields_of
from services.subscriptions.matching.entitlement import DIRECTION
from services.subscriptions.matching.outgoing import HEARTBEAT, OWN_TYPES, SOURCE, TEST, VERIFICATION, WITHHELD
from shared.contracts import TYPES
from shared.contracts.registry import EnterpriseMoved
from shared.contracts.services import published

CORRECTED, WITHDRAWN = "parkunion.fact-corrected.v1", "parkunion.event-withdrawn.v1"
Schema = dict[str, Any]
UUID: Schema = {"type": "string", "format": "uuid"}
NUMBER: Schema = {"type": "integer", "minimum": 1}
REF = "#/components/schemas/{name}"
DIRECTIONS: Schema = {
    "enum": ["came", "left", "within"],
    "description": "How the move is seen: the enterprise came to the granted areas, left them, or moved within them. The other side is not named.",
}
OF_THE_SERVICE: dict[str, tuple[str, Schema]] = {
    WITHHELD: (
        "In place of numbers that are no longer granted, or whose content was erased: the numbers alone.",
        {"numbers": {"type": "array", "items": NUMBER, "minItems": 1}},
    ),
    VERIFICATION: (
        'The first request to an endpoint, without a number: it is answered 200 with `{"challenge": the same}`.',
        {"challenge": {"type": "string"}},
    ),
    TEST: ("A test that was asked for, without a number; its outcome changes nothing.", {}),
    HEARTBEAT: ("Nothing happened for a day.", {"silent_since": {"type": "string", "format": "date-time"}}),
}
UNNUMBERED = (VERIFICATION, TEST)
HEADERS: Schema = {
    "type": "object",
    "required": ["content-type", "webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "content-type": {"const": "application/cloudevents+json"},
        "webhook-id": {"type": "string", "description": "<subscription>.<number>, the same at every attempt."},
        "webhook-timestamp": {"type": "string", "pattern": "^[0-9]+$", "description": "Seconds since 1970; refuse what is minutes old."},
        "webhook-signature": {
            "type": "string",
            "description": "Standard Webhooks: `v1a,<base64>` (Ed25519, keys at /.well-known/jwks.json) or `v1,<base64>` (HMAC-SHA256), over "
            "`id.timestamp.body`; several of them, separated by blanks, while a key is rotated.",
        },
    },
}


def attributes(name: str) -> Schema:
    """{attribute: its schema} of the delivered events of a type. No others are ever sent."""
    of_service = name in OWN_TYPES
    sources = [SOURCE] if of_service else sorted(source for source, types in published().values() if name in types)
    subject = (
        "subscription/<id>" if of_service else "The stream: enterprise/<id>, union/<id> or area/<code>; its events come in their order."
    )
    found: Schema = {
        "specversion": {"const": "1.0"},
        "id": {**({"type": "string"} if name == WITHHELD else UUID), "description": "The same whenever it is sent."},
        "source": {"enum": sources},
        "type": {"const": name},
        "subject": {"type": "string", "description": subject},
        "time": {"type": "string", "format": "date-time", "description": "When it was recorded, UTC."},
        "occurredon": {"type": "string", "format": "date", "description": "The business date on which the fact counts."},
        "datacontenttype": {"const": "application/json"},
    }
    if name not in UNNUMBERED:
        found["deliverynumber"] = {**NUMBER, "description": "Contiguous from 1 for each subscription."}
        found["watermark"] = {"type": "integer", "minimum": 0, "description": "Every number up to it is delivered, parked or withheld."}
    if name in (CORRECTED, WITHDRAWN):
        found["correctsnumbers"] = {
            "type": "string",
            "pattern": "^[0-9]+(,[0-9]+)*$",
            "description": "The numbers of the deliveries that this one corrects or withdraws; left out: none.",
        }
    return found


def shown(name: str, components: Schema) -> Schema:
    """What may be shown of a fact of a type: a grant names the fields, and what is unknown is left out."""
    properties = {field: _stated(schema) for field, schema in components[TYPES[name].__name__]["properties"].items()}
    moved = TYPES[name] is EnterpriseMoved
    return {
        "type": "object",
        "description": f"The granted fields. Where a grant names none: {', '.join(defaults()[name])}.",
        "properties": {**{field: properties[field] for field in fields_of(name)}, **({DIRECTION: DIRECTIONS} if moved else {})},
        "required": [DIRECTION] if moved else [],
        "additionalProperties": False,
        "x-default-fields": list(defaults()[name]),
    }


def _stated(schema: Schema) -> Schema:
    """The schema of a field that is stated: never null, without a default."""
    kept = {key: value for key, value in schema.items() if key != "default"}
    options = [one for one in kept.pop("anyOf", []) if one != {"type": "null"}]
    return {**kept, **options[0]} if len(options) == 1 else {**kept, **({"anyOf": options} if options else {})}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _corrected() -> Schema:
    """The data of a correction: by the type of the fact that it corrects, what held and what holds, as far as each is seen."""
    return {
        "oneOf": [
            _object(
                {
                    "fact": {"const": name},
                    "reason": {"type": "string"},
                    "corrects": {**UUID, "description": "The event that is corrected; left out: it was not delivered."},
                    "withdrawn": _placed(name),
                    "replacement": _placed(name),
                },
                ["fact", "reason"],
            )
            for name in defaults()
        ]
    }


def _placed(name: str) -> Schema:
    data = {"$ref": REF.format(name=_shown_name(name))}
    return _object({"occurred_on": {"type": "string", "format": "date"}, "data": data}, ["occurred_on", "data"])


def _shown_name(name: str) -> str:
    return f"Shown{TYPES[name].__name__}"


def deliveries() -> Schema:
    """The whole AsyncAPI 3.0 document as plain JSON values."""
    _, components = msgspec.json.schema_components([TYPES[name] for name in defaults()], ref_template=REF)
    structs = {struct.__name__ for struct in TYPES.values()}
    # Structs are given as they are shown; what remains are the codes that they use.
    codes = {name: schema for name, schema in components.items() if name not in structs}
    for schema in codes.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    withdraws = _object(
        {"withdraws": {"type": "array", "items": UUID, "minItems": 1}, "reason": {"type": "string"}}, ["withdraws", "reason"]
    )
    messages = {
        **{name: _message(name, inspect.getdoc(TYPES[name]), {"$ref": REF.format(name=_shown_name(name))}) for name in defaults()},
        CORRECTED: _message(CORRECTED, "Something that was delivered, or now concerns the granted areas, was wrong.", _corrected()),
        WITHDRAWN: _message(WITHDRAWN, "Events that were delivered never were facts.", withdraws),
        **{name: _message(name, text, _object(data, list(data))) for name, (text, data) in OF_THE_SERVICE.items()},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "parkunion deliveries",
            "version": "1",
            "description": "What a subscription receives: by webhook as described here; the same events by `GET /v1/subscriptions/{id}/events` and "
            "`…/stream`. A grant says which types, areas and fields; corrections and withdrawals go to whoever got what they are about.",
        },
        "channels": {
            "endpoint": {
                "address": None,
                "description": "The URL of a subscription.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"http": {}},
            }
        },
        "operations": {
            "deliver": {"action": "send", "channel": {"$ref": "#/channels/endpoint"}, "bindings": {"http": {"method": "POST"}}},
        },
        "components": {
            "messages": messages,
            "schemas": {"WebhookHeaders": HEADERS, **{_shown_name(name): shown(name, components) for name in defaults()}, **codes},
        },
    }


def _message(name: str, summary: str | None, data: Schema) -> Schema:
    known = attributes(name)
    return {
        "name": name,
        "contentType": "application/cloudevents+json",
        "headers": {"$ref": REF.format(name="WebhookHeaders")},
        "summary": summary,
        "payload": _object({**known, "data": data}, [*(one for one in known if one != "correctsnumbers"), "data"]),
    }


def main() -> None:
    """Print the document."""
    print(json.dumps(deliveries(), ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
