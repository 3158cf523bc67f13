"""Indicator values against hand calculation and against pandas, and the promises every indicator makes."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.rules.indicators import INDICATORS, over
from workbench.rules.indicators.averages import EMA, SMA
from workbench.rules.indicators.extremes import HIGHEST, LOWEST
from workbench.rules.indicators.momentum import RSI
from workbench.rules.indicators.session import OPENING_RANGE_HIGH, OPENING_RANGE_LOW
from workbench.rules.indicators.volatility import ATR

WALK = [100.0, 100.5, 99.75, 101.25, 102.0, 101.5, 100.0, 98.5, 99.0, 103.25, 104.0, 103.0, 102.75, 105.5]


def same(left: list[float], right: list[float], tolerance: float = 1e-9) -> None:
    assert len(left) == len(right)
    for i, (a, b) in enumerate(zip(left, right, strict=True)):
        assert (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b, abs=tolerance), (i, a, b)


def test_sma_is_the_mean_of_the_window() -> None:
    same(over(SMA, WALK, constants=(3,)), list(pd.Series(WALK).rolling(3).mean()))


def test_sma_of_a_flat_price_is_exactly_that_price_for_every_length() -> None:
    flat = [4100.1] * 60
    for length in (1, 2, 3, 7, 20):
        assert set(over(SMA, flat, constants=(length,))[length - 1 :]) == {4100.1}


def test_sma_forgets_a_huge_value_completely() -> None:
    values = [1e12, *([0.1] * 10)]
    assert over(SMA, values, constants=(3,))[-1] == pytest.approx(0.1, rel=1e-12)


def test_ema_by_hand() -> None:
    # length 3: seed (100 + 100.5 + 99.75) / 3 = 100.08333…, then half-way to each close (α = 1/2)
    values = over(EMA, WALK[:5], constants=(3,))
    assert math.isnan(values[1])
    assert values[2:] == pytest.approx([100.0833333333, 100.6666666667, 101.3333333333])


def test_ema_is_the_recursion_of_pandas_from_the_same_seed() -> None:
    length = 4
    seeded = pd.Series([np.mean(WALK[:length]), *WALK[length:]])
    expected = list(seeded.ewm(span=length, adjust=False).mean())
    same(over(EMA, WALK, constants=(length,)), [math.nan] * (length - 1) + expected)


def test_atr_by_hand() -> None:
    high, low, close = [11.0, 13.0, 12.5, 15.0, 14.0], [9.0, 9.0, 10.0, 10.5, 13.0], [10.0, 12.0, 11.0, 14.0, 13.5]
    # true ranges from the second bar on: 13-9=4, 12.5-10=2.5, 15-10.5=4.5, and 14-13=1 (the close before was 14)
    values = over(ATR, high, low, close, constants=(2,))
    assert all(math.isnan(v) for v in values[:2])
    assert values[2:] == pytest.approx([3.25, (3.25 + 4.5) / 2, (3.875 + 1.0) / 2])


def test_rsi_by_hand() -> None:
    # changes +1 -2 +3 0, length 2: average gain and loss 0.5 / 1.0 after two, then 1.75 / 0.5, then 0.875 / 0.25
    values = over(RSI, [10.0, 11.0, 9.0, 12.0, 12.0], constants=(2,))
    assert values[2:] == pytest.approx([100 / 3, 100 * 1.75 / 2.25, 100 * 0.875 / 1.125])


def test_rsi_of_a_flat_price_is_neutral() -> None:
    assert over(RSI, [5.0] * 6, constants=(3,))[-1] == 50.0


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.integers(1, 12))
def test_highest_and_lowest_are_those_of_the_window(values: list[int], length: int) -> None:
    floats = [float(v) for v in values]
    same(over(HIGHEST, floats, constants=(length,)), list(pd.Series(floats).rolling(length).max()))
    same(over(LOWEST, floats, constants=(length,)), list(pd.Series(floats).rolling(length).min()))


@given(st.lists(st.integers(16000, 18000), min_size=1, max_size=120), st.integers(1, 20))
def test_sma_equals_an_exact_mean(quarters: list[int], length: int) -> None:
    values = [q / 4 for q in quarters]
    windows = (values[max(0, i + 1 - length) : i + 1] for i in range(len(values)))
    expected = [math.fsum(window) / length if len(window) == length else math.nan for window in windows]
    same(over(SMA, values, constants=(length,)), expected)


def opening(starts: list[float], highs: list[float], days: list[float] | None = None, **kw: int) -> list[float]:
    days = days or [1.0] * len(starts)
    ends = [s + 60 for s in starts]
    return over(OPENING_RANGE_HIGH, highs, days, starts, ends, constants=(kw.get("minutes", 2), kw.get("open_s", 1000)))


def test_opening_range_is_known_from_the_moment_it_is_over() -> None:
    values = opening([940, 1000, 1060, 1120], [9.0, 5.0, 7.0, 8.0])
    assert math.isnan(values[0]) and math.isnan(values[1])
    assert values[2:] == [7.0, 7.0]


def test_opening_range_of_a_date_joined_too_late_stays_unknown_and_the_next_date_is_known() -> None:
    starts, days = [1060.0, 1120.0, 1180.0, 1000.0, 1060.0], [1.0, 1.0, 1.0, 2.0, 2.0]
    values = opening(starts, [7.0, 8.0, 9.0, 4.0, 3.0], days)
    assert all(math.isnan(v) for v in values[:4])
    assert values[4] == 4.0


def test_opening_range_without_a_print_in_it_stays_unknown() -> None:
    assert math.isnan(opening([940.0, 1300.0], [9.0, 9.0])[1])


def test_opening_range_low_is_the_mirror() -> None:
    starts = [1000.0, 1060.0, 1120.0]
    values = over(OPENING_RANGE_LOW, [5.0, 4.0, 1.0], [1.0] * 3, starts, [s + 60 for s in starts], constants=(2, 1000))
    assert values[1:] == [4.0, 4.0]


@pytest.mark.parametrize("name", ["sma", "ema", "rsi", "highest", "lowest"])
def test_a_missing_value_gives_nan_and_changes_nothing(name: str) -> None:
    indicator = INDICATORS[name]
    clean = over(indicator, WALK, constants=(3,))
    holed = over(indicator, [*WALK[:7], math.nan, *WALK[7:]], constants=(3,))
    assert math.isnan(holed[7])
    same(holed[:7] + holed[8:], clean)


@pytest.mark.parametrize("name", ["sma", "ema", "rsi", "highest", "lowest"])
@pytest.mark.parametrize("length", [1, 2, 9])
def test_the_first_value_comes_at_the_declared_bar(name: str, length: int) -> None:
    indicator = INDICATORS[name]
    values = over(indicator, WALK, constants=(length,))
    first = indicator.first(length)
    assert all(math.isnan(v) for v in values[: first - 1])
    assert not any(math.isnan(v) for v in values[first - 1 :])


@pytest.mark.parametrize("name", ["ema", "rsi", "sma"])
def test_after_the_declared_warmup_older_history_no_longer_matters(name: str) -> None:
    indicator, length = INDICATORS[name], 10
    rng = np.random.default_rng(3)
    long = list(5000 + np.cumsum(rng.normal(0, 2, 900)))
    full, short = over(indicator, long, constants=(length,)), over(indicator, long[400:], constants=(length,))
    after = indicator.warmup(length)
    assert max(abs(a - b) for a, b in zip(full[400 + after :], short[after:], strict=True)) < 0.02
