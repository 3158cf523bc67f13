r"""A SignalR hub connection without I/O: bytes in, messages out; messages in, text out. It plays both roles.

One table moves both ends: a cell is (who speaks, what) in a state. What we may not say raises LocalProtocolError, what
they may not say raises RemoteProtocolError and breaks the connection for good.

>>> client, server = HubConnection(server=False), HubConnection(server=True)
>>> asked, reply = server.receive_data(client.send(HandshakeRequest()))
>>> answered, _ = client.receive_data(reply)
>>> server.send(Invocation("GatewayLogout", []))
'{"type":1,"target":"GatewayLogout","arguments":[]}\x1e'
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from workbench.domain.errors import LocalProtocolError, RemoteProtocolError
from workbench.gateway.frames import (
    SEPARATOR,
    UNREADABLE,
    CancelInvocation,
    Close,
    Completion,
    Event,
    HandshakeRequest,
    HandshakeResponse,
    HubMessage,
    Invocation,
    Message,
    Ping,
    StreamInvocation,
    StreamItem,
    encode,
    event_decoder,
    read_message,
    read_request,
    read_response,
)

__all__ = [
    "MAX_RECORD",
    "TABLE",
    "CancelInvocation",
    "Close",
    "Completion",
    "Event",
    "HandshakeRequest",
    "HandshakeResponse",
    "HubConnection",
    "HubMessage",
    "Invocation",
    "Message",
    "Ping",
    "Role",
    "State",
    "StreamInvocation",
    "StreamItem",
]

MAX_RECORD: Final = 4 * 1024 * 1024  # bytes; first depth snapshots are large
VERSIONS: Final = (0, 1, 2)
_MARK = bytes([SEPARATOR])
_NOT_FAST = (*UNREADABLE, IndexError)


class Role(Enum):
    CLIENT = "client"
    SERVER = "server"


class State(Enum):
    START = "start"  # nothing said yet
    ASKED = "asked"  # the client has sent its handshake
    OPEN = "open"
    CLIENT_CLOSED = "client closed"  # the other side may still have something in flight
    SERVER_CLOSED = "server closed"
    CLOSED = "closed"
    BROKEN = "broken"  # the protocol was violated


def _any_of(role: Role, state: State) -> dict[tuple[Role, type[Message]], State]:
    kinds = (
        Invocation,
        StreamItem,
        Completion,
        StreamInvocation,
        CancelInvocation,
        Ping,
    )
    return {(role, kind): state for kind in kinds}


TABLE: Final[dict[State, dict[tuple[Role, type[Message]], State]]] = {
    State.START: {(Role.CLIENT, HandshakeRequest): State.ASKED},
    State.ASKED: {(Role.SERVER, HandshakeResponse): State.OPEN},  # CLOSED when it carries an error
    State.OPEN: {
        **_any_of(Role.CLIENT, State.OPEN),
        **_any_of(Role.SERVER, State.OPEN),
        (Role.CLIENT, Close): State.CLIENT_CLOSED,
        (Role.SERVER, Close): State.SERVER_CLOSED,
    },
    State.CLIENT_CLOSED: {
        **_any_of(Role.SERVER, State.CLIENT_CLOSED),
        (Role.SERVER, Close): State.CLOSED,
    },
    State.SERVER_CLOSED: {
        **_any_of(Role.CLIENT, State.SERVER_CLOSED),
        (Role.CLIENT, Close): State.CLOSED,
    },
    State.CLOSED: {},
    State.BROKEN: {
        (Role.CLIENT, Close): State.BROKEN,
        (Role.SERVER, Close): State.BROKEN,
    },  # a last word
}


class HubConnection:
    """One connection's protocol state.

    Parameters
    ----------
    server : bool
        Which end we are.
    argument_types : mapping of str to type, optional
        Types of the arguments of targets that come often (`wire_hub.ARGUMENT_TYPES`): they are read straight into
        structs. Arguments that do not fit come as plain lists and dicts.
    max_record : int
        Bytes one record may have, buffered or whole.

    Attributes
    ----------
    state : State
    ignored : int
        Records of message types that we do not know (a later protocol's); they are skipped.
    """

    def __init__(
        self,
        *,
        server: bool,
        argument_types: Mapping[str, Any] | None = None,
        max_record: int = MAX_RECORD,
    ) -> None:
        self.role = Role.SERVER if server else Role.CLIENT
        self.peer = Role.CLIENT if server else Role.SERVER
        self.state = State.START
        self.ignored = 0
        self._max = max_record
        decoder = event_decoder(argument_types or {})
        self._event = decoder.decode if decoder else None
        self._events = decoder.decode_lines if decoder else None
        self._buffer = bytearray()
        self._fast = False  # OPEN, nothing buffered: the next frame may be read in one go

    def send(self, message: Message) -> str:
        """Return the text that says `message`; LocalProtocolError if it may not be said in this state."""
        state = TABLE[self.state].get((self.role, _kind(message)))
        if state is None:
            raise LocalProtocolError(f"{self.role.value} may not send {_name(message)} in state {self.state.value!r}")
        text = encode(message)
        self.state = State.CLOSED if isinstance(message, HandshakeResponse) and message.error else state
        self._fast = self._fast and self.state is State.OPEN
        return text

    def receive_data(self, data: bytes | str) -> tuple[list[Message], str]:
        """Take in what the socket brought, cut anywhere.

        Returns
        -------
        messages : list of Message
            Complete messages, in order.
        reply : str
            Text to send back at once: the server's handshake response, otherwise empty. If the handshake was refused,
            the state is CLOSED and the socket is to be closed after the reply.

        Raises
        ------
        RemoteProtocolError
            The other side broke the protocol. Its attribute `messages` holds what was read before the fault.
        """
        if self._fast:
            try:
                if data[-1] == SEPARATOR:
                    return [self._event(data[:-1])], ""  # type: ignore[misc]  # so it is bytes
            except _NOT_FAST:
                pass  # several records, another message or shape, or garbage: read it with care
        return self._receive(data)

    def _receive(self, data: bytes | str) -> tuple[list[Message], str]:
        if self.state is State.BROKEN:
            raise self._fault("data after a broken protocol", [])
        if isinstance(data, str):
            data = self._to_bytes(data)
        data = self._whole_records(data)
        messages: list[Message] = self._read_events(data)
        if messages:
            self._fast = False  # the next frame will hold several records too, and the fast way reads one
            return messages, ""
        reply = self._read_all(data, messages)
        self._fast = self.state is State.OPEN and not self._buffer and self._event is not None
        return messages, reply

    def receive_eof(self) -> None:
        """Note that the socket ended; RemoteProtocolError when it cut a record in two."""
        rest = len(self._buffer)
        self._fast = False
        self.state = State.CLOSED if self.state is not State.BROKEN else State.BROKEN
        self._buffer.clear()
        if rest:
            raise self._fault(f"the connection ended inside a record ({rest} bytes of it arrived)", [])

    # --- records -----------------------------------------------------------------------------------------------------

    def _to_bytes(self, data: str) -> bytes:
        try:
            return data.encode()
        except UnicodeEncodeError as error:
            raise self._fault(f"text that is no UTF-8: {error.reason}", []) from error

    def _whole_records(self, data: bytes) -> bytes:
        """Return what is complete of the buffer and `data`; keep the rest."""
        end = data.rfind(_MARK)
        if end < 0:
            self._buffer += data
            if len(self._buffer) > self._max:
                raise self._fault(f"a record longer than {self._max} bytes", [])
            return b""
        whole = bytes(self._buffer) + data[:end]
        self._buffer = bytearray(data[end + 1 :])
        if len(self._buffer) > self._max:
            raise self._fault(f"a record longer than {self._max} bytes", [])
        return whole

    def _read_events(self, data: bytes) -> list[Message]:
        """Return the messages of several records at once if all are announced events, otherwise none."""
        if self._events is None or self.state is not State.OPEN or _MARK not in data or b"\n" in data:
            return []
        if len(data) > self._max:
            return []
        try:
            return list(self._events(data.replace(_MARK, b"\n")))
        except UNREADABLE:
            return []

    def _read_all(self, data: bytes, messages: list[Message]) -> str:
        """Read the complete records in `data` into `messages`; return the reply they ask for."""
        reply = ""
        for record in data.split(_MARK):
            if len(record) > self._max:
                raise self._fault(f"a record longer than {self._max} bytes", messages)
            if self._event is not None and self.state is State.OPEN:
                try:
                    messages.append(self._event(record))
                    continue
                except UNREADABLE:
                    pass  # not one of the announced targets, or not in the usual shape
            if record:
                reply += self._take(record, messages)
        return reply

    def _take(self, record: bytes, messages: list[Message]) -> str:
        """Read one record, move the state, append the message; return the reply it asks for."""
        try:
            message = self._read(record)
        except RemoteProtocolError as error:
            raise self._fault(str(error), messages) from error
        if message is None:
            self.ignored += 1
            return ""
        state = TABLE[self.state].get((self.peer, _kind(message)))
        if state is None:
            raise self._fault(
                f"{self.peer.value} sent {_name(message)} in state {self.state.value!r}",
                messages,
            )
        self.state = state
        messages.append(message)
        if isinstance(message, HandshakeRequest):
            return self.send(HandshakeResponse(_objection(message)))
        if isinstance(message, HandshakeResponse) and message.error is not None:
            self.state = State.CLOSED
        return ""

    def _read(self, record: bytes) -> Message | None:
        if self.state is State.START and self.role is Role.SERVER:
            return read_request(record)
        if self.state is State.ASKED and self.role is Role.CLIENT:
            return read_response(record)
        return read_message(record)

    def _fault(self, text: str, messages: list[Message]) -> RemoteProtocolError:
        self.state = State.BROKEN
        self._fast = False
        self._buffer.clear()
        error = RemoteProtocolError(text)
        error.messages = messages  # type: ignore[attr-defined]  # what was read before the fault still counts
        return error


def _kind(message: Message) -> type[Message]:
    """The class the table knows; an Event is an invocation."""
    return Invocation if isinstance(message, Event) else type(message)


def _name(message: Message) -> str:
    return _kind(message).__name__


def _objection(request: HandshakeRequest) -> str | None:
    if request.protocol != "json":
        return f"The protocol '{request.protocol}' is not supported."
    if request.version not in VERSIONS:
        return f"The server does not support version {request.version} of the '{request.protocol}' protocol."
    return None
