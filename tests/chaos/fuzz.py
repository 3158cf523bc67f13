"""Bytes that no gateway should send, by seed: into the hub protocol, the REST replies, and on into the decision.

``python tests/chaos/fuzz.py --inputs 1000000`` is the long run; the fast suite plays 25,000, the full one 40,000 more.
What must hold for each input: nothing but the named errors is raised; what was not understood is counted and changes
nothing; what was understood is decided without an exception, and surfaces can still show the account.
"""

# ruff: noqa: T201 - a program that prints what it counted

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import httpx
import msgspec

from tests.chaos.market import FRAME, MES, SECOND, script
from workbench.domain import events as e
from workbench.domain.errors import GatewayError, RemoteProtocolError
from workbench.execution.state import AccountState
from workbench.execution.step import journal_form, step
from workbench.gateway import endpoints as ep
from workbench.gateway.client import GatewayClient, Handlers, urls_at
from workbench.gateway.frames import HandshakeRequest
from workbench.gateway.hubs import HubKind
from workbench.gateway.market_data import TradeSeen
from workbench.gateway.protocol import HubConnection, State
from workbench.gateway.rest import Rest
from workbench.gateway.tokens import FixedToken
from workbench.gateway.transport import Transport, read_reply
from workbench.gateway.wire_hub import ARGUMENT_TYPES
from workbench.risk.limits import Limits
from workbench.services.feed import Feed
from workbench.services.snapshot import account_dict, session_dicts
from workbench.storage.journal import Record

_encoder, _decoder = msgspec.msgpack.Encoder(decimal_format="string"), msgspec.msgpack.Decoder(Record)
ACCOUNT = 1001
MORNING = 1_795_014_000 * SECOND
FRESH_EVERY = 400  # inputs after which protocol and state begin anew
STAMP = "2026-11-18T15:00:03.1170421+00:00"

ORDER = {
    "id": 240000001, "accountId": ACCOUNT, "contractId": MES.id, "symbolId": "F.US.MES", "creationTimestamp": STAMP,
    "updateTimestamp": STAMP, "status": 1, "type": 4, "side": 1, "size": 2, "limitPrice": None, "stopPrice": 5990.25,
    "fillVolume": 0, "filledPrice": None, "customTag": "wb-1001-ab-1-1", "parentOrderId": 240000000,
}  # fmt: skip
TRADE = {
    "id": 81000001, "accountId": ACCOUNT, "contractId": MES.id, "creationTimestamp": STAMP, "price": 6000.25,
    "profitAndLoss": -12.5, "fees": 0.37, "commissions": 0.25, "side": 0, "size": 1, "voided": False,
    "orderId": 240000001,
}  # fmt: skip
POSITION = {
    "id": 5500001, "accountId": ACCOUNT, "contractId": MES.id, "creationTimestamp": STAMP, "type": 1, "size": 1,
    "averagePrice": 6000.25,
}  # fmt: skip
PERSON = {
    "id": ACCOUNT, "name": "PRAC-V2-10001-1", "balance": 150000.5, "canTrade": True, "isVisible": True,
    "simulated": True,
}  # fmt: skip
QUOTE = {"symbol": "F.US.MES", "lastPrice": 6000.25, "bestBid": 6000, "bestAsk": 6000.25, "timestamp": STAMP}
PRINT = {"symbolId": "F.US.MES", "price": 6000.25, "timestamp": STAMP, "type": 0, "volume": 3}
BAR = {"t": "2026-11-18T15:00:00+00:00", "o": 6000.25, "h": 6001, "l": 5999.75, "c": 6000, "v": 120}


def _wrapped(data: Any) -> list[Any]:
    return [{"action": 1, "data": data}]


EVENTS: list[tuple[str, list[Any]]] = [
    ("GatewayUserOrder", _wrapped(ORDER)), ("GatewayUserOrder", [ORDER]), ("GatewayUserTrade", _wrapped(TRADE)),
    ("GatewayUserPosition", _wrapped(POSITION)), ("GatewayUserAccount", _wrapped(PERSON)),
    ("GatewayQuote", [MES.id, QUOTE]), ("GatewayTrade", [MES.id, [PRINT, PRINT]]), ("GatewayTrade", [MES.id, PRINT]),
    ("GatewayDepth", [MES.id, [{"price": 6000, "volume": 5, "currentVolume": 0, "type": 3, "timestamp": STAMP}]]),
    ("SimulatorClock", [{"now": MORNING, "rate": 1.0, "seq": 4, "lockstep": False}]), ("GatewayLogout", []),
]  # fmt: skip
FINE = {"success": True, "errorCode": 0, "errorMessage": None}
REPLIES: list[tuple[ep.Endpoint, dict[str, Any]]] = [
    (ep.PLACE_ORDER, {"orderId": 240000001, **FINE}), (ep.CANCEL_ORDER, FINE), (ep.MODIFY_ORDER, FINE),
    (ep.CLOSE_POSITION, FINE), (ep.ORDER_SEARCH, {"orders": [ORDER], **FINE}),
    (ep.ORDER_QUERY, {"orders": [ORDER, ORDER], "totalCount": 2, **FINE}),
    (ep.TRADE_SEARCH, {"trades": [TRADE], **FINE}),
    (ep.POSITION_SEARCH_OPEN, {"positions": [POSITION], **FINE}), (ep.ACCOUNT_SEARCH, {"accounts": [PERSON], **FINE}),
    (ep.RETRIEVE_BARS, {"bars": [BAR, BAR], **FINE}), (ep.ORDER_BY_ID, {"order": ORDER, **FINE}),
]  # fmt: skip
ODD = (
    None, True, False, 0, -1, 1, 2, 5, 8, 99, 2**31, -(2**63), 2**63, 10**30, 1e308, -1e308, 0.1, 1e-300, 6000.13, "",
    "0", "-3", "NaN", "Infinity", "x" * 300, "\u0000", "\ud83d\ude00", MES.id, "CON.F.US.XYZ.Z99", "CON.",
    "0000-00-00T99:99:99", "2026-11-18T15:00:03", "9999-12-31T23:59:59.9999999+00:00", "0001-01-01T00:00:00Z", [], {},
    [[]], [{}], [None], {"data": {}}, {"action": 1, "data": None}, {"id": "x"},
)  # fmt: skip
JUNK = (
    b"\x00", b"\xff\xfe", b"\x1e", b"\x1e\x1e", b"{}", b"[]", b"null", b'"', b"\\", b"1e999", b"-", b"NaN", b"Infinity",
    b"[" * 40, b'{"a":' * 30, b"9" * 400, b"\\u0000", b"\\ud800", b"\xed\xa0\x80", b"\n", b",", b":", b"0x1", b"//",
)  # fmt: skip


class Fuzzer:
    """Makes inputs from real ones, by seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def value(self, value: Any) -> Any:
        """Return `value` with something in it changed."""
        rng = self.rng
        if isinstance(value, dict) and value and rng.random() < 0.9:
            key, out = rng.choice(list(value)), dict(value)
            luck = rng.random()
            if luck < 0.15:
                del out[key]
            elif luck < 0.2:
                out[key + rng.choice("xX_")] = out.pop(key)
            else:
                out[key] = self.value(out[key]) if luck < 0.7 else rng.choice(ODD)
            return out
        if isinstance(value, list) and value and rng.random() < 0.9:
            out_list, at = list(value), rng.randrange(len(value))
            out_list[at] = self.value(out_list[at])
            return out_list * (2 if rng.random() < 0.05 else 1)
        if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.5:
            return value + rng.choice((-1, 1, 0.25, 1000, -value, -2 * value))
        return rng.choice(ODD)

    def deep(self, arguments: list[Any]) -> list[Any]:
        """Return a hub event's arguments with one or two members of the payload changed, or the wrapping."""
        rng = self.rng
        if not arguments or rng.random() < 0.1:
            return self.value(arguments)  # type: ignore[no-any-return]
        out = json.loads(json.dumps(arguments))
        inner = out[-1]
        holder = inner if isinstance(inner, dict) and "data" in inner else None
        data = holder["data"] if holder is not None else inner
        if isinstance(data, dict) and rng.random() < 0.35:  # still a message, and not what it was
            key = rng.choice([k for k, v in data.items() if isinstance(v, int | float)] or list(data))
            data[key] = rng.choice(
                (0, 1, 2, 3, 4, 5, 6, 7, 8, 240000000 + rng.randrange(6), 81000000 + rng.randrange(99))
            )
        for _ in range(rng.choice((0, 1, 1, 2)) if isinstance(data, dict) else 1):
            data = self.value(data)
        if holder is not None:
            holder["data"] = data
        else:
            out[-1] = data
        return out  # type: ignore[no-any-return]

    def bytes_of(self, data: bytes) -> bytes:
        """Return `data` with some bytes flipped, cut, repeated or put in."""
        rng = self.rng
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data) + 1)
            luck = rng.random()
            if luck < 0.35 and data:
                at = min(at, len(data) - 1)
                data = data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
            elif luck < 0.55:
                data = data[:at]
            elif luck < 0.85:
                data = data[:at] + rng.choice(JUNK) + data[at:]
            else:
                cut = rng.randrange(at, min(len(data), at + 40) + 1)
                data = data[:at] + data[cut:] + data[at:cut]
        return data

    def text(self, value: Any) -> bytes:
        """Return `value` as JSON, changed as a value, as bytes, or both."""
        rng = self.rng
        luck = rng.random()
        changed = value if luck < 0.35 else self.value(value)
        data = json.dumps(changed, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return self.bytes_of(data) if luck < 0.6 else data

    def frame(self) -> bytes:
        """Return a hub frame of one or more records."""
        rng = self.rng
        if rng.random() < 0.03:
            return rng.randbytes(rng.randrange(200))
        records = []
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            target, arguments = rng.choice(EVENTS)
            luck = rng.random()
            whole: dict[str, Any] = {"type": 1, "target": target, "arguments": arguments}
            if luck < 0.62:
                records.append(json.dumps({**whole, "arguments": self.deep(arguments)}).encode())
                continue
            if luck < 0.66:
                whole = rng.choice(
                    ({"type": 3, "invocationId": "7"}, {"type": 6}, {"type": 7, "error": "x"}, {"type": 9})
                )
            records.append(self.text(whole))
        return b"\x1e".join(records) + (b"\x1e" if rng.random() < 0.97 else b"")


class Target:
    """What the inputs are thrown at: protocol, translation, decision, surfaces."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.events: list[e.Event] = []
        handlers = Handlers(on_event=self.events.append, on_trades=self.on_trades)
        self.client = GatewayClient(urls_at("http://nowhere"), FixedToken("t"), handlers, now=lambda: MORNING)
        self.rest = Rest(Transport("http://nowhere"), FixedToken("t"), now=lambda: MORNING, sleep=_no_sleep)
        self.fresh()

    def fresh(self) -> None:
        """Begin anew: a connection that was shaken hands on, an account with a session and a position."""
        self.hub = _connected()
        self.state = state = AccountState(ACCOUNT, Limits(), lambda *_: script(random.Random(1), MORNING, 5, first=2))
        self.at = MORNING
        self.feed = Feed(_no_bars, self.events.append, lambda: self.at)
        self.feed.open(MES.id, FRAME, MORNING)
        _run(self.feed.fill())
        step(state, e.RunnerStarted(at=MORNING, epoch=1, uid="ab"))
        step(state, e.SessionStarted(
            at=MORNING, session="s1", strategy="v1", contract=MES.id, timeframe=FRAME, parameters={}
        ))  # fmt: skip

    def on_trades(self, trades: list[TradeSeen]) -> None:
        """Prints become bars."""
        for trade in trades:
            self.counts["prints"] += 1
            self.feed.on_print(trade.contract, trade.ts, trade.price, trade.size)

    # --- the hub ------------------------------------------------------------------------------------------------------

    def frame(self, data: bytes) -> None:
        """One frame: messages, or a broken connection and a new one."""
        try:
            messages, _ = self.hub.receive_data(data)
        except RemoteProtocolError as error:
            self.counts["broken frames"] += 1
            messages = getattr(error, "messages", [])
        if self.hub.state is not State.OPEN:
            self.hub.state = State.OPEN  # a new connection costs a new decoder; this is as good as one
            self.hub._buffer.clear()
        for message in messages:
            target = getattr(message, "target", None)
            if target is None:
                continue
            before, shown = self.client.faults, self.look()
            self.client._take(HubKind.USER, target, message.arguments)  # type: ignore[attr-defined]
            self.counts["faults"] += self.client.faults - before
            if not self.events:
                self.counts["nothing for the account"] += 1
                assert self.look() == shown, "a message that brought no event has changed the state"
            self.decide()

    def look(self) -> tuple[Any, ...]:
        state = self.state
        return len(state.orders), len(state.trades), tuple((c, b.qty, b.locked) for c, b in state.books.items())

    def decide(self) -> None:
        """What was understood is decided."""
        for event in self.events:
            self.at += SECOND // 10
            step(self.state, e.TimerFired(at=self.at))
            mine = self.look()
            commands = [journal_form(c) for c in step(self.state, event)]
            kept = _decoder.decode(_encoder.encode(Record(event, commands)))
            assert kept == Record(event, commands), "the journal gives back something else"
            self.counts["decided"] += 1
            owner = getattr(event, "account", None) or getattr(getattr(event, "order", None), "account", None)
            owner = owner or getattr(getattr(event, "fill", None), "account", None)
            if owner not in (None, ACCOUNT):
                self.counts["of another account"] += 1
                assert self.look() == mine, "news of another account has changed this one"
        if self.events:
            self.show()
        self.events.clear()

    def show(self) -> None:
        """Surfaces can be drawn, without a number that is none."""
        shown = json.dumps([account_dict(self.state), session_dicts(self.state, {})], allow_nan=False)
        assert shown

    # --- REST ---------------------------------------------------------------------------------------------------------

    def reply(self, endpoint: ep.Endpoint, status: int, body: bytes) -> None:
        """One answer, read as the client reads it, then by the method that asked."""
        response = httpx.Response(status, content=body)
        try:
            read_reply(endpoint, response)
        except GatewayError:
            self.counts["refused replies"] += 1
            self.ask(endpoint, response)
            return
        self.counts["readable replies"] += 1
        self.ask(endpoint, response)

    def ask(self, endpoint: ep.Endpoint, response: httpx.Response) -> None:
        """Let the client's own method meet this answer."""

        async def exchange(asked: ep.Endpoint, request: Any = None, **_: Any) -> Any:
            return read_reply(endpoint, response)

        self.rest.transport.exchange = exchange  # type: ignore[method-assign]
        question = QUESTIONS.get(endpoint.path)
        if question is None:
            return
        try:
            answer = _run(question(self.rest))
        except GatewayError:
            self.counts["failed readings"] += 1
            return
        self.read(endpoint, answer)

    def read(self, endpoint: ep.Endpoint, answer: Any) -> None:
        """A reading goes on into reconcile."""
        parts: dict[str, Any] = {"orders": [], "fills": [], "positions": []}
        name = {ep.ORDER_SEARCH.path: "orders", ep.ORDER_QUERY.path: "orders", ep.TRADE_SEARCH.path: "fills",
                ep.POSITION_SEARCH_OPEN.path: "positions"}.get(endpoint.path)  # fmt: skip
        if name is None:
            return
        self.at += SECOND
        event = e.BrokerRead(
            at=self.at, account=ACCOUNT, since=0, until=self.at, balance=Decimal(150_000), can_trade=True,
            **{**parts, name: answer},
        )  # fmt: skip
        assert _encoder.encode(Record(event, [journal_form(c) for c in step(self.state, event)]))
        self.counts["readings decided"] += 1
        self.show()


async def _no_bars(*_: Any) -> list[e.BarClosed]:
    return []


async def _no_sleep(seconds: float) -> None:
    return None


def _run(coroutine: Any) -> Any:
    # Nothing in it waits, so one step is its whole life.
    try:
        while True:
            coroutine.send(None)
    except StopIteration as done:
        return done.value


QUESTIONS: dict[str, Callable[[Rest], Any]] = {
    ep.ORDER_SEARCH.path: lambda r: r.orders(ACCOUNT, MORNING),
    ep.ORDER_QUERY.path: lambda r: r.working_orders(ACCOUNT),
    ep.TRADE_SEARCH.path: lambda r: r.trades(ACCOUNT, MORNING),
    ep.POSITION_SEARCH_OPEN.path: lambda r: r.positions(ACCOUNT),
    ep.ACCOUNT_SEARCH.path: lambda r: r.accounts(),
    ep.ORDER_BY_ID.path: lambda r: r.order_by_id(ACCOUNT, 1),
    ep.CANCEL_ORDER.path: lambda r: r.cancel(ACCOUNT, 1),
    ep.CLOSE_POSITION.path: lambda r: r.close(ACCOUNT, MES.id),
}


def _connected() -> HubConnection:
    hub = HubConnection(server=False, argument_types=ARGUMENT_TYPES)
    hub.send(HandshakeRequest())
    hub.receive_data("{}\x1e")
    return hub


def throw(inputs: int, seed: int) -> Counter[str]:
    """Throw `inputs` inputs; raise with the very bytes when one does what it must not."""
    fuzzer, target = Fuzzer(seed), Target()
    logging.disable(logging.CRITICAL)
    try:
        for n in range(inputs):
            if n % FRESH_EVERY == 0:
                target.fresh()
            target.counts["inputs"] += 1
            if fuzzer.rng.random() < 0.7:
                data: bytes = fuzzer.frame()
                _guarded(lambda data=data: target.frame(data), n, data)
            else:
                endpoint, body = fuzzer.rng.choice(REPLIES)
                status = 200 if fuzzer.rng.random() < 0.93 else fuzzer.rng.choice((204, 302, 400, 401, 404, 500, 503))
                data = fuzzer.text(body)
                _guarded(lambda e=endpoint, s=status, d=data: target.reply(e, s, d), n, data)
    finally:
        logging.disable(logging.NOTSET)
    return target.counts


def _guarded(call: Callable[[], None], n: int, data: bytes) -> None:
    try:
        call()
    except Exception as error:
        raise AssertionError(f"input {n} {data[:2000]!r} raised {type(error).__name__}: {error}") from error


def main() -> int:
    """Throw many and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    counts = throw(options.inputs, options.seed)
    print(", ".join(f"{n:,} {what}" for what, n in counts.items()), f"in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
