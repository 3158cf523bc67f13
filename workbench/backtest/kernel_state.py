"""What the compiled engine keeps between two bars, and what it writes down: one array of integers, no objects.

Money is 1/10,000 USD, prices are ticks. A function here does one thing to the state; `kernel_fills` and
`kernel_decide` say when.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from workbench._numba_cache import prepare, watch

prepare()

import numba as nb
import numpy as np
from numpy.typing import NDArray

from workbench.backtest.played import CANCELED, FILLED, NO_LEVEL, WORKING
from workbench.backtest.switches import Without
from workbench.rules.plan import NEVER

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.uint8]
F = TypeVar("F", bound=Callable[..., Any])

watch()

_WITHIN = int(Without.WITHIN_BAR)
LIMIT, MARKET, STOP = 1, 2, 4  # as domain.order.OrderType
RING = 256  # more than the orders of a minute: at most one per bar, and no bar is shorter than a second
COLUMNS = 11  # of an order
(ID, AT, TYPE, SIDE, QUANTITY, LIMIT_AT, STOP_LEVEL, STATUS, PARENT, RULE, MOVED) = range(COLUMNS)

# fmt: off
(
    QTY, ENTRY, CASH, LAST, BASELINE, DAY_END, DAY_BAR,  # the account
    CLOSE_ID, ENTRY_ID, ENTRY_SIDE, ENTRY_QTY, ENTRY_STOP, ENTRY_TARGET,  # orders that meet the next open
    THEN_SIDE, THEN_QTY, THEN_STOP, THEN_TARGET,  # the entry of a reversal, waits for the close before it
    STOP_ID, STOP_AT, TARGET_ID, TARGET_AT,  # what protects the position
    TODAY, TRADES_TODAY, SINCE, ENTERED, WAS, BARS_IN, BEST,  # the decision's memory, see rules.decision
    FILLS, ORDERS, ALERTS, SENT_FIRST, SENT_COUNT,  # rows written; orders of the last minute
    TRADES, WINS, WON, LOST, OPENED, COSTS, REFUSED, EXPOSED, PEAK, DEPTH, FIRST_FILL, LAST_FILL,  # the summary
    FLOOR, DAY_START, CAP, FAILED, BLOCKED, PAUSED, LOCKED, ROLLED, PAID, FIRM_DAYS, SEEN, ACTED,  # the firm
    SIZE,
) = range(58)
# fmt: on


class Market(NamedTuple):
    """Bars, what is inside them, and what a fill costs there; see `backtest.prepared`."""

    starts: Ints
    ends: Ints
    highs: Ints
    lows: Ints
    closes: Ints
    days: Ints  # number of each bar's trading date, 0, 1, 2 …
    fees: Ints  # per contract and side, by bar; one value has a step of 0
    fee_step: int
    offsets: Ints  # sub-bars of bar i are offsets[i]:offsets[i + 1]
    sub_starts: Ints
    sub_ends: Ints
    sub_opens: Ints
    sub_highs: Ints
    sub_lows: Ints
    sub_closes: Ints
    slips: Ints  # by sub-bar, or one value
    slip_step: int
    edges: Ints  # when a trading date of the account begins
    tick_value: int
    touch: int
    without: int


class Gate(NamedTuple):
    """The limits that hold for this strategy on this account."""

    product: int
    max_order_qty: int
    max_position: int
    max_open_orders: int
    max_orders_per_minute: int
    daily_loss: int  # refuse at or below it: negative, 1/10,000 USD


class Log(NamedTuple):
    """What is written down; a table of no columns writes nothing, and the counts still rise."""

    fills: Ints  # (6, n)
    orders: Ints  # (11, n)
    alerts: Ints  # (5, n)
    days: Ints  # (3, n), of the firm
    breaches: Ints  # (2, n)
    sent: Ints  # (RING,)
    daily: Floats  # equity at the last close of each trading date, NaN where nothing changed
    squares: Floats  # (1,)


def compiled(function: F) -> F:
    """Compile a function of the kernel, and keep it on disk.

    Without numba's counting of references: the functions take many arrays and make none, and counting them up and down
    in each call costs fifty times what the calls do.
    """
    made: F = nb.njit(cache=True, nogil=True, _nrt=False)(function)  # type: ignore[call-overload]  # numba's, not documented
    return made


def inlined(function: F) -> F:
    """Compile a function of the kernel into each of its callers: what runs on every bar must not pass its arguments."""
    made: F = nb.njit(cache=True, nogil=True, _nrt=False, forceinline=True)(function)  # type: ignore[call-overload]
    return made


def fresh() -> Ints:
    """Return the state of a flat account before its first bar."""
    s = np.zeros(SIZE, dtype=np.int64)
    s[SINCE] = NEVER
    s[TODAY] = -1
    s[DAY_END] = -(2**62)
    s[FIRST_FILL] = s[LAST_FILL] = -1
    return s


@inlined
def equity(s: Ints, tick_value: int) -> int:
    """Return cash and the open position at the last price."""
    made: int = s[CASH] + s[QTY] * s[LAST] * tick_value
    return made


@inlined
def roll(s: Ints, m: Market, at: int) -> None:
    """Start a new trading date of the account with the first event at or after its open, as `AccountState.roll_day`."""
    if at >= s[DAY_END]:
        new_day(s, m, at)


@compiled
def first_at_least(column: Ints, value: int, low: int, high: int) -> int:
    """Return the first place from `low` on that holds at least `value`, in a rising column; `high` if none does."""
    while low < high:
        middle = (low + high) // 2
        if column[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def new_day(s: Ints, m: Market, at: int) -> None:
    """Take the equity at the last price as the day's baseline, and look up when the day ends and in which bar."""
    s[BASELINE] = equity(s, m.tick_value)
    s[DAY_END] = m.edges[first_at_least(m.edges, at + 1, 0, m.edges.shape[0] - 1)]
    s[DAY_BAR] = first_at_least(m.ends, s[DAY_END], 0, m.ends.shape[0])


@compiled
def place(
    s: Ints, log: Log, at: int, kind: int, side: int, qty: int, limit: int, stop: int, parent: int, rule: int
) -> int:
    """Write down a working order and return its id."""
    k = s[ORDERS]
    s[ORDERS] = k + 1
    orders = log.orders
    if k < orders.shape[1]:
        orders[ID, k], orders[AT, k], orders[TYPE, k] = k + 1, at, kind
        orders[SIDE, k], orders[QUANTITY, k] = side, qty
        orders[LIMIT_AT, k], orders[STOP_LEVEL, k] = limit, stop
        orders[STATUS, k], orders[PARENT, k] = WORKING, parent
        orders[RULE, k], orders[MOVED, k] = rule, 0
    order: int = k + 1
    return order


@inlined
def mark(log: Log, order: int, status: int) -> None:
    """Set the status of an order."""
    if order <= log.orders.shape[1]:
        log.orders[STATUS, order - 1] = status


@inlined
def cancel_legs(s: Ints, log: Log) -> None:
    """Cancel what protects the position."""
    if s[STOP_ID]:
        mark(log, s[STOP_ID], CANCELED)
    if s[TARGET_ID]:
        mark(log, s[TARGET_ID], CANCELED)
    s[STOP_ID] = s[TARGET_ID] = 0


@compiled
def fill(s: Ints, m: Market, log: Log, order: int, bar: int, at: int, signed: int, ticks: int) -> None:
    """Book one execution of `signed` contracts."""
    if bar >= s[DAY_BAR]:  # before that no event rolls, and the time need not be read
        roll(s, m, at)
    fee = m.fees[bar * m.fee_step] * abs(signed)
    k = s[FILLS]
    s[FILLS] = k + 1
    if k < log.fills.shape[1]:
        log.fills[0, k], log.fills[1, k], log.fills[2, k] = at, bar, order
        log.fills[3, k], log.fills[4, k], log.fills[5, k] = signed, ticks, fee
    mark(log, order, FILLED)
    s[CASH] -= signed * ticks * m.tick_value + fee
    s[COSTS] += fee
    s[QTY] += signed
    s[LAST] = ticks
    s[PAID] = 1
    if s[FIRST_FILL] < 0:
        s[FIRST_FILL] = bar
    s[LAST_FILL] = bar
    if s[QTY] == 0:
        _book_trade(s, log)


@inlined
def _book_trade(s: Ints, log: Log) -> None:
    net = s[CASH] - s[OPENED]
    s[OPENED] = s[CASH]
    s[TRADES] += 1
    if net > 0:
        s[WINS] += 1
        s[WON] += net
    else:
        s[LOST] += net
    log.squares[0] += (net / 10_000.0) * (net / 10_000.0)


@inlined
def within(m: Market, bar: int, ticks: int) -> int:
    """Return a price moved into its bar."""
    if m.without & _WITHIN:
        return ticks
    inside: int = min(max(ticks, m.lows[bar]), m.highs[bar])
    return inside


@inlined
def note_close(s: Ints, m: Market, log: Log, bar: int) -> None:
    """Take the equity at a close into the summary; needed only where it may have changed."""
    now = equity(s, m.tick_value)
    log.daily[m.days[bar]] = now
    if now > s[PEAK]:
        s[PEAK] = now
    elif s[PEAK] - now > s[DEPTH]:
        s[DEPTH] = s[PEAK] - now
    if s[QTY] != 0:
        s[EXPOSED] += 1


@compiled
def day_by_day(daily: Floats) -> float:
    """Turn what `note_close` has left into the net profit of each date in USD; return that of all."""
    before = 0.0
    for day in range(daily.shape[0]):
        now = daily[day]
        daily[day] = (now - before) / 10_000.0 if now == now else 0.0  # NaN: nothing changed
        before = now if now == now else before
    return before / 10_000.0


@compiled
def alert(s: Ints, log: Log, at: int, code: int, one: int, two: int, three: int) -> None:
    """Write down what the operator is told; the words are made outside."""
    k = s[ALERTS]
    s[ALERTS] = k + 1
    if k < log.alerts.shape[1]:
        log.alerts[0, k], log.alerts[1, k] = at, code
        log.alerts[2, k], log.alerts[3, k], log.alerts[4, k] = one, two, three


NO = NO_LEVEL
