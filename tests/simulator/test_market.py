"""Synthetic and recorded markets, and history made from them."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.client import MES as MES_ID
from tests.simulator.client import MORNING, rest
from workbench.domain.contract import SPECS, front_month, parse_contract
from workbench.domain.errors import InputError, WorkbenchError
from workbench.domain.hours import at_local, trading_hours
from workbench.domain.timeframe import timeframe
from workbench.simulator.config import SimulatorSettings
from workbench.simulator.history import History, bars_of_prints
from workbench.simulator.replay import ReplayFeed, bars_to_prints
from workbench.simulator.server import build
from workbench.simulator.synthetic import SyntheticFeed

MES = parse_contract("MESZ26")
MINUTE = 60_000_000_000
HOURS = trading_hours("MES")


def test_any_day_may_be_asked_first_and_a_seed_is_a_market():
    window = HOURS.window(date(2026, 11, 18))
    fresh = SyntheticFeed(7, ("MES",)).prints(MES, window.open, window.close)
    used = SyntheticFeed(7, ("MES",))
    used.prints(MES, at_local(date(2026, 10, 1), "09:00"), at_local(date(2026, 12, 1), "09:00"))
    again = used.prints(MES, window.open, window.close)
    assert all(np.array_equal(a, b) for a, b in zip(fresh, again, strict=True))
    other = SyntheticFeed(8, ("MES",)).prints(MES, window.open, window.close)
    assert not np.array_equal(fresh.ticks[:1000], other.ticks[:1000])


def test_volume_bursts_at_the_opening_and_nights_are_quiet():
    start = at_local(date(2026, 11, 2), "17:00")
    prints = SyntheticFeed(7, ("MES",)).prints(MES, start, start + 10 * 1440 * MINUTE)

    def rate(clock: str, minutes: int) -> float:
        spans = [at_local(date(2026, 11, 3) + timedelta(days=n), clock) for n in (0, 1, 2, 3)]
        return sum(len(prints.between(s, s + minutes * MINUTE).ts) for s in spans) / minutes

    assert rate("08:30", 10) > 2.5 * rate("11:30", 60)
    assert rate("14:30", 30) > 1.3 * rate("11:30", 60)
    assert rate("11:30", 60) > 4 * rate("20:00", 120)
    assert not len(prints.between(at_local(date(2026, 11, 4), "16:00"), at_local(date(2026, 11, 4), "17:00")).ts)


def test_roots_of_one_family_move_together_and_others_are_related():
    feed = SyntheticFeed(7, ("MES", "EP", "MNQ", "MGC"))
    closes = {}
    for code in ("MESZ26", "ESZ26", "MNQZ26", "MGCZ26"):
        contract = parse_contract(code)
        end = at_local(date(2026, 11, 20), "15:00")
        bars = History(feed).bars(contract, timeframe("1d"), end - 120 * 1440 * MINUTE, end, now=end, limit=100)
        closes[code] = dict(
            zip((bars.ts // (1440 * MINUTE)).tolist(), (bars.close * contract.spec.tick_size).tolist(), strict=True)
        )
    days = sorted(set.intersection(*(set(c) for c in closes.values())))
    moves = {code: np.diff(np.log([c[d] for d in days])) for code, c in closes.items()}
    assert np.corrcoef(moves["MESZ26"], moves["ESZ26"])[0, 1] > 0.99
    assert np.corrcoef(moves["MESZ26"], moves["MNQZ26"])[0, 1] > 0.6
    assert abs(np.corrcoef(moves["MESZ26"], moves["MGCZ26"])[0, 1]) < 0.5


@pytest.mark.parametrize("root", sorted(SPECS))
def test_every_product_has_a_market_on_its_grid_and_in_its_hours(root):
    contract = front_month(root, date(2026, 11, 18))
    hours = trading_hours(root)
    window = hours.window(date(2026, 11, 18))
    prints = SyntheticFeed(7, (root,)).prints(contract, window.open, window.close)
    assert len(prints.ts) > 50 and prints.size.min() == 1 and set(np.unique(prints.side)) == {0, 1}
    assert hours.is_open_array(prints.ts).all() and (np.diff(prints.ts) >= 0).all() and not (prints.ts % 100).any()


def test_a_month_of_minutes_comes_from_one_seed():
    end = at_local(date(2026, 11, 20), "15:00")
    bars = History(SyntheticFeed(7, ("MES",))).bars(
        MES, timeframe("1m"), end - 29 * 1440 * MINUTE, end, now=end, limit=20_000
    )
    assert len(bars.ts) == 20_000


@pytest.mark.parametrize("text", ["10s", "1m", "7m", "15m", "1h", "4h", "1d", "1w"])
def test_history_is_the_aggregate_of_the_very_prints_that_stream(text):
    from workbench.simulator.history import gateway_timeframe

    frame = gateway_timeframe(2, 7) if text == "7m" else timeframe(text)
    feed, now = SyntheticFeed(7, ("MES",)), MORNING + 17 * 1_000_000_123
    start = now - 9 * 1440 * MINUTE
    from_history = History(feed).bars(MES, frame, start, now, now=now, limit=20_000, partial=True)
    base = int(frame.bar_start(start, HOURS))
    by_hand = bars_of_prints(feed.prints(MES, base, now), frame, HOURS)
    by_hand = type(by_hand)(*(column[by_hand.ts >= start][-20_000:] for column in by_hand))
    assert all(np.array_equal(a, b) for a, b in zip(from_history, by_hand, strict=True))
    closed = History(feed).bars(MES, frame, start, now, now=now, limit=20_000)
    assert np.array_equal(closed.ts[-5:], by_hand.ts[-6:-1])
    assert np.array_equal(
        History(feed).bars(MES, frame, start, now, now=now, limit=3, partial=True).ts, by_hand.ts[-3:]
    )


async def test_rest_gives_bars_newest_first_the_latest_kept_and_codes_for_wrong_ones():
    async with rest(build(SimulatorSettings(start=MORNING, lockstep=True))) as api:
        span = {
            "contractId": MES_ID,
            "live": False,
            "startTime": "2026-11-20T00:00:00Z",
            "endTime": "2026-11-21T00:00:00Z",
        }
        ask = span | {"unit": 2, "unitNumber": 5, "limit": 10, "includePartialBar": False}
        bars = (await api.post("History/retrieveBars", **ask))["bars"]
        assert [b["t"] for b in bars][:2] == ["2026-11-20T14:55:00+00:00", "2026-11-20T14:50:00+00:00"] and len(
            bars
        ) == 10
        assert set(bars[0]) == {"t", "o", "h", "l", "c", "v"}
        daily = (
            await api.post("History/retrieveBars", **(ask | {"unit": 4, "unitNumber": 1, "includePartialBar": True}))
        )["bars"]
        assert daily == []  # the day's bar starts at the open, before startTime
        codes = [({"contractId": "CON.F.US.NO.Z26"}, 1), ({"unit": 0}, 2), ({"unit": 9}, 2), ({"unitNumber": 0}, 3),
                 ({"unit": 4, "unitNumber": 2}, 3), ({"limit": 0}, 4), ({"limit": 20_001}, 4)]  # fmt: skip
        for change, code in codes:
            assert (await api.post("History/retrieveBars", **(ask | change)))["errorCode"] == code
        await api.fault("bars_cap", cap=4)
        assert len((await api.post("History/retrieveBars", **ask))["bars"]) == 4


bar = st.tuples(st.integers(-50, 50), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 60))


@given(st.lists(bar, min_size=1, max_size=20), st.sampled_from([4, 5, 24, 60]))
def test_a_bar_replayed_as_prints_aggregates_to_exactly_that_bar(rows, most):
    low = np.array([r[0] for r in rows])
    high = low + np.array([r[1] for r in rows])
    open_ = low + np.array([r[2] for r in rows]) % (high - low + 1)
    close = low + np.array([r[3] for r in rows]) % (high - low + 1)
    volume = np.array([r[4] for r in rows])
    ts = MORNING + np.arange(len(rows)) * 5 * MINUTE
    prints = bars_to_prints(ts, open_, high, low, close, volume, 5 * MINUTE, most)
    assert (np.diff(prints.ts) >= 0).all()
    again = bars_of_prints(prints, timeframe("5m"), HOURS)
    for column, wanted in zip(again, (ts, open_, high, low, close, volume), strict=True):
        assert np.array_equal(column, wanted)


async def test_the_recorded_mes_file_comes_back_over_rest_bar_for_bar(shared_data):
    path = shared_data / "bars" / "MES_5m_projectx_2025.parquet"
    async with rest(build(SimulatorSettings(replay=path, start="end"))) as api:
        reply = await api.post(
            "History/retrieveBars", contractId="CON.F.US.MES.M25", live=False, startTime="2025-01-01T00:00:00Z",
            endTime="2026-01-01T00:00:00Z", unit=2, unitNumber=5, limit=20_000, includePartialBar=False,
        )  # fmt: skip
    frame = pl.read_parquet(path)
    bars = pl.DataFrame(reply["bars"][::-1]).with_columns(pl.col("t").str.to_datetime(time_zone="UTC", time_unit="ns"))
    assert len(bars) == 10_000 and (bars["t"] == frame["ts"]).all()
    for short, name in (("o", "open"), ("h", "high"), ("l", "low"), ("c", "close"), ("v", "volume")):
        assert (bars[short].to_numpy() == frame[name].to_numpy()).all()


def recording(**changes) -> pl.DataFrame:
    ts = pl.datetime_range(
        pl.datetime(2026, 11, 20, 15), pl.datetime(2026, 11, 20, 15, 3), "1m", time_zone="UTC", eager=True
    )
    columns = {"ts": ts.dt.cast_time_unit("ns"), "contract": ["MESZ26"] * 4, "open": [6000.0] * 4, "high": [6001.0] * 4,
               "low": [5999.0] * 4, "close": [6000.5] * 4, "volume": [10] * 4}  # fmt: skip
    frame = pl.DataFrame(columns)
    return frame.with_columns(**changes) if changes else frame


BAD = [
    ("without volume", recording().drop("volume"), "bars need volume"),
    ("without ts", recording().drop("ts"), "no column ts"),
    ("empty", recording().head(0), "no rows"),
    ("shuffled", recording()[[0, 2, 1, 3]], "not in order of ts"),
    ("without a zone", recording(ts=pl.col("ts").dt.replace_time_zone(None)), "time zone"),
    ("NaN price", recording(close=pl.Series([6000.0, float("nan"), 6000.0, 6000.0])), "close .* nan in row 1"),
    ("off tick", recording(open=pl.lit(6000.1)), "no multiple of the MESZ26 tick 0.25"),
    ("negative volume", recording(volume=pl.lit(-1)), "whole numbers of contracts"),
    ("impossible bar", recording(high=pl.lit(5990.0)), "row 0 has a high below"),
    ("repeated bar", recording()[[0, 0, 1, 2]], "same ts"),
    ("unknown product", recording(contract=pl.lit("QQQZ26")), "did you mean|unknown contract"),
    ("no contract", recording().drop("contract"), "--contract"),
]


@pytest.mark.parametrize(("frame", "text"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_a_bad_recording_is_refused_with_file_and_reason(frame, text):
    with pytest.raises(WorkbenchError, match=text):
        ReplayFeed.from_frame(frame, "file.parquet", SimulatorSettings())


def test_a_truncated_parquet_is_refused(tmp_path):
    path = tmp_path / "cut.parquet"
    recording().write_parquet(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"cut\.parquet is no readable Parquet"):
        build(SimulatorSettings(replay=path))


def test_levels_are_continuous_from_day_to_day():
    feed = SyntheticFeed(7, ("MES",))
    end = at_local(date(2026, 11, 20), "15:00")
    bars = History(feed).bars(MES, timeframe("1d"), end - 150 * 1440 * MINUTE, end, now=end, limit=200)
    jumps = [
        abs(o / c - 1) for c, o in pairwise([x for pair in zip(bars.open, bars.close, strict=True) for x in pair][1:-1])
    ]
    assert max(jumps[::2]) < 0.03


async def test_a_store_replays_its_ticks_or_its_shortest_bars(tmp_path):
    from workbench.storage.bars import BarStore
    from workbench.storage.home import Home

    with pytest.raises(InputError, match="holds nothing to replay"):
        build(SimulatorSettings(home=tmp_path))
    bars = recording().drop("contract")
    BarStore(Home(tmp_path).market).write("CON.F.US.MES.Z26", "1m", bars, source="test")
    async with rest(build(SimulatorSettings(home=tmp_path, start="end"))) as api:
        span = {"startTime": "2026-11-20T00:00:00Z", "endTime": "2026-11-21T00:00:00Z", "limit": 100}
        ask = {"contractId": MES_ID, "live": False, "unit": 2, "unitNumber": 1, "includePartialBar": False} | span
        found = (await api.post("History/retrieveBars", **ask))["bars"][::-1]
    assert [b["o"] for b in found] == bars["open"].to_list() and [b["v"] for b in found] == [10] * 4
