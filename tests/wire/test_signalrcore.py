"""signalrcore (threads, handshake version 0), as it comes from the index, against the simulator."""

from __future__ import annotations

import asyncio
import logging

import pytest
from signalrcore.hub_connection_builder import HubConnectionBuilder

from tests.simulator.client import MES, MORNING, rest
from workbench.simulator.config import SimulatorSettings
from workbench.simulator.server import serve

BRACKET = {"stopLossBracket": {"ticks": -40, "type": 4}, "takeProfitBracket": {"ticks": 80, "type": 1}}


def build(url: str, token: str, *, skip_negotiation: bool):
    return (
        HubConnectionBuilder()
        .with_url(
            f"{url}?access_token={token}",
            options={"skip_negotiation": skip_negotiation, "access_token_factory": lambda: token},
        )
        .configure_logging(logging.CRITICAL)
        .with_automatic_reconnect({"type": "raw", "keep_alive_interval": 1, "reconnect_interval": 1, "max_attempts": 5})
        .build()
    )


async def eventually(wanted, timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not wanted():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("skip_negotiation", [False, True])
async def test_signalrcore_logs_in_subscribes_brackets_and_survives_a_dropped_socket(skip_negotiation):
    # stop() of this client waits for the next frame, so the keep-alive is quick here
    config = SimulatorSettings(start=MORNING, rate=20, keep_alive_s=0.5)
    async with serve(config) as simulator, rest(simulator, over="socket") as api:
        seen: dict[str, list] = {}
        opened: list[str] = []
        user = build(f"{simulator.url}/hubs/user", api.token, skip_negotiation=skip_negotiation)
        market = build(f"{simulator.url}/hubs/market", api.token, skip_negotiation=skip_negotiation)

        def subscribe(name: str) -> None:
            if name == "user":
                user.send("SubscribeAccounts", [])
                for what in ("Orders", "Positions", "Trades"):
                    user.send(f"Subscribe{what}", [1001])
            else:
                for what in ("Quotes", "Trades"):
                    market.send(f"SubscribeContract{what}", [MES])
            opened.append(name)

        for name, hub in (("user", user), ("market", market)):
            hub.on_open(lambda n=name: subscribe(n))
            hub.on_reconnect(lambda n=name: subscribe(n))
        for hub, events in (
            (user, ("GatewayUserOrder", "GatewayUserTrade", "GatewayUserPosition", "GatewayUserAccount")),
            (market, ("GatewayQuote", "GatewayTrade")),
        ):
            for event in events:
                seen[event] = []
                hub.on(event, seen[event].append)
        try:
            await asyncio.to_thread(user.start)
            await asyncio.to_thread(market.start)
            await eventually(lambda: seen["GatewayQuote"] and seen["GatewayTrade"] and len(opened) >= 2)
            await asyncio.sleep(0.3)
            assert seen["GatewayQuote"][0][0] == MES

            placed = await api.place(size=2, customTag="core-1", **BRACKET)
            assert placed["success"]
            await eventually(lambda: seen["GatewayUserPosition"] and len(seen["GatewayUserAccount"]) >= 2)
            assert seen["GatewayUserTrade"][0][0]["data"]["orderId"] == placed["orderId"]
            assert {6, 8, 2, 1} <= {e[0]["data"]["status"] for e in seen["GatewayUserOrder"]}

            before, trades = len(opened), len(seen["GatewayTrade"])
            await api.fault("drop_hub", hub="both")
            await eventually(lambda: len(opened) >= before + 2)
            await eventually(lambda: len(seen["GatewayTrade"]) > trades)
            await asyncio.sleep(0.3)
            await api.post("Position/closeContract", accountId=1001, contractId=MES)
            await eventually(lambda: any(e[0]["data"]["size"] == 0 for e in seen["GatewayUserPosition"]))
        finally:
            await asyncio.to_thread(user.stop)
            await asyncio.to_thread(market.stop)
