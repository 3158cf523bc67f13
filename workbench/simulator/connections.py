"""The hub connections and what each has subscribed to; events are rendered once and go to everyone who wants them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from workbench.domain.contract import Contract
from workbench.gateway.codes import DomType
from workbench.gateway.protocol import HubConnection
from workbench.simulator import render
from workbench.simulator.faults import Faults
from workbench.simulator.market import Board, Prints

USER_METHODS = {"Accounts": "GatewayUserAccount", "Orders": "GatewayUserOrder", "Positions": "GatewayUserPosition",
                "Trades": "GatewayUserTrade"}  # fmt: skip
MARKET_METHODS = {"ContractQuotes": "GatewayQuote", "ContractTrades": "GatewayTrade",
                  "ContractMarketDepth": "GatewayDepth"}  # fmt: skip
METHODS = {"user": USER_METHODS, "market": MARKET_METHODS}
MOST_QUEUED = 200_000  # records a connection may be behind before it is dropped

Topic = tuple[str, object]  # (event target, account id or contract id; None = all of the user's)


class Connection:
    """One client on one hub. `outbox` is drained by its writer; None in it ends the connection."""

    _numbers = itertools.count(1)

    def __init__(self, hub: str, user: str, accounts: frozenset[int], client: tuple[str, int] | None) -> None:
        self.number = next(self._numbers)
        self.hub, self.user, self.accounts, self.client = hub, user, accounts, client
        self.protocol = HubConnection(server=True)
        self.topics: set[Topic] = set()
        self.outbox: asyncio.Queue[str | None] = asyncio.Queue()
        self.participant: str | None = None  # takes part in the simulator's clock
        self.acknowledged = -1
        self.heard = 0.0  # monotonic seconds of the last frame
        self.invocations = 0

    def put(self, text: str) -> None:
        """Queue a record; a client that does not read is cut off."""
        if self.outbox.qsize() > MOST_QUEUED:
            self.end()
            return
        self.outbox.put_nowait(text)

    def end(self) -> None:
        """Close the socket once the queue is sent."""
        self.outbox.put_nowait(None)


class Hubs:
    """All connections of both hubs; the exchange's sink.

    `transcript` keeps the text of every event when it is a list (tests of sameness).
    """

    def __init__(self, faults: Faults, board: Callable[[Contract], Board], *, trades_per_event: int) -> None:
        self.connections: set[Connection] = set()
        self.faults = faults
        self.transcript: list[str] | None = None
        self.counts = {"trades": 0, "quotes": 0, "depths": 0, "user": 0}
        self._board = board
        self._most = trades_per_event
        self._quoted: dict[str, dict[str, Any]] = {}
        self._book: dict[str, dict[tuple[int, int], int]] = {}
        self._held: list[tuple[str, int, str]] = []

    def of(self, hub: str) -> Iterator[Connection]:
        return (c for c in list(self.connections) if hub in ("both", c.hub))

    def wants(self, target: str, key: object) -> list[Connection]:
        """Return who gets this event now; a zombie hub gets nothing."""
        topic = (target, key)
        return [c for c in self.connections if topic in c.topics and not self.faults.hits_hub("zombie_hub", c.hub)]

    # -- the exchange's events --

    def user(self, target: str, account: int, action: int, model: Any) -> None:
        self.counts["user"] += 1
        text = render.user_event(target, action, model, flat=self.faults.on("flat_user_events") is not None)
        if self.transcript is not None:
            self.transcript.append(text)
        copies = 1 if self.faults.take("duplicate_events") is None else 2
        for _ in range(copies):
            if self.faults.take("reorder_events") is not None:
                self._held.append((target, account, text))
            else:
                self._send(target, account, text)

    def release(self) -> None:
        """Send what `reorder_events` held back, newest first."""
        held, self._held = self._held, []
        for target, account, text in reversed(held):
            self._send(target, account, text)

    def _send(self, target: str, account: int, text: str) -> None:
        key = None if target == "GatewayUserAccount" else account
        for connection in sorted(self.wants(target, key), key=lambda c: c.number):
            if account in connection.accounts:
                connection.put(text)

    def market(self, contract: Contract, prints: Prints) -> None:
        self._trades(contract, prints)
        self.quote(contract)
        self._depth(contract, int(prints.ts[-1]))

    def _trades(self, contract: Contract, prints: Prints) -> None:
        wanted = self.wants("GatewayTrade", contract.id)
        if not wanted and self.transcript is None:
            return
        self.counts["trades"] += len(prints.ts)
        most = 1 if self.faults.on("one_item_trades") is not None else self._most
        single = self.faults.on("object_trades") is not None
        for text in render.trade_events(contract, prints, most=most, single=single):
            self._market(wanted, text)

    def quote(self, contract: Contract, *, beat: int | None = None) -> None:
        """Send what changed since the last quote; with `beat` (ns) best bid and ask again, as a sign of life."""
        board = self._board(contract)
        wanted = self.wants("GatewayQuote", contract.id)
        before = self._quoted.get(contract.id, {})
        full = render.quote_members(board)
        self._quoted[contract.id] = full
        if not wanted and self.transcript is None:
            return
        if self.faults.on("full_quotes") is None:
            changed = {key: value for key, value in full.items() if value != before.get(key)}
        else:
            changed = full
        if beat is not None:
            changed |= {"bestBid": full["bestBid"], "bestAsk": full["bestAsk"]}
        if changed:
            self.counts["quotes"] += 1
            self._market(wanted, render.quote_event(board, changed, board.at if beat is None else beat))

    def _depth(self, contract: Contract, at: int) -> None:
        wanted = self.wants("GatewayDepth", contract.id)
        if not wanted and self.transcript is None:
            return
        new, old = render.depth_levels(self._board(contract)), self._book.get(contract.id, {})
        self._book[contract.id] = new
        items = [(kind, ticks, 0) for kind, ticks in old if (kind, ticks) not in new]
        items += [(kind, ticks, volume) for (kind, ticks), volume in new.items() if (kind, ticks) not in old]
        if items:
            self.counts["depths"] += 1
            self._market(wanted, render.depth_event(contract, items, at))

    def _market(self, wanted: list[Connection], text: str) -> None:
        if self.transcript is not None:
            self.transcript.append(text)
        for connection in wanted:
            connection.put(text)

    # -- what one connection gets by itself --

    def greet(self, connection: Connection, target: str, contract: Contract, now: int) -> None:
        """Send the full quote or book that follows a subscription."""
        board = self._board(contract)
        if self.faults.hits_hub("zombie_hub", connection.hub) or board.last is None:
            return
        if target == "GatewayQuote":
            members = render.quote_members(board)
            if self.faults.on("sparse_first_quote") is not None:
                members = {key: members[key] for key in ("bestBid", "bestAsk")}
            connection.put(render.quote_event(board, members, now))
        elif target == "GatewayDepth":
            self.snapshot([connection], contract, now)

    def snapshot(self, connections: list[Connection], contract: Contract, now: int) -> None:
        """Send Reset and the whole book."""
        levels = render.depth_levels(self._board(contract))
        if not set(self.wants("GatewayDepth", contract.id)) - set(connections):
            self._book[contract.id] = levels  # nobody holds an older book: the next changes are changes of this one
        items: list[tuple[int, int | None, int]] = [(int(DomType.RESET), None, 0)]
        items += [(kind, ticks, volume) for (kind, ticks), volume in levels.items()]
        text = render.depth_event(contract, items, now)
        for connection in connections:
            connection.put(text)
