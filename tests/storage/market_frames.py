"""Small frames of bars and prints for the storage tests; walks on the tick grid inside trading hours."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from workbench.domain.bar import bars_schema, ticks_schema
from workbench.domain.hours import at_local

CONTRACT = "CON.F.US.MES.M25"
MONDAY = at_local(date(2025, 3, 17), "08:30")
MINUTE = 60_000_000_000


def bars(count: int, *, start: int = MONDAY, step: int = MINUTE, seed: int = 1) -> pl.DataFrame:
    """Return `count` valid bars from `start` on, one per `step` ns (hours are not looked at)."""
    rng = np.random.default_rng(seed)
    close = 5600 + np.cumsum(rng.integers(-3, 4, count)) * 0.25
    opened = close + rng.integers(-2, 3, count) * 0.25
    return pl.DataFrame(
        {
            "ts": start + np.arange(count) * step,
            "open": opened,
            "high": np.maximum(opened, close) + 0.5,
            "low": np.minimum(opened, close) - 0.25,
            "close": close,
            "volume": rng.integers(1, 500, count),
        },
        schema=bars_schema(),
    )


def ticks(count: int, *, start: int = MONDAY, seed: int = 1) -> pl.DataFrame:
    """Return `count` prints, some with equal stamps, some stamped before the one that arrived earlier."""
    rng = np.random.default_rng(seed)
    ts = start + np.cumsum(rng.integers(-50, 200, count)) * 1_000_000
    return pl.DataFrame(
        {
            "ts": ts,
            "price": 5600 + np.cumsum(rng.integers(-1, 2, count)) * 0.25,
            "size": rng.integers(1, 20, count),
            "side": rng.integers(-1, 2, count),
            "watermark": np.maximum.accumulate(ts),
        },
        schema=ticks_schema(),
    )
