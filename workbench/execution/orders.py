"""Orders and fills as the broker reports them, folded into the state."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from workbench.domain.commands import Alert, AnyCommand, ReadBroker
from workbench.domain.errors import IllegalTransition
from workbench.domain.events import CommandAnswered, FillReported, OrderReported, PlaceAnswered, PositionReported
from workbench.domain.order import Order, Status, merge_report, move
from workbench.domain.position import Fill, apply_fill
from workbench.execution.state import AccountState, Book

SETTLE_NS = 10_000_000_000  # own and broker position may differ this long before the instrument is locked


def find_key(state: AccountState, report: Order) -> str | None:
    """Key of the order that `report` speaks of: by id, else by our tag when contract, side and size agree too."""
    if report.order_id is not None and report.order_id in state.key_of_id:
        return state.key_of_id[report.order_id]
    ours = state.orders.get(report.tag) if report.tag else None
    if ours is None or ours.order_id not in (None, report.order_id):
        return None
    same = (ours.contract, ours.side, ours.qty) == (report.contract, report.side, report.qty)
    return report.tag if same else None


def take_report(state: AccountState, report: Order) -> list[AnyCommand]:
    """Fold one order snapshot; an impossible one locks the instrument instead of being believed."""
    if report.account != state.account:
        return []
    key = find_key(state, report)
    if key is None:
        return _adopt(state, report)
    try:
        state.orders[key] = merge_report(state.orders[key], report)
    except IllegalTransition as error:
        return lock(state, report.contract, str(error))
    if report.order_id is not None:
        state.key_of_id[report.order_id] = key
    state.misses.pop(key, None)
    return []


def _adopt(state: AccountState, report: Order) -> list[AnyCommand]:
    # A bracket leg belongs to its parent's strategy; anything else was placed by somebody else and is only shown.
    if report.order_id is None:
        return []
    parent = state.orders.get(state.key_of_id.get(report.parent_id or -1, ""))
    owner = {"strategy": parent.strategy, "rule": f"{parent.rule}.bracket"} if parent else {}
    key = report.tag if report.tag and report.tag not in state.orders else f"#{report.order_id}"
    state.orders[key] = msgspec.structs.replace(report, **owner) if owner else report
    state.key_of_id[report.order_id] = key
    if report.tag:
        state.known_tags.add(report.tag)
    state.book(report.contract)
    return []


def on_order(state: AccountState, event: OrderReported) -> list[AnyCommand]:
    return take_report(state, event.order)


def on_place_answered(state: AccountState, event: PlaceAnswered) -> list[AnyCommand]:
    """Fold the answer to a place; a lost answer leaves the order UNKNOWN and asks the broker."""
    order = state.orders.get(event.tag)
    if order is None:
        return []
    if event.order_id is not None:
        order = _attach_id(state, event.tag, order, event.order_id)
    if event.outcome == "accepted":
        state.orders[event.tag] = move(order, Status.PENDING) if order.status in WAITING else order
        return []
    if event.outcome == "rejected":
        if order.status not in WAITING:
            return lock(state, order.contract, f"{event.tag} was refused after it was {order.status}")
        state.orders[event.tag] = msgspec.structs.replace(move(order, Status.REJECTED), reason=event.reason)
        return [alert(order, "warning", f"order refused by the gateway: {event.reason or f'code {event.code}'}")]
    if order.status is not Status.SENT:
        return []
    state.orders[event.tag] = msgspec.structs.replace(move(order, Status.UNKNOWN), reason=event.reason)
    text = f"outcome of an order is unknown ({event.reason}); asking the broker, no entries until it is resolved"
    return [alert(order, "warning", text), ReadBroker(account=state.account, contract=order.contract, reason=text)]


WAITING = (Status.SENT, Status.UNKNOWN)


def _attach_id(state: AccountState, tag: str, order: Order, order_id: int) -> Order:
    # The hub may have told of this id before the answer came, without the tag: then the two are one order.
    key = state.key_of_id.get(order_id)
    if key is not None and key != tag:
        early = state.orders.pop(key)
        order = merge_report(order, early)
    state.key_of_id[order_id] = tag
    order = msgspec.structs.replace(order, order_id=order_id)
    state.orders[tag] = order
    return order


def on_fill(state: AccountState, event: FillReported) -> list[AnyCommand]:
    take_fill(state, event.fill)
    return []


def take_fill(state: AccountState, fill: Fill) -> bool:
    """Count a fill once; return whether it was new. The gateway repeats half-turns as a habit."""
    if fill.account != state.account or fill.voided or fill.trade_id in state.trades:
        return False
    state.trades.add(fill.trade_id)
    book = state.book(fill.contract)
    was = book.qty
    book.position = apply_fill(book.position, fill)
    book.last_price = book.spec.price(fill.ticks)
    order = state.orders.get(state.key_of_id.get(fill.order_id, ""))
    if book.qty == 0:
        book.protect_by = None
    elif abs(book.qty) > abs(was) and order is not None and order.parent_id is None and "entry" in order.rule:
        book.protect_by = fill.at + state.patience(int(state.limits.protect_within_s * 1e9))
    _note_difference(state, book)
    return True


def on_position(state: AccountState, event: PositionReported) -> list[AnyCommand]:
    """Remember the broker's net position; a lasting difference to our own fold locks the instrument."""
    if event.account != state.account:
        return []
    book = state.book(event.contract)
    book.broker_qty = event.qty
    _note_difference(state, book)
    return []


def _note_difference(state: AccountState, book: Book) -> None:
    if book.broker_qty is None or book.broker_qty == book.qty:
        book.differs_since = None
    elif book.differs_since is None:
        book.differs_since = state.now


def check_difference(state: AccountState, book: Book) -> list[AnyCommand]:
    """Lock a contract whose own and broker position have differed for longer than events take to settle."""
    if book.differs_since is None or state.now - book.differs_since < state.patience(SETTLE_NS) or book.locked:
        return []
    reason = f"own position {book.qty:+d}, broker {book.broker_qty:+d}"
    return lock(state, book.position.contract, reason)


def lock(state: AccountState, contract: str, reason: str) -> list[AnyCommand]:
    """Shut one instrument for entries until a reconcile finds it equal again."""
    state.book(contract).locked = reason
    command = Alert(account=state.account, contract=contract, level="critical", text=f"{contract} locked: {reason}")
    return [command, ReadBroker(account=state.account, contract=contract, reason=reason)]


def alert(order: Order, level: str, text: str) -> Alert:
    return Alert(account=order.account, contract=order.contract, level=level, text=text)


def on_command_answered(state: AccountState, event: CommandAnswered) -> list[AnyCommand]:
    """Fold the answer to a cancel or close; anything but a plain yes makes us read the broker before asking again."""
    flatten = state.book(event.contract).flatten if event.contract else None
    if event.outcome == "accepted":
        return []
    text = f"{event.command} was not confirmed: {event.outcome} {event.reason or event.code}"
    out: list[AnyCommand] = [ReadBroker(account=state.account, contract=event.contract, reason=text)]
    if flatten is not None and event.command == "close":
        out.insert(0, Alert(account=state.account, contract=event.contract, level="warning", text=text))
    return out


def fees_usd(state: AccountState) -> Decimal:
    """Fees and commissions of every fill we know, USD."""
    return sum((b.position.fees for b in state.books.values()), Decimal(0))
