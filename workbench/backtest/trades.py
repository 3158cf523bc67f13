"""Round trips: fills folded into trades from flat to flat, as columns, in exact money.

A fill that crosses zero ends one trade and begins the next; its fees are shared by contracts. What a closed trade made
before costs is the sum of what its fills took in, so no average is rounded on the way.

Excursions (Sweeney, Maximum Adverse Excursion, 1997) are the worst and the best that a trade showed while it was open,
before costs, its whole size at its average entry price. They read the bars as the fill model does: a bar entered at its
open counts whole, one entered later only by its close; the bar of the exit counts by the exit price, and for a limit
also by the extreme against the trade, which came first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from workbench.backtest.played import NO_LEVEL, Fills, Orders
from workbench.domain.order import OrderType

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Trips:
    """Round trips in order, all int64; only the last one may be open.

    Parameters
    ----------
    entry_at, exit_at : array
        UTC ns of the first and of the last fill; an open trade shows its newest fill.
    entry_bar, exit_bar : array
        Indices of their bars.
    side : array
        +1 long, -1 short.
    qty : array
        Contracts that went in.
    entry_sum, exit_sum : array
        Price in ticks × contracts, over what went in and what came out.
    out : array
        Contracts that came out; as many as `qty` when closed.
    gross_e4, costs_e4 : array
        Profit before costs and fees with commissions, 1/10,000 USD. The open trade's profit is what its partial exits
        made over the average price of what was held, rounded.
    entry_order, exit_order : array
        Ids of the orders of the first and of the last fill.
    """

    entry_at: Int64Array
    exit_at: Int64Array
    entry_bar: Int64Array
    exit_bar: Int64Array
    side: Int64Array
    qty: Int64Array
    entry_sum: Int64Array
    exit_sum: Int64Array
    out: Int64Array
    gross_e4: Int64Array
    costs_e4: Int64Array
    entry_order: Int64Array
    exit_order: Int64Array

    def __len__(self) -> int:
        return len(self.entry_at)

    @cached_property
    def closed(self) -> BoolArray:
        """Which trades are over."""
        over: BoolArray = self.out == self.qty
        return over

    @cached_property
    def net_e4(self) -> Int64Array:
        """Profit after fees and commissions, 1/10,000 USD."""
        return self.gross_e4 - self.costs_e4

    @property
    def entry_ticks(self) -> Float64Array:
        """Average entry price in ticks."""
        average: Float64Array = self.entry_sum / self.qty
        return average

    @property
    def exit_ticks(self) -> Float64Array:
        """Average exit price in ticks; NaN before the first exit."""
        average: Float64Array = np.divide(
            self.exit_sum, self.out, out=np.full(len(self), np.nan), where=self.out > 0, dtype=np.float64
        )
        return average


def round_trips(fills: Fills, tick_e4: int) -> Trips:
    """Return the trades that `fills` make, the one that is still open last.

    Parameters
    ----------
    fills : Fills
        In order.
    tick_e4 : int
        What one tick of one contract is worth, 1/10,000 USD.
    """
    if not len(fills):
        return Trips(*(np.empty(0, dtype=np.int64) for _ in range(13)))
    row, qty, fees = _halves(fills)
    held = np.cumsum(qty)
    before = held - qty
    first = np.flatnonzero(before == 0)
    last = np.append(first[1:] - 1, len(qty) - 1)
    ticks, at, bar, order = fills.ticks[row], fills.at[row], fills.bar[row], fills.order[row]
    side = np.sign(qty[first])
    enters = qty * np.repeat(side, last - first + 1) > 0
    paid, size = qty * ticks, np.abs(qty)
    gross = -np.add.reduceat(paid, first) * tick_e4
    if held[-1]:
        gross[-1] = round(_partial(qty[first[-1] :], ticks[first[-1] :]) * tick_e4)
    return Trips(
        entry_at=at[first],
        exit_at=at[last],
        entry_bar=bar[first],
        exit_bar=bar[last],
        side=side,
        qty=np.add.reduceat(np.where(enters, size, 0), first),
        entry_sum=np.add.reduceat(np.where(enters, size * ticks, 0), first),
        exit_sum=np.add.reduceat(np.where(enters, 0, size * ticks), first),
        out=np.add.reduceat(np.where(enters, 0, size), first),
        gross_e4=gross,
        costs_e4=np.add.reduceat(fees, first),
        entry_order=order[first],
        exit_order=order[last],
    )


def _halves(fills: Fills) -> tuple[Int64Array, Int64Array, Int64Array]:
    # fills with those that cross zero cut in two: row of the fill, signed contracts, fees
    held = np.cumsum(fills.qty)
    before = held - fills.qty
    crosses = np.sign(before) * np.sign(held) < 0
    if not crosses.any():
        return np.arange(len(held)), fills.qty, fills.fees_e4
    row = np.repeat(np.arange(len(held)), 1 + crosses)
    opening = np.zeros(len(row), dtype=bool)
    opening[np.cumsum(1 + crosses)[crosses] - 1] = True
    closing = np.zeros(len(row), dtype=bool)
    closing[np.flatnonzero(opening) - 1] = True
    qty = np.where(opening, held[row], np.where(closing, -before[row], fills.qty[row]))
    shared = fills.fees_e4 * np.abs(before) // np.abs(fills.qty)
    fees = np.where(closing, shared[row], np.where(opening, (fills.fees_e4 - shared)[row], fills.fees_e4[row]))
    return row, qty, fees


def _partial(qty: Int64Array, ticks: Int64Array) -> float:
    # What the exits of a trade that is still open have made: each takes out the average price of what was held then.
    held, cost, made = 0, 0.0, 0.0
    for size, price in zip(qty.tolist(), ticks.tolist(), strict=True):
        if held * size < 0:
            average = cost / held
            made += -size * (price - average)
            cost += size * average
        else:
            cost += size * price
        held += size
    return made


def excursions(
    trips: Trips, orders: Orders, starts: Int64Array, bars: Sequence[Int64Array]
) -> tuple[Float64Array, Float64Array]:
    """Return the maximum adverse (≤ 0) and favourable (≥ 0) excursion of each trade, ticks × contracts.

    Parameters
    ----------
    trips : Trips
    orders : Orders
        They tell which trades ended at a limit.
    starts : array of int64, shape (bars,)
        UTC ns.
    bars : sequence of array of int64, shape (bars,)
        Open, high, low and close in ticks.
    """
    from workbench.backtest.kernel_passes import find_extremes

    _, high, low, close = bars
    entry_bar, exit_bar, n = trips.entry_bar, trips.exit_bar, len(starts)
    at_open = trips.entry_at == starts[entry_bar]
    begin = np.where(at_open, entry_bar, entry_bar + 1)
    end = np.where(trips.closed, exit_bar, n)
    top, bottom = np.empty(len(trips)), np.empty(len(trips))
    find_extremes(high, low, begin, end, top, bottom)
    closes = ~at_open & (entry_bar < end)
    top = np.where(closes, np.fmax(top, close[entry_bar]), top)
    bottom = np.where(closes, np.fmin(bottom, close[entry_bar]), bottom)
    rows = _rows(orders, trips.exit_order)
    limit = (rows >= 0) & (orders.type[rows] == OrderType.LIMIT) if len(orders) else np.zeros(len(trips), dtype=bool)
    seen = trips.closed & limit & (trips.exit_at > starts[exit_bar]) & (at_open | (entry_bar < exit_bar))
    top = np.where(seen & (trips.side < 0), np.fmax(top, high[exit_bar]), top)
    bottom = np.where(seen & (trips.side > 0), np.fmin(bottom, low[exit_bar]), bottom)
    leave = trips.exit_ticks
    top, bottom = np.fmax(top, leave), np.fmin(bottom, leave)
    long, entry = trips.side > 0, trips.entry_ticks
    worst = np.where(long, bottom - entry, entry - top)
    best = np.where(long, top - entry, entry - bottom)
    return np.fmin(worst, 0.0) * trips.qty, np.fmax(best, 0.0) * trips.qty


def _rows(orders: Orders, ids: Int64Array) -> Int64Array:
    # rows of orders by id, -1 for ids that are not there; ids count up
    rows = np.searchsorted(orders.id, ids)
    found = np.minimum(rows, max(len(orders) - 1, 0))
    return (
        np.where((rows < len(orders)) & (orders.id[found] == ids), found, -1) if len(orders) else np.full(len(ids), -1)
    )


def entry_rules(trips: Trips, orders: Orders, rules: Sequence[str]) -> list[str]:
    """Return for each trade the rule that opened it; empty when its order is unknown."""
    return [rules[orders.rule[row]] if row >= 0 else "" for row in _rows(orders, trips.entry_order).tolist()]


def exit_rules(trips: Trips, orders: Orders, rules: Sequence[str], moves: Sequence[str]) -> list[str]:
    """Return for each trade why it was left: target, stop, what moved the stop, or a rule; empty if open."""
    told = []
    for row, closed in zip(_rows(orders, trips.exit_order).tolist(), trips.closed.tolist(), strict=True):
        if row < 0 or not closed:
            told.append("")
        elif orders.parent[row] == NO_LEVEL:
            told.append(rules[orders.rule[row]])
        elif orders.type[row] == OrderType.LIMIT:
            told.append("target")
        else:
            told.append(moves[orders.moved[row]] or "stop")
    return told
