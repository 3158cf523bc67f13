"""Every indicator that TA-Lib has, against TA-Lib: values, the first bar, and each difference that is meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.rules import op_data
from workbench.rules.compiled import column
from workbench.rules.indicators import INDICATORS

Floats = NDArray[np.float64]
Bars = dict[str, Floats]


def ours(name: str, bars: Bars, *constants: float) -> Floats:
    return column(INDICATORS[name], op_data.of(INDICATORS[name], bars), constants)


def _one(function: Callable[..., Floats], *columns: str) -> Callable[..., Floats]:
    return lambda bars, *constants: function(*(bars[c] for c in columns), *constants)


def _bands(part: int) -> Callable[..., Floats]:
    return lambda bars, length, width: talib.BBANDS(bars["close"], length, width, width)[part]


def _macd(part: int) -> Callable[..., Floats]:
    return lambda bars, fast, slow, signal: talib.MACD(bars["close"], fast, slow, signal)[part]


_HLC = ("high", "low", "close")
# name → (what TA-Lib gives, constants to try)
PAIRS: dict[str, tuple[Callable[..., Floats], list[tuple[float, ...]]]] = {
    **{
        name: (_one(function, "close"), [(2,), (5,), (14,), (40,)])
        for name, function in {
            "sma": talib.SMA,
            "ema": talib.EMA,
            "wma": talib.WMA,
            "dema": talib.DEMA,
            "tema": talib.TEMA,
            "kama": talib.KAMA,
            "rsi": talib.RSI,
            "mom": talib.MOM,
            "roc": talib.ROC,
            "stdev": talib.STDDEV,
            "linreg": talib.LINEARREG,
            "slope": talib.LINEARREG_SLOPE,
            "highest": talib.MAX,
            "lowest": talib.MIN,
        }.items()
    },
    **{
        name: (_one(function, *_HLC), [(2,), (5,), (14,), (40,)])
        for name, function in {
            "atr": talib.ATR,
            "natr": talib.NATR,
            "willr": talib.WILLR,
            "cci": talib.CCI,
            "adx": talib.ADX,
            "plus_di": talib.PLUS_DI,
            "minus_di": talib.MINUS_DI,
        }.items()
    },
    "tr": (_one(talib.TRANGE, *_HLC), [()]),
    "donchian_upper": (_one(talib.MAX, "high"), [(2,), (20,)]),
    "donchian_lower": (_one(talib.MIN, "low"), [(2,), (20,)]),
    "donchian_middle": (_one(talib.MIDPRICE, "high", "low"), [(2,), (20,)]),
    "mfi": (_one(talib.MFI, *_HLC, "volume"), [(5,), (14,), (40,)]),
    "obv": (_one(talib.OBV, "close", "volume"), [()]),
    "psar": (_one(talib.SAR, "high", "low"), [(0.02, 0.2), (0.05, 0.3), (0.3, 0.1)]),
    "bollinger_upper": (_bands(0), [(5, 2.0), (20, 2.5)]),
    "bollinger_middle": (_bands(1), [(5, 2.0), (20, 2.5)]),
    "bollinger_lower": (_bands(2), [(5, 2.0), (20, 2.5)]),
    "macd_signal": (_macd(1), [(12, 26, 9), (3, 8, 2)]),
    "macd_histogram": (_macd(2), [(12, 26, 9), (3, 8, 2)]),
    "stoch_d": (
        lambda b, k, s, d: talib.STOCH(b["high"], b["low"], b["close"], k, s, 0, d, 0)[1],
        [(14, 3, 3), (5, 1, 4)],
    ),
    "stochrsi_d": (lambda b, n, k, s, d: talib.STOCHRSI(b["close"], n, k, d, 0)[1], [(14, 14, 1, 3), (5, 3, 1, 2)]),
}
# The same from TA-Lib's first bar on: there it withholds a line until its signal is known too.
LATER: dict[str, tuple[Callable[..., Floats], list[tuple[float, ...]]]] = {
    "macd": (lambda b, fast, slow: talib.MACD(b["close"], fast, slow, 9)[0], [(12, 26), (3, 8)]),
    "stoch": (lambda b, k, s: talib.STOCH(b["high"], b["low"], b["close"], k, s, 0, 3, 0)[0], [(14, 3), (5, 1)]),
    "stochrsi": (lambda b, n, k, s: talib.STOCHRSI(b["close"], n, k, 3, 0)[0], [(14, 14, 1), (5, 3, 1)]),
}
CASES = [(name, constants) for name, (_, tried) in PAIRS.items() for constants in tried]


def agree(values: Floats, theirs: Floats, prices: Floats) -> None:
    """Equal to 1e-9 of the value; what is left of two nearly equal prices, to a few roundings of the prices."""
    assert np.isnan(values).tolist() == np.isnan(theirs).tolist()
    rounding = 1e-13 * float(np.abs(prices).max())
    np.testing.assert_allclose(values, theirs, rtol=1e-9, atol=rounding)


def walk(seed: int, n: int = 600, tick: float | None = 0.25) -> Bars:
    """A walk on ticks, or without ticks a lognormal one; no bar and no window is without a range."""
    rng = np.random.default_rng(seed)
    if tick is None:
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
        reach = rng.exponential(0.5, (2, n)) + 1e-3
    else:
        close = 5000 + tick * np.cumsum(rng.choice([-5, -3, -2, -1, 1, 2, 3, 5], n))
        reach = tick * rng.integers(1, 6, (2, n))
    opened = np.concatenate([close[:1], close[:-1]])
    volume = rng.integers(1, 5000, n).astype(float)
    high, low = np.maximum(opened, close) + reach[0], np.minimum(opened, close) - reach[1]
    return {"open": opened, "high": high, "low": low, "close": close, "x": close, "volume": volume}


@pytest.mark.parametrize(("name", "constants"), CASES)
@pytest.mark.parametrize("tick", [0.25, 0.1, None])
def test_values_and_first_bar_are_those_of_talib(name: str, constants: tuple[float, ...], tick: float | None) -> None:
    bars = walk(11, tick=tick)
    scale = bars["volume"] * 600 if name == "obv" else _scale(name, bars, constants)
    agree(ours(name, bars, *constants), PAIRS[name][0](bars, *constants), scale)


def _scale(name: str, bars: Bars, constants: tuple[float, ...]) -> Floats:
    # Running sums of squares (TA-Lib's stdev, which its bands use) and of products round relative to the square or to
    # length × price; percentages relative to 100 × price / range.
    factor = {"stdev": 1000.0, "cci": 1e5, "slope": 10.0 * max(constants, default=1)}.get(name, 100.0)
    return bars["close"] * factor


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), case=st.sampled_from(CASES), n=st.integers(60, 200))
def test_no_walk_tells_them_apart(seed: int, case: tuple[str, tuple[float, ...]], n: int) -> None:
    name, constants = case
    bars = walk(seed, n)
    scale = bars["volume"] * 600 if name == "obv" else _scale(name, bars, constants)
    values, theirs = ours(name, bars, *constants), PAIRS[name][0](bars, *constants)
    if name == "stochrsi_d":  # an rsi at its bound for a whole window has no range there; see below
        flat = _flat_rsi(bars, constants)
        values, theirs = np.where(flat, 0.0, values), np.where(flat, 0.0, theirs)
    agree(values, theirs, scale)


def _flat_rsi(bars: Bars, constants: tuple[float, ...]) -> NDArray[np.bool_]:
    length, window, _, signal = (int(c) for c in constants)
    strength = ours("rsi", bars, length)
    top, low = (column(INDICATORS[n], [strength], [window]) for n in ("highest", "lowest"))
    near = np.concatenate([np.zeros(0, bool), top - low < 1e-6])
    return np.convolve(near, np.ones(signal), "full")[: len(near)] > 0


@pytest.mark.parametrize(("name", "constants"), [(n, c) for n, (_, tried) in LATER.items() for c in tried])
def test_a_line_begins_before_its_signal_and_is_talibs_from_there_on(name: str, constants: tuple[float, ...]) -> None:
    bars = walk(12)
    values, theirs = ours(name, bars, *constants), LATER[name][0](bars, *constants)
    begins = int(np.flatnonzero(~np.isnan(theirs))[0])
    assert int(np.flatnonzero(~np.isnan(values))[0]) == INDICATORS[name].first(*constants) - 1 < begins
    agree(values[begins:], theirs[begins:], bars["close"] * 100)


@pytest.mark.parametrize("name", PAIRS)
def test_real_bars_give_the_values_of_talib(name: str, shared_data: Path) -> None:
    bars = _real(shared_data)
    constants = PAIRS[name][1][-1]
    values, theirs = ours(name, bars, *constants), PAIRS[name][0](bars, *constants)
    if name in ("willr", "stoch_d", "stochrsi_d", "mfi", "rsi"):  # see the tests on windows without movement
        still = ~np.isclose(values, theirs, rtol=1e-9, atol=1e-8) & ~np.isnan(values)
        assert np.count_nonzero(still) < 0.01 * len(values)
        values, theirs = np.where(still, 0.0, values), np.where(still, 0.0, theirs)
    scale = np.cumsum(bars["volume"]) if name == "obv" else _scale(name, bars, constants)
    agree(values, theirs, scale)


def _real(folder: Path) -> Bars:
    files = sorted((folder / "bars").rglob("*MES*.parquet"))
    if not files:
        pytest.skip(f"no MES bars in {folder / 'bars'}")
    frame = pl.read_parquet(files[0]).rename(str.lower).head(20_000)
    bars = {name: frame[name].cast(pl.Float64).to_numpy() for name in ("open", "high", "low", "close", "volume")}
    return bars | {"x": bars["close"]}


# --- where we differ on purpose -------------------------------------------------------------------------------------


def still(n: int = 60) -> Bars:
    price = np.full(n, 5000.0)
    return {"open": price, "high": price, "low": price, "close": price, "x": price, "volume": np.full(n, 10.0)}


@pytest.mark.parametrize(
    ("name", "constants", "our", "their"),
    [
        ("rsi", (14,), 50.0, 0.0),
        ("mfi", (14,), 50.0, 0.0),
        ("willr", (14,), -50.0, 0.0),
        ("stoch_d", (14, 3, 3), 50.0, 0.0),
        ("stochrsi_d", (14, 14, 1, 3), 50.0, 0.0),
        ("cci", (14,), 0.0, 0.0),
        ("adx", (14,), 0.0, 0.0),
        ("plus_di", (14,), 0.0, 0.0),
        ("stdev", (14,), 0.0, 0.0),
        ("kama", (14,), 5000.0, 5000.0),
    ],
)
def test_a_market_that_stands_still_is_neutral(
    name: str, constants: tuple[float, ...], our: float, their: float
) -> None:
    bars = still()
    assert ours(name, bars, *constants)[-1] == our
    assert PAIRS[name][0](bars, *constants)[-1] == their


def test_a_change_from_zero_is_unknown_where_talib_says_zero() -> None:
    bars = walk(1) | {"close": np.array([0.0, 1.0, 2.0, 3.0]), "x": np.array([0.0, 1.0, 2.0, 3.0])}
    assert np.isnan(ours("roc", bars, 1)[1]) and ours("roc", bars, 1)[2:].tolist() == [100.0, 50.0]
    assert talib.ROC(bars["close"], 1)[1:].tolist() == [0.0, 100.0, 50.0]


def test_a_range_in_percent_of_nothing_is_unknown_where_talib_says_zero() -> None:
    bars = {"high": np.array([2.0, 3.0, 3.0]), "low": np.array([-1.0, -1.0, -1.0]), "close": np.array([1.0, 1.0, 0.0])}
    bars["x"] = bars["close"]
    assert np.isnan(ours("natr", bars, 2)).all()
    assert talib.NATR(bars["high"], bars["low"], bars["close"], 2)[2] == 0.0


def test_a_money_flow_of_only_one_kind_is_exact_where_talib_keeps_a_rest() -> None:
    bars = walk(3, tick=None)
    values, theirs = ours("mfi", bars, 2), talib.MFI(*(bars[c] for c in (*_HLC, "volume")), 2)
    assert np.count_nonzero(values == 0.0) > 20
    assert np.abs(theirs[values == 0.0]).max() < 1e-9


@pytest.mark.parametrize("length", [5, 14])
def test_a_rounding_of_the_typical_price_is_no_move(length: int) -> None:
    # Ticks of 0.1 have no exact float, a third of their sum even less; the same bars in whole ticks have.
    bars = walk(11, tick=0.1)
    ticks = {name: bars[name] if name == "volume" else np.round(bars[name] / 0.1) for name in bars}
    for name in ("mfi", "cci"):
        exact = ours(name, ticks, length)
        np.testing.assert_allclose(ours(name, bars, length), exact, rtol=1e-6, atol=1e-6)
        theirs = PAIRS[name][0](ticks, length)
        np.testing.assert_allclose(exact, theirs, rtol=1e-9, atol=1e-6)


def test_a_stdev_stays_exact_where_a_running_sum_of_squares_does_not() -> None:
    values = np.concatenate([np.full(30, 1e6), np.full(30, 1e6 + 0.1)])
    assert column(INDICATORS["stdev"], [values], [20])[-1] == 0.0
