"""Orders and trades that are not ours: shown, counted in every limit, and they pause what trades their instrument.

The user hub may tell of a bracket leg without its parent and of an order before its place was answered, so what looks
strange is only suspected until the broker was read, or ten seconds have passed.
"""

from __future__ import annotations

import msgspec

from workbench.domain.clock import SECOND
from workbench.domain.commands import Alert, AnyCommand, ReadBroker
from workbench.domain.hours import at_local, trading_hours
from workbench.domain.order import Order, OrderType
from workbench.execution.state import AccountState, Book

CLOSE_KNOWN_NS = 60 * SECOND  # the gateway's market order for a close of ours comes within this
CONFIRM_NS = 10 * SECOND
FIRM_FLATTENS = ("15:08", "16:00")  # Chicago; the firm closes what is open
EXTERNAL, CLOSE, FIRM = "external", "close", "firm"


def origin_of(state: AccountState, book: Book, report: Order) -> str | None:
    """Say whose an order is that we do not hold: "" a leg of ours, close, firm; None when it may be anybody's."""
    if report.rule:
        return FIRM if report.rule.startswith("firm") else CLOSE  # a gateway that tells why, such as the backtest's
    if report.parent_id is not None and report.parent_id in state.key_of_id:
        parent = state.orders.get(state.key_of_id[report.parent_id])
        return parent.origin if parent is not None else None
    if report.type is OrderType.MARKET:
        return _of_market(state, book, report)
    side = (book.qty > 0) - (book.qty < 0)
    if book.bracketed and not side:
        side = next((o.side.sign for o in state.open_orders(report.contract) if o.rule and o.family is None), 0)
    return "" if book.bracketed and side and report.side.sign == -side else None


def _of_market(state: AccountState, book: Book, report: Order) -> str | None:
    at, qty = book.last_close
    if qty and state.now - at <= state.patience(CLOSE_KNOWN_NS) and report.side.sign * report.qty == -qty:
        return CLOSE
    day = trading_hours("index").trading_date(state.now)
    opens, closes = (at_local(day, clock) for clock in FIRM_FLATTENS)
    is_firms = state.can_trade is False or opens <= state.now < closes
    return FIRM if is_firms and report.side.sign * report.qty == -book.qty else None


def suspect(state: AccountState, book: Book, order_id: int) -> list[AnyCommand]:
    """Note an order that may be somebody else's, and ask the broker about it."""
    if order_id in book.suspects or order_id in book.externals:
        return []
    book.suspects[order_id] = state.now
    reason = f"order {order_id} is not known here"
    return [ReadBroker(account=state.account, contract=book.position.contract, reason=reason)]


def confirm(state: AccountState, book: Book, *, was_read: bool = False) -> list[AnyCommand]:
    """Declare what is still strange after a reading, or after ten seconds; drop what has turned out to be ours."""
    out: list[AnyCommand] = []
    for order_id, since in list(book.suspects.items()):
        key = state.key_of_id.get(order_id, "")
        order = state.orders.get(key)
        if order is not None and (order.rule or order.origin in (CLOSE, FIRM)):
            del book.suspects[order_id]
        elif (was_read and order is not None) or state.now - since >= state.patience(CONFIRM_NS):
            del book.suspects[order_id]
            out += _declare(state, book, order_id, order, since)
    return out


def _declare(state: AccountState, book: Book, order_id: int, order: Order | None, since: int) -> list[AnyCommand]:
    contract = book.position.contract
    what = f"order {order_id}"
    if order is not None:
        what = f"{what} ({order.side.name} {order.qty} {contract}, {order.type.name})"
        state.orders[state.key_of_id[order_id]] = msgspec.structs.replace(order, origin=EXTERNAL)
    book.externals[order_id] = what
    paused = []
    born = order.created_at if order is not None and order.created_at else since
    for session in state.sessions.values():
        if session.contract == contract and session.status == "running" and session.started_at <= born:
            session.status, session.reason = "paused", f"somebody else trades {contract}: {what}"
            paused.append(session.session)
    told = f"; paused: {', '.join(paused)}" if paused else ""
    text = f"{what} was placed by somebody else; it counts in every limit{told}"
    return [Alert(account=state.account, contract=contract, level="critical", text=text)]
