"""A made-up market for the zoo: five-minute bars of some days with a break in each evening, made from a seed."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd


@cache
def bars(rows: int = 1100, seed: int = 7) -> pd.DataFrame:
    """Bars with open, high, low, close, volume, indexed by their start (UTC)."""
    random = np.random.default_rng(seed)
    days = -(-rows // 200)
    stamps = [
        start + pd.Timedelta(minutes=5 * i)
        for start in pd.bdate_range("2025-09-01", periods=days, tz="UTC")
        for i in range(200)
    ]
    close = 6000 + np.cumsum(random.normal(0, 2.0, len(stamps))) + 15 * np.sin(np.arange(len(stamps)) / 40)
    close = np.round(close * 4) / 4
    open_ = np.concatenate([[6000.0], close[:-1]]) + np.round(random.normal(0, 0.5, len(stamps)) * 4) / 4
    reach = np.round(np.abs(random.normal(0, 1.5, (2, len(stamps)))) * 4) / 4
    frame = pd.DataFrame(
        {
            "open": open_,
            "high": np.maximum(open_, close) + reach[0],
            "low": np.minimum(open_, close) - reach[1],
            "close": close,
            "volume": random.integers(50, 5000, len(stamps)),
        },
        index=pd.DatetimeIndex(stamps, name="ts"),
    )
    frame.attrs = {"contract": "CON.F.US.MES.U25"}
    return frame.iloc[:rows]
