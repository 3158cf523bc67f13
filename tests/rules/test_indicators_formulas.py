"""Indicators that TA-Lib does not have, against independent formulas of numpy and pandas, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.rules import op_data
from workbench.rules.compiled import column
from workbench.rules.indicators import INDICATORS, over

Floats = NDArray[np.float64]
LENGTHS = [2, 3, 8, 21]


def ours(name: str, bars: dict[str, Floats], *constants: float) -> Floats:
    return column(INDICATORS[name], op_data.of(INDICATORS[name], bars), constants)


def walk(seed: int = 7, n: int = 300) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    close = 5000 + np.cumsum(rng.normal(0, 3, n))
    opened = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(opened, close) + rng.exponential(2, n), np.minimum(opened, close) - rng.exponential(2, n)
    volume = rng.integers(1, 900, n).astype(float)
    return {"open": opened, "high": high, "low": low, "close": close, "x": close, "volume": volume}


def agree(values: Floats, expected: Floats) -> None:
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9)


def windows(values: Floats, length: int) -> Floats:
    """The last `length` values of each bar, as rows; NaN rows before there are so many."""
    rows = np.lib.stride_tricks.sliding_window_view(values, length)
    return np.concatenate([np.full((length - 1, length), np.nan), rows])


@pytest.mark.parametrize("length", LENGTHS)
def test_rma_is_the_recursion_of_pandas_from_the_mean_of_the_first(length: int) -> None:
    close = walk()["close"]
    seeded = pd.Series(np.concatenate([[close[:length].mean()], close[length:]]))
    expected = seeded.ewm(alpha=1 / length, adjust=False).mean().to_numpy()
    agree(ours("rma", walk(), length), np.concatenate([np.full(length - 1, np.nan), expected]))


@pytest.mark.parametrize("length", [2, 9, 16, 21])
def test_hma_is_hulls_combination_of_three_weighted_means(length: int) -> None:
    def wma(values: Floats, n: int) -> Floats:
        return windows(values, n) @ np.arange(1, n + 1) / (n * (n + 1) / 2)

    close = walk()["close"]
    raw = 2 * wma(close, length // 2) - wma(close, length)
    agree(ours("hma", walk(), length), wma(raw, math.isqrt(length)))


def test_wma_by_hand() -> None:
    # (1·10 + 2·13 + 3·19) / 6 = 15.5, then (13 + 38 + 48) / 6
    assert over(INDICATORS["wma"], [10.0, 13.0, 19.0, 16.0], constants=(3,))[2:] == [15.5, 16.5]


def test_kama_by_hand() -> None:
    # length 2 from 10: after 12, 11 the price went 1 of 3 points: weight (1/3 · (2/3 − 2/31) + 2/31)²
    weight = (1 / 3 * (2 / 3 - 2 / 31) + 2 / 31) ** 2
    found = over(INDICATORS["kama"], [10.0, 12.0, 11.0], constants=(2,))
    assert found[2] == pytest.approx(12.0 + (11.0 - 12.0) * weight, rel=1e-12)


def test_macd_by_hand() -> None:
    # fast 1 is the price, slow 2: seed 11, then 11 + 2/3 · 3 = 13; the signal of 2 begins with the mean of 1 and 1
    prices = [10.0, 12.0, 14.0]
    assert over(INDICATORS["macd"], prices, constants=(1, 2))[1:] == pytest.approx([1.0, 1.0])
    assert over(INDICATORS["macd_signal"], prices, constants=(1, 2, 2))[2] == pytest.approx(1.0)
    assert over(INDICATORS["macd_histogram"], prices, constants=(1, 2, 2))[2] == pytest.approx(0.0)


def test_macd_of_exchanged_lengths_is_its_negative() -> None:
    agree(ours("macd", walk(), 26, 12), -ours("macd", walk(), 12, 26))


@pytest.mark.parametrize("length", LENGTHS)
def test_zscore_and_band_width_are_those_of_the_window(length: int) -> None:
    bars = walk()
    rows = windows(bars["close"], length)
    mean, deviation = rows.mean(axis=1), rows.std(axis=1)
    agree(ours("zscore", bars, length), (bars["close"] - mean) / deviation)
    agree(ours("bollinger_width", bars, length, 1.5), 3.0 * deviation / mean)
    agree(ours("stdev", bars, length), deviation)


@settings(max_examples=40)
@given(st.lists(st.integers(-40, 40), min_size=1, max_size=60), st.integers(1, 9))
def test_percent_rank_counts_the_values_before_that_are_not_above(whole: list[int], length: int) -> None:
    values = np.array(whole, dtype=float)
    expected = [
        math.nan if i < length else 100.0 * sum(v <= values[i] for v in values[i - length : i]) / length
        for i in range(len(values))
    ]
    agree(ours("percent_rank", {"x": values}, length), np.array(expected))


@pytest.mark.parametrize("length", LENGTHS)
def test_linreg_and_slope_are_a_polynomial_of_degree_one(length: int) -> None:
    close = walk()["close"]
    lines = np.array([np.polyfit(np.arange(length), close[i : i + length], 1) for i in range(len(close) - length + 1)])
    before = np.full(length - 1, np.nan)
    np.testing.assert_allclose(ours("slope", walk(), length), np.r_[before, lines[:, 0]], rtol=1e-8, atol=1e-9)
    agree(ours("linreg", walk(), length), np.r_[before, lines[:, 0] * (length - 1) + lines[:, 1]])


@pytest.mark.parametrize("smooth", [1, 3])
def test_stoch_is_the_place_in_the_window_smoothed(smooth: int) -> None:
    bars, n = walk(), 14
    low, high = windows(bars["low"], n).min(axis=1), windows(bars["high"], n).max(axis=1)
    fast = pd.Series(100 * (bars["close"] - low) / (high - low))
    agree(ours("stoch", bars, n, smooth), fast.rolling(smooth).mean().to_numpy())
    agree(ours("stoch_d", bars, n, smooth, 4), fast.rolling(smooth).mean().rolling(4).mean().to_numpy())


def test_keltner_is_an_ema_and_average_true_ranges_around_it() -> None:
    bars = walk()
    middle, reach = ours("ema", bars, 20), ours("atr", bars, 10)
    agree(ours("keltner_upper", bars, 20, 1.5, 10), middle + 1.5 * reach)
    agree(ours("keltner_lower", bars, 20, 1.5, 10), middle - 1.5 * reach)
    agree(ours("keltner_middle", bars, 20), middle)


@pytest.mark.parametrize(("length", "multiplier"), [(10, 3.0), (3, 1.0), (7, 0.5)])
def test_supertrend_by_its_published_rules(length: int, multiplier: float) -> None:
    bars = walk(5, 800)
    high, low, close = bars["high"], bars["low"], bars["close"]
    reach = ours("atr", bars, length)
    upper = lower = before = math.nan
    side, line, sides = 0, [], []
    for i in range(len(close)):
        if math.isnan(reach[i]):
            line.append(math.nan), sides.append(math.nan)
            continue
        middle = (high[i] + low[i]) / 2
        up, down = middle + multiplier * reach[i], middle - multiplier * reach[i]
        if side:
            up = up if up < upper or before > upper else upper
            down = down if down > lower or before < lower else lower
            side = (1 if close[i] > up else -1) if side < 0 else (-1 if close[i] < down else 1)
        else:
            side = -1
        upper, lower, before = up, down, close[i]
        line.append(lower if side > 0 else upper), sides.append(float(side))
    assert {1.0, -1.0} <= set(sides)
    agree(ours("supertrend", bars, length, multiplier), np.array(line))
    agree(ours("supertrend_direction", bars, length, multiplier), np.array(sides))


def test_cmf_is_the_part_of_volume_that_closed_high() -> None:
    bars, n = walk(), 20
    place = ((bars["close"] - bars["low"]) - (bars["high"] - bars["close"])) / (bars["high"] - bars["low"])
    flow = pd.Series(place * bars["volume"]).rolling(n).sum() / pd.Series(bars["volume"]).rolling(n).sum()
    agree(ours("cmf", bars, n), flow.to_numpy())


def test_obv_by_hand() -> None:
    close, volume = [10.0, 11.0, 11.0, 9.0], [5.0, 7.0, 3.0, 4.0]
    assert over(INDICATORS["obv"], close, volume) == [5.0, 12.0, 12.0, 8.0]


def test_heikin_ashi_by_hand() -> None:
    bars = ([10.0, 12.0], [14.0, 13.0], [9.0, 11.0], [13.0, 12.0])
    # closes: mean of each bar 11.5, 12; openings: (10 + 13) / 2, then (11.5 + 11.5) / 2
    assert over(INDICATORS["ha_close"], *bars) == [11.5, 12.0]
    assert over(INDICATORS["ha_open"], *bars) == [11.5, 11.5]
    assert over(INDICATORS["ha_high"], *bars) == [14.0, 13.0]
    assert over(INDICATORS["ha_low"], *bars) == [9.0, 11.0]


def test_true_range_counts_a_gap() -> None:
    assert over(INDICATORS["tr"], [12.0, 11.0, 19.0], [10.0, 10.0, 18.0], [11.0, 10.5, 18.5])[1:] == [1.0, 8.5]


def test_psar_follows_a_rise_and_turns_when_touched() -> None:
    # 3 rising bars: stop 9 (the first low), then 9 + 0.1 · (12 − 9) held to the lows before; the fall below it turns it
    high, low = [11.0, 12.0, 13.0, 9.0], [9.0, 10.0, 11.0, 5.0]
    found = over(INDICATORS["psar"], high, low, constants=(0.1, 0.3))
    assert found[1:] == pytest.approx([9.0, 9.3, 13.0])
