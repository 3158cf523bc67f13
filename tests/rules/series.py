"""Random bars with what real ones have: breaks, gaps, weekends, half days, a change of clocks, unknown prices."""

from __future__ import annotations

import math
import random
from datetime import date

import numpy as np

from workbench.domain.hours import at_local, trading_hours
from workbench.domain.timeframe import timeframe
from workbench.rules.daytime import DayClock
from workbench.rules.graph import Graph
from workbench.rules.inputs import Inputs

HOURS = trading_hours("index")
# A half day (28 November), the end of daylight saving (2 November), an ordinary week, a holiday week.
BEGINNINGS = (date(2025, 11, 26), date(2025, 10, 31), date(2025, 9, 2), date(2025, 7, 2))


def random_inputs(seed: int, *, text: str = "1h", bars: int = 200, holes: float = 0.05, unknown: float = 0.0) -> Inputs:
    """Bars from a random beginning, some missing; of prices some NaN if asked for."""
    chance = random.Random(seed)
    frame = timeframe(text)
    at = (
        at_local(chance.choice(BEGINNINGS), chance.choice(("17:00", "09:00", "13:00")))
        + chance.randrange(5) * frame.length
    )
    starts: list[int] = []
    while len(starts) < bars:
        at = frame.bar_start(at, HOURS)
        if HOURS.is_open(at) and chance.random() >= holes:
            starts.append(at)
        at = frame.bar_end(at, HOURS)
    price, rows = 4000.0, []
    for _ in starts:
        first = price + chance.randrange(-2, 3) * 0.25
        price = first + chance.randrange(-8, 9) * 0.25
        high, low = max(first, price) + chance.randrange(4) * 0.25, min(first, price) - chance.randrange(4) * 0.25
        row = [first, high, low, price]
        if chance.random() < unknown:
            row[chance.randrange(4)] = math.nan
        rows.append([*row, float(chance.randrange(1000))])
    begins = np.array(starts, dtype=np.int64)
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    names = ("open", "high", "low", "close", "volume")
    prices = dict(zip(names, columns, strict=True))
    return Inputs(starts=begins, ends=frame.bar_ends(begins, HOURS), hours=HOURS, **prices)


def stream(graph: Graph, inputs: Inputs, slots: list[int]) -> dict[int, list[float]]:
    """The values of slots, bar by bar."""
    day = DayClock(inputs.hours)
    made: dict[int, list[float]] = {slot: [] for slot in slots}
    prices = (inputs.open, inputs.high, inputs.low, inputs.close, inputs.volume)
    for start, end, *bar in zip(*(c.tolist() for c in (inputs.starts, inputs.ends, *prices)), strict=True):
        day.enter(start)
        graph.step(*bar, day.day, day.second(start), day.second(end), start, end)
        for slot in made:
            made[slot].append(graph.values[slot])
    return made


def same(array: np.ndarray | float, values: list[float]) -> bool:
    """Whether both hold the same bits; all unknowns are one."""
    left = np.broadcast_to(np.asarray(array, dtype=np.float64), len(values))
    right = np.array(values)
    equal = left.view(np.int64) == right.view(np.int64) if left.flags.c_contiguous else left == right
    return bool(np.all(equal | (np.isnan(left) & np.isnan(right))))
