"""What is known inside the bars of a backtest: finer bars or prints, checked against the bars they belong to.

An order is filled in the first sub-bar in which the fill model fills it, so the worst case is assumed only within a
sub-bar, no longer within a bar: which of stop and target came first is seen, not feared. Decisions do not change: they
fall on the closes of the bars.

Finer data is used for a bar only if it builds exactly that bar: same open, high, low and close. Otherwise the bar is
its own sub-bar, as if nothing finer were known, and is counted; the first such bars are named in the provenance.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.backtest.series import Series
from workbench.domain.contract import ticks_of
from workbench.domain.errors import InputError
from workbench.domain.hours import local
from workbench.domain.timeframe import Timeframe
from workbench.domain.timeframe import timeframe as parse_timeframe
from workbench.ingestion.aggregate import aggregate_ticks, require_divisible
from workbench.ingestion.columns import bar_columns
from workbench.ingestion.validate import check_bars, check_ticks

if TYPE_CHECKING:
    import polars as pl

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
PRICES = ("open", "high", "low", "close")
MOST_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """Sub-bars of a series, in order of time.

    Parameters
    ----------
    source : str
        ``"1m"`` … or ``"ticks"``.
    starts, ends : array of int64, shape (m,)
        UTC ns. A print lasts one nanosecond.
    ticks : tuple of four arrays of int64, shape (m,)
        Open, high, low, close; all the same for a print.
    offsets : array of int64, shape (n + 1,)
        The sub-bars of bar i are ``offsets[i]:offsets[i + 1]``; there is at least one.
    prints : array of bool, shape (m,)
        Which sub-bars are single prints.
    missing, different : int
        Bars that are their own sub-bar, because there was nothing finer in them, or something that builds another bar.
    differences : tuple of str
        The first of the latter, with what differs.
    """

    source: str
    starts: Int64Array
    ends: Int64Array
    ticks: tuple[Int64Array, ...]
    offsets: Int64Array
    prints: BoolArray
    missing: int = 0
    different: int = 0
    differences: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def version(self) -> str:
        """Hash of the sub-bars: what a result that used them is made from."""
        digest = hashlib.blake2b(digest_size=16)
        for column in (self.starts, self.ends, *self.ticks, self.offsets):
            digest.update(column.tobytes())
        return digest.hexdigest()

    def told(self) -> dict[str, Any]:
        """Return what the provenance of a result says about it."""
        told: dict[str, Any] = {"source": self.source, "sub_bars": len(self), "bars": len(self.offsets) - 1}
        told |= {"bars_without": self.missing, "bars_that_differ": self.different, "version": self.version}
        return told | ({"differences": list(self.differences)} if self.differences else {})


@dataclass(frozen=True, slots=True)
class _Finer:
    starts: Int64Array
    ends: Int64Array
    ticks: tuple[Int64Array, ...]


def with_inner(series: Series, finer: pl.DataFrame, timeframe: Timeframe | str | None = None) -> Series:
    """Return the series with finer bars or prints inside its bars.

    Parameters
    ----------
    series : Series
    finer : polars.DataFrame
        Bars (``ts open high low close volume``) or prints (``ts price size``) of the same contract; what lies outside
        the bars, and rows that are no sane bars or prints, are left out.
    timeframe : Timeframe or str, optional
        Of the finer bars; None for prints.

    Raises
    ------
    InputError
        A timeframe from which the bars cannot be built, or bars without their timeframe.
    """
    if "price" in finer.columns:
        source, found = "ticks", _prints(series, finer)
    elif timeframe is None:
        raise InputError("finer bars need their timeframe: with_inner(series, frame, '1m')")
    else:
        chosen = parse_timeframe(timeframe) if isinstance(timeframe, str) else timeframe
        require_divisible(chosen, series.timeframe)
        source, found = chosen.text, _bars(series, finer, chosen)
    return replace(series, inner=_fit(series, source, found))


def _bars(series: Series, frame: pl.DataFrame, timeframe: Timeframe) -> _Finer:
    quick = bar_columns(frame, series.contract, timeframe, series.hours)
    if quick is not None:
        return _Finer(quick.starts, timeframe.bar_ends(quick.starts, series.hours), quick.ticks)
    good = check_bars(frame, series.contract, timeframe, series.hours).good
    starts = good["ts"].dt.timestamp("ns").to_numpy().astype(np.int64)
    columns = tuple(ticks_of(good[name].to_numpy(), series.contract.spec)[0] for name in PRICES)
    return _Finer(starts, timeframe.bar_ends(starts, series.hours), columns)


def _prints(series: Series, frame: pl.DataFrame) -> _Finer:
    # What came too late for its bar is in no bar (the written rule of `ingestion.aggregate`); the others are in order
    # of arrival, so a stamp that runs back a little stays within its bar when it is lifted to the one before.
    good = check_ticks(frame, series.contract, series.hours).good
    ts, price = good["ts"].dt.timestamp("ns").to_numpy().astype(np.int64), good["price"].to_numpy()
    watermark = good["watermark"].to_numpy() if "watermark" in good.columns else None
    late = aggregate_ticks(ts, price, good["size"].to_numpy(), series.timeframe, series.hours, watermark).late
    keep = np.ones(len(ts), dtype=np.bool_)
    keep[late] = False
    starts = np.maximum.accumulate(ts[keep]) if keep.any() else ts[:0]
    column = ticks_of(price[keep], series.contract.spec)[0]
    return _Finer(starts, starts + 1, (column, column, column, column))


def _fit(series: Series, source: str, finer: _Finer) -> Inner:
    count = len(series)
    rows = np.searchsorted(series.starts, finer.starts, side="right") - 1
    inside = (rows >= 0) & (finer.ends <= series.ends[np.maximum(rows, 0)])
    rows = rows[inside]
    columns = [column[inside] for column in (finer.starts, finer.ends, *finer.ticks)]
    first = np.searchsorted(rows, np.arange(count + 1), side="left")
    counts = np.diff(first)
    has, good, different = counts > 0, np.zeros(count, dtype=np.bool_), []
    if has.any():
        built = _build(columns[2:], first[:-1][has], first[1:][has] - 1)
        good[has] = np.logical_and.reduce([b == c[has] for b, c in zip(built, series.ticks, strict=True)])
        different = np.flatnonzero(has & ~good).tolist()
        where = np.cumsum(has) - 1
        named = tuple(_difference(series, i, [int(b[where[i]]) for b in built], source) for i in different[:MOST_NAMED])
    sizes = np.where(good, counts, 1)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    kept = good[rows]
    places = (offsets[rows] + np.arange(len(rows)) - first[rows])[kept]
    own, made = offsets[:-1][~good], []
    for column, coarse in zip(columns, (series.starts, series.ends, *series.ticks), strict=True):
        whole = np.empty(offsets[-1], dtype=np.int64)
        whole[places], whole[own] = column[kept], coarse[~good]
        made.append(whole)
    prints = np.zeros(offsets[-1], dtype=np.bool_)
    prints[places] = source == "ticks"
    return Inner(
        source=source, starts=made[0], ends=made[1], ticks=tuple(made[2:]), offsets=offsets, prints=prints,
        missing=int((~has).sum()), different=len(different), differences=named if different else (),
    )  # fmt: skip


def _build(columns: list[Int64Array], first: Int64Array, last: Int64Array) -> tuple[Int64Array, ...]:
    open_, high, low, close = columns
    return open_[first], np.maximum.reduceat(high, first), np.minimum.reduceat(low, first), close[last]


def _difference(series: Series, row: int, built: list[int], source: str) -> str:
    price = series.contract.spec.price
    wrong = [
        f"{name} {price(int(column[row]))}, from {source} {price(made)}"
        for name, column, made in zip(PRICES, series.ticks, built, strict=True)
        if int(column[row]) != made
    ]
    return f"{local(int(series.starts[row])):%Y-%m-%d %H:%M} Chicago: {', '.join(wrong)}"
