"""Does what a person said about a file's clock agree with what the market does? Findings, never corrections.

Two things give a wrong clock away. Index products trade most suddenly at 08:30 Chicago, when the stock market opens: a
jump of volume one bar beside it means the stamps are the other end of the bars, a jump hours away means another time
zone. And nothing trades while the exchange is closed: many bars then mean the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from workbench.domain.hours import CHICAGO, SECOND
from workbench.domain.timeframe import Timeframe

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from workbench.domain.hours import TradingHours

STOCK_OPEN_S = (8 * 60 + 30) * 60
STOCK_CLOSE_S = 15 * 3600
DAY_S = 86_400
LONGEST_S = 30 * 60
LEAST_DAYS, LEAST_DAY_S = 2, 8 * 3600
# Share of bars outside the hours: more than the first is odd, less than the second is right.
ODD, RIGHT = 0.02, 0.002
ZONES = ("UTC", "America/New_York", "America/Chicago", "Europe/London", "Europe/Berlin", "Asia/Tokyo")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a file that does not look right: a short code and a sentence with what to do."""

    code: str
    text: str


def findings(bars: pl.DataFrame, timeframe: Timeframe, hours: TradingHours, *, zone: str, stamp: str) -> list[Finding]:
    """Return what is suspicious about the stamps of bars that were read as `zone` and `stamp`.

    Parameters
    ----------
    bars : polars.DataFrame
        With ``ts`` (UTC, bar start as it was understood) and ``volume``.
    timeframe : Timeframe
    hours : TradingHours
    zone, stamp : str
        As the file was read; they appear in the sentences.
    """
    import polars as pl

    bars = bars.drop_nulls("ts").with_columns(pl.col("ts").dt.cast_time_unit("ns")).sort("ts")
    ts = bars["ts"].to_physical().to_numpy()
    inside = (ts >= hours.opens[0]) & (ts < hours.opens[-1])
    if timeframe.seconds > LONGEST_S or not inside.any():
        return []
    bars, ts = bars.filter(inside), ts[inside]
    found = [_spacing(ts, timeframe)]
    opening = None
    if hours.group == "index":
        opening = opening_jump(
            ts, np.nan_to_num(bars["volume"].cast(pl.Float64).fill_null(0).to_numpy()), timeframe.seconds
        )
    if opening is not None:  # a clock that the opening confirms is right, whatever the hours were in those years
        found.append(_opening(ts, opening, timeframe, zone, stamp))
    else:
        found.append(_edges(ts, timeframe, hours, stamp) or _closed(ts, hours, zone, stamp))
    return [finding for finding in found if finding is not None]


def opening_jump(ts: NDArray[np.int64], volume: NDArray[np.float64], step_s: int) -> int | None:
    """Return the second of the Chicago day at which volume jumps up most, or None when no jump stands out.

    The profile is each day's share of volume by time of day, averaged over days, so that one wild day does not decide.
    """
    wall = _wall_seconds(ts)
    day, clock = wall // DAY_S, wall % DAY_S
    row = np.unique(day, return_inverse=True)[1]
    totals = np.maximum(np.bincount(row, weights=volume), 1.0)
    full = np.bincount(row) * step_s >= LEAST_DAY_S  # a stump of a day has no profile
    if full.sum() < LEAST_DAYS:
        return None
    weights = np.where(full, 1.0 / totals, 0.0)[row] * volume
    profile = np.bincount(clock // step_s, weights=weights, minlength=DAY_S // step_s) / int(full.sum())
    before = max(3, 1800 // step_s)
    past = np.convolve(np.concatenate([profile[-before:], profile]), np.ones(before) / before, "valid")[:-1]
    jump = profile - past
    # The last minute before 15:00 is busy too: the opening is the jump with such a one 6½ hours behind it.
    behind = (STOCK_CLOSE_S - STOCK_OPEN_S) // step_s
    close = np.maximum(np.roll(jump, -behind), np.roll(jump, 1 - behind))
    # A jump out of silence is the session open.
    from_trading = (profile > 2 * past) & (past > 0.1 * profile.mean())
    at = int(np.argmax(np.where(from_trading, jump + np.maximum(close, 0.0), 0.0)))
    stands_out = from_trading[at] and profile[at] > 2 * profile.mean()
    return at * step_s if stands_out else None


def _opening(ts: NDArray[np.int64], at: int, timeframe: Timeframe, zone: str, stamp: str) -> Finding | None:
    off = at - STOCK_OPEN_S // timeframe.seconds * timeframe.seconds
    if off == 0:
        return None
    seen = f"volume jumps at {at // 3600:02d}:{at // 60 % 60:02d} Chicago instead of 08:30"
    if off == timeframe.seconds and stamp == "start":
        return Finding("stamp", f"{seen}: the stamps are probably the end of the bars; try --stamp end")
    if off == -timeframe.seconds and stamp == "end":
        return Finding("stamp", f"{seen}: the stamps are probably the start of the bars; try --stamp start")
    if off % 1800 == 0:
        like = _zones_that_fit(ts, at, zone)
        hint = f"; it fits {' or '.join(like)}: try --zone {like[0]}" if like else ""
        return Finding("zone", f"{seen}: the time zone is probably not {zone}{hint}")
    return Finding("clock", f"{seen}: the clock of the file is {off / 60:+g} minutes off; check --zone and --stamp")


def _edges(ts: NDArray[np.int64], timeframe: Timeframe, hours: TradingHours, stamp: str) -> Finding | None:
    """Look at the first and the last bar of the sessions: end stamps leave the open bare and fill the close."""
    first, last = np.searchsorted(hours.opens, [ts[0], ts[-1]])
    opens, closes = hours.opens[first:last], hours.closes[first:last]
    if len(opens) < LEAST_DAYS or stamp == "end":
        return None
    at_open, at_close = np.isin(opens, ts).mean(), np.isin(closes, ts).mean()
    if at_open < 0.1 and at_close > 0.5:
        seen = f"{at_close:.0%} of the sessions have a {timeframe} bar at their close, {at_open:.0%} one at their open"
        return Finding("stamp", f"{seen}: the stamps are probably the end of the bars; try --stamp end")
    return None


def _closed(ts: NDArray[np.int64], hours: TradingHours, zone: str, stamp: str) -> Finding | None:
    outside = _outside(ts, hours)
    if outside <= ODD or len(ts) < 200:
        return None
    seen = f"{outside:.1%} of the bars lie outside the {hours.group} trading hours"
    for other in ZONES:
        if other != zone and _outside(_reread(ts, zone, other), hours) <= RIGHT:
            return Finding("zone", f"{seen}, none would if the time zone were {other}; try --zone {other}")
    return Finding(
        "hours", f"{seen}; check the time zone ({zone}) and the stamps ({stamp}), or the product's hours then"
    )


def _spacing(ts: NDArray[np.int64], timeframe: Timeframe) -> Finding | None:
    steps = np.diff(np.unique(ts))
    if len(steps) < 20:
        return None
    values, counts = np.unique(steps, return_counts=True)
    usual = int(values[np.argmax(counts)]) // SECOND
    if usual == timeframe.seconds:
        return None
    return Finding(
        "timeframe", f"neighbouring bars are {usual} s apart, not {timeframe.seconds} s as {timeframe} bars are"
    )


def _outside(ts: NDArray[np.int64], hours: TradingHours) -> float:
    known = ts[(ts >= hours.opens[0]) & (ts < hours.opens[-1])]
    return 1.0 - float(hours.is_open_array(known).mean()) if len(known) else 1.0


def _wall_seconds(ts: NDArray[np.int64]) -> NDArray[np.int64]:
    return ts // SECOND + _offsets(ts, CHICAGO)


def _offsets(ts: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """Return the zone's offset from UTC (s) at each instant; looked up once per hour that occurs."""
    from datetime import UTC, datetime

    spans, row = np.unique(ts // (3600 * SECOND), return_inverse=True)
    found = [datetime.fromtimestamp(int(span) * 3600, UTC).astimezone(zone).utcoffset() for span in spans]
    offsets = np.array([int(offset.total_seconds()) if offset else 0 for offset in found], np.int64)
    return offsets[row]


def _reread(ts: NDArray[np.int64], zone: str, other: str) -> NDArray[np.int64]:
    """Return the instants had the same wall clock been read in another zone (the hours around a clock change apart)."""
    wall = ts + _offsets(ts, ZoneInfo(zone)) * SECOND
    return np.asarray(wall - _offsets(wall, ZoneInfo(other)) * SECOND, np.int64)


def _zones_that_fit(ts: NDArray[np.int64], at: int, zone: str) -> list[str]:
    """Return the zones in which the jump at `at` (s of the Chicago day) would be at 08:30."""
    jump = ts[_wall_seconds(ts) % DAY_S == at]
    fits = []
    for other in ZONES:
        if other != zone and len(jump):
            clock = _wall_seconds(_reread(jump, zone, other)) % DAY_S
            if (clock == STOCK_OPEN_S).mean() > 0.5:
                fits.append(other)
    return fits
