"""The hub connection without I/O: both roles, one table, frames cut anywhere, garbage in."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.fakes import HubPair
from workbench.domain.errors import LocalProtocolError, RemoteProtocolError
from workbench.gateway.protocol import (
    TABLE,
    CancelInvocation,
    Close,
    Completion,
    Event,
    HandshakeRequest,
    HandshakeResponse,
    HubConnection,
    Invocation,
    Ping,
    Role,
    State,
    StreamInvocation,
    StreamItem,
)
from workbench.gateway.wire_hub import ARGUMENT_TYPES, Print, QuoteUpdate

CONTRACT = "CON.F.US.MES.Z26"
QUOTE = {
    "type": 1,
    "target": "GatewayQuote",
    "arguments": [CONTRACT, {"symbol": "F.US.MES", "bestBid": 6713.5}],
}
PRINT = {
    "price": 6713.75,
    "timestamp": "2026-11-20T15:09:03.6020000+00:00",
    "type": 0,
    "volume": 3,
}
TRADE = {"type": 1, "target": "GatewayTrade", "arguments": [CONTRACT, [PRINT]]}
ORDER = {
    "type": 1,
    "target": "GatewayUserOrder",
    "arguments": [{"action": 1, "data": {"id": 7, "ü": "é\u2028"}}],
}
RECORDS = [
    QUOTE,
    TRADE,
    ORDER,
    {"type": 6},
    {"type": 3, "invocationId": "0", "result": None},
    {"type": 9, "sequenceId": 4},
]


def wire(*records: object) -> bytes:
    return b"".join(json.dumps(r, ensure_ascii=False).encode() + b"\x1e" for r in records)


def open_client(**options: object) -> HubConnection:
    client = HubConnection(server=False, **options)  # type: ignore[arg-type]
    client.send(HandshakeRequest())
    client.receive_data("{}\x1e")
    return client


# --- handshake -------------------------------------------------------------------------------------------------------


def test_both_ends_open_after_one_exchange() -> None:
    pair = HubPair()
    assert pair.client.state is State.OPEN
    assert pair.server.state is State.OPEN


def test_the_handshake_on_the_wire_is_what_the_gateway_expects() -> None:
    assert HubConnection(server=False).send(HandshakeRequest()) == '{"protocol":"json","version":1}\x1e'
    _, reply = HubConnection(server=True).receive_data('{"protocol":"json","version":1}\x1e')
    assert reply == "{}\x1e"


@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_handshake_version_that_clients_send_is_taken(version: int) -> None:
    server = HubConnection(server=True)
    messages, reply = server.receive_data(f'{{"protocol":"json","version":{version}}}\x1e')
    assert messages == [HandshakeRequest("json", version)]
    assert (reply, server.state) == ("{}\x1e", State.OPEN)


@pytest.mark.parametrize(("protocol", "version"), [("messagepack", 1), ("json", 3), ("json", -1)])
def test_a_handshake_for_another_protocol_gets_an_error_and_a_closed_connection(protocol: str, version: int) -> None:
    server = HubConnection(server=True)
    _, reply = server.receive_data(json.dumps({"protocol": protocol, "version": version}) + "\x1e")
    assert "not support" in json.loads(reply[:-1])["error"]
    assert server.state is State.CLOSED


def test_a_refused_client_knows_why() -> None:
    client = HubConnection(server=False)
    client.send(HandshakeRequest())
    messages, _ = client.receive_data('{"error":"maintenance"}\x1e')
    assert messages == [HandshakeResponse("maintenance")]
    assert client.state is State.CLOSED


def test_messages_in_the_frame_of_the_handshake_response_are_not_lost() -> None:
    client = HubConnection(server=False, argument_types=ARGUMENT_TYPES)
    client.send(HandshakeRequest())
    messages, _ = client.receive_data(b"{}\x1e" + wire(QUOTE, {"type": 6}))
    assert [type(m).__name__ for m in messages] == [
        "HandshakeResponse",
        "GatewayQuoteEvent",
        "Ping",
    ]


def test_a_message_before_the_handshake_is_the_fault_of_whoever_sent_it() -> None:
    with pytest.raises(LocalProtocolError, match="client may not send Ping in state 'start'"):
        HubConnection(server=False).send(Ping())
    with pytest.raises(RemoteProtocolError, match="handshake request"):
        HubConnection(server=True).receive_data(wire({"type": 6}))
    client = HubConnection(server=False)
    client.send(HandshakeRequest())
    with pytest.raises(RemoteProtocolError, match="before its handshake response"):
        client.receive_data(wire({"type": 6}))


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        Invocation("SubscribeContractQuotes", [CONTRACT]),
        Invocation("SubscribeOrders", [901234], "17"),
        StreamItem("3", {"a": 1}),
        Completion("0", result=None),
        Completion("0"),
        Completion("0", error="Method does not exist."),
        StreamInvocation("Stream", [], "4"),
        CancelInvocation("4"),
        Ping(),
        Close(),
        Close(error="restart", allow_reconnect=True),
    ],
)
@pytest.mark.parametrize("from_client", [True, False])
def test_every_message_arrives_as_it_was_sent(message: object, from_client: bool) -> None:
    pair = HubPair()
    sent = pair.from_client(message) if from_client else pair.from_server(message)  # type: ignore[arg-type]
    assert sent == [message]


def test_a_void_completion_spells_its_null() -> None:
    pair = HubPair()
    assert pair.server.send(Completion("0", result=None)) == '{"type":3,"invocationId":"0","result":null}\x1e'


def test_announced_targets_are_read_into_structs() -> None:
    messages, _ = open_client(argument_types=ARGUMENT_TYPES).receive_data(wire(QUOTE, TRADE))
    assert [isinstance(m, Event) for m in messages] == [True, True]
    assert [(m.target, m.arguments) for m in messages] == [  # type: ignore[attr-defined]
        ("GatewayQuote", (CONTRACT, QuoteUpdate(best_bid=6713.5))),
        ("GatewayTrade", (CONTRACT, [Print(**PRINT)])),  # type: ignore[arg-type]
    ]


def test_an_announced_target_in_another_shape_still_arrives() -> None:
    odd = {
        "type": 1,
        "target": "GatewayTrade",
        "arguments": [[CONTRACT, "not", "known"]],
    }
    messages, _ = open_client(argument_types=ARGUMENT_TYPES).receive_data(wire(odd))
    assert messages == [Invocation("GatewayTrade", [[CONTRACT, "not", "known"]])]


def test_messages_of_a_later_protocol_are_skipped_and_counted() -> None:
    client = open_client()
    assert client.receive_data(wire({"type": 8, "sequenceId": 1}, {"type": 6})) == (
        [Ping()],
        "",
    )
    assert client.ignored == 1


# --- endings ---------------------------------------------------------------------------------------------------------


def test_what_was_in_flight_when_we_closed_still_arrives() -> None:
    pair = HubPair()
    pair.client.send(Close())
    messages, _ = pair.client.receive_data(wire(ORDER, {"type": 7}))
    assert [type(m) for m in messages] == [Invocation, Close]
    assert pair.client.state is State.CLOSED


def test_nothing_may_follow_a_close() -> None:
    pair = HubPair()
    pair.from_server(Close(error="bye"))
    with pytest.raises(LocalProtocolError):
        pair.server.send(Ping())
    with pytest.raises(RemoteProtocolError, match="in state 'server closed'"):
        pair.client.receive_data(wire({"type": 6}))


def test_a_fault_hands_over_what_was_read_before_it_and_breaks_the_connection() -> None:
    client = open_client()
    with pytest.raises(RemoteProtocolError) as caught:
        client.receive_data(wire(ORDER) + b"garbage\x1e")
    assert [m.target for m in caught.value.messages] == ["GatewayUserOrder"]  # type: ignore[attr-defined]
    with pytest.raises(RemoteProtocolError, match="broken"):
        client.receive_data(wire(ORDER))


def test_a_record_over_the_limit_is_refused_buffered_or_whole() -> None:
    for size in (40, 400):
        client = open_client(max_record=200)
        frames = [wire(ORDER | {"pad": "x" * size})[at : at + 50] for at in range(0, 600, 50)]
        if size == 40:
            assert [m for f in frames for m in client.receive_data(f)[0]]
        else:
            with pytest.raises(RemoteProtocolError, match="longer than 200"):
                [client.receive_data(f) for f in frames]


def test_a_socket_that_ends_inside_a_record_is_a_fault() -> None:
    client = open_client()
    client.receive_data(b'{"type":1,"tar')
    with pytest.raises(RemoteProtocolError, match="inside a record"):
        client.receive_eof()
    clean = open_client()
    clean.receive_eof()
    assert clean.state is State.CLOSED


# --- laws ------------------------------------------------------------------------------------------------------------


@given(
    records=st.lists(st.sampled_from(RECORDS), max_size=8),
    cuts=st.lists(st.integers(0, 2000), max_size=12),
    typed=st.booleans(),
)
def test_frames_cut_anywhere_give_the_same_messages(records: list[object], cuts: list[int], typed: bool) -> None:
    data = wire(*records)
    options = {"argument_types": ARGUMENT_TYPES} if typed else {}
    whole, _ = open_client(**options).receive_data(data)
    edges = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    client = open_client(**options)
    pieces = [client.receive_data(data[a:b])[0] for a, b in itertools.pairwise(edges)]
    assert repr([m for piece in pieces for m in piece]) == repr(whole)
    assert len(whole) + client.ignored == len(records)


@given(
    data=st.binary(max_size=200),
    cut=st.integers(0, 200),
    server=st.booleans(),
    opened=st.booleans(),
)
def test_fuzzed_bytes_raise_only_remote_protocol_errors(data: bytes, cut: int, server: bool, opened: bool) -> None:
    ends = HubPair() if opened else None
    hub = (ends.server if server else ends.client) if ends else HubConnection(server=server)
    try:
        hub.receive_data(data[:cut])
        hub.receive_data(data[cut:] + b"\x1e")
    except RemoteProtocolError:
        assert hub.state is State.BROKEN


_TEXT = st.text(alphabet='aZ09 "{}[],:é\x1e\u2028', max_size=5)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(
    record=st.fixed_dictionaries(
        {},
        optional={
            "type": st.integers(-1, 10) | _JSON,
            "target": st.sampled_from(sorted(ARGUMENT_TYPES)) | _JSON,
            "arguments": st.tuples(st.just(CONTRACT), _JSON) | _JSON,
            "invocationId": _JSON,
            "error": _JSON,
        },
    )
)
def test_fuzzed_json_raises_only_remote_protocol_errors(
    record: dict[str, object],
) -> None:
    client = open_client(argument_types=ARGUMENT_TYPES)
    try:
        client.receive_data(json.dumps(record).encode() + b"\x1e")
    except RemoteProtocolError:
        assert client.state is State.BROKEN


def test_deep_nesting_is_a_fault_of_the_peer_not_a_crash() -> None:
    with pytest.raises(RemoteProtocolError):
        open_client().receive_data(b'{"type":1,"target":"X","arguments":' + b"[" * 100_000 + b"\x1e")


def test_text_that_is_no_unicode_is_a_fault_of_the_peer() -> None:
    with pytest.raises(RemoteProtocolError, match="UTF-8"):
        open_client().receive_data("\ud800\x1e")


def test_the_table_knows_every_state_and_never_leaves_a_closed_one() -> None:
    assert set(TABLE) == set(State)
    assert TABLE[State.CLOSED] == {}
    for state in (State.CLIENT_CLOSED, State.SERVER_CLOSED):
        assert {role for role, _ in TABLE[state]} == {Role.SERVER if state is State.CLIENT_CLOSED else Role.CLIENT}
