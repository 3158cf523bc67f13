"""Live prints into the store: every print once, every bar once, whole or from REST, whatever the stream does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from tests.services.gateway_history import History
from tests.storage.market_frames import CONTRACT, MINUTE, MONDAY, ticks
from workbench.domain.errors import GatewayError, StorageError
from workbench.domain.hours import trading_hours
from workbench.ingestion.aggregate import bars_from_ticks
from workbench.services.ingest import Ingest
from workbench.storage.bars import BarStore
from workbench.storage.ticks import TickStore

SECOND = 1_000_000_000
INDEX = trading_hours("index")
TIMEFRAMES = ("1m", "5m", "1h")


class Market:
    """Prints of a busy hour, and the gateway's history built from the same prints."""

    def __init__(self, count: int = 30_000) -> None:
        self.frame = ticks(count).sort("ts", maintain_order=True).with_columns(watermark=pl.lit(0, pl.Int64))
        self.prints = [
            SimpleNamespace(ts=ts, price=price, size=size, side=side)
            for ts, price, size, side, _ in self.frame.with_columns(pl.col("ts").to_physical()).iter_rows()
        ]
        self.end = self.prints[-1].ts
        self.history = History({text: self.bars(text) for text in TIMEFRAMES})

    def bars(self, text: str, frame: pl.DataFrame | None = None) -> pl.DataFrame:
        used = self.frame if frame is None else frame
        columns = used["ts"].to_physical().to_numpy(), used["price"].to_numpy(), used["size"].to_numpy()
        return bars_from_ticks(*columns, text, INDEX)

    def between(self, start: int, end: int) -> list[SimpleNamespace]:
        return [each for each in self.prints if start <= each.ts < end]


@pytest.fixture(scope="module")
def market() -> Market:
    return Market()


def ingest_at(root: Path, **options: object) -> Ingest:
    ingest = Ingest(BarStore(root), TickStore(root), timeframes=TIMEFRAMES, history_ns=0, **options)  # type: ignore[arg-type]
    ingest.watch(CONTRACT)
    return ingest


async def play(
    ingest: Ingest, market: Market, start: int, end: int, *, step: int = 7 * SECOND, flush: int = 10
) -> list:
    """Hand over the prints of [start, end) in steps, as a hub would, with flushes and seams in between."""
    heard = []
    for number, at in enumerate(range(start, end, step)):
        until = min(at + step, end)
        heard += ingest.on_prints(CONTRACT, market.between(at, until), at)
        heard += ingest.advance(until)
        if number % flush == 0:
            await ingest.flush(until)
            await ingest.seam(market.history, until)
    return heard


def final(frame: pl.DataFrame, text: str, clock: int) -> pl.DataFrame:
    length = {"1m": MINUTE, "5m": 5 * MINUTE, "1h": 60 * MINUTE}[text]
    return frame.filter(pl.col("ts").to_physical() + length <= clock)


async def test_a_stream_heard_from_the_first_instant_gives_the_array_form(tmp_path: Path, market: Market):
    ingest, clock = ingest_at(tmp_path), MONDAY + 60 * MINUTE
    ingest.stream_started(MONDAY - MONDAY % (60 * MINUTE), exact=True)
    await play(ingest, market, MONDAY, clock)
    await ingest.flush()
    recorded = ingest.ticks.read(CONTRACT)
    heard = market.frame.filter(pl.col("ts").to_physical() < clock)
    assert recorded.drop("watermark").equals(heard.drop("watermark"))
    for text in TIMEFRAMES:
        assert ingest.store.read(CONTRACT, text).equals(final(market.bars(text, heard), text, clock))
    assert ingest.pending == 0


@pytest.mark.statement(44)
async def test_recorded_prints_give_the_live_bars_again_late_ones_too(tmp_path: Path):
    ingest = ingest_at(tmp_path, grace_ns=SECOND)
    ingest.stream_started(MONDAY - MONDAY % (60 * MINUTE), exact=True)
    frame = ticks(20_000, seed=5)  # stamps step back and forth
    for number, (ts, price, size, side, _) in enumerate(frame.with_columns(pl.col("ts").to_physical()).iter_rows()):
        late = ts - (90 * SECOND if number % 97 == 0 and number else 0)
        ingest.on_prints(CONTRACT, [SimpleNamespace(ts=late, price=price, size=size, side=side)], ts + SECOND // 2)
    clock = int(frame["ts"].to_physical().max()) + 61 * MINUTE
    ingest.advance(clock)
    await ingest.flush()
    assert ingest.status()[0]["late"] > 100
    tape = ingest.ticks.read(CONTRACT)
    columns = tape["ts"].to_physical().to_numpy(), tape["price"].to_numpy(), tape["size"].to_numpy()
    for text in TIMEFRAMES:
        again = bars_from_ticks(*columns, text, INDEX, tape["watermark"].to_numpy())
        whole_from = MONDAY - MONDAY % (60 * MINUTE)
        assert ingest.store.read(CONTRACT, text).equals(again.filter(pl.col("ts").to_physical() >= whole_from)), text


async def test_the_first_half_heard_bar_is_taken_from_rest(tmp_path: Path, market: Market):
    ingest, began, clock = ingest_at(tmp_path), MONDAY + 10 * MINUTE + 20 * SECOND, MONDAY + 40 * MINUTE
    ingest.stream_started(began)
    heard = await play(ingest, market, began, clock)
    await ingest.flush()
    await ingest.seam(market.history, clock)
    first = min(bar.start for bar in heard if bar.timeframe == "1m")
    assert first == MONDAY + 11 * MINUTE  # never the half of 10:10
    stored = ingest.store.read(CONTRACT, "1m")
    assert stored.equals(
        final(market.bars("1m"), "1m", clock).filter(pl.col("ts").to_physical() >= MONDAY + 10 * MINUTE)
    )


@pytest.mark.parametrize("away_s", [1, 45, 400])
async def test_no_gap_and_no_repeat_when_the_stream_was_away(tmp_path: Path, market: Market, away_s: int):
    ingest, lost, clock = ingest_at(tmp_path), MONDAY + 20 * MINUTE + 31 * SECOND, MONDAY + 61 * MINUTE
    ingest.stream_started(MONDAY - MONDAY % (60 * MINUTE), exact=True)
    heard = await play(ingest, market, MONDAY, lost)
    ingest.stream_lost()
    back = lost + away_s * SECOND
    ingest.advance(back)
    ingest.stream_started(back)
    heard += await play(ingest, market, back, clock)
    await ingest.flush()
    heard += await ingest.seam(market.history, clock)
    for text in TIMEFRAMES:
        stored = ingest.store.read(CONTRACT, text)
        assert stored.equals(final(market.bars(text), text, clock)), text
        starts = [bar.start for bar in heard if bar.timeframe == text]
        assert len(starts) == len(set(starts))


@pytest.mark.statement(45)
async def test_a_restart_in_mid_session_leaves_no_gap(tmp_path: Path, market: Market):
    begin, crash, back, clock = (MONDAY + k * MINUTE for k in (0, 15, 22, 55))
    first = ingest_at(tmp_path)
    first.history_ns = 3600 * SECOND
    first.stream_started(begin, exact=True)
    await play(first, market, begin, crash)  # killed here: what was not flushed is gone
    second = ingest_at(tmp_path)
    second.history_ns = 3600 * SECOND
    second.stream_started(back)
    await second.seam(market.history, back)
    await play(second, market, back, clock)
    await second.flush()
    await second.seam(market.history, clock)
    assert second.store.read(CONTRACT, "1m").equals(final(market.bars("1m"), "1m", clock))


async def test_rest_that_is_behind_is_asked_again(tmp_path: Path, market: Market):
    ingest = ingest_at(tmp_path, grace_ns=SECOND)
    ingest.stream_started(MONDAY + 30 * SECOND)
    minute = MONDAY + MINUTE
    market.history.hidden_from = MONDAY
    assert await ingest.seam(market.history, minute) == []
    assert ingest.needs_seam
    market.history.hidden_from = None
    bars = await ingest.seam(market.history, minute + SECOND)
    assert [bar.start for bar in bars if bar.timeframe == "1m"] == [MONDAY]


async def test_a_seam_that_fails_is_still_to_be_done(tmp_path: Path, market: Market):
    ingest = ingest_at(tmp_path)
    ingest.stream_started(MONDAY + 30 * SECOND)
    failing = History(market.history.frames, fails_at=1)
    with pytest.raises(GatewayError):
        await ingest.seam(failing, MONDAY + 2 * MINUTE)
    bars = await ingest.seam(failing, MONDAY + 2 * MINUTE)
    assert [bar.start for bar in bars if bar.timeframe == "1m"] == [MONDAY]


async def test_a_full_disk_loses_nothing_that_waits(tmp_path: Path, market: Market, monkeypatch: pytest.MonkeyPatch):
    ingest = ingest_at(tmp_path)
    ingest.stream_started(MONDAY - MONDAY % (60 * MINUTE), exact=True)
    ingest.on_prints(CONTRACT, market.between(MONDAY, MONDAY + 5 * MINUTE), MONDAY)
    waiting = ingest.pending

    def full(*_: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(ingest.ticks, "append_live", full)
    with pytest.raises(StorageError):
        await ingest.flush()
    assert ingest.pending == waiting
    monkeypatch.undo()
    await ingest.flush()
    assert ingest.ticks.read(CONTRACT).height == len(market.between(MONDAY, MONDAY + 5 * MINUTE))


async def test_bad_prints_are_quarantined_with_their_reason(tmp_path: Path):
    ingest = ingest_at(tmp_path)
    ingest.stream_started(MONDAY, exact=True)
    rows = [
        (MONDAY, 5600.0, 1),
        (MONDAY, float("nan"), 1),
        (MONDAY, 5600.1, 1),
        (MONDAY, 5600.0, 0),
        (2**62, 5600.0, 1),
    ]
    prints = [SimpleNamespace(ts=ts, price=price, size=size, side=0) for ts, price, size in rows]
    ingest.on_prints(CONTRACT, prints, MONDAY)
    await ingest.flush()
    await ingest.flush()
    assert ingest.ticks.read(CONTRACT).height == 1
    kept = ingest.ticks.quarantine.read(CONTRACT, "ticks")
    assert sorted(kept["reason"]) == ["ahead_of_clock", "bad_volume", "not_finite", "off_tick"]


async def test_the_session_close_compacts(tmp_path: Path, market: Market):
    ingest = ingest_at(tmp_path)
    ingest.stream_started(MONDAY - MONDAY % (60 * MINUTE), exact=True)
    await play(ingest, market, MONDAY, MONDAY + 10 * MINUTE)
    await ingest.flush(MONDAY + 10 * MINUTE)
    assert ingest.store.coverage()[0].files == 0
    await ingest.flush(INDEX.next_close(MONDAY) + 1)
    assert ingest.store.coverage()[0].files == 1
    assert ingest.store._series(CONTRACT, "1m")[1].size() == 0


async def test_a_contract_that_is_not_watched_is_left_out(tmp_path: Path):
    ingest = ingest_at(tmp_path)
    assert ingest.on_prints("CON.F.US.EP.M25", [SimpleNamespace(ts=1, price=1.0, size=1, side=0)], 1) == []
    assert ingest.pending == 0
