"""Make what we believe equal to what the broker has; doing it twice changes nothing the second time."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from workbench.domain.commands import Alert, AnyCommand, ReadBroker
from workbench.domain.events import BrokerRead, PositionReported
from workbench.domain.order import Order, Status, move
from workbench.domain.position import Position
from workbench.execution.orders import lock, take_fill, take_report
from workbench.execution.state import AccountState, Book, exact_ticks

MISSES_TO_ABSENT = 3  # readings that do not show a tag before it counts as never arrived
ADOPT_AFTER = 2  # readings with the same difference before the broker's position is adopted


def on_broker_read(state: AccountState, event: BrokerRead) -> list[AnyCommand]:
    """Fold one reading: orders, then fills, then positions, then what the reading does not show."""
    if event.account != state.account:
        return []
    first = not state.synced
    state.balance, state.can_trade = event.balance, event.can_trade
    out: list[AnyCommand] = []
    for report in event.orders:
        out += take_report(state, report)
    for fill in sorted(event.fills, key=lambda f: f.trade_id):
        take_fill(state, fill)
    out += _resolve_missing(state, event)
    state.synced = True
    reported = {p.contract: p for p in event.positions}
    for contract in sorted(set(reported) | set(state.books)):
        out += _compare(state, state.book(contract), reported.get(contract), first)
    return out


def _resolve_missing(state: AccountState, event: BrokerRead) -> list[AnyCommand]:
    # "Not found" is weak evidence: only repeated complete readings that cover the time of sending count.
    seen_tags = {o.tag for o in event.orders if o.tag}
    seen_ids = {o.order_id for o in event.orders}
    out: list[AnyCommand] = []
    for key, order in list(state.orders.items()):
        covered = event.since <= order.created_at < event.until
        if not order.is_open or key in seen_tags or order.order_id in seen_ids or not covered:
            continue
        if order.status is Status.SENT:
            continue  # its answer is still on the way
        state.misses[key] = state.misses.get(key, 0) + 1
        if state.misses[key] < MISSES_TO_ABSENT:
            out.append(ReadBroker(account=state.account, contract=order.contract, reason=f"{key} not found yet"))
        elif order.order_id is None:
            state.orders[key] = msgspec.structs.replace(
                move(order, Status.ABSENT), reason="the gateway never had it (asked by tag three times)"
            )
            text = f"order {key} never reached the gateway; it is not sent again"
            out.append(Alert(account=state.account, contract=order.contract, level="warning", text=text))
        elif not state.book(order.contract).locked:
            out += lock(state, order.contract, f"the gateway no longer shows order {order.order_id}")
    return out


def _compare(state: AccountState, book: Book, report: PositionReported | None, first: bool) -> list[AnyCommand]:
    book.broker_qty = report.qty if report is not None else 0
    if book.flatten is not None and book.flatten.close_sent_at is not None and book.broker_qty:
        book.flatten.close_sent_at = (
            None  # the broker has been read and still shows a position: close may be asked again
        )
    if book.broker_qty == book.qty:
        book.differs_since, book.adopt_votes = None, 0
        return _unlock(state, book)
    book.adopt_votes += 1
    if not first and book.adopt_votes < ADOPT_AFTER:
        return [ReadBroker(account=state.account, contract=book.position.contract, reason="positions differ")]
    return _adopt_position(state, book, report)


def _unlock(state: AccountState, book: Book) -> list[AnyCommand]:
    contract = book.position.contract
    missing = any(key in state.misses for key, o in state.orders.items() if o.contract == contract and o.is_open)
    if not book.locked or missing:
        return []
    was, book.locked = book.locked, ""
    text = f"{contract} unlocked: equal to the broker again (was: {was})"
    return [Alert(account=state.account, contract=contract, level="info", text=text)]


def _adopt_position(state: AccountState, book: Book, report: PositionReported | None) -> list[AnyCommand]:
    was, contract = book.qty, book.position.contract
    qty = report.qty if report is not None else 0
    cost = exact_ticks(book.spec, report.average_price) * qty if report is not None and qty else Decimal(0)
    book.position = Position(
        account=state.account,
        contract=contract,
        qty=qty,
        cost_ticks=cost,
        realized_ticks=book.position.realized_ticks,
        fees=book.position.fees,
        opened_at=state.now,
    )
    book.differs_since, book.adopt_votes = None, 0
    if report is not None and book.last_price is None:
        book.last_price = report.average_price
    text = (
        f"{contract}: the broker has {book.qty:+d}, we had {was:+d} without its fills; the broker's figure is adopted"
    )
    return [Alert(account=state.account, contract=contract, level="critical", text=text), *_unlock(state, book)]


def mark_unanswered(order: Order) -> Order:
    """An order whose answer died with the last runner is unknown, never refused."""
    return move(order, Status.UNKNOWN) if order.status is Status.SENT else order
