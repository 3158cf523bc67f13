"""What the memory lets go of, so that a runner of weeks is as small as one of a day.

A reading of the broker goes back to the open of the trading date, so what had ended before the date before this one
cannot come again. It is let go of in the first quiet moment of a date: nothing held, nothing works, the broker known.
Whatever should come all the same is too old to change anything (`is_past`): it was counted then, and what was not shows
in the broker's position.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.domain.order import Order
    from workbench.execution.state import AccountState


@dataclass(slots=True, kw_only=True)
class Memory:
    """How far back an account remembers.

    `began` and `before` are the opens of this trading date and of the one before, `past` is up to where everything was
    let go of (all UTC ns). `trades` and `intents` are what became known on each date that is still remembered.
    """

    began: int = 0
    before: int = 0
    past: int = 0
    is_due: bool = False
    trades: list[set[int]] = field(default_factory=list)
    intents: list[set[str]] = field(default_factory=list)


def note_roll(state: AccountState) -> None:
    """A trading date has begun: what is known belongs to those before."""
    memory = state.memory
    memory.before, memory.began = memory.began, state.day_start
    memory.trades.append(state.trades.difference(*memory.trades))
    memory.intents.append(state.intents.keys() - set().union(*memory.intents))
    memory.is_due = memory.before > memory.past


def is_past(state: AccountState, at: int) -> bool:
    """Say whether what carries this time (UTC ns, 0 for none) was let go of."""
    return 0 < at < state.memory.past


def is_past_order(state: AccountState, order: Order) -> bool:
    """Say whether an order that is not known here had ended before anything that is remembered."""
    return not order.is_open and is_past(state, _ended_at(order))


def let_go(state: AccountState) -> None:
    """Forget what ended before the trading date before this one, if this is a quiet moment; else it stays due."""
    memory = state.memory
    if not state.synced or state.hub_down or state.misses or not _is_quiet(state):
        return
    memory.is_due, memory.past = False, memory.before
    _let_orders_go(state)
    _let_trades_go(state)
    for name in set().union(*memory.intents[:-1]):
        state.intents.pop(name, None)
    memory.intents = memory.intents[-1:]


def _is_quiet(state: AccountState) -> bool:
    return all(book.is_quiet and state.orders.none_open(contract) for contract, book in state.books.items())


def _ended_at(order: Order) -> int:
    return max(order.created_at, order.updated_at)


def _let_orders_go(state: AccountState) -> None:
    kept_ids = {fill.order_id for book in state.books.values() for fill in book.since_flat}
    for key, order in list(state.orders.items()):
        if order.order_id in kept_ids or not is_past_order(state, order):
            continue
        del state.orders[key]
        state.risk.ticks_at_stake.pop(key, None)
    gone = {number for number, key in state.key_of_id.items() if key not in state.orders}
    for number in gone:
        for known in (state.key_of_id, state.counted, state.orphans):
            known.pop(number, None)
        for book in state.books.values():
            book.externals.pop(number, None)
            book.moving.pop(number, None)
    state.known_tags = {order.tag or key for key, order in state.orders.items()}


def _let_trades_go(state: AccountState) -> None:
    memory, risk = state.memory, state.risk
    was_seen = risk.seen_trades == len(state.trades)
    kept = {fill.trade_id for book in state.books.values() for fill in book.since_flat}
    state.trades -= set().union(*memory.trades[:-1]) - kept
    state.voided &= state.trades
    memory.trades = memory.trades[-1:]
    if was_seen:  # fewer are remembered: that is no new fill
        risk.seen_trades = len(state.trades)
