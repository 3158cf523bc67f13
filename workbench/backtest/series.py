"""The bars of a backtest, checked at the door: one contract, one timeframe, on the tick grid, in order.

They may have finer bars or prints of the same contract inside (see `workbench.backtest.inner`): then orders are filled
there, in the order in which prices really came, and decisions still fall on the closes of the bars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.domain.contract import Contract, ticks_of
from workbench.domain.errors import InputError
from workbench.domain.events import BarClosed
from workbench.domain.hours import TradingHours, trading_hours
from workbench.domain.timeframe import Timeframe
from workbench.ingestion.columns import BarColumns, bar_columns
from workbench.ingestion.validate import check_bars

if TYPE_CHECKING:
    import polars as pl

    from workbench.backtest.inner import Inner

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Bars as columns. `starts`, `ends` in UTC ns; `points` and `ticks` are (open, high, low, close) columns.

    `inner` is what is known inside the bars; None: each bar is its own sub-bar.
    """

    contract: Contract
    timeframe: Timeframe
    hours: TradingHours
    starts: Int64Array
    ends: Int64Array
    points: tuple[Float64Array, ...]
    ticks: tuple[Int64Array, ...]
    volume: Int64Array
    inner: Inner | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def events(self) -> list[BarClosed]:
        """The bars as events of the market lane, in order."""
        name, text = self.contract.id, self.timeframe.text
        arrays = (self.starts, self.ends, *self.points, self.volume)
        columns = zip(*(array.tolist() for array in arrays), strict=True)
        return [
            BarClosed(at=e, contract=name, timeframe=text, start=s, end=e, open=o, high=h, low=lo, close=c, volume=v)
            for s, e, o, h, lo, c, v in columns
        ]


def series(frame: pl.DataFrame, contract: Contract, timeframe: Timeframe) -> Series:
    """Return checked bars.

    Raises
    ------
    InputError
        No bars; rows that are no sane bars of this contract (the first one is named); disorder; another timeframe.
    """
    if frame.is_empty():
        raise InputError(f"no bars of {contract.id} {timeframe} to test on; workbench data pull or import brings some")
    hours = trading_hours(contract.spec)
    columns = bar_columns(frame, contract, timeframe, hours) or _judged(frame, contract, timeframe, hours)
    _require_timeframe(columns, timeframe)
    return Series(
        contract=contract,
        timeframe=timeframe,
        hours=hours,
        starts=columns.starts,
        ends=timeframe.bar_ends(columns.starts, hours),
        points=columns.points,
        ticks=columns.ticks,
        volume=columns.volume,
    )


def _judged(frame: pl.DataFrame, contract: Contract, timeframe: Timeframe, hours: TradingHours) -> BarColumns:
    # what the short way would not vouch for: good after all, or told row by row
    _require_order(frame)
    checked = check_bars(frame, contract, timeframe, hours)
    if checked.bad.height:
        first = checked.bad.row(0, named=True)
        if "misaligned" in checked.reasons():
            _require_whole(frame, timeframe)
        reasons = ", ".join(f"{count} × {reason}" for reason, count in sorted(checked.reasons().items()))
        raise InputError(
            f"{checked.bad.height} of {frame.height} rows are no sane bars of {contract.id} {timeframe} ({reasons}); "
            f"the first is at {first.get('ts')}"
        )
    if checked.disordered:
        raise InputError(f"{checked.disordered} of {frame.height} bars are out of order; sort the frame by time first")
    good = checked.good
    points = tuple(np.ascontiguousarray(good[name].to_numpy()) for name in ("open", "high", "low", "close"))
    starts = good["ts"].dt.timestamp("ns").to_numpy().astype(np.int64)
    return BarColumns(
        starts=starts,
        points=points,
        ticks=tuple(ticks_of(column, contract.spec)[0] for column in points),
        volume=good["volume"].to_numpy().astype(np.int64),
        near=int(np.count_nonzero(np.diff(starts) == timeframe.length)),
    )


def _require_order(frame: pl.DataFrame) -> None:
    steps = frame["ts"].diff().dt.total_nanoseconds()
    back = int((steps < 0).sum())
    if back:
        raise InputError(f"{back} of {frame.height} bars are out of order; sort the frame by time first")


def _require_whole(frame: pl.DataFrame, timeframe: Timeframe) -> None:
    # 5m bars are no 1h bars: better said once than of each row
    usual = frame["ts"].diff().dt.total_seconds().mode().min()
    if frame.height >= 10 and isinstance(usual, int) and 0 < usual < timeframe.seconds:
        raise InputError(f"these bars are {usual} s apart, {timeframe} bars are wanted; build them up first")


def _require_timeframe(columns: BarColumns, timeframe: Timeframe) -> None:
    # 5m bars would pass as 1m bars with gaps: the usual distance tells
    starts = columns.starts
    if len(starts) < 10 or timeframe.anchored or columns.near * 2 > len(starts) - 1:
        return
    steps, counts = np.unique(np.diff(starts), return_counts=True)
    usual = int(steps[np.argmax(counts)]) // 1_000_000_000
    if usual > timeframe.seconds and counts.max() > len(starts) // 2:
        raise InputError(
            f"these bars are {usual} s apart, the strategy decides on {timeframe} bars; pass timeframe=… to test it on "
            "the bars you have (that is another version), or bars of its own timeframe"
        )
