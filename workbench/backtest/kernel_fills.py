"""The fill model of `backtest.fills` and the gate of `risk.gate`, compiled: what one sub-bar does to the orders."""

from __future__ import annotations

from workbench._numba_cache import prepare

prepare()

from workbench.backtest.kernel_state import (
    BASELINE,
    CLOSE_ID,
    ENTRY,
    ENTRY_ID,
    ENTRY_QTY,
    ENTRY_SIDE,
    ENTRY_STOP,
    ENTRY_TARGET,
    LIMIT,
    MARKET,
    NO,
    QTY,
    REFUSED,
    RING,
    SENT_COUNT,
    SENT_FIRST,
    STOP,
    STOP_AT,
    STOP_ID,
    TARGET_AT,
    TARGET_ID,
    THEN_QTY,
    THEN_SIDE,
    THEN_STOP,
    THEN_TARGET,
    Gate,
    Ints,
    Log,
    Market,
    alert,
    cancel_legs,
    compiled,
    equity,
    fill,
    inlined,
    place,
)
from workbench.backtest.switches import Without

MINUTE = 60_000_000_000
# Why the gate refuses, in the order in which it looks.
PASSED, PRODUCT, ORDER_SIZE, POSITION, OPEN_ORDERS, ORDER_RATE, DAILY_LOSS = range(7)

_GAP, _WORST, _WITHIN = int(Without.GAP), int(Without.WORST_PATH), int(Without.WITHIN_BAR)
_THROUGH, _FROM_FILL = int(Without.TRADE_THROUGH), int(Without.FROM_FILL)


@compiled
def check(s: Ints, g: Gate, qty: int, orders: int, sent: int, pnl: int) -> int:
    """Return why a flat account may not enter with `qty` contracts in `orders` orders, PASSED if it may."""
    if not g.product:
        return PRODUCT
    if qty > g.max_order_qty:
        return ORDER_SIZE
    if qty > g.max_position:
        return POSITION
    if orders > g.max_open_orders:
        return OPEN_ORDERS
    if sent + 1 > g.max_orders_per_minute:
        return ORDER_RATE
    if pnl <= g.daily_loss:
        return DAILY_LOSS
    return PASSED


@compiled
def submit(s: Ints, m: Market, g: Gate, log: Log, at: int, side: int, qty: int, stop: int, target: int) -> None:
    """Ask the gate for an entry; what passes meets the next print. Refused ones count as sent."""
    while s[SENT_COUNT] and log.sent[s[SENT_FIRST]] <= at - MINUTE:
        s[SENT_FIRST] = (s[SENT_FIRST] + 1) % RING
        s[SENT_COUNT] -= 1
    pnl = equity(s, m.tick_value) - s[BASELINE]
    orders = 1 + (stop != NO) + (target != NO)
    code = check(s, g, qty, orders, s[SENT_COUNT], pnl)
    sent = s[SENT_COUNT]
    log.sent[(s[SENT_FIRST] + sent) % RING] = at
    s[SENT_COUNT] = sent + 1
    if code != PASSED:
        s[REFUSED] += 1
        alert(s, log, at, code, side * qty, sent if code == ORDER_RATE else orders, pnl)
        return
    s[ENTRY_ID] = place(s, log, at, MARKET, side, qty, NO, NO, NO, 1 if side > 0 else 2)
    s[ENTRY_SIDE], s[ENTRY_QTY], s[ENTRY_STOP], s[ENTRY_TARGET] = side, qty, stop, target


@inlined
def within(m: Market, bar: int, ticks: int) -> int:
    """Return a price moved into its bar."""
    if m.without & _WITHIN:
        return ticks
    return min(max(ticks, m.lows[bar]), m.highs[bar])


@inlined
def play(s: Ints, m: Market, g: Gate, log: Log, bar: int, j: int) -> None:
    """Play one sub-bar against what works: the open, the adverse extreme, the favourable one."""
    if s[CLOSE_ID] or s[ENTRY_ID]:
        _meet_open(s, m, g, log, bar, j)
    if s[QTY] == 0 or not (s[STOP_ID] or s[TARGET_ID]):
        return
    side = 1 if s[QTY] > 0 else -1
    open_ = m.sub_opens[j]
    start, end = m.sub_starts[j], m.sub_ends[j] - 1
    if s[STOP_ID] and (open_ - s[STOP_AT]) * side <= 0:
        ticks = s[STOP_AT] if m.without & _GAP else open_
        _stop(s, m, log, bar, j, start, ticks)
    elif s[TARGET_ID] and _reaches(s, m, open_, side):
        _target(s, m, log, bar, j, start)
    if s[QTY] == 0:
        return
    adverse = m.sub_lows[j] if side > 0 else m.sub_highs[j]
    favourable = m.sub_highs[j] if side > 0 else m.sub_lows[j]
    if m.without & _WORST and s[TARGET_ID] and _reaches(s, m, favourable, side):
        _target(s, m, log, bar, j, end)
    elif s[STOP_ID] and (adverse - s[STOP_AT]) * side <= 0:
        _stop(s, m, log, bar, j, end, s[STOP_AT])
    elif s[TARGET_ID] and _reaches(s, m, favourable, side):
        _target(s, m, log, bar, j, end)


@inlined
def _reaches(s: Ints, m: Market, ticks: int, side: int) -> bool:
    beyond = (ticks - s[TARGET_AT]) * side
    touch = m.touch != 0
    if m.without & _THROUGH:
        touch = not touch
    return beyond > 0 or (touch and beyond == 0)


@compiled
def _stop(s: Ints, m: Market, log: Log, bar: int, j: int, at: int, ticks: int) -> None:
    order, signed = s[STOP_ID], -s[QTY]
    s[STOP_ID] = 0
    cancel_legs(s, log)
    slip = m.slips[j] if signed > 0 else -m.slips[j]
    fill(s, m, log, order, bar, at, signed, within(m, bar, ticks + slip))


@compiled
def _target(s: Ints, m: Market, log: Log, bar: int, j: int, at: int) -> None:
    order, signed = s[TARGET_ID], -s[QTY]
    s[TARGET_ID] = 0
    cancel_legs(s, log)
    fill(s, m, log, order, bar, at, signed, within(m, bar, s[TARGET_AT]))


@compiled
def _meet_open(s: Ints, m: Market, g: Gate, log: Log, bar: int, j: int) -> None:
    at, open_, slip = m.sub_starts[j], m.sub_opens[j], m.slips[j]
    if s[CLOSE_ID]:
        order, signed = s[CLOSE_ID], -s[QTY]
        s[CLOSE_ID] = 0
        fill(s, m, log, order, bar, at, signed, within(m, bar, open_ + slip if signed > 0 else open_ - slip))
        if s[THEN_SIDE]:
            side, qty, stop, target = s[THEN_SIDE], s[THEN_QTY], s[THEN_STOP], s[THEN_TARGET]
            s[THEN_SIDE] = 0
            submit(s, m, g, log, at, side, qty, stop, target)
    if s[ENTRY_ID]:
        order, side, qty = s[ENTRY_ID], s[ENTRY_SIDE], s[ENTRY_QTY]
        s[ENTRY_ID] = 0
        ticks = within(m, bar, open_ + side * slip)
        fill(s, m, log, order, bar, at, side * qty, ticks)
        s[ENTRY] = ticks
        base = open_ if m.without & _FROM_FILL else ticks
        if s[ENTRY_STOP] != NO:
            s[STOP_AT] = base + s[ENTRY_STOP]
            s[STOP_ID] = place(s, log, at, STOP, -side, qty, NO, s[STOP_AT], order, 0)
        if s[ENTRY_TARGET] != NO:
            s[TARGET_AT] = base + s[ENTRY_TARGET]
            s[TARGET_ID] = place(s, log, at, LIMIT, -side, qty, s[TARGET_AT], NO, order, 0)
