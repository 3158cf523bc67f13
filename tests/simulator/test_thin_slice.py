"""One walk through the gateway: log in, look, buy with a bracket, see it on both hubs."""

from __future__ import annotations

import json
from datetime import date

import httpx
import websockets

from workbench.domain.hours import at_local
from workbench.simulator.config import SimulatorSettings
from workbench.simulator.server import serve

MORNING = at_local(date(2026, 11, 20), "09:00")
END = "\x1e"


async def hub(url: str, name: str, token: str):
    socket = await websockets.connect(f"{url.replace('http', 'ws')}/hubs/{name}?access_token={token}")
    await socket.send('{"protocol":"json","version":1}' + END)
    assert await socket.recv() == "{}" + END
    return socket


async def until(socket, target: str, wanted=lambda data: True):
    """Return the data of the first event of `target` that is wanted."""
    while True:
        for record in (await socket.recv()).split(END)[:-1]:
            message = json.loads(record)
            if message.get("target") == target and wanted(message["arguments"][-1]):
                return message["arguments"][-1]


async def test_a_client_logs_in_buys_with_a_bracket_and_sees_it_on_both_hubs():
    async with (
        serve(SimulatorSettings(start=MORNING, rate=20)) as simulator,
        httpx.AsyncClient(base_url=simulator.url) as http,
    ):
        login = await http.post("/api/Auth/loginKey", json={"userName": "SIM", "apiKey": "sim-key"})
        token = login.json()["token"]
        http.headers["Authorization"] = f"Bearer {token}"
        found = await http.post("/api/Contract/search", json={"searchText": "MES", "live": False})
        contract = found.json()["contracts"][0]["id"]
        assert contract == "CON.F.US.MES.Z26"
        user, market = await hub(simulator.url, "user", token), await hub(simulator.url, "market", token)
        for method in ("SubscribeOrders", "SubscribePositions", "SubscribeTrades"):
            await user.send(json.dumps({"type": 1, "target": method, "arguments": [1001]}) + END)
        for method in ("SubscribeContractQuotes", "SubscribeContractTrades"):
            await market.send(json.dumps({"type": 1, "target": method, "arguments": [contract]}) + END)
        quote = await until(market, "GatewayQuote")
        assert {"symbol", "lastPrice", "bestBid", "bestAsk", "open", "high", "low", "volume"} <= quote.keys()
        trades = await until(market, "GatewayTrade")
        assert trades[0]["symbolId"] == "F.US.MES" and trades[0]["volume"] >= 1
        order = {"accountId": 1001, "contractId": contract, "type": 2, "side": 0, "size": 2, "customTag": "t-1",
                 "stopLossBracket": {"ticks": -40, "type": 4}, "takeProfitBracket": {"ticks": 80, "type": 1}}  # fmt: skip
        placed = (await http.post("/api/Order/place", json=order)).json()
        assert placed["success"]
        position = await until(user, "GatewayUserPosition")
        assert position["action"] == 1 and position["data"]["size"] == 2 and position["data"]["type"] == 1
        child = await until(user, "GatewayUserOrder", lambda e: e["data"]["status"] == 1 and e["data"]["type"] == 4)
        assert child["data"]["parentOrderId"] == placed["orderId"]
        assert child["data"]["stopPrice"] == position["data"]["averagePrice"] - 10
