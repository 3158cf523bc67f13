"""The columns a rule reads, over many bars at once, and the bars of higher timeframes built from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt

from workbench.domain.clock import SECOND
from workbench.domain.errors import InputError
from workbench.domain.hours import TradingHours, at_local
from workbench.domain.timeframe import timeframe
from workbench.rules.zones import local_seconds

Floats = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

PRICES = ("open", "high", "low", "close", "volume")
LOCAL = "local:"  # and a zone: the second of its day at which a bar closes
_EPOCH_DAY = date(1970, 1, 1).toordinal()


@dataclass(eq=False, kw_only=True)
class Inputs:
    """Closed bars as columns of equal length, ascending.

    Parameters
    ----------
    starts, ends : int64 array
        UTC ns; the end is the close of the bar.
    open, high, low, close : float64 array
        Points.
    volume : float64 or int64 array
        Contracts; rules read them as float64, made when one asks.
    hours : TradingHours
        Of the contract.
    """

    starts: Int64Array
    ends: Int64Array
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats | Int64Array
    hours: TradingHours
    _columns: dict[str, Floats] = field(default_factory=dict, init=False, repr=False)
    _higher: dict[str, tuple[Inputs, Int64Array]] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.starts)

    def column(self, name: str) -> Floats:
        """Return a column: a price, volume, day, start_s, end_s, or the local close ``local:America/New_York``."""
        if name in PRICES and name != "volume":
            made: Floats = getattr(self, name)
            return made
        if name not in self._columns:
            self._columns[name] = self._column(name)
        return self._columns[name]

    @cached_property
    def begins(self) -> Int64Array:
        """When the trading date of each bar begins (17:00 Chicago of the evening before), UTC ns."""
        edges, rows = self.hours.dated(self.starts)
        begins = [at_local(day - timedelta(days=1), "17:00") for day in self.hours.dates[rows].tolist()]
        made: Int64Array = np.repeat(np.array(begins, dtype=np.int64), np.diff(edges))
        return made

    def higher(self, text: str) -> tuple[Inputs, Int64Array]:
        """Return the closed bars of a higher timeframe, and where the newest of them is at each close (-1: none yet).

        A bar of the higher timeframe is seen once one of ours closes at or after its end. One of which our bars do not
        show the beginning is left out.
        """
        if text not in self._higher:
            self._higher[text] = _higher(self, text)
        return self._higher[text]

    def _column(self, name: str) -> Floats:
        if name == "volume":
            return np.asarray(self.volume, dtype=np.float64)
        if name == "day":
            edges, rows = self.hours.dated(self.starts)
            days = self.hours.dates[rows].astype(np.int64) + _EPOCH_DAY
            return np.repeat(days.astype(np.float64), np.diff(edges))
        if name in ("start_s", "end_s"):
            made: Floats = ((self.starts if name == "start_s" else self.ends) - self.begins) / SECOND
            return made
        if name.startswith(LOCAL):
            return local_seconds(name[len(LOCAL) :], self.ends)
        raise InputError(f"bars have no column {name!r}")


def _higher(of: Inputs, text: str) -> tuple[Inputs, Int64Array]:
    frame = timeframe(text)
    if not len(of):
        return of, np.empty(0, dtype=np.int64)
    # A bar belongs where its last instant does: an hour that holds the opening (08:30) belongs to the new session.
    starts = frame.bar_starts(of.ends - 1, of.hours)
    first = np.flatnonzero(np.concatenate([[True], starts[1:] != starts[:-1]]))
    last = np.concatenate([first[1:], [len(of)]]) - 1
    begins, ends = starts[first], frame.bar_ends(starts[first], of.hours)
    group = np.repeat(np.arange(len(first)), last - first + 1)
    newest = group - (of.ends < ends[group])
    made = Inputs(
        starts=begins,
        ends=ends,
        open=of.open[first],
        high=np.maximum.reduceat(of.high, first),
        low=np.minimum.reduceat(of.low, first),
        close=of.close[last],
        volume=np.add.reduceat(of.column("volume"), first),
        hours=of.hours,
    )
    partial = int(of.starts[0] > begins[0])
    return _cut(made, partial, int(newest[-1]) + 1), np.maximum(newest - partial, -1)


def _cut(of: Inputs, first: int, end: int) -> Inputs:
    rows = slice(first, max(first, end))
    prices = {name: of.column(name)[rows] for name in PRICES}
    return Inputs(starts=of.starts[rows], ends=of.ends[rows], hours=of.hours, **prices)
