"""Orders and fills as the broker reports them, folded into the state."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from workbench.domain.commands import Alert, AnyCommand, ReadBroker
from workbench.domain.errors import IllegalTransition
from workbench.domain.events import CommandAnswered, FillReported, OrderReported, PlaceAnswered, PositionReported
from workbench.domain.order import Order, Status, merge_report, move
from workbench.execution import stray
from workbench.execution.external import origin_of, suspect
from workbench.execution.fills import claim, note_difference, take_fill
from workbench.execution.pruning import is_past_order
from workbench.execution.release import command_for
from workbench.execution.state import AccountState, Book

NO_AUTO_OCO = "Brackets cannot be used with Position Brackets"  # the gateway's words
SEPARATE = "position"  # the bracket mode without Auto-OCO
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
    if not state.covers(report.contract):
        return halt_unknown(state, report.contract) if stray.note_order(state, report) else []
    key = find_key(state, report)
    if key is None:
        return [] if is_past_order(state, report) else _adopt(state, report)
    known, out = state.orders[key], []
    try:
        merged = merge_report(known, report)
    except IllegalTransition as error:
        out = lock(state, report.contract, str(error))
        # What the broker says last is what exists; it is counted from here on, and a person is told.
        believed = report if report.updated_at >= known.updated_at else known
        names = ("tag", "strategy", "rule", "parent_id", "session", "protects", "origin")
        owner = {name: getattr(known, name) for name in names}
        merged = msgspec.structs.replace(believed, **owner, filled=max(known.filled, report.filled))
    if known.status is Status.ABSENT and (merged.is_open or merged.filled):
        out = [*out, *_arrived_late(state, key, merged)]
    if report.order_id is not None and report.order_id not in state.key_of_id:
        state.key_of_id[report.order_id] = key
        if merged.session:
            claim(state, merged)
    _settle_miss(state, key)
    _keep(state, key, merged)
    return out


def _arrived_late(state: AccountState, key: str, order: Order) -> list[AnyCommand]:
    # It was given up, and its brackets with it: what it opens needs a working stop like any other bracketed entry.
    book = state.book(order.contract)
    if key in state.risk.ticks_at_stake:
        book.bracketed = max(book.bracketed, order.qty)
    text = f"order {order.tag or order.order_id} of {order.contract} reached the exchange after it was given up"
    return [alert(order, "critical", f"{text}; what it opens is closed unless a stop works for it in time")]


def _keep(state: AccountState, key: str, order: Order) -> None:
    # Store an order with what hangs on it: whose leg it is, whose parent, and whether its trades have come.
    if order.parent_id is not None and not order.rule:
        parent = state.orders.get(state.key_of_id.get(order.parent_id, ""))
        if parent is not None and parent.rule:
            order = msgspec.structs.replace(
                order, strategy=parent.strategy, rule=f"{parent.rule}.bracket", session=parent.session
            )
    state.orders[key] = order
    if order.order_id is None:
        return
    if order.rule and order.parent_id is None:
        for other, leg in state.orders.open_items():
            if leg.parent_id == order.order_id and not leg.rule:  # it was reported before its parent was known
                state.orders[other] = _leg_of(order, leg)
    book = state.book(order.contract)
    missing = order.filled - state.counted.get(order.order_id, 0)
    if missing > 0:
        if book.uncounted.get(order.order_id, 0) != missing:
            book.filled_at = state.now
        book.uncounted[order.order_id] = missing
    else:
        book.uncounted.pop(order.order_id, None)
    note_difference(state, book)


def _leg_of(entry: Order, leg: Order) -> Order:
    return msgspec.structs.replace(leg, strategy=entry.strategy, rule=f"{entry.rule}.bracket", session=entry.session)


def _settle_miss(state: AccountState, key: str) -> None:
    state.misses.pop(key, None)
    state.missed_at.pop(key, None)


def _adopt(state: AccountState, report: Order) -> list[AnyCommand]:
    # A bracket leg belongs to its parent's strategy; anything else is the gateway's, the firm's or somebody else's.
    if report.order_id is None:
        return []
    key = report.tag if report.tag and report.tag not in state.orders else f"#{report.order_id}"
    book = state.book(report.contract)
    origin = origin_of(state, book, report)
    state.key_of_id[report.order_id] = key
    if report.tag:
        state.known_tags.add(report.tag)
    _keep(state, key, msgspec.structs.replace(report, origin=origin) if origin else report)
    return suspect(state, book, report.order_id) if origin is None else []


def on_order(state: AccountState, event: OrderReported) -> list[AnyCommand]:
    """Fold one order snapshot of the hub."""
    return take_report(state, event.order)


def on_place_answered(state: AccountState, event: PlaceAnswered) -> list[AnyCommand]:
    """Fold the answer to a place; a lost answer leaves the order UNKNOWN and asks the broker."""
    order = state.orders.get(event.tag)
    if order is None:
        return []
    out: list[AnyCommand] = []
    if event.order_id is not None:
        order, out = _attach_id(state, event.tag, order, event.order_id)
    if event.outcome == "accepted" and order.order_id is not None:
        state.orders[event.tag] = move(order, Status.PENDING) if order.status in WAITING else order
        return out
    if event.outcome == "rejected":
        if order.status not in REFUSABLE:
            return [*out, *lock(state, order.contract, f"{event.tag} was refused after it was {order.status}")]
        state.orders[event.tag] = msgspec.structs.replace(move(order, Status.REJECTED), reason=event.reason)
        text = f"order refused by the gateway: {event.reason or f'code {event.code}'}"
        return [alert(order, "warning", text), *_note_bracket_mode(state, order, event.reason)]
    if order.status is not Status.SENT:
        return out
    why = "it was accepted without an order id" if event.outcome == "accepted" else event.reason
    state.orders[event.tag] = msgspec.structs.replace(move(order, Status.UNKNOWN), reason=event.reason)
    text = f"outcome of an order is unknown ({why}); asking the broker, no entries until it is resolved"
    return [alert(order, "warning", text), ReadBroker(account=state.account, contract=order.contract, reason=text)]


def _note_bracket_mode(state: AccountState, order: Order, reason: str) -> list[AnyCommand]:
    if NO_AUTO_OCO not in reason or state.bracket_mode == SEPARATE:
        return []
    state.bracket_mode = SEPARATE  # no field of the gateway tells this: the first bracketed order does
    text = "this account is not in Auto-OCO mode: from now on stops and targets are separate orders of ours"
    return [alert(order, "critical", text)]


WAITING = (Status.SENT, Status.UNKNOWN)
# The hub tells of a refused order (pending, then rejected) before, between or after the answer to its place.
REFUSABLE = (*WAITING, Status.PENDING, Status.REJECTED, Status.ABSENT)


def _attach_id(state: AccountState, tag: str, order: Order, order_id: int) -> tuple[Order, list[AnyCommand]]:
    # The hub may have told of this id before the answer came, without the tag: then the two are one order.
    out: list[AnyCommand] = []
    key = state.key_of_id.get(order_id)
    if key is not None and key != tag:
        early = state.orders[key]
        del state.orders[key]
        try:
            order = merge_report(order, early)
        except IllegalTransition as error:
            out = lock(state, order.contract, str(error))
    state.key_of_id[order_id] = tag
    order = msgspec.structs.replace(order, order_id=order_id)
    if key != tag and order.session:
        claim(state, order)
    _keep(state, tag, order)
    return order, out


def on_fill(state: AccountState, event: FillReported) -> list[AnyCommand]:
    """Fold one half-turn of the hub."""
    return take_fill(state, event.fill)


def on_position(state: AccountState, event: PositionReported) -> list[AnyCommand]:
    """Remember the broker's net position; a lasting difference to our own fold locks the instrument."""
    if event.account != state.account:
        return []
    if not state.covers(event.contract):
        stray.note_position(state, event.contract, event.qty)
        return halt_unknown(state, event.contract) if event.qty else []
    book = state.book(event.contract)
    book.broker_qty = event.qty
    note_difference(state, book)
    return []


def check_difference(state: AccountState, book: Book) -> list[AnyCommand]:
    """Lock a contract whose own and broker position have differed for longer than events take to settle."""
    if book.differs_since is None or state.now - book.differs_since < state.patience(SETTLE_NS) or book.locked:
        return []
    late = f", {sum(book.uncounted.values())} contracts filled without their trade" if book.uncounted else ""
    broker = "not heard" if book.broker_qty is None else f"{book.broker_qty:+d}"
    reason = f"own position {book.qty:+d}, broker {broker}{late}"
    return lock(state, book.position.contract, reason)


def halt_unknown(state: AccountState, contract: str) -> list[AnyCommand]:
    """Halt entries, once, for a product that we cannot value: its losses would be missing from every limit."""
    reason = stray.halt_of(contract)
    if reason in state.halted:
        return []
    state.halted[reason] = state.now
    text = f"{reason}; no entries until it is flat (close it here or there) and released: {command_for(state.account)}"
    return [Alert(account=state.account, contract=contract, level="critical", text=text)]


def lock(state: AccountState, contract: str, reason: str) -> list[AnyCommand]:
    """Shut one instrument for entries until a reconcile finds it equal again."""
    state.book(contract).locked = reason
    command = Alert(account=state.account, contract=contract, level="critical", text=f"{contract} locked: {reason}")
    return [command, ReadBroker(account=state.account, contract=contract, reason=reason)]


def alert(order: Order, level: str, text: str) -> Alert:
    """An alert about an order's contract."""
    return Alert(account=order.account, contract=order.contract, level=level, text=text)


def on_command_answered(state: AccountState, event: CommandAnswered) -> list[AnyCommand]:
    """Fold the answer to a cancel or close; anything but a plain yes makes us read the broker before asking again."""
    book = state.book(event.contract) if event.contract and state.covers(event.contract) else None
    flatten = None if book is None else book.flatten
    if flatten is not None and event.command == "close":
        flatten.close_answered_at = state.now
    if event.outcome == "accepted":
        if flatten is None or "user hub is down" not in state.halted:
            return []
        text = f"the user hub is down: only a reading tells that the {event.command} was done"
        return [ReadBroker(account=state.account, contract=event.contract, reason=text)]
    text = f"{event.command} was not confirmed: {event.outcome} {event.reason or event.code}"
    out: list[AnyCommand] = [ReadBroker(account=state.account, contract=event.contract, reason=text)]
    if flatten is not None and event.command == "close":
        out.insert(0, Alert(account=state.account, contract=event.contract, level="warning", text=text))
    return out


def fees_usd(state: AccountState) -> Decimal:
    """Fees and commissions of every fill we know, USD."""
    return sum((b.position.fees for b in state.books.values()), Decimal(0))
