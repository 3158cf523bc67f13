"""Signals that look ahead, each as research people really write it; every one must be caught.

They take the bars of `market.bars` and return one row a bar. None of them is meant to be read as advice.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl

Frame = pd.DataFrame


def shift_minus_one(bars: Frame) -> pd.Series:
    """The label of a classifier, taken for a feature."""
    return bars.close.shift(-1) > bars.close


def centred_rolling(bars: Frame) -> pd.Series:
    return bars.close > bars.close.rolling(21, center=True).mean()


def full_sample_z_score(bars: Frame) -> pd.Series:
    return (bars.close - bars.close.mean()) / bars.close.std()


def scaler_fitted_on_all_data(bars: Frame) -> pd.Series:
    """Min-max scaling before the split into training and test."""
    low, high = bars.close.min(), bars.close.max()
    return (bars.close - low) / (high - low) > 0.8


def unfinished_hour(bars: Frame) -> pd.Series:
    """The close of the hour, written at the hour's beginning, joined to the bars inside the hour."""
    hourly = bars.close.resample("1h", label="left", closed="left").last()
    return bars.close > hourly.reindex(bars.index, method="ffill")


def off_by_one_join(bars: Frame) -> pd.Series:
    """Shifted by one of ours instead of one of the higher timeframe."""
    hourly = bars.close.resample("1h").mean()
    return bars.close > hourly.reindex(bars.index, method="ffill").shift(1)


def backward_asof(bars: Frame) -> pd.Series:
    """merge_asof in the wrong direction."""
    daily = bars.close.resample("1D").last().dropna().rename("day").reset_index()
    joined = pd.merge_asof(bars.reset_index()[["ts"]], daily, on="ts", direction="forward")
    return pd.Series(joined["day"].to_numpy(), index=bars.index)


def fill_backward(bars: Frame) -> pd.Series:
    """Gaps filled from the next value that is known."""
    signal = pd.Series(np.where(bars.volume > 4500, bars.close, np.nan), index=bars.index)
    return signal.bfill()


def interpolated(bars: Frame) -> pd.Series:
    """A line to the next known value needs the next known value."""
    sparse = bars.close.where(np.arange(len(bars)) % 12 == 0)
    return sparse.interpolate()


def future_maximum(bars: Frame) -> pd.Series:
    """Reverse, roll, reverse."""
    ahead = bars.high[::-1].rolling(12, min_periods=1).max()[::-1]
    return ahead > bars.close * 1.001


def average_of_reversed_data(bars: Frame) -> pd.Series:
    return bars.close[::-1].ewm(span=20).mean()[::-1] > bars.close


def rank_over_all(bars: Frame) -> pd.Series:
    return bars.close.rank(pct=True) > 0.9


def quantile_buckets(bars: Frame) -> pd.Series:
    """pd.qcut draws its edges over the whole sample."""
    return pd.qcut(bars.volume, 5, labels=False, duplicates="drop")


def top_days(bars: Frame) -> pd.Series:
    """Sorting by the result and trading the best."""
    best = bars.close.diff().sort_values(ascending=False).index[:50]
    return pd.Series(bars.index.isin(best), index=bars.index)


def last_close_peek(bars: Frame) -> pd.Series:
    """iloc[-1] is the last bar of the file, not the newest."""
    return bars.close < bars.close.iloc[-1]


def todays_high(bars: Frame) -> pd.Series:
    """The high of the day while the day still runs."""
    return bars.close >= bars.high.groupby(bars.index.date).transform("max") * 0.999


def pivot_without_confirmation(bars: Frame) -> pd.Series:
    """A swing high is known only when the bars after it have closed."""
    is_pivot = bars.high == bars.high.rolling(11, center=True, min_periods=6).max()
    return is_pivot


def pivot_confirmed_too_early(bars: Frame) -> pd.Series:
    """Five bars confirm it; it is told after four."""
    is_pivot = bars.high == bars.high.rolling(11, center=True).max()
    return is_pivot.shift(4, fill_value=False)


def smoothed_both_ways(bars: Frame) -> np.ndarray:
    """A zero-phase filter runs forward and then backward."""
    values = bars.close.to_numpy()
    weight, made = 0.2, values.astype(float).copy()
    for order in (range(1, len(made)), range(len(made) - 2, -1, -1)):
        step = 1 if order.step > 0 else -1
        for i in order:
            made[i] = weight * made[i] + (1 - weight) * made[i - step]
    return values > made


def convolved_same(bars: Frame) -> np.ndarray:
    """mode="same" centres the window."""
    return np.convolve(bars.close.to_numpy(), np.ones(9) / 9, mode="same")


def fourier_denoised(bars: Frame) -> np.ndarray:
    spectrum = np.fft.rfft(bars.close.to_numpy())
    spectrum[20:] = 0
    return np.fft.irfft(spectrum, len(bars))


def regression_over_all(bars: Frame) -> np.ndarray:
    """Distance from a trend line through the whole sample."""
    x = np.arange(len(bars))
    slope, level = np.polyfit(x, bars.close, 1)
    return bars.close.to_numpy() - (slope * x + level)


def next_open_gap(bars: Frame) -> pd.Series:
    """Entering at the close because the next open will be higher."""
    return (bars.open.shift(-1) - bars.close) > 0


def outliers_dropped(bars: Frame) -> pd.Series:
    """Which bars count as outliers depends on those to come."""
    move = bars.close.diff()
    kept = move[(move - move.mean()).abs() < 2 * move.std()]
    return kept.reindex(bars.index, fill_value=0.0) > 1.0


def parameter_chosen_on_all_data(bars: Frame) -> pd.Series:
    """The length that would have earned most, used from the first bar."""
    best = max((5, 10, 20, 40), key=lambda n: _earned(bars, n))
    return bars.close > bars.close.rolling(best).mean()


def _earned(bars: Frame, length: int) -> float:
    side = np.sign(bars.close - bars.close.rolling(length).mean()).shift(1)
    return float((side * bars.close.diff()).sum())


def group_mean_of_the_hour(bars: Frame) -> pd.Series:
    """Average volume by hour of day, over all days."""
    return bars.volume / bars.volume.groupby(bars.index.hour).transform("mean") > 1.5


def polars_shift(bars: Frame) -> pl.Series:
    frame = pl.DataFrame({"close": bars.close.to_numpy()})
    return frame.select((pl.col("close").shift(-3) > pl.col("close")).alias("signal"))["signal"]


def polars_over_the_day(bars: Frame) -> pl.Series:
    """`over` sees the whole group."""
    frame = pl.DataFrame({"low": bars.low.to_numpy(), "day": bars.index.date})
    return frame.select((pl.col("low") <= pl.col("low").min().over("day")).alias("signal"))["signal"]


def one_column_of_three(bars: Frame) -> pd.DataFrame:
    """Two honest columns do not hide the third."""
    return pd.DataFrame(
        {"mean": bars.close.rolling(5).mean(), "up": bars.close.diff() > 0, "next": bars.close.shift(-2)}
    )


LEAKY = [
    value for name, value in list(globals().items()) if callable(value) and getattr(value, "__module__", "") == __name__
]
LEAKY = [function for function in LEAKY if not function.__name__.startswith("_")]
