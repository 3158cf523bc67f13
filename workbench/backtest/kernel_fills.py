"""The fill model of `backtest.fills` and the gate of `risk.gate`, compiled: what one sub-bar does to the orders."""

from __future__ import annotations

from workbench._numba_cache import prepare

prepare()

from workbench.backtest.kernel_firm import (
    Firm,
    balance,
    level,
    pause_at_close,
    pause_at_open,
    roll_firm,
    see,
)
from workbench.backtest.kernel_state import (
    BASELINE,
    BLOCKED,
    CAP,
    CLOSE_ID,
    ENTRY,
    ENTRY_ID,
    ENTRY_QTY,
    ENTRY_SIDE,
    ENTRY_STOP,
    ENTRY_TARGET,
    FAILED,
    LIMIT,
    MARKET,
    NO,
    PAUSED,
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
    mark,
    place,
    within,
)
from workbench.backtest.played import REJECTED
from workbench.backtest.switches import Without
from workbench.domain.programme import NONE

MINUTE = 60_000_000_000
# Why the gate refuses, in the order in which it looks.
PASSED, CANNOT_TRADE, PRODUCT, ORDER_SIZE, POSITION, OPEN_ORDERS, ORDER_RATE, DAILY_LOSS = range(8)
CLOSED, TOO_BIG, NO_MARGIN = 10, 11, 12  # and why the broker does

_GAP, _WORST = int(Without.GAP), int(Without.WORST_PATH)
_THROUGH, _FROM_FILL = int(Without.TRADE_THROUGH), int(Without.FROM_FILL)


@inlined
def check(s: Ints, g: Gate, qty: int, orders: int, sent: int, pnl: int) -> int:
    """Return why a flat account may not enter with `qty` contracts in `orders` orders, PASSED if it may."""
    if s[FAILED] or s[BLOCKED]:
        return CANNOT_TRADE
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
def submit(
    s: Ints, m: Market, g: Gate, firm: Firm, log: Log, bar: int, at: int, side: int, qty: int, stop: int, target: int
) -> None:
    """Ask the gate and the broker for an entry; what passes meets the next print. Refused ones count as sent."""
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
    order = place(s, log, at, MARKET, side, qty, NO, NO, NO, 1 if side > 0 else 2)
    code = _refuses(s, m, firm, bar, qty)
    if code != PASSED:
        s[REFUSED] += 1
        mark(log, order, REJECTED)
        alert(s, log, at, code, side * qty, orders, pnl)
        return
    s[ENTRY_ID] = order
    s[ENTRY_SIDE], s[ENTRY_QTY], s[ENTRY_STOP], s[ENTRY_TARGET] = side, qty, stop, target


@inlined
def _refuses(s: Ints, m: Market, firm: Firm, bar: int, qty: int) -> int:
    # the firm and the broker look at an order of a flat account that the gate has let pass
    if firm.on:
        if s[PAUSED]:
            return CLOSED
        if qty > firm.most or qty * firm.units > s[CAP]:
            return TOO_BIG
    need = firm.margins[bar * firm.margin_step]
    if need and need * qty > balance(s, m, firm):
        return NO_MARGIN
    return PASSED


@inlined
def play(s: Ints, m: Market, g: Gate, firm: Firm, log: Log, bar: int, j: int) -> None:
    """Play one sub-bar: the firm's clock, the open, the adverse extreme, the favourable one, the close."""
    if firm.on:
        _play_with_firm(s, m, g, firm, log, bar, j)
        return
    if s[CLOSE_ID] or s[ENTRY_ID]:
        _meet_open(s, m, g, firm, log, bar, j)
    if s[STOP_ID] or s[TARGET_ID]:
        _open(s, m, log, bar, j)
        if s[QTY] != 0:
            _favourable_first(s, m, log, bar, j)
            if s[STOP_ID] and (_adverse(s, m, j) - s[STOP_AT]) * _side(s) <= 0:
                _stop(s, m, log, bar, j, m.sub_ends[j] - 1, s[STOP_AT])
            elif s[TARGET_ID] and _reaches(s, m, _favourable(s, m, j)):
                _target(s, m, log, bar, j, m.sub_ends[j] - 1)


@compiled
def _play_with_firm(s: Ints, m: Market, g: Gate, firm: Firm, log: Log, bar: int, j: int) -> None:
    start, end, open_ = m.sub_starts[j], m.sub_ends[j], m.sub_opens[j]
    roll_firm(s, m, firm, log, j)
    late = firm.flat_times[j]
    if start >= late and s[PAUSED] == 0:
        pause_at_open(s, m, firm, log, j)
    if s[CLOSE_ID] or s[ENTRY_ID]:
        _meet_open(s, m, g, firm, log, bar, j)
    if s[STOP_ID] or s[TARGET_ID]:
        _open(s, m, log, bar, j)
    see(s, m, firm, log, bar, j, start, open_)
    _legs_with_firm(s, m, firm, log, bar, j)
    if start < late and late < end and s[PAUSED] == 0:
        pause_at_close(s, m, firm, log, bar, j)


@compiled
def _legs_with_firm(s: Ints, m: Market, firm: Firm, log: Log, bar: int, j: int) -> None:
    at = m.sub_ends[j] - 1
    if s[QTY] == 0:
        return
    _favourable_first(s, m, log, bar, j)
    if s[QTY] != 0:
        side, adverse, breaks = _side(s), _adverse(s, m, j), level(s, m, firm)
        stopped = s[STOP_ID] != 0 and (adverse - s[STOP_AT]) * side <= 0
        broken = breaks != NONE and (adverse - breaks) * side <= 0
        if stopped and (not broken or (s[STOP_AT] - breaks) * side >= 0):
            price = s[STOP_AT]
            _stop(s, m, log, bar, j, at, price)
            see(s, m, firm, log, bar, j, at, price)
        elif broken:
            see(s, m, firm, log, bar, j, at, breaks)
    if s[QTY] != 0:
        favourable = _favourable(s, m, j)
        if s[TARGET_ID] and _reaches(s, m, favourable):
            _target(s, m, log, bar, j, at)
        see(s, m, firm, log, bar, j, at, favourable)
    if s[QTY] != 0:  # only a level that has just followed the price can break on the way to the close
        breaks = level(s, m, firm)
        if breaks != NONE and (m.sub_closes[j] - breaks) * _side(s) <= 0:
            see(s, m, firm, log, bar, j, at, breaks)


@inlined
def _side(s: Ints) -> int:
    return 1 if s[QTY] > 0 else -1


@inlined
def _adverse(s: Ints, m: Market, j: int) -> int:
    made: int = m.sub_lows[j] if s[QTY] > 0 else m.sub_highs[j]
    return made


@inlined
def _favourable(s: Ints, m: Market, j: int) -> int:
    made: int = m.sub_highs[j] if s[QTY] > 0 else m.sub_lows[j]
    return made


@inlined
def _open(s: Ints, m: Market, log: Log, bar: int, j: int) -> None:
    if s[STOP_ID] and (m.sub_opens[j] - s[STOP_AT]) * _side(s) <= 0:
        ticks = s[STOP_AT] if m.without & _GAP else m.sub_opens[j]
        _stop(s, m, log, bar, j, m.sub_starts[j], ticks)
    elif s[TARGET_ID] and _reaches(s, m, m.sub_opens[j]):
        _target(s, m, log, bar, j, m.sub_starts[j])


@inlined
def _favourable_first(s: Ints, m: Market, log: Log, bar: int, j: int) -> None:
    # only without the rule that the worst comes first
    if m.without & _WORST and s[TARGET_ID] and _reaches(s, m, _favourable(s, m, j)):
        _target(s, m, log, bar, j, m.sub_ends[j] - 1)


@inlined
def _reaches(s: Ints, m: Market, ticks: int) -> bool:
    beyond = (ticks - s[TARGET_AT]) * _side(s)
    touch = m.touch != 0
    if m.without & _THROUGH:
        touch = not touch
    return beyond > 0 or (touch and beyond == 0)


@compiled
def _stop(s: Ints, m: Market, log: Log, bar: int, j: int, at: int, ticks: int) -> None:
    order, signed = s[STOP_ID], -s[QTY]
    s[STOP_ID] = 0
    cancel_legs(s, log)
    slip = m.slips[j * m.slip_step] if signed > 0 else -m.slips[j * m.slip_step]
    fill(s, m, log, order, bar, at, signed, within(m, bar, ticks + slip))


@compiled
def _target(s: Ints, m: Market, log: Log, bar: int, j: int, at: int) -> None:
    order, signed = s[TARGET_ID], -s[QTY]
    s[TARGET_ID] = 0
    cancel_legs(s, log)
    fill(s, m, log, order, bar, at, signed, within(m, bar, s[TARGET_AT]))


@compiled
def _meet_open(s: Ints, m: Market, g: Gate, firm: Firm, log: Log, bar: int, j: int) -> None:
    at, open_, slip = m.sub_starts[j], m.sub_opens[j], m.slips[j * m.slip_step]
    if s[CLOSE_ID]:
        order, signed = s[CLOSE_ID], -s[QTY]
        s[CLOSE_ID] = 0
        fill(s, m, log, order, bar, at, signed, within(m, bar, open_ + slip if signed > 0 else open_ - slip))
        if s[THEN_SIDE]:
            side, qty, stop, target = s[THEN_SIDE], s[THEN_QTY], s[THEN_STOP], s[THEN_TARGET]
            s[THEN_SIDE] = 0
            submit(s, m, g, firm, log, bar, at, side, qty, stop, target)
        if firm.on:
            see(s, m, firm, log, bar, j, at, open_)
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
        if firm.on:
            see(s, m, firm, log, bar, j, at, open_)
