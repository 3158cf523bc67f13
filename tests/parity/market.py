"""Made-up markets: walks on the tick grid over real calendars, with what markets do to engines.

Gaps, flat bars, limit moves, missing minutes, weeks in which the clocks change, half days, prices that touch a level
exactly, finer bars or single prints inside.
"""

from __future__ import annotations

from datetime import date

import numpy as np

from tests.parity.pick import Pick
from workbench.backtest.inner import Inner
from workbench.backtest.series import Series
from workbench.domain.contract import parse_contract
from workbench.domain.hours import at_local, trading_hours
from workbench.domain.timeframe import timeframe

MINUTE = 60_000_000_000
PRODUCTS = ("MESZ25", "MNQZ25", "MCLZ25", "GCZ25", "ZNZ25", "6EZ25", "ZCZ25")
WEEKS = (
    date(2025, 9, 8),  # an ordinary one
    date(2025, 3, 7),  # the clocks go forward on Sunday
    date(2025, 10, 31),  # and back
    date(2025, 11, 25),  # Thanksgiving and a half day
    date(2025, 12, 22),  # Christmas
    date(2025, 7, 2),  # Independence Day
)
LENGTHS = ("30s", "1m", "1m", "5m", "15m", "1h", "1h", "2h", "2h")


def make_market(pick: Pick) -> Series:
    """Return a series of a few hundred bars."""
    contract = parse_contract(pick.one(PRODUCTS))
    wild = pick.chance(25)  # few bars a day, long wicks, gaps: everything within one bar
    frame, hours = timeframe(pick.one(("2h", "4h") if wild else LENGTHS)), trading_hours(contract.spec)
    rng = np.random.default_rng(pick.whole(0, 2**32))
    bars = pick.whole(450, 700)
    begins = at_local(pick.one(WEEKS), pick.one(("08:00", "08:00", "13:30", "00:00")))
    every = min(frame.seconds * 1_000_000_000, 15 * MINUTE)
    span = bars * 2 * frame.seconds * 1_000_000_000 + 6 * 24 * 60 * MINUTE
    stamps = begins // every * every + np.arange(0, span, every, dtype=np.int64)
    stamps = stamps[hours.is_open_array(stamps)]
    starts = np.unique(frame.bar_starts(stamps, hours))[:bars]
    starts = starts[rng.random(len(starts)) >= pick.one((0.0, 0.0, 0.02, 0.2))]
    if pick.chance(20):  # hours without a print
        hole = pick.whole(20, 200)
        starts = np.concatenate([starts[:hole], starts[hole + pick.whole(1, 60) :]])
    ends = frame.bar_ends(starts, hours)
    return _series(pick, rng, contract, frame, hours, starts, ends, wild)


def _series(pick, rng, contract, frame, hours, starts, ends, wild) -> Series:  # type: ignore[no-untyped-def]
    count = len(starts)
    inside = pick.whole(2, 5) if pick.chance(25) else 1
    days = hours.session_index(starts)
    fresh = np.repeat(np.concatenate([[False], days[1:] != days[:-1]]), inside)
    fresh[np.arange(len(fresh)) % inside != 0] = False
    walk, opens = _walk(pick, rng, fresh, wild)
    wick = pick.one((12, 20, 30)) if wild else pick.one((0, 1, 3, 6))
    high = np.maximum(opens, walk) + rng.integers(0, wick + 1, len(walk))
    low = np.minimum(opens, walk) - rng.integers(0, wick + 1, len(walk))
    columns = [np.ascontiguousarray(column, dtype=np.int64) for column in (opens, high, low, walk)]
    prints = inside > 1 and pick.chance(40)
    if prints:
        columns = [columns[3].copy() for _ in columns]
    sub = columns
    first = np.arange(0, count * inside, inside)
    ticks = (
        sub[0][first],
        np.maximum.reduceat(sub[1], first),
        np.minimum.reduceat(sub[2], first),
        sub[3][first + inside - 1],
    )
    found = None
    if inside > 1:
        part = (ends - starts) // inside
        begins = (starts[:, None] + part[:, None] * np.arange(inside)).ravel()
        found = Inner(
            source="ticks" if prints else "1s",
            starts=begins,
            ends=begins + 1 if prints else begins + np.repeat(part, inside),
            ticks=tuple(sub),
            offsets=np.arange(count + 1, dtype=np.int64) * inside,
            prints=np.full(count * inside, prints),
        )
    return Series(
        contract=contract,
        timeframe=frame,
        hours=hours,
        starts=starts,
        ends=ends,
        points=tuple((column * contract.spec.tick_size).tolist() for column in ticks),
        ticks=ticks,
        volume=rng.integers(0, 500, count).tolist(),
        inner=found,
    )


def _walk(pick: Pick, rng: np.random.Generator, fresh: np.ndarray, wild: bool) -> tuple[np.ndarray, np.ndarray]:
    count = len(fresh)  # `fresh` tells where a trading date begins
    wide = pick.one((2, 3, 4, 8))
    steps = rng.integers(-wide, wide + 1, count)
    drift = pick.one((0, 0, 1))
    if drift:  # runs in one direction
        steps = steps + np.repeat(rng.integers(-1, 2, count // 20 + 1) * drift, 20)[:count]
    quiet = rng.random(count) < pick.one((0.0, 0.1, 0.3))
    steps[quiet] = 0
    if pick.chance(20):  # locked at a limit for a while
        at = pick.whole(10, max(11, count - 40))
        steps[at] = pick.one((-90, 90))
        steps[at + 1 : at + 30] = 0
    often = np.where(fresh, pick.one((0.2, 0.9)), 0.4 if wild else pick.one((0.0, 0.05, 0.2)))
    gaps = np.where(rng.random(count) < often, rng.integers(-25, 26, count), 0)
    close = 4_000 + np.cumsum(steps + gaps)
    close += max(0, 300 - int(close.min()))
    opens = np.concatenate([[close[0]], close[:-1]]) + gaps
    opens[0] = close[0]
    return close, opens
