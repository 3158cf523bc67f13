"""The rules of an account programme, compiled: the twin of `domain.programme` and `backtest.account`."""

from __future__ import annotations

from typing import NamedTuple

from workbench.backtest.kernel_state import (
    BLOCKED,
    CAP,
    CASH,
    CLOSE_ID,
    DAY_START,
    ENTRY,
    ENTRY_ID,
    FAILED,
    FIRM_DAYS,
    FLOOR,
    LOCKED,
    MARKET,
    NO,
    PAID,
    PAUSED,
    QTY,
    ROLLED,
    SEEN,
    THEN_SIDE,
    Ints,
    Log,
    Market,
    alert,
    cancel_legs,
    compiled,
    fill,
    inlined,
    mark,
    place,
    within,
)
from workbench.backtest.played import CANCELED, RULES
from workbench.domain import programme
from workbench.domain.programme import INTRADAY, NONE, STATIC

BREACHED_MAX, BREACHED_DAILY = RULES.index("firm: max_loss"), RULES.index("firm: daily_loss")
FLAT_BY = RULES.index("firm: flat_by")
TOLD_LOCKED = 20  # code of the alert
loss_level = compiled(programme.loss_level)


class Firm(NamedTuple):
    """A programme as whole numbers (1/10,000 USD, units of a micro contract), and when it acts."""

    on: int
    start: int
    max_loss: int
    trail: int
    lock: int
    daily_loss: int
    units: int  # of one contract
    most: int  # contracts of this product
    profits: Ints
    caps: Ints
    flat_times: Ints  # by sub-bar
    days: Ints  # sub-bars that begin a trading date
    bars: Ints  # bars in which a trading date begins or the flat-by comes
    margins: Ints  # of one contract by bar, or one value
    margin_step: int


@inlined
def balance(s: Ints, m: Market, firm: Firm) -> int:
    """Return the first balance and what has been earned and paid since, without the open position."""
    made: int = firm.start + s[CASH] + s[QTY] * s[ENTRY] * m.tick_value
    return made


@compiled
def open_account(s: Ints, m: Market, firm: Firm, first: int) -> None:
    """Set the firm's part of a fresh state before bar `first`."""
    s[FLOOR] = firm.start - firm.max_loss
    s[DAY_START] = firm.start
    s[CAP] = _reached(firm, 0)
    if firm.on:
        while s[ROLLED] < firm.days.shape[0] and firm.days[s[ROLLED]] <= m.offsets[first]:
            s[ROLLED] += 1


@compiled
def roll_firm(s: Ints, m: Market, firm: Firm, log: Log, j: int) -> None:
    """End the trading dates that are over at sub-bar `j`."""
    while s[ROLLED] < firm.days.shape[0] and firm.days[s[ROLLED]] <= j:
        at = m.sub_starts[firm.days[s[ROLLED]]]
        s[ROLLED] += 1
        now = balance(s, m, firm)
        if firm.trail != STATIC:
            _raise(s, firm, now)
        s[DAY_START] = now
        s[BLOCKED] = s[PAUSED] = 0
        s[LOCKED] = s[FAILED]
        s[CAP] = _reached(firm, now - firm.start)
        k = s[FIRM_DAYS]
        s[FIRM_DAYS] = k + 1
        if k < log.days.shape[1]:
            log.days[0, k], log.days[1, k], log.days[2, k] = at, now, s[FLOOR]


@compiled
def pass_over(s: Ints, m: Market, firm: Firm, log: Log, bar: int) -> None:
    """Let the firm's clock reach the end of a bar in which nothing is held and nothing waits."""
    j = m.offsets[bar + 1] - 1
    roll_firm(s, m, firm, log, j)
    if m.sub_ends[j] > firm.flat_times[j]:
        s[PAUSED] = 1


@compiled
def pause_at_open(s: Ints, m: Market, firm: Firm, log: Log, j: int) -> None:
    """Take no more orders for the day; what is held is closed at the open. A close of ours that waits does the job."""
    s[PAUSED] = 1
    _drop(s, log)
    if s[QTY] != 0 and s[CLOSE_ID] == 0:
        s[CLOSE_ID] = _closing(s, log, m.sub_starts[j], FLAT_BY)
        s[THEN_SIDE] = 0


@compiled
def pause_at_close(s: Ints, m: Market, firm: Firm, log: Log, bar: int, j: int) -> None:
    """Take no more orders for the day; what is held is closed at the close of the sub-bar."""
    s[PAUSED] = 1
    _drop(s, log)
    if s[QTY] != 0:
        at = m.sub_ends[j] - 1
        _execute(s, m, log, _closing(s, log, at, FLAT_BY), bar, j, at, m.sub_closes[j])
        see(s, m, firm, log, bar, j, at, m.sub_closes[j])


@compiled
def see(s: Ints, m: Market, firm: Firm, log: Log, bar: int, j: int, at: int, ticks: int) -> None:
    """Let the firm look at a print, after what it has filled."""
    rule = _judge(s, m, firm, ticks)
    if rule == 0:
        return
    _breach(s, log, at, rule)
    _drop(s, log)
    order = 0
    if s[QTY] != 0:
        order = _closing(s, log, at, rule)
    if s[LOCKED] == 0:
        s[LOCKED] = 1
        alert(s, log, at, TOLD_LOCKED, 0, 0, 0)
    if order:
        _execute(s, m, log, order, bar, j, at, ticks)
        rule = _judge(s, m, firm, ticks)  # its own fill may break the other rule
        if rule != 0:
            _breach(s, log, at, rule)


@inlined
def level(s: Ints, m: Market, firm: Firm) -> int:
    """Return the price at which the first loss rule breaks, NONE where none can."""
    if s[FAILED] or s[QTY] == 0:
        return NONE
    limit = s[FLOOR]
    if s[BLOCKED] == 0 and firm.daily_loss != NONE:
        limit = max(limit, s[DAY_START] - firm.daily_loss)
    return loss_level(balance(s, m, firm), s[QTY], s[QTY] * s[ENTRY], m.tick_value, limit)


@compiled
def _judge(s: Ints, m: Market, firm: Firm, ticks: int) -> int:
    paid = s[PAID]
    s[PAID] = 0
    if s[FAILED] or not (paid or s[QTY] != 0):
        return 0
    equity = firm.start + s[CASH] + s[QTY] * ticks * m.tick_value
    if firm.trail == INTRADAY:
        _raise(s, firm, equity)
    if equity <= s[FLOOR]:
        s[FAILED] = s[BLOCKED] = 1
        return BREACHED_MAX
    if s[BLOCKED] == 0 and firm.daily_loss != NONE and equity <= s[DAY_START] - firm.daily_loss:
        s[BLOCKED] = 1
        return BREACHED_DAILY
    return 0


@compiled
def _raise(s: Ints, firm: Firm, to: int) -> None:
    floor = to - firm.max_loss
    if firm.lock != NONE:
        floor = min(floor, firm.lock)
    s[FLOOR] = max(s[FLOOR], floor)


@compiled
def _reached(firm: Firm, profit: int) -> int:
    units: int = firm.caps[0]
    for k in range(firm.caps.shape[0]):
        if profit >= firm.profits[k]:
            units = firm.caps[k]
    return units


@compiled
def _breach(s: Ints, log: Log, at: int, rule: int) -> None:
    k = s[SEEN]
    s[SEEN] = k + 1
    if k < log.breaches.shape[1]:
        log.breaches[0, k], log.breaches[1, k] = at, rule


@compiled
def _drop(s: Ints, log: Log) -> None:
    cancel_legs(s, log)
    if s[ENTRY_ID]:
        mark(log, s[ENTRY_ID], CANCELED)
        s[ENTRY_ID] = 0


@compiled
def _closing(s: Ints, log: Log, at: int, rule: int) -> int:
    return place(s, log, at, MARKET, -1 if s[QTY] > 0 else 1, abs(s[QTY]), NO, NO, NO, rule)


@compiled
def _execute(s: Ints, m: Market, log: Log, order: int, bar: int, j: int, at: int, ticks: int) -> None:
    signed = -s[QTY]
    slip = m.slips[j * m.slip_step] if signed > 0 else -m.slips[j * m.slip_step]
    fill(s, m, log, order, bar, at, signed, within(m, bar, ticks + slip))
