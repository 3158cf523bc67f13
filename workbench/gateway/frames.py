"""The SignalR hub protocol's messages (JSON, version 0 to 2) and how each record of a frame is read and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from workbench.domain.errors import LocalProtocolError, RemoteProtocolError

SEPARATOR = 0x1E
_MARK = b"\x1e"
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Message(msgspec.Struct, rename="camel", omit_defaults=True):
    """Base of everything that travels on a hub connection."""


class HandshakeRequest(Message, omit_defaults=False):
    """The client's first record."""

    protocol: str = "json"
    version: int = 1


class HandshakeResponse(Message):
    """The server's first record: ``{}``, or an error after which it closes."""

    error: str | None = None


class HubMessage(Message, tag_field="type"):
    """Base of what travels after the handshake."""


class Invocation(HubMessage, tag=1):
    """Call of a method of the other side; it answers with a Completion if and only if there is an `invocation_id`."""

    target: str
    arguments: list[Any]
    invocation_id: str | None = None


class StreamItem(HubMessage, tag=2):
    invocation_id: str
    item: Any = None


class Completion(HubMessage, tag=3):
    """The answer to an invocation. `result` None travels as null, UNSET is left out."""

    invocation_id: str
    result: Any | UnsetType = UNSET
    error: str | None = None


class StreamInvocation(HubMessage, tag=4):
    target: str
    arguments: list[Any]
    invocation_id: str


class CancelInvocation(HubMessage, tag=5):
    invocation_id: str


class Ping(HubMessage, tag=6):
    pass


class Close(HubMessage, tag=7):
    """The end of the connection, with the reason in `error` when it is a bad one."""

    error: str | None = None
    allow_reconnect: bool | None = None


class Event(Message):
    """An invocation of a target that was announced with its argument types: `arguments` holds structs, not dicts."""

    target: ClassVar[str]


class _AnyRecord(msgspec.Struct):
    type: int


_KINDS = (
    Invocation,
    StreamItem,
    Completion,
    StreamInvocation,
    CancelInvocation,
    Ping,
    Close,
)
_general = msgspec.json.Decoder(
    Invocation | StreamItem | Completion | StreamInvocation | CancelInvocation | Ping | Close
)
_any_record = msgspec.json.Decoder(_AnyRecord)
_encoder = msgspec.json.Encoder(decimal_format="number")
_KNOWN_TYPES = frozenset(range(1, len(_KINDS) + 1))


class _StrictRequest(msgspec.Struct):
    protocol: str
    version: int


class _AnyResponse(msgspec.Struct):
    error: str | None = None
    type: Any = UNSET


_strict_request = msgspec.json.Decoder(_StrictRequest)
_response = msgspec.json.Decoder(_AnyResponse)


def encode(message: Message) -> str:
    """Return `message` as one record of text, separator included; LocalProtocolError if it holds what JSON cannot."""
    try:
        return (_encoder.encode(message) + _MARK).decode()
    except (TypeError, ValueError, msgspec.EncodeError, RecursionError) as error:
        raise LocalProtocolError(f"cannot write a {type(message).__name__}: {error}") from error


def read_request(record: bytes) -> HandshakeRequest:
    """Return the handshake request in `record`."""
    try:
        request = _strict_request.decode(record)
    except UNREADABLE as error:
        raise _unreadable(record, error, "handshake request") from error
    return HandshakeRequest(request.protocol, request.version)


def read_response(record: bytes) -> HandshakeResponse:
    """Return the handshake response in `record`; a hub message in its place is an error."""
    try:
        response = _response.decode(record)
    except UNREADABLE as error:
        raise _unreadable(record, error, "handshake response") from error
    if response.type is not UNSET:
        raise RemoteProtocolError("the server sent a hub message before its handshake response")
    return HandshakeResponse(response.error)


def event_decoder(argument_types: Mapping[str, Any]) -> msgspec.json.Decoder[Event] | None:
    """Return a decoder of whole records for the targets in `argument_types`; it raises one of UNREADABLE on all else.

    It is one union tagged by the target, so that the parser finds both the target and the types in a single pass.
    """
    kinds = [
        msgspec.defstruct(
            f"{target}Event",
            [
                ("type", Literal[1]),
                ("arguments", kind),
                ("invocation_id", str | None, None),
            ],
            bases=(Event,),
            namespace={"target": target},
            tag_field="target",
            tag=target,
            gc=False,
        )
        for target, kind in argument_types.items()
    ]
    if not kinds:
        return None
    union: Any = kinds[0]
    for kind in kinds[1:]:
        union |= kind
    return msgspec.json.Decoder(union)


def read_message(record: bytes) -> HubMessage | None:
    """Return the message in `record`, None for a message type of a later protocol (to be ignored)."""
    try:
        message: HubMessage = _general.decode(record)
        return message
    except UNREADABLE as error:
        if _is_unknown_type(record):
            return None
        raise _unreadable(record, error, "hub message") from error


def _is_unknown_type(record: bytes) -> bool:
    try:
        return _any_record.decode(record).type not in _KNOWN_TYPES
    except UNREADABLE:
        return False


def _unreadable(record: bytes, error: Exception, what: str) -> RemoteProtocolError:
    # the record itself stays out of the message: it may hold a person's orders, and fuzz is long
    return RemoteProtocolError(f"unreadable {what} of {len(record)} bytes: {error}")
