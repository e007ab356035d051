"""The CloudEvents envelope that every fact travels in, and its two directions: bytes to fact and fact to bytes.

Source of the attributes: CloudEvents 1.0 (structured JSON) and docs/design/ARCHITECTURE.md, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import ClassVar, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec

from shared.contracts.plain import PlainForm, plain_form

TYPE_PREFIX = "parkunion."
MAX_EVENT_BYTES = 256 * 1024
SEQUENCE_DIGITS = 19
JSON = "application/json"
Data = TypeVar("Data")
_NO_SEQUENCE = "0" * SEQUENCE_DIGITS


class Event(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a fact says: the ancestor of every struct in `shared.contracts`. Unknown fields are ignored by readers.

    `bureau_fields`: what a labour bureau gets of it where its grant names no fields: ids of enterprises and unions, areas, kinds, counts; no
    names, no credit codes, no ids that stand for a person. None: bureaus cannot be granted the type. Every type states one of the two.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None]


class UnreadableEvent(ValueError):
    """The bytes are no CloudEvent of a type and version that this release knows."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One event as a consumer meets it, its `data` typed.

    `sequence` counts from 1 per (`source`, `subject`) without gaps; `time` (aware, UTC) is when the platform recorded the fact,
    `occurredon` the business date on which it counts.
    """

    id: UUID
    source: str
    subject: str
    partitionkey: str
    sequence: int
    type: str
    time: datetime
    occurredon: date
    actor: str
    origin: str
    data: Event
    causeid: UUID | None = None
    traceparent: str | None = None


class WireEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One event as it stands on the wire: the attributes typed, `data` still JSON. `Codec.opened` makes it an `Envelope`."""

    specversion: str
    id: UUID
    source: str
    type: str
    subject: str
    partitionkey: str
    sequence: str
    time: datetime
    occurredon: date
    actor: str
    origin: str
    data: msgspec.Raw
    datacontenttype: str = JSON
    causeid: UUID | None = None
    traceparent: str | None = None


class TextEvent(msgspec.Struct, Generic[Data], omit_defaults=True, gc=False):
    """The attributes of `WireEvent` in its order, all as the texts that stand on the wire: for code that makes no objects of them."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    partitionkey: str
    sequence: str
    time: str
    occurredon: str
    actor: str
    origin: str
    data: Data
    datacontenttype: str = JSON
    causeid: str | None = None
    traceparent: str | None = None


_decode_wire = msgspec.json.Decoder(WireEvent).decode
_encoder = msgspec.json.Encoder()


class _WithData(Protocol):
    @property
    def type(self) -> str: ...
    @property
    def data(self) -> msgspec.Raw: ...


class Codec:
    """Turns envelopes into bytes and back for a table of event types, `{type: struct}`."""

    def __init__(self, types: dict[str, type[Event]]) -> None:
        self.types = types
        self.names = {struct: name for name, struct in types.items()}
        self._data: dict[str, msgspec.json.Decoder[Event]] = {}
        self._plain: dict[str, PlainForm | None] = {}
        self._know(types)

    def _know(self, types: Mapping[str, type[Event]]) -> None:
        self._data.update((name, msgspec.json.Decoder(struct)) for name, struct in types.items())
        self._plain.update((name, plain_form(struct)) for name, struct in types.items())

    def add(self, types: Mapping[str, type[Event]]) -> None:
        """Know these types too."""
        self.types.update(types)
        self.names.update((struct, name) for name, struct in types.items())
        self._know(types)

    def type_of(self, data: Event) -> str:
        """The CloudEvents `type` of a fact. Raises KeyError for a struct that is no contract."""
        return self.names[type(data)]

    def decode(self, raw: bytes | None) -> Envelope:
        """Read one event. Raises UnreadableEvent, and nothing else, for whatever is not a valid event of a known type."""
        return self.opened(self.read(raw))

    def read(self, raw: bytes | None) -> WireEvent:
        """Read the attributes of an event of a known type, and leave `data` as it is. Raises UnreadableEvent, and nothing else."""
        try:
            wire = _decode_wire(raw or b"")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnreadableEvent(str(error)) from error
        sequence = wire.sequence
        if wire.specversion != "1.0":
            raise UnreadableEvent(f"specversion {wire.specversion} is not 1.0")
        if wire.type not in self._data:
            raise UnreadableEvent(f"unknown type {wire.type}")
        if len(sequence) != SEQUENCE_DIGITS or not sequence.isascii() or not sequence.isdigit() or sequence == _NO_SEQUENCE:
            raise UnreadableEvent(f"sequence of event {wire.id} is not {SEQUENCE_DIGITS} digits from 1")
        if wire.time.tzinfo is None:
            raise UnreadableEvent(f"time of event {wire.id} has no zone")
        return wire

    def read_all(self, raws: Iterable[bytes]) -> list[WireEvent]:
        """As `read` for each, for a fraction of the time. Raises UnreadableEvent if any of them is unreadable; `read` tells which."""
        try:
            wires = list(map(_decode_wire, raws))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnreadableEvent(str(error)) from error
        sequences = [wire.sequence for wire in wires]
        digits = "".join(sequences)
        if (
            any(wire.specversion != "1.0" or wire.time.tzinfo is None for wire in wires)
            or not {wire.type for wire in wires} <= self._data.keys()
            or not (digits.isascii() and digits.isdigit() and set(map(len, sequences)) == {SEQUENCE_DIGITS})
            or _NO_SEQUENCE in sequences
        ):
            raise UnreadableEvent("one of several events is unreadable")
        return wires

    def certain(self, wire: WireEvent) -> bool:
        """Whether `opened` is certain to succeed, without opening: true for most events of ids and codes alone."""
        plain = self._plain[wire.type]
        return plain is not None and plain.matches(wire.data)

    def certain_types(self, wires: Iterable[_WithData]) -> set[str]:
        """The types of which every one of these events is `certain`, found without looking at each; a type left out may have some too.

        The types of all of them must be known.
        """
        found: dict[str, list[msgspec.Raw]] = {}
        for wire in wires:
            found.setdefault(wire.type, []).append(wire.data)
        return {name for name, data in found.items() if (plain := self._plain[name]) is not None and plain.matches_all(data)}

    def says_ids_alone(self, name: str) -> bool:
        """Whether the required fields of a type are ids, nothing else."""
        plain = self._plain[name]
        return plain is not None and plain.layout is not None

    def places_of_ids(self, name: str) -> list[int] | None:
        """Where the digits of ids stand in `data` of a type whose required fields are ids alone; None for other types."""
        plain = self._plain.get(name)
        if plain is None or plain.layout is None:
            return None
        return [at for at, sign in enumerate(plain.layout) if not sign and at not in plain.named]

    def data_of(self, name: str, texts: Sequence[bytes]) -> list[Event | None]:
        """The `data` of events of a known type from its JSON; None where `opened` would raise."""
        decode = self._data[name].decode
        try:
            return list(map(decode, texts))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [_decoded(decode, text) for text in texts]

    def opened(self, wire: WireEvent) -> Envelope:
        """The event with its `data` typed. Raises UnreadableEvent if it is not what its type says."""
        try:
            data = self._data[wire.type].decode(wire.data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnreadableEvent(str(error)) from error
        return Envelope(
            id=wire.id,
            source=wire.source,
            subject=wire.subject,
            partitionkey=wire.partitionkey,
            sequence=int(wire.sequence),
            type=wire.type,
            time=wire.time.astimezone(UTC),
            occurredon=wire.occurredon,
            actor=wire.actor,
            origin=wire.origin,
            data=data,
            causeid=wire.causeid,
            traceparent=wire.traceparent,
        )

    def encode(self, envelope: Envelope) -> bytes:
        """Write one event as structured JSON, UTF-8."""
        return write(
            id=envelope.id,
            source=envelope.source,
            type=envelope.type,
            subject=envelope.subject,
            partitionkey=envelope.partitionkey,
            sequence=envelope.sequence,
            time=envelope.time,
            occurredon=envelope.occurredon,
            actor=envelope.actor,
            origin=envelope.origin,
            causeid=envelope.causeid,
            traceparent=envelope.traceparent,
            data=_encoder.encode(envelope.data),
        )


def _decoded(decode: Callable[[bytes], Event], text: bytes) -> Event | None:
    try:
        return decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def write(
    *,
    id: UUID,
    source: str,
    type: str,
    subject: str,
    partitionkey: str,
    sequence: int,
    time: datetime,
    occurredon: date,
    actor: str,
    origin: str,
    data: bytes,
    causeid: UUID | None = None,
    traceparent: str | None = None,
) -> bytes:
    """Write one event as structured JSON from attributes and `data` that is JSON already: what the journal holds goes out as it is."""
    return _encoder.encode(
        WireEvent(
            specversion="1.0",
            id=id,
            source=source,
            type=type,
            subject=subject,
            partitionkey=partitionkey,
            sequence=f"{sequence:0{SEQUENCE_DIGITS}d}",
            time=time,
            occurredon=occurredon,
            actor=actor,
            origin=origin,
            data=msgspec.Raw(data),
            causeid=causeid,
            traceparent=traceparent,
        )
    )
