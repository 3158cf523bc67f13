"""Signals that do not look ahead and forget what is long ago; none of them may be accused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl

Frame = pd.DataFrame


def average_cross(bars: Frame) -> pd.Series:
    return bars.close.rolling(10).mean() > bars.close.rolling(30).mean()


def rolling_z_score(bars: Frame) -> pd.Series:
    return (bars.close - bars.close.rolling(50).mean()) / bars.close.rolling(50).std()


def exponential_average(bars: Frame) -> pd.Series:
    """Remembers its seed, but ever less."""
    return bars.close.ewm(span=20, adjust=False).mean()


def breakout_of_the_bars_before(bars: Frame) -> pd.Series:
    return bars.close > bars.high.rolling(20).max().shift(1)


def closed_hour(bars: Frame) -> pd.Series:
    """The hour's close, known when the hour is over: joined at the close of our bar."""
    hourly = bars.close.resample("1h").last().dropna()
    known_at = hourly.set_axis(hourly.index + pd.Timedelta(hours=1))
    closes_at = bars.index + pd.Timedelta(minutes=5)
    return pd.Series(known_at.reindex(closes_at, method="ffill").to_numpy(), index=bars.index)


def high_of_the_day_so_far(bars: Frame) -> pd.Series:
    return bars.close >= bars.high.groupby(bars.index.date).cummax()


def yesterdays_high(bars: Frame) -> pd.Series:
    daily = bars.high.groupby(bars.index.date).max().shift(1)
    return bars.close > pd.Series(bars.index.date, index=bars.index).map(daily)


def pivot_confirmed(bars: Frame) -> pd.Series:
    """Told when the fifth bar after it has closed."""
    is_pivot = bars.high == bars.high.rolling(11, center=True).max()
    return is_pivot.shift(5, fill_value=False)


def rolling_rank(bars: Frame) -> pd.Series:
    return bars.close.rolling(40).rank(pct=True) > 0.9


def volume_spike(bars: Frame) -> pd.Series:
    return bars.volume > 3 * bars.volume.rolling(20).median().shift(1)


def only_rows_with_a_signal(bars: Frame) -> pd.Series:
    """Fewer rows than bars, labelled by their index."""
    move = bars.close.diff()
    return move[move.abs() > 4]


def words(bars: Frame) -> pd.Series:
    up = bars.close > bars.open
    return pd.Series(np.where(up, "buy", "sell"), index=bars.index)


def two_columns(bars: Frame) -> pd.DataFrame:
    return pd.DataFrame({"long": bars.close.diff() > 1, "range": (bars.high - bars.low).rolling(14).mean()})


def fills_forward(bars: Frame) -> pd.Series:
    return pd.Series(np.where(bars.volume > 4000, bars.close, np.nan), index=bars.index).ffill()


def polars_lag(bars: Frame) -> pl.Series:
    frame = pl.DataFrame({"close": bars.close.to_numpy()})
    return frame.select((pl.col("close") > pl.col("close").shift(3)).alias("signal"))["signal"]


def plain_array(bars: Frame) -> np.ndarray:
    values = bars.close.to_numpy()
    return np.concatenate([[0.0], np.diff(values)])


def weekday_and_hour(bars: Frame) -> pd.Series:
    return pd.Series((bars.index.day_of_week < 4) & (bars.index.hour == 14), index=bars.index)


CLEAN = [
    value for name, value in list(globals().items()) if callable(value) and getattr(value, "__module__", "") == __name__
]
