"""A seeded MES-like market of one-minute bars inside trading hours, for the benchmarks."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from workbench.domain.bar import bars_schema
from workbench.domain.hours import at_local, trading_hours

CONTRACT = "MESZ26"
MINUTE = 60_000_000_000


def minute_bars(count: int, seed: int = 7) -> pl.DataFrame:
    """Return `count` bars of a random walk on the tick grid (0.25), in `bars_schema`; session gaps are left out."""
    hours = trading_hours("MES")
    stamps = at_local(date(2022, 1, 3), "17:00") + np.arange(int(count * 1.6)) * MINUTE
    stamps = stamps[hours.is_open_array(stamps)][:count]
    rng = np.random.default_rng(seed)
    close = 20_000 + np.cumsum(rng.integers(-3, 4, count))
    opened = np.concatenate([[20_000], close[:-1]]) + rng.integers(-1, 2, count)
    columns = {
        "ts": stamps,
        "open": opened * 0.25,
        "high": (np.maximum(opened, close) + rng.integers(0, 4, count)) * 0.25,
        "low": (np.minimum(opened, close) - rng.integers(0, 4, count)) * 0.25,
        "close": close * 0.25,
        "volume": rng.integers(1, 500, count),
    }
    return pl.DataFrame(columns, schema=bars_schema())
