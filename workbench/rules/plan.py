"""A strategy bound to a contract and parameter values: all that a decision needs, as slots and plain numbers.

Both engines and the live runner decide from the same plan: the streaming evaluator reads its slots bar by bar, the
compiled kernel reads the same slots as columns. The small functions here are written so that they compile as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.rules.graph import Graph
    from workbench.rules.windows import Window

MIN_TICKS = 4  # the gateway takes no bracket closer than this
MAX_TICKS = 1_000_000.0
NEVER = 1 << 60

FIXED, RISK, VOLATILITY = 0, 1, 2  # how a plan sizes its entries


@dataclass(frozen=True, slots=True)
class Sides:
    """Slots of a distance in ticks, one for each side of the position; -1 where that side has none."""

    long: int = -1
    short: int = -1

    def of(self, side: int) -> int:
        """Return the slot for a position of this sign."""
        return self.long if side > 0 else self.short


NONE = Sides()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What decides at the close of a bar.

    Parameters
    ----------
    graph : Graph
        Fresh; its slots are what the other fields point at. Conditions are 1.0, 0.0 or NaN (not known yet).
    conditions : mapping
        Slot by name: entry.long, entry.short, exit.long, exit.short; only those that are written.
    stop, target, trail, break_even, break_even_plus : Sides
        Slots of distances in ticks (float, not rounded yet). `break_even` is the gain after which the stop moves to
        the entry price plus `break_even_plus`.
    exit_after : int
        Bars in position (the bar of the entry's fill is the first) after which it is left; 0 = never.
    sizing : int
        FIXED, RISK or VOLATILITY. `amount` is contracts for FIXED, USD otherwise; `volatility` is the slot of a range
        in ticks, for VOLATILITY; `most` caps the contracts.
    cooldown, max_trades : int
        Bars out of position before the next entry; entries signalled per trading date.
    windows : tuple of Window
        Entries only when the bar closes in one of them; empty: always.
    flat_by_s : int or None
        Seconds from 17:00 Chicago at which the position must be gone.
    needed : int
        Bars before the first entry.
    tick, tick_value : float
        Points of one tick, and its worth in USD.
    """

    graph: Graph
    conditions: Mapping[str, int]
    stop: Sides = NONE
    target: Sides = NONE
    trail: Sides = NONE
    break_even: Sides = NONE
    break_even_plus: Sides = NONE
    exit_after: int = 0
    sizing: int = FIXED
    amount: float = 1.0
    volatility: int = -1
    most: int = NEVER
    cooldown: int = 0
    max_trades: int = NEVER
    windows: tuple[Window, ...] = ()
    flat_by_s: int | None = None
    needed: int = 1
    tick: float
    tick_value: float
    daily_loss_usd: float = math.inf  # the strategy's own limits; the tighter of these and the account's holds
    max_position: int = NEVER


def whole_ticks(value: float) -> int:
    """Return a distance as the gateway takes it: rounded half up, at least 4 ticks; 0 when it cannot be computed.

    >>> whole_ticks(12.5), whole_ticks(0.0), whole_ticks(math.nan), whole_ticks(-1.0)
    (13, 4, 0, 0)
    """
    if not (value >= 0.0 and value < MAX_TICKS):  # NaN fails both
        return 0
    return max(MIN_TICKS, math.floor(value + 0.5))


def whole_offset(value: float) -> int:
    """Return an offset in ticks, rounded half up: unlike a bracket it may be 0 or negative; 0 when it is unknown."""
    if not (value > -MAX_TICKS and value < MAX_TICKS):
        return 0
    return math.floor(value + 0.5)


def contracts(sizing: int, amount: float, stop_ticks: int, volatility: float, tick_value: float, most: int) -> int:
    """Return the contracts to enter with; 0 when there is no sensible number, which means no entry.

    FIXED: `amount` as it is. RISK: what loses at most `amount` USD at the stop's own price; slippage and fees come on
    top. VOLATILITY: what moves by `amount` USD when the price moves by `volatility` ticks.

    >>> contracts(FIXED, 2.0, 0, math.nan, 1.25, 5), contracts(RISK, 100.0, 16, math.nan, 1.25, 50)
    (2, 5)
    >>> contracts(VOLATILITY, 100.0, 0, 30.0, 1.25, 50), contracts(RISK, 10.0, 16, math.nan, 1.25, 50)
    (2, 0)
    """
    if sizing == FIXED:
        return min(int(amount), most)
    spread = float(stop_ticks) if sizing == RISK else volatility
    if not (spread > 0.0 and spread < MAX_TICKS):
        return 0
    return int(min(math.floor(amount / (spread * tick_value)), most))
