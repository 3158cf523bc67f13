"""Exits that always fit the open quantity: separate ones where the gateway grows no brackets, and those of brackets.

Without Auto-OCO nothing at the broker ties an exit to its position or to its sibling, so this does: a stop and a target
for what is open and no more, through part fills; one filled, the other cancelled; a stop that the gateway refuses, or
two exits that both fill, close the position at once. A stop that does not show in time is `flatten.check_protection`'s.
"""

from __future__ import annotations

from workbench.domain.commands import Alert, CancelOrder, ModifyOrder, PlaceOrder, ReadBroker
from workbench.domain.order import Order, OrderType, Side, Status
from workbench.execution.covered import needs_stop
from workbench.execution.flatten import ASK_AGAIN_NS, SETTLES_NS, start_flatten
from workbench.execution.state import AccountState, Book, Guard, Trim
from workbench.execution.submit import Out, is_done, submit, submit_exit

MOST_TRIES = 3  # times that an exit which never arrived is sent anew


def advance_guard(state: AccountState, book: Book) -> Out:
    """Take the next step of an entry's separate exits; call it after every event while there is a guard."""
    guard = book.guard
    if guard is None or book.flatten is not None:
        return []  # a close cancels everything by itself
    entered, exited = _flows(state, guard)
    if exited > entered and book.qty * guard.side < 0:
        return _undo(state, book)
    want = _wanted(book, guard, entered - exited)
    if want == 0:
        return _cancel_rest(state, book, guard)
    if not (state.synced and book.is_sure):
        return _ask_when_late(state, book)
    if guard.base is None:
        guard.base = _first_fill(book, state.orders.get(guard.entry))
    out: Out = []
    for kind, ticks in (("stop", guard.stop_ticks), ("target", guard.target_ticks)):
        if ticks is not None and book.flatten is None:
            out += _fit_leg(state, book, guard, kind, guard.base + ticks, want)
    return out


def _flows(state: AccountState, guard: Guard) -> tuple[int, int]:
    # Contracts that the entry has opened, and those that its exits have closed.
    entry = state.orders.get(guard.entry)
    exited = sum(filled(state, state.orders[key]) for key in guard.keys if key in state.orders)
    return 0 if entry is None else filled(state, entry), exited


def _wanted(book: Book, guard: Guard, is_open: int) -> int:
    # What the exits must be for: what this entry still has open, never more than is held or will be left.
    if book.qty * guard.side <= 0:
        return 0
    held = abs(book.qty) if book.trim is None else min(abs(book.qty), book.trim.left)
    return max(0, min(held, is_open))


def _undo(state: AccountState, book: Book) -> Out:
    if not book.is_sure:
        return _ask_when_late(state, book)
    text = f"both exits of {book.position.contract} have filled: the position of {book.qty:+d} is closed"
    return [_alert(state, book, "critical", text), *start_flatten(state, book.position.contract, text)]


def filled(state: AccountState, order: Order) -> int:
    """Contracts that an order has filled, by its own report or by its trades, whichever came first."""
    return max(order.filled, 0 if order.order_id is None else state.counted.get(order.order_id, 0))


def _cancel_rest(state: AccountState, book: Book, guard: Guard) -> Out:
    if is_done(state, book, guard):
        book.guard = None
        return []
    legs = [(key, state.orders[key]) for key in guard.keys if key in state.orders and state.orders[key].is_open]
    out: Out = []
    for key, leg in legs:
        if leg.order_id is None or filled(state, leg) >= leg.qty or not _due(state, guard, key, 0):
            continue
        out.append(_cancel(state, leg, "the other exit has filled" if book.qty == 0 else "nothing is left to protect"))
    return out


def _fit_leg(state: AccountState, book: Book, guard: Guard, kind: str, level: int, want: int) -> Out:
    key = guard.legs.get(kind, "")
    leg = state.orders.get(key)
    if leg is None or leg.status in (Status.ABSENT, Status.FILLED):
        return _place(state, book, guard, kind, level, want)
    if leg.status is Status.REJECTED and kind == "stop":
        text = f"the stop of {book.qty:+d} {book.position.contract} was refused ({leg.reason}): the position is closed"
        return [_alert(state, book, "critical", text), *start_flatten(state, book.position.contract, text)]
    has = leg.qty - filled(state, leg)
    if leg.status is not Status.WORKING or leg.order_id is None or has in (0, want):
        return []  # on its way, or taken away by a person: then the protection's patience ends it
    if not _due(state, guard, key, want):
        return []
    return [_resize(state, leg, filled(state, leg) + want)]


def _place(state: AccountState, book: Book, guard: Guard, kind: str, level: int, want: int) -> Out:
    tries = guard.tried.get(kind, 0)
    last = state.orders.get(guard.legs.get(kind, ""))
    if last is not None and last.status is Status.ABSENT and tries >= MOST_TRIES:
        return []
    guard.tried[kind] = tries + 1 if last is None or last.status is Status.ABSENT else 1
    is_stop = kind == "stop"
    command = PlaceOrder(
        account=state.account,
        contract=book.position.contract,
        tag=state.next_tag(),
        side=Side.SELL if guard.side > 0 else Side.BUY,
        type=OrderType.STOP if is_stop else OrderType.LIMIT,
        qty=want,
        stop_ticks=level if is_stop else None,
        limit_ticks=None if is_stop else level,
        strategy=guard.strategy,
        rule=f"{guard.rule}.bracket",
        session=guard.session,
        protects=guard.entry,
    )
    guard.legs[kind] = command.tag
    guard.keys.append(command.tag)
    return submit_exit(state, command)


def _due(state: AccountState, guard: Guard, key: str, want: int) -> bool:
    # A change is asked for once; again when something else is wanted, or when nothing has come of it for long.
    asked = guard.asked.get(key)
    if asked is not None and asked[1] == want and state.now - asked[0] < state.patience(ASK_AGAIN_NS):
        return False
    guard.asked[key] = (state.now, want)
    return True


def _first_fill(book: Book, entry: Order | None) -> int:
    number = None if entry is None else entry.order_id
    for fill in book.since_flat:
        if fill.order_id == number:
            return fill.ticks
    return round(book.position.average_ticks or 0)  # adopted from the broker: its fills never reached us


def _ask_when_late(state: AccountState, book: Book) -> Out:
    since = book.differs_since
    if since is None or book.asked_at >= since or state.now - since < state.patience(SETTLES_NS):
        return []
    book.asked_at = state.now
    return [ReadBroker(account=state.account, contract=book.position.contract, reason="a position waits for its stop")]


def advance_trim(state: AccountState, book: Book) -> Out:
    """Take the next step of a part close: smaller exits first, then the market order, so that nothing can reverse."""
    trim = book.trim
    if trim is None:
        return []
    if book.flatten is not None:
        book.trim = None
        return []
    if trim.key:
        order = state.orders.get(trim.key)
        if (order is None or not order.is_open) and book.is_sure:
            book.trim, book.misfit = None, True
        return []
    if state.now - trim.started_at >= state.patience(ASK_AGAIN_NS) or abs(book.qty) != trim.left + trim.qty:
        book.trim, book.misfit = None, True
        text = f"{trim.qty} of {book.qty:+d} {book.position.contract} were not closed: its exits are not smaller yet"
        return [_alert(state, book, "warning", text)]
    if not (state.synced and book.is_sure):
        return []
    out, waits = Out(), False
    for leg in exits(state, book):
        if leg.remaining <= trim.left:
            continue
        waits = True
        if leg.parent_id is not None and leg.order_id is not None and leg.order_id not in trim.asked:
            trim.asked[leg.order_id] = state.now
            out.append(_resize(state, leg, leg.filled + trim.left))
    return out if waits else _close_part(state, book, trim)


def _close_part(state: AccountState, book: Book, trim: Trim) -> Out:
    command = PlaceOrder(
        account=state.account,
        contract=book.position.contract,
        tag=state.next_tag(),
        side=Side.SELL if book.qty > 0 else Side.BUY,
        type=OrderType.MARKET,
        qty=trim.qty,
        rule=trim.rule,
        intent=trim.request,
        intent_qty=trim.qty,
    )
    trim.key = command.tag
    return submit(state, command)


def fit_exits(state: AccountState, book: Book) -> Out:
    """Make gateway brackets fit again after something else than they has changed the position."""
    if not book.misfit or book.flatten is not None or book.trim is not None:
        return []
    if not (state.synced and book.is_sure) or state.now - book.filled_at < state.patience(SETTLES_NS):
        return []  # the gateway may be at it by itself
    legs = [leg for leg in exits(state, book) if leg.parent_id is not None]
    wanted = needs_stop(state, book) or abs(book.qty)
    book.misfit = False
    if len({leg.parent_id for leg in legs}) != 1 or book.qty == 0:
        return []
    return [_resize(state, leg, leg.filled + wanted) for leg in legs if leg.remaining != wanted and leg.order_id]


def exits(state: AccountState, book: Book) -> list[Order]:
    """Working exits of ours, on the side that reduces the position."""
    return [
        o
        for o in state.open_orders(book.position.contract)
        if o.family is not None and o.status is Status.WORKING and o.side.sign * book.qty < 0
    ]


def _resize(state: AccountState, leg: Order, qty: int) -> ModifyOrder:
    reason = f"exits for what is open: {qty - leg.filled} contracts"
    return ModifyOrder(account=state.account, contract=leg.contract, order_id=leg.order_id or 0, qty=qty, reason=reason)


def _cancel(state: AccountState, leg: Order, reason: str) -> CancelOrder:
    return CancelOrder(account=state.account, contract=leg.contract, order_id=leg.order_id or 0, reason=reason)


def _alert(state: AccountState, book: Book, level: str, text: str) -> Alert:
    return Alert(account=state.account, contract=book.position.contract, level=level, text=text)
