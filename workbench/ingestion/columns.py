"""The short way through the door: one compiled pass over a frame of bars in which nothing is wrong.

`check_bars` judges every row and gives reasons; most frames hold no bad row, and a backtest wants their columns. Here
one loop decides that and makes the ticks on the way. Whatever it cannot vouch for is left to `check_bars`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.domain.contract import Contract
from workbench.domain.product import MOST_TICKS, TOLERANCE
from workbench.domain.timeframe import Timeframe
from workbench.ingestion.validate import MOST_CONTRACTS, PRICES, is_of_contract

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from workbench.domain.hours import TradingHours

_ALIGNED_BY_CALENDAR = 1  # a step that divides every stamp: alignment is looked at apart


@dataclass(frozen=True, slots=True, kw_only=True)
class BarColumns:
    """Bars in which every row is good and in order.

    Attributes
    ----------
    starts : array of int64, shape (n,)
        UTC ns, strictly ascending.
    points, ticks : tuple of four arrays, shape (n,)
        Open, high, low, close as float64 points and int64 ticks.
    volume : array of int64, shape (n,)
        Contracts.
    near : int
        Bars that begin one length of the timeframe after the bar before.
    """

    starts: NDArray[np.int64]
    points: tuple[NDArray[np.float64], ...]
    ticks: tuple[NDArray[np.int64], ...]
    volume: NDArray[np.int64]
    near: int


def bar_columns(
    frame: pl.DataFrame, contract: Contract, timeframe: Timeframe, hours: TradingHours
) -> BarColumns | None:
    """Return the columns of a frame without a single bad or misplaced row; None if that cannot be said of it.

    Parameters
    ----------
    frame : polars.DataFrame
        As for `check_bars`, whose verdict on such a frame is: all good, none out of order.
    """
    if not _is_plain(frame) or not is_of_contract(frame, contract):
        return None
    import polars as pl

    from workbench.ingestion.kernels import read_bars

    stamps = frame["ts"].cast(pl.Datetime("ns", "UTC"), strict=False)
    if stamps.null_count():
        return None
    starts = np.ascontiguousarray(stamps.to_physical().to_numpy())
    points = tuple(np.ascontiguousarray(frame[name].to_numpy()) for name in PRICES)
    volume = np.ascontiguousarray(frame["volume"].to_numpy())
    ticks: tuple[Any, ...] = tuple(np.empty(len(starts), np.int64) for _ in PRICES)
    product = contract.spec
    step = _ALIGNED_BY_CALENDAR if timeframe.anchored else timeframe.length
    whole = np.empty(0 if volume.dtype == np.int64 else len(starts), np.int64)
    near = read_bars(
        starts,
        points,
        volume,
        (int(hours.opens[0]), int(hours.opens[-1]), step),
        float(1 / product.tick),
        product.tick_size,
        (TOLERANCE * product.tick_size, float(MOST_TICKS), MOST_CONTRACTS),
        ticks,
        whole,
    )
    if near < 0 or (timeframe.anchored and (timeframe.bar_starts(starts, hours) != starts).any()):
        return None
    return BarColumns(starts=starts, points=points, ticks=ticks, volume=whole if len(whole) else volume, near=near)


def _is_plain(frame: pl.DataFrame) -> bool:
    import polars as pl

    schema = frame.schema
    stamps = schema.get("ts")
    if not isinstance(stamps, pl.Datetime) or stamps.time_zone is None or frame.is_empty():
        return False
    if any(schema.get(name) != pl.Float64 for name in PRICES) or schema.get("volume") not in (pl.Int64, pl.Float64):
        return False
    return not any(frame[name].null_count() for name in ("ts", *PRICES, "volume"))
