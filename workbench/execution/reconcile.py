"""Make what we believe equal to what the broker has; doing it twice changes nothing the second time."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from workbench.domain.commands import Alert, AnyCommand, ReadBroker
from workbench.domain.events import BrokerRead, PositionReported
from workbench.domain.order import Order, Status, move
from workbench.domain.position import Position
from workbench.execution import release
from workbench.execution.external import confirm
from workbench.execution.fills import correct_cost, hand_over, take_fill
from workbench.execution.flatten import SETTLES_NS, market_works
from workbench.execution.orders import halt_unknown, lock, take_report
from workbench.execution.state import READ_FIRST, AccountState, Book, exact_ticks
from workbench.execution.stray import note_reading

MISSES_TO_ABSENT = 3  # readings that do not show a tag before it counts as never arrived
BETWEEN_MISSES_NS = 5_000_000_000  # a slow request may still arrive: readings closer than this are one
LEAST_AGE_NS = 10_000_000_000  # of an order that counts as never arrived
ADOPT_AFTER = 2  # readings with the same difference before the broker's position is adopted


def on_broker_read(state: AccountState, event: BrokerRead) -> list[AnyCommand]:
    """Fold one reading: orders, then fills, then positions, then what the reading does not show."""
    if event.account != state.account:
        return []
    first = not state.synced
    state.balance, state.can_trade = event.balance, event.can_trade
    if (since := state.halted.get(READ_FIRST)) is not None and event.until >= since:
        del state.halted[READ_FIRST]
    out: list[AnyCommand] = []
    for report in event.orders:
        out += take_report(state, report)
    for fill in sorted(event.fills, key=lambda f: f.trade_id):
        out += take_fill(state, fill)
    state.synced = True
    note_reading(state, event, first)
    release.note_reading(state, event, first)
    reported = {p.contract: p for p in event.positions if state.covers(p.contract)}
    for position in event.positions:
        if position.contract not in reported and position.qty:
            out += halt_unknown(state, position.contract)
    out += _resolve_missing(state, event, {c: p.qty for c, p in reported.items()})
    adopted = False
    for contract in sorted(set(reported) | set(state.books)):
        book, held = state.book(contract), reported.get(contract)
        if _is_equal(state, book, held, event):
            out += _unlock(state, book)
            if held is not None and _average_differs(book, held, event):
                book.average_votes += 1
                if first or book.average_votes >= ADOPT_AFTER:
                    adopted = True
                    out.append(_adopt_average(state, book, held))
                else:
                    out.append(ReadBroker(account=state.account, contract=contract, reason="average prices differ"))
            else:
                book.average_votes = 0
        elif _may_adopt(state, book, event, first):
            adopted = True
            out += _adopt_position(state, book, held, event)
        else:
            out.append(ReadBroker(account=state.account, contract=contract, reason="positions differ"))
    _explain_balance(state, event.balance, adopted)
    for book in state.books.values():
        out += confirm(state, book, was_read=True)
    return out


def _resolve_missing(state: AccountState, event: BrokerRead, positions: dict[str, int]) -> list[AnyCommand]:
    # One reading asks by tag and id, by trades and position at once. "Not found" is weak evidence: repeated complete
    # readings, some time apart, that cover the time of sending, must say so, and trades and position must agree.
    seen = {o.tag for o in event.orders if o.tag} | {o.order_id for o in event.orders if o.order_id is not None}
    apart, out = state.patience(BETWEEN_MISSES_NS), list[AnyCommand]()
    for key, order in state.orders.open_items():
        if key in seen or order.tag in seen or order.order_id in seen or order.status is Status.SENT:
            continue  # (an order whose answer is still on the way is waited for)
        # By tag the reading knows what was created from `since` on; by id it holds everything that may still fill.
        if order.order_id is None and event.since > order.created_at:
            continue
        state.read_again_at = event.until + apart
        if event.until <= order.created_at or event.until < state.missed_at.get(key, event.until - apart) + apart:
            continue
        state.misses[key], state.missed_at[key] = state.misses.get(key, 0) + 1, event.until
        is_old = event.until >= order.created_at + state.patience(LEAST_AGE_NS)
        if state.misses[key] >= MISSES_TO_ABSENT and is_old:
            out += _give_up(state, key, order, positions.get(order.contract, 0), event)
    return out


def _give_up(state: AccountState, key: str, order: Order, broker_qty: int, event: BrokerRead) -> list[AnyCommand]:
    book = state.book(order.contract)
    if against := _evidence(state, order, broker_qty, event):
        state.misses[key] = 0  # and so it is asked for again, as often
        shown = key if order.order_id is None else f"order {order.order_id}"
        return [] if book.locked else lock(state, order.contract, f"the gateway does not show {shown}, but {against}")
    if order.order_id is None:
        status, why = Status.ABSENT, "the gateway never had it (asked by tag, trades and position)"
        text = f"order {key} never reached the gateway; it is not sent again"
    else:
        status, why = Status.CANCELED, "the gateway does not show it any more (asked three times)"
        text = f"the gateway no longer shows order {order.order_id} and the position is equal: it counts as cancelled"
    state.orders[key] = msgspec.structs.replace(move(order, status), reason=why)
    state.misses.pop(key, None)
    state.missed_at.pop(key, None)
    return [Alert(account=state.account, contract=order.contract, level="warning", text=text)]


def _evidence(state: AccountState, order: Order, broker_qty: int, event: BrokerRead) -> str:
    """What speaks against an order that is not shown being gone: a trade without an order, or another position."""
    for fill in event.fills:
        is_strange = fill.order_id not in state.key_of_id and not fill.voided and fill.at >= order.created_at
        if is_strange and fill.contract == order.contract and fill.qty * order.side.sign > 0:
            return f"trade {fill.trade_id} ({fill.qty:+d}) belongs to no order that it shows"
    book = state.book(order.contract)
    if broker_qty != book.qty or book.uncounted:
        return f"the broker's position is {broker_qty:+d} and ours {book.qty:+d}"
    return ""


def _is_equal(state: AccountState, book: Book, report: PositionReported | None, event: BrokerRead) -> bool:
    book.broker_qty = report.qty if report is not None else 0
    closing = book.flatten.close_answered_at if book.flatten is not None else None
    # A reading from before the close, or from while its order was on the way, must not make us close twice.
    settled = closing is not None and event.until >= closing + state.patience(SETTLES_NS)
    if book.flatten is not None and settled and book.broker_qty and not market_works(state, book):
        book.flatten.close_sent_at = None
    if book.broker_qty != book.qty or (book.uncounted and book.filled_at > event.until):
        book.differs_since = state.now if book.differs_since is None else book.differs_since
        return False
    _count_all(state, book)
    book.differs_since, book.adopt_votes = None, 0
    return True


def _may_adopt(state: AccountState, book: Book, event: BrokerRead, first: bool) -> bool:
    if book.filled_at > event.until:
        return False  # we have heard of a fill since this reading began
    pair = (book.qty, book.broker_qty or 0)
    book.adopt_votes = book.adopt_votes + 1 if book.voted_for == pair else 1
    book.voted_for = pair
    return first or book.adopt_votes >= ADOPT_AFTER


def _count_all(state: AccountState, book: Book) -> None:
    # The broker's position is equal or adopted: what its orders say they have filled is inside.
    for order_id, missing in book.uncounted.items():
        state.counted[order_id] = state.counted.get(order_id, 0) + missing
    book.uncounted.clear()


def _explain_balance(state: AccountState, balance: Decimal, adopted: bool) -> None:
    # A position was adopted without its fills: what they realised shows in the balance alone.
    gap = balance - state.cash_usd()
    if adopted and state.balance_gap is not None:
        state.unexplained_usd += gap - state.balance_gap
    elif adopted or all(book.is_sure and not book.average_votes for book in state.books.values()):
        state.balance_gap = gap


def _unlock(state: AccountState, book: Book) -> list[AnyCommand]:
    contract = book.position.contract
    missing = any(key in state.misses for key, o in state.orders.items() if o.contract == contract and o.is_open)
    if not book.locked or missing:
        return []
    was, book.locked = book.locked, ""
    text = f"{contract} unlocked: equal to the broker again (was: {was})"
    return [Alert(account=state.account, contract=contract, level="info", text=text)]


def _adopt_position(
    state: AccountState, book: Book, report: PositionReported | None, event: BrokerRead
) -> list[AnyCommand]:
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
    if was * qty <= 0:
        book.protect_by = None  # what it was set for has gone; what is held now has a time of its own
    hand_over(state, book, {o.order_id for o in event.orders})
    for key, order in state.orders.open_items():
        if order.contract == contract and key in state.misses:
            state.misses[key] = 0  # the position has changed without a trade: it may have been this order
    _count_all(state, book)
    book.differs_since, book.adopt_votes, book.adopted_until = None, 0, event.until
    if report is not None and book.last_price is None:
        book.last_price, book.priced_at = report.average_price, event.until
    text = (
        f"{contract}: the broker has {book.qty:+d}, we had {was:+d} without its fills; the broker's figure is adopted"
    )
    return [Alert(account=state.account, contract=contract, level="critical", text=text), *_unlock(state, book)]


def _average_differs(book: Book, report: PositionReported, event: BrokerRead) -> bool:
    # Fills that were lost may cancel out in quantity, and still leave another average price.
    average = book.position.average_ticks
    if average is None or book.filled_at > event.until:
        return False
    return abs(exact_ticks(book.spec, report.average_price) - average) > 1


def _adopt_average(state: AccountState, book: Book, report: PositionReported) -> AnyCommand:
    was, contract = book.position.average_ticks or Decimal(0), book.position.contract
    correct_cost(state, book, exact_ticks(book.spec, report.average_price) * book.qty)
    book.average_votes = 0
    text = (
        f"{contract}: the broker's average price is {report.average_price:g}, ours was "
        f"{float(was) * book.spec.tick_size:g}: fills were lost that cancel out; the broker's figure is adopted"
    )
    return Alert(account=state.account, contract=contract, level="warning", text=text)


def mark_unanswered(order: Order) -> Order:
    """An order whose answer died with the last runner is unknown, never refused."""
    return move(order, Status.UNKNOWN) if order.status is Status.SENT else order
