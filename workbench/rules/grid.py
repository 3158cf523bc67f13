"""A year of closes as the calendar has them: what windows, flat-by and limits per day are held against."""

from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import numpy.typing as npt

from workbench.domain.clock import MINUTE
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import timeframe

Int64Array = npt.NDArray[np.int64]
YEAR = (date(2025, 1, 1), date(2025, 12, 31))


@cache
def year_of_bars(group: str, text: str) -> tuple[Int64Array, Int64Array]:
    """Return (starts, ends) in UTC ns of all bars of 2025 in which a product group trades; at least one-minute bars."""
    hours = trading_hours(group)
    frame = timeframe(text if timeframe(text).seconds >= 60 else "1m")
    rows = np.flatnonzero((hours.dates >= np.datetime64(YEAR[0])) & (hours.dates <= np.datetime64(YEAR[1])))
    spans = [np.arange(hours.opens[row], hours.closes[row], MINUTE, dtype=np.int64) for row in rows.tolist()]
    minutes = np.concatenate(spans)
    all_starts = frame.bar_starts(minutes[hours.is_open_array(minutes)], hours)
    starts = all_starts[np.concatenate([[True], all_starts[1:] != all_starts[:-1]])]
    return starts, frame.bar_ends(starts, hours)
