"""A backfill asks for what is missing, commits chunk by chunk, and goes on where it stopped."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.services.gateway_history import History
from tests.storage.market_frames import CONTRACT, MINUTE, MONDAY, bars
from workbench.domain.errors import GatewayError, InputError
from workbench.services.backfill import BackfillReport, backfill
from workbench.storage.bars import BarStore
from workbench.storage.fetched import Fetched

END = MONDAY + 3000 * MINUTE


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path)


async def test_everything_asked_for_is_stored_in_chunks(store: BarStore):
    history, seen = History({"1m": bars(3000)}), list[BackfillReport]()
    report = await backfill(history, store, CONTRACT, "1m", MONDAY, END, seen.append, chunk_bars=1000)
    assert (report.chunks, report.received, report.written) == (3, 3000, 3000)
    assert [part.done_ns for part in seen] == [0, 1000 * MINUTE, 2000 * MINUTE, 3000 * MINUTE]
    assert seen[-1] == report and report.done_ns == report.total_ns
    assert store.read(CONTRACT, "1m").equals(bars(3000))


async def test_a_second_run_asks_for_nothing(store: BarStore):
    history = History({"1m": bars(3000)})
    await backfill(history, store, CONTRACT, "1m", MONDAY, END)
    again = await backfill(history, store, CONTRACT, "1m", MONDAY, END)
    assert len(history.calls) == 1
    assert (again.chunks, again.total_ns) == (0, 0)


async def test_a_run_that_broke_off_goes_on_behind_its_last_chunk(store: BarStore):
    broken = History({"1m": bars(3000)}, fails_at=3)
    with pytest.raises(GatewayError):
        await backfill(broken, store, CONTRACT, "1m", MONDAY, END, chunk_bars=1000)
    assert store.read(CONTRACT, "1m").height == 2000
    history = History({"1m": bars(3000)})
    await backfill(history, BarStore(store.root), CONTRACT, "1m", MONDAY, END, chunk_bars=1000)
    assert history.calls == [("1m", MONDAY + 2000 * MINUTE, END)]
    assert store.read(CONTRACT, "1m").equals(bars(3000))


async def test_a_longer_stretch_asks_only_for_what_lies_around_the_known_one(store: BarStore):
    history = History({"1m": bars(3000)})
    await backfill(history, store, CONTRACT, "1m", MONDAY + 1000 * MINUTE, MONDAY + 2000 * MINUTE)
    history.calls.clear()
    await backfill(history, store, CONTRACT, "1m", MONDAY, END)
    assert history.calls == [("1m", MONDAY, MONDAY + 1000 * MINUTE), ("1m", MONDAY + 2000 * MINUTE, END)]
    assert store.read(CONTRACT, "1m").equals(bars(3000))


async def test_silence_counts_as_fetched(store: BarStore):
    history = History({"1m": bars(3000).clear()})
    await backfill(history, store, CONTRACT, "1m", MONDAY, END)
    await backfill(history, store, CONTRACT, "1m", MONDAY, END)
    assert len(history.calls) == 1


async def test_near_now_only_what_came_counts_as_fetched(store: BarStore):
    history, now = History({"1m": bars(3000)}), MONDAY + 100 * MINUTE + 30
    history.hidden_from = MONDAY + 98 * MINUTE  # the gateway is two bars behind
    await backfill(history, store, CONTRACT, "1m", MONDAY, END, now=now)
    assert history.calls == [("1m", MONDAY, MONDAY + 100 * MINUTE)]
    history.hidden_from = None
    await backfill(history, store, CONTRACT, "1m", MONDAY, END, now=now)
    assert history.calls[1:] == [("1m", MONDAY + 98 * MINUTE, MONDAY + 100 * MINUTE)]
    assert store.read(CONTRACT, "1m").equals(bars(3000)[:100])


async def test_again_fetches_the_known_and_replaces_what_differs(store: BarStore):
    await backfill(History({"1m": bars(100)}), store, CONTRACT, "1m", MONDAY, END)
    corrected = bars(100).with_columns(volume=pl.col("volume") + (pl.int_range(100) == 7).cast(pl.Int64))
    report = await backfill(History({"1m": corrected}), store, CONTRACT, "1m", MONDAY, END, again=True)
    assert (report.unchanged, report.replaced) == (99, 1)


async def test_a_stretch_that_ends_before_it_starts_is_refused(store: BarStore):
    with pytest.raises(InputError, match="nothing to fetch"):
        await backfill(History({}), store, CONTRACT, "1m", END, MONDAY)


def test_fetched_stretches_are_joined_and_their_holes_known(tmp_path: Path):
    fetched = Fetched(tmp_path)
    for span in ((10, 20), (30, 40), (20, 25)):
        fetched.add(CONTRACT, "1m", *span)
    assert fetched.spans(CONTRACT, "1m") == [(10, 25), (30, 40)]
    assert fetched.missing(CONTRACT, "1m", 0, 50) == [(0, 10), (25, 30), (40, 50)]
    assert fetched.missing(CONTRACT, "1m", 12, 22) == []
    assert fetched.missing(CONTRACT, "5m", 0, 5) == [(0, 5)]
