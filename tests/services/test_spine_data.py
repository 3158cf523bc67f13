"""The spine of the data, over real sockets: recording → simulator → gateway client → store, and nothing changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from workbench.domain.bar import bars_schema
from workbench.domain.events import Event, StreamChanged
from workbench.domain.hours import at_local, trading_hours
from workbench.domain.timeframe import timeframe
from workbench.gateway.client import GatewayClient, Handlers, urls_at
from workbench.gateway.hubs import HubKind
from workbench.gateway.link import Timing
from workbench.gateway.market_data import TradeSeen
from workbench.gateway.tokens import LoginTokens
from workbench.gateway.transport import Transport
from workbench.gateway.wire_hub import SimulatorClock
from workbench.ingestion.aggregate import bars_from_bars, bars_from_ticks
from workbench.services.backfill import backfill
from workbench.services.clock import MarketClock
from workbench.services.ingest import Ingest
from workbench.simulator.config import settings
from workbench.simulator.server import Simulator, serve
from workbench.storage.bars import BarStore
from workbench.storage.ticks import TickStore

INDEX = trading_hours("index")
MES = "CON.F.US.MES.M25"
ES = "CON.F.US.EP.U13"
DAY = 86_400_000_000_000
HOUR = 3_600_000_000_000


@asynccontextmanager
async def client_of(
    simulator: Simulator, handlers: Handlers | None = None, timing: Timing | None = None
) -> AsyncIterator[GatewayClient]:
    transport = Transport(simulator.url)
    tokens = LoginTokens(transport, "sim", "sim-key")
    client = GatewayClient(urls_at(simulator.url), tokens, handlers or Handlers(), transport=transport, timing=timing)
    try:
        yield client
    finally:
        await client.aclose()


async def test_recorded_bars_come_back_over_rest_all_ten_thousand(tmp_path: Path, shared_data: Path):
    path = shared_data / "bars/MES_5m_projectx_2025.parquet"
    recorded = pl.read_parquet(path).select(list(bars_schema())).cast({"volume": pl.Int64})
    first, last = (int(recorded["ts"].to_physical()[row]) for row in (0, -1))
    store = BarStore(tmp_path)
    async with serve(settings(replay=path, start="end")) as simulator, client_of(simulator) as client:
        now = simulator.clock.now()
        for text in ("5m", "4h", "1d"):
            await backfill(client.rest, store, MES, text, first - 30 * DAY, last + DAY, now=now)
    assert store.read(MES, "5m").equals(recorded)
    # The higher timeframes of the gateway are the ones built here, anchored on the session open.
    four = bars_from_bars(recorded, "5m", "4h", INDEX)
    closed = four.filter(pl.col("ts").to_physical() + 4 * HOUR <= now)
    assert set(four["ts"].dt.strftime("%H:%M")) == {"22:00", "02:00", "06:00", "10:00", "14:00", "18:00"}
    assert store.read(MES, "4h").equals(closed)
    daily = bars_from_bars(recorded, "5m", "1d", INDEX)
    assert store.read(MES, "1d").equals(daily[: store.read(MES, "1d").height])
    assert set(daily["ts"].dt.strftime("%H:%M")) == {"22:00"}


class Recorder:
    """A market hub in lockstep with an `Ingest`: prints wait for their clock, then are taken, stored, acknowledged."""

    def __init__(self, root: Path, end: int) -> None:
        self.ingest = Ingest(BarStore(root), TickStore(root), timeframes=("1m", "5m", "1h"))
        self.held: list[TradeSeen] = []
        self.clocks: asyncio.Queue[SimulatorClock] = asyncio.Queue()
        self.handlers = Handlers(on_trades=self.held.extend, on_clock=self.clocks.put_nowait)
        self.end = end

    async def follow(self, client: GatewayClient, contract: str) -> None:
        self.ingest.watch(contract)
        await client.watch_contract(contract, quotes=False)
        await client.follow_clock("recorder", (HubKind.MARKET,))
        started, before = False, 0
        while True:
            clock = await self.clocks.get()
            if not started:
                self.ingest.stream_started(clock.now, exact=True)
                started = True
            prints, self.held[:] = self.held[:], []
            self.ingest.on_prints(contract, prints, before)
            self.ingest.advance(clock.now)
            before = clock.now
            if self.ingest.needs_seam:
                await self.ingest.seam(client.rest, clock.now)
            if self.ingest.needs_flush:
                await self.ingest.flush(clock.now)
            await client.acknowledge(clock.seq)
            if clock.now >= self.end:
                break
        await self.ingest.flush()


class Listener:
    """A market hub at a rate of its own: what `services.ingest_main` does, without desk and process."""

    def __init__(self, root: Path) -> None:
        self.clock = MarketClock()
        self.ingest = Ingest(BarStore(root), TickStore(root), timeframes=("1m", "5m"), history_ns=HOUR)
        self.handlers = Handlers(on_trades=self.on_trades, on_clock=self.on_clock, on_event=self.on_event)
        self.up = self.timed = False
        self.drops = 0

    def on_trades(self, trades: list[TradeSeen]) -> None:
        self.ingest.on_prints(trades[0].contract, trades, self.clock.now())

    def on_clock(self, clock: SimulatorClock) -> None:
        self.clock.announce(clock.now, clock.rate, clock.seq, clock.lockstep)
        self.ingest.grace_ns = self.clock.grace()
        if not self.timed and self.up:
            self.ingest.stream_started(self.clock.now())
        self.timed = True

    def on_event(self, event: Event) -> None:
        if isinstance(event, StreamChanged):
            self.up = event.up
            if not event.up:
                self.drops += 1
                self.ingest.stream_lost()
            elif self.timed:
                self.ingest.stream_started(self.clock.now())

    async def write(self, client: GatewayClient) -> None:
        while True:
            await asyncio.sleep(0.05)
            if self.timed:
                self.ingest.advance(self.clock.now())
                if self.up and self.ingest.needs_seam:
                    await self.ingest.seam(client.rest, self.clock.now())
                await self.ingest.flush(self.clock.now())


async def test_live_bars_have_no_gap_and_no_repeat_when_the_hub_is_dropped_twice(tmp_path: Path):
    start, contract = at_local(date(2026, 11, 19), "10:07"), "CON.F.US.MES.Z26"
    listener = Listener(tmp_path)
    quick = Timing(tick_s=0.02, first_pause_s=0.05, longest_pause_s=0.2)
    async with (
        serve(settings(start=start + 17_000_000_000, rate=120.0, roots=("MES",), seed=3)) as simulator,
        client_of(simulator, listener.handlers, quick) as client,
        asyncio.TaskGroup() as tasks,
    ):
        listener.ingest.watch(contract)
        await client.watch_contract(contract, quotes=False)
        await client.follow_clock("listener", (HubKind.MARKET,))
        running = [tasks.create_task(client.run_market()), tasks.create_task(listener.write(client))]
        for _ in range(2):
            await asyncio.sleep(2.3)
            simulator.perform("drop_hub", {"hub": "market"})
        await asyncio.sleep(3.1)
        end = timeframe("5m").bar_start(simulator.clock.now() - 120_000_000_000)
        for each in running:
            each.cancel()
        assert listener.drops == 2
        expected = {text: await client.rest.bars(contract, timeframe(text), start, end) for text in ("1m", "5m")}
    await listener.ingest.flush()
    lines = {line["timeframe"]: line for line in listener.ingest.status()}
    assert lines["1m"]["late"] == 0 and lines["1m"]["prints"] > 100
    inside = pl.col("ts").to_physical().is_between(start, end, closed="left")
    for text, bars in expected.items():
        assert bars.height >= {"1m": 8, "5m": 2}[text]
        assert listener.ingest.store.read(contract, text).filter(inside).equals(bars.filter(inside)), text


@pytest.mark.timeout(600)
async def test_half_a_million_prints_through_the_market_hub(tmp_path: Path, shared_data: Path):
    path = shared_data / "ticks/ES_ticks_mlfinpy_201309.parquet"
    recorded = pl.read_parquet(path).select("ts", "price", "size")
    first, last = (int(recorded["ts"].to_physical()[row]) for row in (0, -1))
    recorder = Recorder(tmp_path, last + HOUR)
    config = settings(replay=path, start=first - first % HOUR, lockstep=True)
    async with (
        serve(config) as simulator,
        client_of(simulator, recorder.handlers) as client,
        asyncio.TaskGroup() as tasks,
    ):
        running = tasks.create_task(client.run_market())
        await recorder.follow(client, ES)
        running.cancel()
    store, ticks = BarStore(tmp_path), TickStore(tmp_path)
    tape = ticks.read(ES)
    assert tape.height == 500_000
    assert tape.select("ts", "price", "size").equals(recorded)
    arrays = tape["ts"].to_physical().to_numpy(), tape["price"].to_numpy(), tape["size"].to_numpy()
    for text in ("1m", "5m", "1h"):
        expected = bars_from_ticks(*arrays, text, INDEX)
        assert store.read(ES, text).equals(expected), text
        assert expected.equals(bars_from_ticks(*arrays, text, INDEX, tape["watermark"].to_numpy())), text
    assert all(line["late"] == 0 for line in recorder.ingest.status())
