"""Writes the documents that others read our events by: AsyncAPI 3 with the JSON Schema of every type, from the structs themselves.

`python -m shared.contracts.documents > docs/events/asyncapi.json`; a test keeps the file true.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

import msgspec

from shared.contracts import TYPES
from shared.contracts.services import published

ATTRIBUTES: dict[str, tuple[dict[str, Any], str]] = {
    "specversion": ({"const": "1.0"}, "CloudEvents 1.0"),
    "id": ({"type": "string", "format": "uuid"}, "UUIDv7, for ever"),
    "source": ({"type": "string"}, "the service that recorded the fact"),
    "type": ({"type": "string"}, "parkunion.<event>.v<version>"),
    "subject": ({"type": "string"}, "the stream: enterprise/<id>, union/<id>, area/<code> or day/<partition>"),
    "partitionkey": ({"type": "string"}, "the stream's id; the Kafka key"),
    "sequence": ({"type": "string", "pattern": "^[0-9]{19}$"}, "contiguous from 1 per source and subject, zero-padded"),
    "time": ({"type": "string", "format": "date-time"}, "when the platform recorded the fact, UTC"),
    "occurredon": ({"type": "string", "format": "date"}, "the business date from which the fact counts"),
    "actor": ({"type": "string"}, "opaque id of the user or client who said so"),
    "origin": ({"type": "string"}, "api, import:<id> or event:<id>"),
    "causeid": ({"type": "string", "format": "uuid"}, "the event that caused this one, if one did"),
    "traceparent": ({"type": "string"}, "W3C trace context of the command"),
    "datacontenttype": ({"const": "application/json"}, "data is JSON"),
}
HEADERS = {
    "type": "object",
    "properties": {
        "content-type": {
            "const": "application/cloudevents+json",
            "description": "Structured mode. Records written by releases up to 0.2 have no headers; a republish gives them theirs.",
        }
    },
}
OPTIONAL = {"causeid", "traceparent", "datacontenttype"}


def asyncapi() -> dict[str, Any]:
    """The whole AsyncAPI 3.0 document as plain JSON values."""
    _, components = msgspec.json.schema_components(TYPES.values(), ref_template="#/components/schemas/{name}")
    for schema in components.values():
        # Docstrings are indented or not, as the Python version has it.
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    envelope = {
        "type": "object",
        "required": [name for name in ATTRIBUTES if name not in OPTIONAL] + ["data"],
        "properties": {name: {**schema, "description": text} for name, (schema, text) in ATTRIBUTES.items()},
    }
    messages = {
        name: {
            "name": name,
            "contentType": "application/cloudevents+json",
            "headers": {"$ref": "#/components/schemas/RecordHeaders"},
            "summary": inspect.getdoc(struct),
            "payload": {
                "allOf": [
                    {"$ref": "#/components/schemas/Envelope"},
                    {
                        "type": "object",
                        "properties": {"type": {"const": name}, "data": {"$ref": f"#/components/schemas/{struct.__name__}"}},
                    },
                ]
            },
        }
        for name, struct in TYPES.items()
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "parkunion events",
            "version": "1",
            "description": "CloudEvents 1.0 on Kafka, one topic per source, kept for ever.",
        },
        "channels": {
            topic: {
                "address": topic,
                "description": f"Facts of {source}; the key is `partitionkey`.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in types},
            }
            for topic, (source, types) in published().items()
        },
        "operations": {
            f"publish-{source.rsplit('/', 1)[1]}": {"action": "send", "channel": {"$ref": f"#/channels/{topic}"}}
            for topic, (source, _) in published().items()
        },
        "components": {"messages": messages, "schemas": {"Envelope": envelope, "RecordHeaders": HEADERS, **components}},
    }


def main() -> None:
    """Print the document."""
    print(json.dumps(asyncapi(), ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
