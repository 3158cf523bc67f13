"""A runner in this process whose gateway answers at once: from the bytes of a hub to the bytes of an order request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec

from workbench.domain import events as e
from workbench.domain.commands import ClosePosition, ModifyOrder, Outcome
from workbench.domain.contract import front_month, spec
from workbench.domain.order import Order, OrderType, Side, Status
from workbench.domain.position import Fill
from workbench.gateway.budget import Budgets, SlidingBudget
from workbench.gateway.client import GatewayClient, Handlers, urls_at
from workbench.gateway.hubs import HubKind
from workbench.gateway.market_data import TradeSeen
from workbench.gateway.protocol import HandshakeRequest, HubConnection
from workbench.gateway.wire_hub import ARGUMENT_TYPES
from workbench.risk.gate import Approved
from workbench.risk.limits import Limits
from workbench.rules.load import parse_strategy
from workbench.services.clock import MarketClock
from workbench.services.runner import Runner
from workbench.storage.home import Home

ACCOUNT = 1
BEGIN = 1_795_099_500_000_000_000  # 19 November 2026, in the trading day
MINUTE = 60_000_000_000
ROOTS = (
    "MES", "MNQ", "MYM", "M2K", "ES", "NQ", "YM", "RTY", "CL", "MCL", "GC", "MGC", "SI", "HG", "NG", "ZB", "ZN", "ZF",
    "6E", "6J",
)  # fmt: skip
RULE = """
name: bench_turn
roots: [ANY]
timeframe: 1m
entry: {long: 'close > open and sma(close, 3) > 0'}
exit: {long: 'close < open'}
"""


class Tokens:
    """A token that is always good."""

    async def get(self) -> str:
        return "token"

    async def renew(self, stale: str) -> str:
        return "token"


class Wire(httpx.AsyncBaseTransport):
    """Takes a request as the socket would, notes the instant, and says yes."""

    def __init__(self) -> None:
        self.placed_at: list[int] = []
        self.count = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/Order/place"):
            self.placed_at.append(time.perf_counter_ns())
        self.count += 1
        body = {"success": True, "errorCode": 0, "errorMessage": None, "orderId": self.count}
        return httpx.Response(200, content=msgspec.json.encode(body), request=request)


class Stand:
    """One account with `count` strategies, each on a contract of its own.

    Parameters
    ----------
    folder : Path
        Where the journal goes: the disk that is measured.
    count : int
        Strategies, at most 20.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.wire, self.clock, self.now = Wire(), MarketClock(), BEGIN
        self.clock.announce(BEGIN, 0.0, 1, False)
        plenty = Budgets(SlidingBudget(10**9, 30.0), SlidingBudget(10**9, 60.0))
        handlers = Handlers(on_trades=self._on_trades)
        self.client = GatewayClient(
            urls_at("http://127.0.0.1:1"), Tokens(), handlers, now=self.clock.now, transport=self.wire, budgets=plenty
        )
        self.hub = HubConnection(server=False, argument_types=ARGUMENT_TYPES)
        self.hub.send(HandshakeRequest())
        self.hub.receive_data("{}\x1e")
        today = trading_day()
        self.contracts = [front_month(root, today).id for root in ROOTS[:count]]
        rules = {c: parse_strategy(RULE.replace("ANY", spec(c).root)) for c in self.contracts}
        self.quantities: dict[str, int] = dict.fromkeys(self.contracts, 0)
        self.trades = 0
        self.bars = 0
        self.runner = Runner(
            account=ACCOUNT,
            home=Home(folder),
            gateway=self,
            fetch=self._no_history,
            clock=self.clock,
            rules=lambda version, contract, parameters: rules[contract].start(),
            limits=Limits(max_orders_per_minute=10**6, daily_loss_usd=Decimal(10**9)),
        )
        emit = self.runner.feed._emit

        def counted(bar: e.BarClosed) -> None:
            self.bars += 1
            emit(bar)

        self.runner.feed._emit = counted

    async def _no_history(self, *_: Any) -> list[e.BarClosed]:
        return []

    # --- the gateway as the runner sees it ---------------------------------------------------------------------------

    async def watch(self, contract: str) -> None:
        return None

    async def place(self, approved: Approved) -> Outcome:
        outcome = await self.client.rest.place(approved)
        command = approved.command
        self._fill(command.contract, command.side, command.qty, command.tag)
        return outcome

    async def close(self, account_id: int, contract_id: str) -> Outcome:
        outcome = await self.client.rest.close(account_id, contract_id)
        held = self.quantities[contract_id]
        self._fill(contract_id, Side.SELL if held > 0 else Side.BUY, abs(held), None)
        return outcome

    async def cancel(self, account_id: int, order_id: int) -> Outcome:
        return await self.client.rest.cancel(account_id, order_id)

    async def modify(self, command: ModifyOrder) -> Outcome:
        return await self.client.rest.modify(command)

    async def account(self, account: int) -> tuple[Decimal, bool]:
        return Decimal(150_000), True

    async def orders(self, account: int, since: int) -> list[Order]:
        return []

    async def working(self, account: int) -> list[Order]:
        return []

    async def fills(self, account: int, since: int) -> list[Fill]:
        return []

    async def positions(self, account: int) -> list[e.PositionReported]:
        return [self._position(c) for c, qty in self.quantities.items() if qty]

    def _position(self, contract: str) -> e.PositionReported:
        qty = self.quantities[contract]
        return e.PositionReported(at=self.now, account=ACCOUNT, contract=contract, qty=qty, average_price=100.0)

    def _fill(self, contract: str, side: Side, qty: int, tag: str | None) -> None:
        self.trades += 1
        number = self.wire.count
        order = Order(
            account=ACCOUNT, contract=contract, side=side, type=OrderType.MARKET, qty=qty, order_id=number, tag=tag,
            status=Status.FILLED, filled=qty, created_at=self.now, updated_at=self.now,
        )  # fmt: skip
        fill = Fill(
            trade_id=self.trades, order_id=number, account=ACCOUNT, contract=contract, qty=side.sign * qty,
            ticks=spec(contract).ticks(100.0), at=self.now, fees=Decimal(0),
        )  # fmt: skip
        self.quantities[contract] += side.sign * qty
        for event in (
            e.OrderReported(at=self.now, order=order),
            e.FillReported(at=self.now, fill=fill),
            self._position(contract),
        ):
            self.runner.on_event(event)

    # --- the market --------------------------------------------------------------------------------------------------

    def _on_trades(self, trades: list[TradeSeen]) -> None:
        for trade in trades:
            self.runner.on_print(trade.contract, trade.ts, trade.price, trade.size)

    def frame(self, contract: str, at: int, price: float) -> bytes:
        """One print as the market hub sends it."""
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at // 10**9))}.{at % 10**9 // 1000:06d}+00:00"
        return (
            f'{{"type":1,"target":"GatewayTrade","arguments":["{contract}",[{{"symbolId":"{contract[4:-4]}","price":'
            f'{price},"timestamp":"{stamp}","type":0,"volume":1}}]]}}\x1e'
        ).encode()

    def take(self, frame: bytes) -> None:
        """What the hub does with the bytes of a frame."""
        for message in self.hub.receive_data(frame)[0]:
            self.client._take(HubKind.MARKET, message.target, message.arguments)

    def set_time(self, at: int) -> None:
        """Market time is `at` (UTC ns)."""
        self.now = at
        self.clock.announce(at, 0.0, self.clock.seq + 1, False)

    async def settle(self) -> None:
        """Let the runner finish what it has."""
        await asyncio.sleep(0)
        while not self.runner.idle:
            await asyncio.sleep(0)


def trading_day() -> Any:
    """The trading date on which it begins."""
    from workbench.domain.hours import trading_hours

    return trading_hours("index").trading_date(BEGIN)


@asynccontextmanager
async def standing(folder: Path, count: int) -> AsyncIterator[Stand]:
    """A stand whose runner runs, with its sessions started and the broker read."""
    stand = Stand(folder, count)
    runner, task = stand.runner, asyncio.create_task(stand.runner.run())
    runner.start()
    runner.on_stream("user", True)
    runner.on_stream("market", True)
    for contract in stand.contracts:
        started = e.SessionStarted(
            at=BEGIN, session=f"s-{contract}", strategy=contract, contract=contract, timeframe="1m", parameters={}
        )
        runner.lanes.put(started)
        runner.follow(contract, "1m", BEGIN)
    deadline = time.monotonic() + 10
    while not (runner.state.synced and len(runner.state.sessions) == len(stand.contracts) and runner.feed.idle):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the stand did not start: {list(runner.alerts)}")
        await asyncio.sleep(0.01)
    try:
        yield stand
    finally:
        runner.stop("end")
        await task
        await stand.client.aclose()


__all__ = ["BEGIN", "MINUTE", "ClosePosition", "Stand", "standing"]
