"""Compiled loops over prints and bars. Compiled at first use and kept on disk (see `workbench._numba_cache`).

Both forms of bucket are covered by one pair of arrays: `anchors` (ns, ascending) and `step` (ns). Without anchors a bar
starts at a multiple of `step` since the epoch; with anchors it starts at ``anchor + k * step`` and ends at the next
anchor at the latest. A step longer than any session makes the anchors themselves the bars (days, weeks, months).

A loop fills its output arrays and returns when they are full; the caller grows them and calls again, so memory follows
the number of bars, not of prints. `where` carries position, bars written, current bar's bounds, highest stamp, and the
late count.
"""

from __future__ import annotations

from typing import Any

from workbench._numba_cache import prepare

prepare()

import numba as nb
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

POSITION, BARS, START, END, CLOCK, LATE = range(6)
FAR = 2**62


@nb.njit(cache=True, nogil=True)
def bucket(ts: int, anchors: Ints, step: int) -> tuple[int, int]:
    """Return (start, end) in ns of the bar that holds `ts`."""
    if anchors.shape[0] == 0:
        start = ts - ts % step
        return start, start + step
    k = np.searchsorted(anchors, ts, side="right") - 1
    if k < 0:
        return -FAR, anchors[0]
    start = anchors[k] + (ts - anchors[k]) // step * step
    end = start + step
    if k + 1 < anchors.shape[0] and end > anchors[k + 1]:
        end = anchors[k + 1]
    return start, end


@nb.njit(cache=True, nogil=True)
def buckets(ts: Ints, anchors: Ints, step: int, starts: Ints, ends: Ints) -> None:
    """Fill `starts` and `ends` (ns) with the bar of every stamp of `ts`."""
    low, high = FAR, -FAR
    for i in range(ts.shape[0]):
        t = ts[i]
        if t < low or t >= high:
            low, high = bucket(t, anchors, step)
        starts[i] = low
        ends[i] = high


@nb.njit(cache=True, nogil=True)
def prints_to_bars(
    ts: Ints,
    price: Floats,
    size: Ints,
    anchors: Ints,
    step: int,
    where: Ints,
    start_out: Ints,
    open_out: Floats,
    high_out: Floats,
    low_out: Floats,
    close_out: Floats,
    volume_out: Ints,
    late_out: Ints,
) -> bool:
    """Fold prints into bars without a watermark: the market clock is the highest stamp seen.

    The current bar then always holds the highest stamp, so a print behind its start is late and nothing else is.
    Returns False when an output array is full.
    """
    i, n = where[POSITION], ts.shape[0]
    bar, late = where[BARS] - 1, where[LATE]
    start, end = where[START], where[END]
    o, h, low, c, v = 0.0, 0.0, 0.0, 0.0, np.int64(0)
    if bar >= 0:
        o, h, low, c, v = (
            open_out[bar],
            high_out[bar],
            low_out[bar],
            close_out[bar],
            volume_out[bar],
        )
    room, late_room = start_out.shape[0], late_out.shape[0]
    while i < n:
        t = ts[i]
        p = price[i]
        if t >= end:
            if bar >= 0:
                (
                    open_out[bar],
                    high_out[bar],
                    low_out[bar],
                    close_out[bar],
                    volume_out[bar],
                ) = o, h, low, c, v
            if bar + 1 == room:
                break
            bar += 1
            start, end = bucket(t, anchors, step)
            start_out[bar] = start
            o = h = low = c = p
            v = size[i]
        elif t >= start:
            if p > h:
                h = p
            if p < low:
                low = p
            c = p
            v += size[i]
        else:
            if late == late_room:
                break
            late_out[late] = i
            late += 1
        i += 1
    if bar >= 0:
        open_out[bar], high_out[bar], low_out[bar], close_out[bar], volume_out[bar] = (
            o,
            h,
            low,
            c,
            v,
        )
    where[POSITION], where[BARS], where[START], where[END], where[LATE] = (
        i,
        bar + 1,
        start,
        end,
        late,
    )
    return bool(i == n)


@nb.njit(cache=True, nogil=True)
def watched_prints_to_bars(
    ts: Ints,
    price: Floats,
    size: Ints,
    watermark: Ints,
    anchors: Ints,
    step: int,
    where: Ints,
    start_out: Ints,
    open_out: Floats,
    high_out: Floats,
    low_out: Floats,
    close_out: Floats,
    volume_out: Ints,
    late_out: Ints,
) -> bool:
    """Fold prints into bars; a print is late when its bar ends at or before max(watermarks so far, earlier stamps)."""
    bar, late = where[BARS] - 1, where[LATE]
    start, end, clock = where[START], where[END], where[CLOCK]
    i, n = where[POSITION], ts.shape[0]
    while i < n:
        t = ts[i]
        clock = max(clock, watermark[i])
        low, high = start, end
        if t < start or t >= end:
            low, high = bucket(t, anchors, step)
        if high <= clock:
            if late == late_out.shape[0]:
                break
            late_out[late] = i
            late += 1
        elif low == start and bar >= 0:
            if price[i] > high_out[bar]:
                high_out[bar] = price[i]
            if price[i] < low_out[bar]:
                low_out[bar] = price[i]
            close_out[bar] = price[i]
            volume_out[bar] += size[i]
        else:
            if bar + 1 == start_out.shape[0]:
                break
            bar += 1
            start, end = low, high
            start_out[bar] = start
            open_out[bar] = high_out[bar] = low_out[bar] = close_out[bar] = price[i]
            volume_out[bar] = size[i]
        clock = max(clock, t)
        i += 1
    (
        where[POSITION],
        where[BARS],
        where[START],
        where[END],
        where[CLOCK],
        where[LATE],
    ) = i, bar + 1, start, end, clock, late
    return bool(i == n)


@nb.njit(cache=True, nogil=True)
def bars_to_bars(
    ts: Ints,
    o: Floats,
    h: Floats,
    low: Floats,
    c: Floats,
    v: Ints,
    anchors: Ints,
    step: int,
    start_out: Ints,
    open_out: Floats,
    high_out: Floats,
    low_out: Floats,
    close_out: Floats,
    volume_out: Ints,
) -> int:
    """Fold ascending bars into longer ones; return how many were written. Outputs must hold as many rows as `ts`."""
    bar = -1
    start, end = FAR, -FAR
    for i in range(ts.shape[0]):
        t = ts[i]
        if t < start or t >= end:
            bar += 1
            start, end = bucket(t, anchors, step)
            start_out[bar] = start
            open_out[bar], high_out[bar], low_out[bar], close_out[bar] = (
                o[i],
                h[i],
                low[i],
                c[i],
            )
            volume_out[bar] = v[i]
        else:
            if h[i] > high_out[bar]:
                high_out[bar] = h[i]
            if low[i] < low_out[bar]:
                low_out[bar] = low[i]
            close_out[bar] = c[i]
            volume_out[bar] += v[i]
    return bar + 1


_STRETCH = 2048  # bars that are looked at column by column, while they are near the processor


@nb.njit(cache=True, nogil=True, error_model="numpy")
def read_bars(
    ts: Ints,
    points: tuple[Floats, ...],
    volume: Any,
    calendar: tuple[int, int, int],
    per_point: float,
    tick: float,
    limits: tuple[float, float, float],
    ticks: tuple[Ints, ...],
    whole: Ints,
) -> int:
    """Fill ticks and whole volume of bars; -1 if a row is not good, in order and on its grid.

    A `whole` of no length stays as it is: for a volume that is whole by its type.

    `calendar` is (first, last, step) in ns, `per_point` ticks in a point, `tick` points of a tick, `limits` the largest
    distance from the grid in points, number of ticks, and volume. Returns how many bars begin a step after the last.
    """
    first, last, step = calendar
    opens, highs, lows, closes = points
    n, near, before = ts.shape[0], 0, np.int64(-FAR)
    for begin in range(0, n, _STRETCH):
        end = min(begin + _STRETCH, n)
        for i in range(begin, end):
            t = ts[i]
            if t - before == step:
                near += 1
            elif not (before < t and first <= t and t % step == 0):
                return -1
            before = t
        if not before < last:
            return -1
        good = _is_volume(volume[begin:end], limits[2])
        good &= _is_inside(opens[begin:end], highs[begin:end], lows[begin:end], closes[begin:end])
        for k in range(4):
            good &= _is_on_grid(points[k][begin:end], ticks[k][begin:end], per_point, tick, limits)
        if not good:
            return -1
        for i in range(begin, min(end, whole.shape[0])):
            whole[i] = np.int64(volume[i])
    return near


# The loops over one stretch of a column have no way out but their end, so that they take several rows at once; NaN
# fails every comparison.


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _is_on_grid(price: Floats, column: Ints, per_point: float, tick: float, limits: tuple[float, float, float]) -> bool:
    good = True
    for i in range(price.shape[0]):
        steps = np.rint(price[i] * per_point)
        good &= (abs(steps) <= limits[1]) & (abs(price[i] - steps * tick) <= limits[0])
        column[i] = np.int64(steps)
    return good


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _is_inside(opens: Floats, highs: Floats, lows: Floats, closes: Floats) -> bool:
    good = True
    for i in range(opens.shape[0]):
        o, h, lo, c = opens[i], highs[i], lows[i], closes[i]
        good &= (h >= o) & (h >= c) & (lo <= o) & (lo <= c) & (h >= lo)
    return good


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _is_volume(volume: Any, most: float) -> bool:
    good = True
    for i in range(volume.shape[0]):
        v = volume[i]
        good &= (v >= 0) & (v <= most) & (v == np.floor(v))
    return good
