"""Lockstep and sameness: chunks wait for every participant, and the same orders give the same bytes."""

from __future__ import annotations

import asyncio

import numpy as np
import polars as pl

from tests.simulator.client import MES, MORNING, hub, rest
from workbench.gateway.times import parse_timestamp
from workbench.simulator.config import SimulatorSettings
from workbench.simulator.server import serve

MINUTE = 60_000_000_000


def clocks(client) -> list[dict]:
    return client.of("SimulatorClock")


async def test_a_chunk_ends_at_the_minute_after_its_events_and_waits_for_every_participant():
    config = SimulatorSettings(start=MORNING + 7_000_000_000, lockstep=True)
    async with (
        serve(config) as sim,
        rest(sim, over="socket") as api,
        hub(sim.url, "user", api.token) as user,
        hub(sim.url, "market", api.token) as market,
    ):
        await market.call("SubscribeContractTrades", MES)
        await user.call("SubscribeSimulatorClock", "runner")
        await market.call("SubscribeSimulatorClock", "ingest")
        first = await market.event("SimulatorClock")
        assert first == {"now": MORNING + 7_000_000_000, "rate": 0.0, "seq": 0, "lockstep": True}
        await market.send("AcknowledgeSimulatorClock", 0)
        await asyncio.sleep(0.2)
        assert sim.exchange.now == MORNING + 7_000_000_000  # the runner has not acknowledged
        await user.send("AcknowledgeSimulatorClock", 0)
        second = await market.event("SimulatorClock", lambda c: c["seq"] == 1)
        assert second["now"] == MORNING + MINUTE
        order = [m.get("target") for m in market.messages]
        last_trade = len(order) - 1 - order[::-1].index("GatewayTrade")
        assert last_trade < next(
            i
            for i, m in enumerate(market.messages)
            if m.get("target") == "SimulatorClock" and m["arguments"][0]["seq"] == 1
        )
        await user.socket.close()  # who leaves is not waited for
        await market.send("AcknowledgeSimulatorClock", 1)
        await market.event("SimulatorClock", lambda c: c["seq"] == 2)


async def test_at_a_rate_the_clock_is_announced_each_second():
    async with (
        serve(SimulatorSettings(start=MORNING, rate=60)) as sim,
        rest(sim, over="socket") as api,
        hub(sim.url, "market", api.token) as market,
    ):
        await market.call("SubscribeSimulatorClock", "watcher")
        first = await market.event("SimulatorClock")
        await asyncio.sleep(1.4)
        later = clocks(market)[-1]
        assert first["rate"] == 60.0 and not first["lockstep"]
        assert 40 < (later["now"] - first["now"]) / 1e9 < 200


async def play(seed: int) -> list[str]:
    """Trade a scripted half hour in lockstep and return the text of every event."""
    config = SimulatorSettings(start=MORNING, seed=seed, lockstep=True, roots=("MES", "MNQ"))
    async with serve(config) as sim, rest(sim, over="socket") as api, hub(sim.url, "user", api.token) as user:
        sim.hubs.transcript = []
        await user.call("SubscribeSimulatorClock", "script")
        for step in range(30):
            clock = await user.event("SimulatorClock", lambda c, n=step: c["seq"] == n)
            if step % 3 == 0:
                await api.place(account=1002, side=step % 2, size=1 + step % 4, customTag=f"s{step}",
                                **({} if step % 2 else {"stopLossBracket": {"ticks": -20, "type": 4},
                                                        "takeProfitBracket": {"ticks": 24, "type": 1}}))  # fmt: skip
            if step == 20:
                await api.post("Position/closeContract", accountId=1002, contractId=MES)
            await user.send("AcknowledgeSimulatorClock", clock["seq"])
        await user.event("SimulatorClock", lambda c: c["seq"] == 30)
        return sim.hubs.transcript


async def test_the_same_seed_and_orders_give_the_same_bytes_twice():
    first, second = await play(7), await play(7)
    assert len(first) > 100 and any("GatewayUserTrade" in text for text in first)
    assert first == second
    assert await play(8) != first


async def test_half_a_million_recorded_ticks_arrive_all_in_order_and_well_under_three_minutes(shared_data):
    path = shared_data / "ticks" / "ES_ticks_mlfinpy_201309.parquet"
    contract, received = "CON.F.US.EP.U13", []
    async with (
        serve(SimulatorSettings(replay=path, lockstep=True)) as sim,
        rest(sim, over="socket") as api,
        hub(sim.url, "market", api.token) as market,
    ):
        await market.call("SubscribeContractTrades", contract)
        await market.call("SubscribeSimulatorClock", "recorder")
        count = read = 0
        while count < 500_000:
            market.news.clear()
            for message in market.messages[read:]:
                if message.get("target") == "GatewayTrade":
                    received.append(message["arguments"][1])
                    count += len(received[-1])
                elif message.get("target") == "SimulatorClock":
                    await market.send("AcknowledgeSimulatorClock", message["arguments"][0]["seq"])
                read += 1
            if count < 500_000:
                await market.news.wait()
    frame = pl.read_parquet(path)
    rows = [row for event in received for row in event]
    assert [row["price"] for row in rows] == frame["price"].to_list()
    assert [row["volume"] for row in rows] == frame["size"].to_list()
    stamps = np.array([parse_timestamp(row["timestamp"]) for row in rows])
    assert np.array_equal(stamps, frame["ts"].dt.epoch("ns").to_numpy())


async def test_a_weekend_passes_in_hours_and_meets_the_open_exactly():
    from datetime import date

    from workbench.domain.hours import at_local
    from workbench.simulator.server import build

    friday, sunday = at_local(date(2026, 11, 20), "15:58"), at_local(date(2026, 11, 22), "17:00")
    sim = build(SimulatorSettings(start=friday, lockstep=True, roots=("MES",)))
    seen = []
    while sim.exchange.now < sunday + MINUTE:
        sim.pump.release_chunk()
        seen.append(sim.exchange.now)
    assert sunday in seen and seen[-1] == sunday + MINUTE and len(seen) < 60
    assert at_local(date(2026, 11, 20), "16:00") in seen


def test_market_orders_can_wait_for_the_next_print_as_a_backtest_does():
    from tests.simulator.lab import Lab
    from workbench.simulator.config import Matching

    lab = Lab(matching=Matching(market_on="print", slippage_ticks=1))
    lab.place(sl=-8)
    assert lab.qty == 0
    lab.prints(6003.0)
    assert lab.events()[2][1]["price"] == 6003.25 and lab.qty == 1


async def test_a_chunk_ends_with_the_fill_that_somebody_waits_for():
    # Or the entry of a reversal would follow its close a chunk later: the fill would be heard of at the chunk's end.
    from workbench.simulator.config import Matching
    from workbench.simulator.server import build

    sim = build(SimulatorSettings(start=MORNING, lockstep=True, roots=("MES",), matching=Matching(market_on="print")))
    sim.pump.release_chunk()
    begin = sim.exchange.now
    async with rest(sim) as api:
        assert (await api.place())["success"]
    while not sim.exchange.accounts[1001].trades:
        sim.pump.release_chunk()
        assert sim.exchange.now < begin + MINUTE, "it has not run to the end of the chunk"
    (trade,) = sim.exchange.accounts[1001].trades
    assert sim.exchange.now == trade.at + 1
