"""Bars of any timeframe over REST, made from the very prints that the hub sends: history and stream have no seam.

Days are walked backwards from the end, because the latest `limit` bars are the ones that count and a request may start
years ago.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from workbench.domain.contract import Contract
from workbench.domain.hours import TradingHours, trading_hours
from workbench.domain.timeframe import Timeframe, timeframe
from workbench.simulator.market import Feed, Int64Array, Prints

KEPT_DAYS = 800
MINUTE = 60
UNIT_SECONDS = {1: 1, 2: 60, 3: 3600}
UNIT_TEXTS = {4: "1d", 5: "1w", 6: "1mo"}


class Bars(NamedTuple):
    """Bars in ascending order: start (UTC ns), prices in ticks, volume in contracts."""

    ts: Int64Array
    open: Int64Array
    high: Int64Array
    low: Int64Array
    close: Int64Array
    volume: Int64Array


def gateway_timeframe(unit: int, number: int) -> Timeframe | None:
    """Return the timeframe of a request, None for a number the unit does not allow (days, weeks, months: 1 only)."""
    if unit in UNIT_TEXTS:
        return timeframe(UNIT_TEXTS[unit]) if number == 1 else None
    seconds = UNIT_SECONDS[unit] * number
    if number < 1 or seconds > 86_400 // 2:
        return None
    return Timeframe(f"{number}{' smh'[unit]}", seconds, unit, number, "")


def bars_of_prints(prints: Prints, frame: Timeframe, hours: TradingHours) -> Bars:
    """Aggregate prints: first, highest, lowest, last, sum; no print, no bar."""
    starts = frame.bar_starts(prints.ts, hours)
    first = np.flatnonzero(np.diff(starts, prepend=starts[:1] - 1))
    last = np.append(first[1:], len(starts)) - 1
    return Bars(
        starts[first],
        prints.ticks[first],
        np.maximum.reduceat(prints.ticks, first),
        np.minimum.reduceat(prints.ticks, first),
        prints.ticks[last],
        np.add.reduceat(prints.size, first),
    )


def bars_of_bars(bars: Bars, frame: Timeframe, hours: TradingHours) -> Bars:
    """Aggregate finer bars into those of `frame`."""
    starts = frame.bar_starts(bars.ts, hours)
    first = np.flatnonzero(np.diff(starts, prepend=starts[:1] - 1))
    last = np.append(first[1:], len(starts)) - 1
    return Bars(
        starts[first],
        bars.open[first],
        np.maximum.reduceat(bars.high, first),
        np.minimum.reduceat(bars.low, first),
        bars.close[last],
        np.add.reduceat(bars.volume, first),
    )


def no_bars() -> Bars:
    """Return no bars."""
    return Bars(*(np.empty(0, np.int64) for _ in Bars._fields))


class History:
    """Answers bar requests over a feed; one-minute bars of finished days are kept."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._kept: OrderedDict[tuple[str, int], Bars] = OrderedDict()

    def bars(self, contract: Contract, frame: Timeframe, start: int, end: int, *, now: int, limit: int,
             partial: bool = False) -> Bars:  # fmt: skip
        """Return the latest `limit` bars with ``start <= t < end`` as known at market time `now`.

        Parameters
        ----------
        start, end, now : int
            UTC nanoseconds. Nothing printed at or after `now` is in any bar.
        partial : bool
            With the bar that is still forming.
        """
        hours = trading_hours(contract.spec)
        start = max(start, self.feed.first_at(contract), int(hours.opens[1]))
        end = min(end, now, self.feed.end_at())
        if start >= end:
            return no_bars()
        top = hours.row(min(int(frame.bar_end(frame.bar_start(end - 1, hours), hours)), now) - 1)
        bottom = hours.row(int(frame.bar_start(start, hours)))
        found: list[Bars] = []
        starts: set[int] = set()
        for row in range(top, bottom - 1, -1):
            day = self._day(contract, frame, hours, row, now)
            if not len(day.ts):
                continue
            found.append(day)
            starts.update(frame.bar_starts(day.ts[:: max(1, len(day.ts) - 1)], hours).tolist() if frame.daily else ())
            if _enough(found, starts, frame, limit, end):
                break
        if not found:
            return no_bars()
        joint = Bars(*(np.concatenate(columns) for columns in zip(*reversed(found), strict=True)))
        made = bars_of_bars(joint, frame, hours) if frame.daily else joint
        keep = (made.ts >= start) & (made.ts < end)
        if not partial:
            keep &= frame.bar_ends(made.ts, hours) <= now
        which = np.flatnonzero(keep)[-limit:]
        return Bars(*(column[which] for column in made))

    def _day(self, contract: Contract, frame: Timeframe, hours: TradingHours, row: int, now: int) -> Bars:
        """Return one trading date's bars of `frame` (one-minute bars for daily frames), cut at `now`."""
        opened, ended = int(hours.opens[row]), int(hours.opens[row + 1])
        if frame.seconds < MINUTE or frame.seconds % MINUTE:
            prints = self.feed.prints(contract, opened, min(ended, now))
            return bars_of_prints(prints, frame, hours) if len(prints.ts) else no_bars()
        minutes = self._minutes(contract, hours, row, opened, ended, now)
        if frame.daily or frame.seconds == MINUTE or not len(minutes.ts):
            return minutes
        return bars_of_bars(minutes, frame, hours)

    def _minutes(self, contract: Contract, hours: TradingHours, row: int, opened: int, ended: int, now: int) -> Bars:
        key = (contract.id, row)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        prints = self.feed.prints(contract, opened, min(ended, now))
        made = bars_of_prints(prints, timeframe("1m"), hours) if len(prints.ts) else no_bars()
        if ended <= now:
            self._kept[key] = made
            if len(self._kept) > KEPT_DAYS:
                self._kept.popitem(last=False)
        return made


def _enough(found: list[Bars], starts: set[int], frame: Timeframe, limit: int, end: int) -> bool:
    if frame.daily:
        return len(starts) > limit + 1
    return sum(int((day.ts < end).sum()) for day in found[:1]) + sum(len(day.ts) for day in found[1:]) > limit
