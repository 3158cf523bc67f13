"""Recorded markets through the whole wire: what the simulator has comes out at the client, all of it, in order."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.gateway.live import live
from workbench.domain.bar import bars_schema
from workbench.domain.timeframe import timeframe


def bars_of(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path).select(bars_schema().names()).cast(dict(bars_schema()))


@pytest.mark.parametrize("cap", [None, 1_000])
async def test_ten_thousand_recorded_bars_come_back_over_rest_as_they_are(shared_data: Path, cap: int | None) -> None:
    path = shared_data / "bars" / "MES_5m_projectx_2025.parquet"
    recorded = bars_of(path)
    stamps = recorded["ts"].cast(pl.Int64)
    async with live(replay=path, start="end", hubs=False) as case:
        if cap is not None:
            case.fault("bars_cap", cap=cap)
        frame = await case.rest.bars("CON.F.US.MES.M25", timeframe("5m"), stamps[0], stamps[-1] + 300_000_000_000)
    assert frame.height == 10_000
    assert frame.equals(recorded)


async def test_half_a_million_recorded_ticks_arrive_over_the_hub_all_of_them_in_order(shared_data: Path) -> None:
    path = shared_data / "ticks" / "ES_ticks_mlfinpy_201309.parquet"
    recorded = pl.read_parquet(path)
    contract = "CON.F.US.EP.U13"
    async with live(replay=path, start="start", lockstep=True, chunk_s=600, clock=True, contract=contract) as case:
        await case.ready()
        while not case.simulator.pump.ended:
            seen = len(case.clocks)
            await case.until(lambda seen=seen: len(case.clocks) >= max(seen, 1), "an announcement")
            seq = case.clocks[-1].seq
            await case.client.acknowledge(seq)
            await case.until(lambda seq=seq: case.clocks[-1].seq > seq or case.simulator.pump.ended, "the next chunk")
        await case.until(lambda: len(case.trades) == recorded.height, "the last ticks")
        assert case.faults == []
    assert [t.ts for t in case.trades] == recorded["ts"].cast(pl.Int64).to_list()
    assert [t.price for t in case.trades] == recorded["price"].to_list()
    assert [t.size for t in case.trades] == recorded["size"].to_list()
