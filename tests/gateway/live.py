"""A client on a simulator over real sockets, both in this process: what the end-to-end tests stand on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from typing import Any

from workbench.domain import events as e
from workbench.domain.commands import PlaceOrder
from workbench.domain.hours import at_local
from workbench.domain.order import Order, OrderType, Side
from workbench.domain.position import Fill
from workbench.gateway.client import GatewayClient, Handlers, urls_at
from workbench.gateway.hubs import HubStatus
from workbench.gateway.link import Timing
from workbench.gateway.market_data import QuoteSeen, TradeSeen
from workbench.gateway.tokens import LoginTokens
from workbench.gateway.transport import Transport
from workbench.gateway.wire_hub import SimulatorClock
from workbench.risk.gate import Approved, View, check
from workbench.risk.limits import Limits
from workbench.simulator.config import SimulatorSettings
from workbench.simulator.server import Simulator, serve

MES = "CON.F.US.MES.Z26"
ACCOUNT = 1001
MORNING = at_local(date(2026, 11, 20), "09:00")  # a Friday, half an hour after the opening burst
MAINTENANCE = at_local(date(2026, 11, 19), "16:30")
QUICK = Timing(tick_s=0.02, first_pause_s=0.05, longest_pause_s=0.2, login_pause_s=0.05, answer_s=3.0)


def approved(tag: str, **changes: Any) -> Approved:
    """A market buy of one, past the gate."""
    order = PlaceOrder(
        **{
            "account": ACCOUNT,
            "contract": MES,
            "tag": tag,
            "side": Side.BUY,
            "type": OrderType.MARKET,
            "qty": 1,
            **changes,
        }
    )
    view = View(
        root="MES",
        position=0,
        working_buy=0,
        working_sell=0,
        open_orders=0,
        day_pnl_usd=Decimal(0),
        can_trade=True,
    )
    verdict = check(order, view, Limits(max_order_qty=50, max_position=50, max_open_orders=50))
    assert isinstance(verdict, Approved), verdict
    return verdict


class Live:
    """The client, the simulator, and everything the client was told."""

    def __init__(self, simulator: Simulator, *, timing: Timing, timeout_s: float, live: bool) -> None:
        self.simulator = simulator
        self.events: list[e.Event] = []
        self.trades: list[TradeSeen] = []
        self.quotes: list[QuoteSeen] = []
        self.clocks: list[SimulatorClock] = []
        self.faults: list[str] = []
        transport = Transport(simulator.url, timeout_s=timeout_s)
        self.tokens = LoginTokens(transport, "sim", "sim-key")
        self.client = GatewayClient(
            urls_at(simulator.url),
            self.tokens,
            Handlers(
                on_event=self.events.append,
                on_trades=self.trades.extend,
                on_quote=self.quotes.append,
                on_clock=self.clocks.append,
                on_fault=self.faults.append,
            ),
            now=lambda: simulator.exchange.now,
            transport=transport,
            timing=timing,
            live=live,
        )
        self.rest = self.client.rest

    def fault(self, name: str, **options: Any) -> None:
        self.simulator.faults.set(name, **options)

    @property
    def fills(self) -> dict[int, Fill]:
        """Fills by id: what is left when repeats are dropped."""
        return {ev.fill.trade_id: ev.fill for ev in self.events if isinstance(ev, e.FillReported)}

    @property
    def orders(self) -> dict[int, Order]:
        """The last report of each order."""
        return {ev.order.order_id or 0: ev.order for ev in self.events if isinstance(ev, e.OrderReported)}

    @property
    def held(self) -> int:
        """Signed contracts by the fills."""
        return sum(f.qty for f in self.fills.values())

    @property
    def reported(self) -> int | None:
        """Signed contracts by the last position event."""
        found = [ev.qty for ev in self.events if isinstance(ev, e.PositionReported)]
        return found[-1] if found else None

    @property
    def truth(self) -> int:
        """Signed contracts in the simulator's own books."""
        position = self.simulator.exchange.accounts[ACCOUNT].positions.get(MES)
        return position.qty if position else 0

    @property
    def placed(self) -> int:
        """How many place requests the simulator has seen."""
        return sum(entry["path"] == "/api/Order/place" for entry in self.simulator.requests.entries)

    def tagged(self, tag: str) -> list[Any]:
        """Orders with this tag in the simulator's own books."""
        return [o for o in self.simulator.exchange.orders.values() if o.tag == tag]

    def ups(self, hub: str) -> int:
        return sum(isinstance(ev, e.StreamChanged) and ev.hub == hub and ev.up for ev in self.events)

    async def until(self, condition: Callable[[], Any], what: str = "") -> None:
        try:
            async with asyncio.timeout(10):
                while not condition():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"never came: {what or condition}; faults {self.faults}") from None

    async def ready(self, times: int = 1) -> None:
        hubs = (self.client.user, self.client.market)
        await self.until(
            lambda: all(h.status is HubStatus.READY and h.connections >= times for h in hubs), f"ready {times} times"
        )


@asynccontextmanager
async def live(
    *,
    timing: Timing = QUICK,
    timeout_s: float = 5.0,
    feed_live: bool = False,
    before: Callable[[Live], None] = lambda case: None,
    hubs: bool = True,
    clock: bool = False,
    contract: str = MES,
    **settings: Any,
) -> AsyncIterator[Live]:
    """Serve a simulator at twenty times real time from a Friday morning, and a client that watches one account."""
    config = SimulatorSettings(**{"start": MORNING, "rate": 20, **settings})
    async with serve(config) as simulator:
        case = Live(simulator, timing=timing, timeout_s=timeout_s, live=feed_live)
        await case.client.watch_account(ACCOUNT)
        await case.client.watch_contract(contract)
        if clock:
            await case.client.follow_clock("test")
        before(case)
        tasks = [asyncio.create_task(run()) for run in (case.client.run_user, case.client.run_market) if hubs]
        try:
            yield case
        finally:
            for task in tasks:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            await case.client.aclose()
            assert all(isinstance(d, asyncio.CancelledError) for d in done), done
