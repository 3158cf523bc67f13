"""pysignalr, as it comes from the index, against the simulator: log in, subscribe, bracket, fills, a dropped socket."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

from pysignalr.client import SignalRClient

from tests.simulator.client import MES, MORNING, rest
from workbench.simulator.config import SimulatorSettings
from workbench.simulator.server import serve

BRACKET = {"stopLossBracket": {"ticks": -40, "type": 4}, "takeProfitBracket": {"ticks": 80, "type": 1}}


class Listener:
    """One pysignalr client that subscribes whenever its connection opens, as the gateway's clients do."""

    def __init__(self, url: str, subscriptions: list[tuple[str, list]], events: tuple[str, ...]) -> None:
        self.client = SignalRClient(url, retry_sleep=0.05)
        self.subscriptions, self.opened, self.closed = subscriptions, 0, 0
        self.seen: dict[str, list] = {event: [] for event in events}
        self.client.on_open(self.open)
        self.client.on_close(self.close)
        for event in events:
            self.client.on(event, self.taker(event))

    def taker(self, event: str):
        async def take(arguments: list) -> None:
            self.seen[event].append(arguments)

        return take

    async def open(self) -> None:
        self.opened += 1
        for method, arguments in self.subscriptions:
            await self.client.send(method, arguments)

    async def close(self) -> None:
        self.closed += 1

    @asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.client.run())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def eventually(wanted, timeout_s: float = 15.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not wanted():
            await asyncio.sleep(0.02)


async def test_pysignalr_logs_in_subscribes_brackets_and_survives_a_dropped_socket():
    config = SimulatorSettings(start=MORNING, rate=20)
    async with serve(config) as simulator, rest(simulator, over="socket") as api:
        user = Listener(
            f"{simulator.url}/hubs/user?access_token={api.token}",
            [("SubscribeAccounts", []), *((f"Subscribe{what}", [1001]) for what in ("Orders", "Positions", "Trades"))],
            ("GatewayUserAccount", "GatewayUserOrder", "GatewayUserPosition", "GatewayUserTrade"),
        )
        market = Listener(
            f"{simulator.url}/hubs/market?access_token={api.token}",
            [(f"SubscribeContract{what}", [MES]) for what in ("Quotes", "Trades", "MarketDepth")],
            ("GatewayQuote", "GatewayTrade", "GatewayDepth"),
        )
        async with user.running(), market.running():
            await eventually(lambda: all(market.seen.values()))
            contract, quote = market.seen["GatewayQuote"][0]
            assert contract == MES and {"lastPrice", "bestBid", "bestAsk", "volume"} <= quote.keys()
            assert market.seen["GatewayDepth"][0][1][0]["type"] == 6  # Reset, then the whole book
            await eventually(lambda: user.opened == 1)
            await asyncio.sleep(0.2)

            placed = await api.place(size=1, customTag="wire-1", **BRACKET)
            assert placed["success"]
            await eventually(lambda: user.seen["GatewayUserPosition"] and len(user.seen["GatewayUserAccount"]) >= 2)
            fill = user.seen["GatewayUserTrade"][0][0]["data"]
            assert fill["orderId"] == placed["orderId"] and "profitAndLoss" not in fill
            statuses = [e[0]["data"]["status"] for e in user.seen["GatewayUserOrder"]]
            assert statuses[:3] == [6, 8, 8] and 2 in statuses and statuses.count(1) >= 2

            trades = len(market.seen["GatewayTrade"])
            await api.fault("drop_hub", hub="both")
            await eventually(lambda: user.opened == 2 and market.opened == 2)
            await eventually(lambda: len(market.seen["GatewayTrade"]) > trades)
            await asyncio.sleep(0.2)
            await api.post("Position/closeContract", accountId=1001, contractId=MES)
            await eventually(lambda: any(e[0]["data"]["size"] == 0 for e in user.seen["GatewayUserPosition"]))
            assert any("profitAndLoss" in e[0]["data"] for e in user.seen["GatewayUserTrade"])


async def test_pysignalr_is_told_of_a_bad_token():
    from pysignalr.exceptions import AuthorizationError

    async with serve(SimulatorSettings(start=MORNING)) as simulator:
        client = SignalRClient(f"{simulator.url}/hubs/user?access_token=wrong", retry_count=1)
        try:
            async with asyncio.timeout(5):
                await client.run()
        except AuthorizationError:
            return
        raise AssertionError("a bad token was taken")
