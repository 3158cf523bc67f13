"""Closing a position in the one safe order: cancel what works, wait until nothing works, then close, then look."""

from __future__ import annotations

from workbench.domain.commands import Alert, AnyCommand, CancelOrder, ClosePosition, ReadBroker
from workbench.domain.order import Order, OrderType, Status
from workbench.execution.covered import is_protected
from workbench.execution.state import AccountState, Book, Flatten
from workbench.rules.signal import Signal

ASK_AGAIN_NS = 10_000_000_000  # market time after which an unanswered cancel or close makes us read and ask again
SETTLES_NS = 2_000_000_000  # trade, order and position reports of one fill come within this


def start_flatten(
    state: AccountState, contract: str, reason: str, then: tuple[str, Signal] | None = None
) -> list[AnyCommand]:
    """Begin to close `contract`; a second request while one is under way changes nothing but drops its entry."""
    book = state.book(contract)
    if book.flatten is not None:
        book.flatten.then = then
        return []
    book.flatten = Flatten(reason=reason, then=then, started_at=state.now)
    return advance_flatten(state, book)


def advance_flatten(state: AccountState, book: Book) -> list[AnyCommand]:
    """Take the next step of a close under way; call it after every event that touches the book."""
    flatten = book.flatten
    if flatten is None:
        return []
    working = list(state.open_orders(book.position.contract))
    out: list[AnyCommand] = []
    left = [o for o in working if o.order_id is not None or o.tag not in state.misses]
    if left:
        out = _cancel(state, book, flatten)
        if not all(_only_adds(state, book, flatten, order) for order in left):
            return out or _look(state, book, flatten, max(flatten.asked.values(), default=None))
    # What is left has an unknown outcome and was not found, or can only add and will not go: neither must keep a
    # position without its stops open.
    if state.synced and book.qty == 0 and book.is_sure:
        if working:
            return out
        book.flatten, book.protect_by = None, None
        return []
    since = book.differs_since
    settling = book.qty == 0 or bool(book.uncounted)
    if state.synced and settling and since is not None and state.now - since < state.patience(SETTLES_NS):
        return out  # the last trade or the broker's figure is on its way
    return [*out, *_close(state, book, flatten)]


def _only_adds(state: AccountState, book: Book, flatten: Flatten, order: Order) -> bool:
    # A resting order on the position's own side whose cancel comes to nothing: it cannot turn a close round.
    if order.status is Status.SUSPENDED and _entry_works(state, order):
        return True  # it goes, or stays, with its entry
    since = flatten.first_asked.get(order.order_id or 0)
    if since is None or order.type is OrderType.MARKET or order.side.sign * book.qty <= 0:
        return False
    return state.now - since >= state.patience(ASK_AGAIN_NS)


def _cancel(state: AccountState, book: Book, flatten: Flatten) -> list[AnyCommand]:
    out: list[AnyCommand] = []
    contract, again = book.position.contract, False
    waits = any(o.order_id is None and o.tag not in state.misses for o in state.open_orders(contract))
    for order in state.open_orders(contract):
        if order.order_id is None or (order.status is Status.SUSPENDED and _entry_works(state, order)):
            continue
        if waits and order.family is not None and order.side.sign * book.qty < 0:
            continue  # the close waits for the answer to an order on the wire: until then the position keeps its exits
        asked = flatten.asked.get(order.order_id)
        if asked is None and order.type is OrderType.MARKET:
            flatten.asked[order.order_id] = state.now  # it fills by itself, and it may be our own close: wait for it
            continue
        if asked is not None and state.now - asked < state.patience(ASK_AGAIN_NS):
            continue
        again = again or asked is not None
        flatten.asked[order.order_id] = state.now
        flatten.first_asked.setdefault(order.order_id, state.now)
        out.append(
            CancelOrder(account=state.account, contract=contract, order_id=order.order_id, reason=flatten.reason)
        )
    if again:
        text = "a cancel was not confirmed in time; asked again"
        out.append(Alert(account=state.account, contract=contract, level="warning", text=text))
        out.append(ReadBroker(account=state.account, contract=contract, reason=text))
    return out


def _entry_works(state: AccountState, leg: Order) -> bool:
    entry = state.orders.get(leg.protects or state.key_of_id.get(leg.parent_id or -1, ""))
    return entry is not None and entry.is_open


def market_works(state: AccountState, book: Book) -> bool:
    """Say whether a market order, such as that of a close, is on its way."""
    return any(o.type is OrderType.MARKET for o in state.open_orders(book.position.contract))


def _close(state: AccountState, book: Book, flatten: Flatten) -> list[AnyCommand]:
    contract = book.position.contract
    if flatten.close_sent_at is None:
        flatten.close_sent_at, flatten.close_answered_at = state.now, None
        book.last_close = (state.now, book.qty)
        return [ClosePosition(account=state.account, contract=contract, reason=flatten.reason)]
    if state.now - max(flatten.close_sent_at, flatten.read_asked_at) < state.patience(ASK_AGAIN_NS):
        return _look(state, book, flatten, flatten.close_answered_at)
    # Nobody closes twice on a guess: the next reading of the broker decides (reconcile clears close_sent_at).
    flatten.read_asked_at = state.now
    text = "the close was not confirmed in time; reading the broker before asking again"
    return [
        Alert(account=state.account, contract=contract, level="warning", text=text),
        ReadBroker(account=state.account, contract=contract, reason=text),
    ]


def _look(state: AccountState, book: Book, flatten: Flatten, done_at: int | None) -> list[AnyCommand]:
    # The position has no exits meanwhile. What was answered should have been reported by now: the report may be lost
    # with a hub, or the close was never sent because the process died. One reading tells, long before asking again.
    if done_at is None or flatten.looked_at >= done_at or state.now - done_at < state.patience(SETTLES_NS):
        return []
    flatten.looked_at = state.now
    text = f"{flatten.reason}: not reported yet"
    return [ReadBroker(account=state.account, contract=book.position.contract, reason=text)]


def check_protection(state: AccountState, book: Book) -> list[AnyCommand]:
    """Flatten a bracketed position whose stop is not seen working in time."""
    if not book.qty and not book.uncounted and not state.open_orders(book.position.contract):
        book.bracketed = 0
    if not book.qty or book.flatten is not None or is_protected(state, book):
        book.protect_by = None
        return []
    if book.protect_by is None:  # from now on, also when a stop that was there has gone
        book.protect_by = state.now + state.patience(int(state.limits.protect_within_s * 1e9))
    if state.now < book.protect_by or _is_new_to_us(state, book):
        return []
    contract = book.position.contract
    text = f"no working stop covers {book.qty:+d} {contract} in time; flattening"
    return [
        Alert(account=state.account, contract=contract, level="critical", text=text),
        *start_flatten(state, contract, text),
    ]


def _is_new_to_us(state: AccountState, book: Book) -> bool:
    # Who held the account while no runner did may have closed: a runner that has just started reads the broker first.
    # It does not wait for ever, and not anew at each start: one that dies again and again must close, too.
    known = state.synced and book.is_sure
    return not known and state.now < state.started_at + state.patience(SETTLES_NS)


def cancel_orphans(state: AccountState, book: Book) -> list[AnyCommand]:
    """Cancel bracket legs that still work while the position is flat: they could open a naked one."""
    if book.qty or book.flatten is not None or not state.synced or book.differs_since is not None:
        return []
    out: list[AnyCommand] = []
    for order in state.open_orders(book.position.contract):
        ours = order.family is not None and order.rule and order.status is Status.WORKING
        if not ours or _entry_works(state, order) or order.order_id is None:
            continue
        if state.now - max(order.updated_at, book.filled_at) < state.patience(ASK_AGAIN_NS):
            continue  # its OCO partner has just filled: the gateway cancels it by itself
        asked = state.orphans.get(order.order_id)
        if asked is not None and state.now - asked < state.patience(ASK_AGAIN_NS):
            continue
        state.orphans[order.order_id] = state.now
        out.append(
            CancelOrder(account=state.account, contract=order.contract, order_id=order.order_id, reason="orphaned exit")
        )
    return out
