"""What of a position must show a working stop: what bracketed entries have opened and no exit of theirs has closed."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from workbench.domain.order import OrderType, Status
from workbench.execution.state import AccountState, Book

STOPS = (OrderType.STOP, OrderType.TRAILING_STOP, OrderType.STOP_LIMIT)


def is_protected(state: AccountState, book: Book) -> bool:
    """Say whether working stops on the other side cover what our bracketed entries have opened."""
    stops = stopped(state, book)
    return stops >= min(abs(book.qty), book.bracketed) or stops >= needs_stop(state, book)


def stopped(state: AccountState, book: Book) -> int:
    """Return for how many contracts stops work on the other side of the position."""
    return sum(
        o.remaining
        for o in state.open_orders(book.position.contract)
        if o.type in STOPS and o.status is Status.WORKING and o.side.sign * book.qty < 0
    )


def needs_stop(state: AccountState, book: Book) -> int:
    """Return how many of the contracts held must show a stop.

    A bracketed entry that rests, or has gone, has opened nothing and its exits do not exist; what was opened without a
    stop, on purpose or by somebody else, needs none. A fill whose order is not known yet counts as if it needed one.
    """
    opened, stakes = book.base_stops, state.risk.ticks_at_stake
    for fill in book.since_flat:
        order = state.orders.get(state.key_of_id.get(fill.order_id, ""))
        if fill.qty * book.qty > 0:
            opened += abs(fill.qty) if order is None or order.tag in stakes else 0
        elif order is not None and order.family is not None and order.rule:
            opened -= abs(fill.qty)
    return min(abs(book.qty), book.bracketed, max(0, opened))


def adopted_stops(state: AccountState, book: Book, shown: AbstractSet[int | None]) -> int:
    """Return how many contracts of a position that is adopted without its fills must show a stop.

    All that bracketed entries may have opened; what the broker's reading shows (order ids) to rest has opened nothing.
    """
    resting = sum(
        o.remaining
        for o in state.open_orders(book.position.contract)
        if o.family is None and o.order_id in shown and o.tag in state.risk.ticks_at_stake
    )
    return min(abs(book.qty), max(0, book.bracketed - resting))


def require_stops(book: Book) -> None:
    """From here on all that is held must show a stop, whoever opened it."""
    book.bracketed = max(book.bracketed, abs(book.qty))
    book.since_flat, book.shares, book.flat_base, book.base_stops = [], {}, book.position, abs(book.qty)
