"""What is held and what is at stake over all instruments of the account."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

from workbench.domain.order import Order, OrderType, Status
from workbench.execution.book import Book, exact_ticks
from workbench.risk.view import Exposure

if TYPE_CHECKING:
    from workbench.execution.state import AccountState

STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)


def exposures(state: AccountState, without: str = "", only: str = "") -> tuple[Exposure, ...]:
    """Return what every instrument holds or may come to hold, apart from `without`, or that of one alone."""
    from workbench.execution.state import working_by_side

    found = []
    for contract, book in state.books.items():
        if contract == without or (only and contract != only) or (not book.qty and state.orders.none_open(contract)):
            continue
        buy, sell = working_by_side(state.open_orders(contract))
        found.append(Exposure(book.spec, book.qty, buy, sell))
    return tuple(found)


def at_risk_usd(
    state: AccountState, unstopped_ticks: int | None, *, without: str = "", changed: Order | None = None
) -> Decimal | None:
    """Return what positions and working entries lose from here if every stop is hit, USD.

    A contract that no working stop covers counts with the distance its entry asked for, else with `unstopped_ticks`;
    None when there is none either, or no price. The contract `without` and the order `changed` are left out.
    """
    total = Decimal(0)
    for contract, book in state.books.items():
        if contract == without:
            continue
        entries = _of_entries(state, contract, unstopped_ticks, changed)
        for part in (_of_position(state, book, unstopped_ticks), entries):
            if part is None:
                return None
            total += part * book.spec.tick_value
    return total


def _of_position(state: AccountState, book: Book, unstopped: int | None) -> Decimal | None:
    # in ticks × contracts, the farthest stops first
    if not book.qty:
        return Decimal(0)
    if book.last_price is None or not math.isfinite(book.last_price):
        return None
    contract, side, left = book.position.contract, 1 if book.qty > 0 else -1, abs(book.qty)
    last, ticks = exact_ticks(book.spec, book.last_price), Decimal(0)
    stops = [
        (max(Decimal(0), (last - o.stop_ticks) * side), o.remaining)
        for o in state.open_orders(contract)
        if o.type in STOPS and o.stop_ticks is not None and o.side.sign == -side and o.status is Status.WORKING
    ]
    for distance, qty in sorted(stops, reverse=True):
        ticks += distance * min(left, qty)
        left -= min(left, qty)
    if left:
        planned = state.risk.ticks_at_stake.get(contract, unstopped)
        if planned is None:
            return None
        ticks += planned * left
    return ticks


def _of_entries(state: AccountState, contract: str, unstopped: int | None, changed: Order | None) -> Decimal | None:
    ticks, qty = Decimal(0), state.books[contract].qty
    closes = abs(qty)  # contracts that orders on the other side may take before they open something
    for order in state.open_orders(contract):
        if order.family is not None or order.status is Status.SUSPENDED or order is changed:
            continue
        opens = order.remaining
        if order.side.sign * qty < 0:
            opens = max(0, order.remaining - closes)
            closes -= order.remaining - opens
        planned = state.risk.ticks_at_stake.get(order.tag or "", unstopped)
        if opens and planned is None:
            return None
        ticks += (planned or 0) * opens
    return ticks
