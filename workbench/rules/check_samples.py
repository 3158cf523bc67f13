"""What made-up bars show: both sides at once, entries that are left at once, conditions that were never true."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from workbench.domain.contract import spec
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import timeframe
from workbench.rules.check import HINT, Finding, Found
from workbench.rules.daytime import DayClock
from workbench.rules.grid import year_of_bars

if TYPE_CHECKING:
    from workbench.rules.strategy import Strategy

BARS = 3_000
MOST = 15_000
_PRICE = 5_000.0
_SEED = 20_250_901


def samples(strategy: Strategy) -> Found:
    """Yield hints from a seeded random walk over a year's trading hours; deterministic."""
    truths, seen = _truths(strategy)
    if seen < BARS // 10:
        return
    yield from _both(strategy, truths, seen)
    for name, true in truths.items():
        if not true.any():
            said = f"{name} was not true once on {seen:,} made-up bars; it may ask for too much"
            yield Finding(HINT, "rarely-true", said, strategy.line(name))
    for side in ("long", "short"):
        entry, leave = truths.get(f"entry.{side}"), truths.get(f"exit.{side}")
        if entry is None or leave is None or entry.sum() < 20:
            continue
        share = float((entry & leave).sum() / entry.sum())
        if share > 0.5:
            said = f"on made-up bars exit.{side} was true on {share:.0%} of the bars on which entry.{side} was"
            yield Finding(HINT, "exit-at-entry", said, strategy.line(f"exit.{side}"))


def _both(strategy: Strategy, truths: dict[str, np.ndarray], seen: int) -> Found:
    long, short = truths.get("entry.long"), truths.get("entry.short")
    if long is None or short is None:
        return
    both = int((long & short).sum())
    if both:
        said = (
            f"both entries can be true together: on {both} of {seen:,} made-up bars, where entry.long was true on "
            f"{int(long.sum())} and entry.short on {int(short.sum())}; when both are, neither is taken"
        )
        yield Finding(HINT, "both-sides", said, strategy.line("entry.long"))


def _truths(strategy: Strategy) -> tuple[dict[str, np.ndarray], int]:
    # The truth of each condition on the bars after the warm-up, and how many those are.
    graph = strategy.bind()
    slots = {name: graph.add(rule) for name, rule in strategy.rules.items()}
    warm = max(graph.warm(slot) for slot in slots.values())
    starts, ends = year_of_bars(strategy.group, strategy.timeframe)
    bars = min(warm + BARS, len(starts), MOST)
    if bars - warm < BARS // 10:
        return {}, 0
    day = DayClock(trading_hours(strategy.group))
    values = graph.values
    true: dict[str, list[bool]] = {name: [] for name in slots}
    rows = zip(starts[:bars].tolist(), ends[:bars].tolist(), *_walk(strategy, bars), strict=True)
    for i, (start, end, o, h, lo, c, v) in enumerate(rows):
        day.enter(start)
        graph.step(o, h, lo, c, v, day.day, day.second(start), day.second(end), start, end)
        if i >= warm:
            for name, slot in slots.items():
                true[name].append(values[slot] == 1.0)
    return {name: np.array(column) for name, column in true.items()}, bars - warm


def _walk(strategy: Strategy, bars: int) -> list[list[float]]:
    # Trends, ranges and gaps on the tick grid, with the width that bars of this length have.
    chance = np.random.default_rng(_SEED)
    tick = spec(strategy.roots[0]).tick_size
    width = max(_PRICE * 0.0002 * math.sqrt(timeframe(strategy.timeframe).seconds / 60), 3 * tick)
    drift = np.repeat(chance.normal(0, 0.3, bars // 50 + 1), 50)[:bars]
    moves = (chance.standard_normal(bars) + drift) * width
    closes = _PRICE + np.cumsum(moves - moves.mean())
    opens = np.concatenate([[_PRICE], closes[:-1]]) + chance.normal(0, 0.1, bars) * width
    high = np.maximum(opens, closes) + np.abs(chance.normal(0, 0.4, bars)) * width
    low = np.minimum(opens, closes) - np.abs(chance.normal(0, 0.4, bars)) * width
    volume = np.floor(chance.gamma(2.0, 500.0, bars)) + 1
    return [*((np.round(column / tick) * tick).tolist() for column in (opens, high, low, closes)), volume.tolist()]
