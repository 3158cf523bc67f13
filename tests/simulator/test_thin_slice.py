"""One walk through the gateway: log in, look, buy with a bracket, see it on both hubs."""

from __future__ import annotations

from tests.simulator.client import MES, MORNING, hub, rest
from workbench.simulator.config import SimulatorSettings
from workbench.simulator.server import serve


async def test_a_client_logs_in_buys_with_a_bracket_and_sees_it_on_both_hubs():
    async with serve(SimulatorSettings(start=MORNING, rate=20)) as simulator, rest(simulator, over="socket") as api:
        found = await api.post("Contract/search", searchText="MES", live=False)
        assert [c["id"] for c in found["contracts"]] == [MES]
        async with hub(simulator.url, "user", api.token) as user, hub(simulator.url, "market", api.token) as market:
            for method in ("SubscribeOrders", "SubscribePositions", "SubscribeTrades"):
                assert await user.call(method, 1001) == {
                    "type": 3,
                    "invocationId": user.messages[-1]["invocationId"],
                    "result": None,
                }
            for method in ("SubscribeContractQuotes", "SubscribeContractTrades"):
                await market.call(method, MES)
            assert {"symbol", "lastPrice", "bestBid", "bestAsk", "open", "high", "low", "volume"} <= market.of(
                "GatewayQuote"
            )[0].keys()
            trades = await market.event("GatewayTrade")
            assert trades[0]["symbolId"] == "F.US.MES" and trades[0]["volume"] >= 1
            placed = await api.place(
                size=2,
                customTag="t-1",
                stopLossBracket={"ticks": -40, "type": 4},
                takeProfitBracket={"ticks": 80, "type": 1},
            )
            assert placed["success"]
            position = await user.event("GatewayUserPosition")
            assert position["action"] == 1 and (position["data"]["size"], position["data"]["type"]) == (2, 1)
            child = await user.event("GatewayUserOrder", lambda e: e["data"]["status"] == 1 and e["data"]["type"] == 4)
            assert child["data"]["parentOrderId"] == placed["orderId"]
            assert child["data"]["stopPrice"] == position["data"]["averagePrice"] - 10
