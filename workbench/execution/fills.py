"""Fills, counted once, into the position and into the books of who earned them; a voided one is taken out again."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from workbench.domain.commands import Alert, AnyCommand, ReadBroker
from workbench.domain.order import Order
from workbench.domain.position import Fill, Position, apply_fill
from workbench.execution.covered import adopted_stops, needs_stop
from workbench.execution.external import suspect
from workbench.execution.pruning import is_past
from workbench.execution.state import AccountState, Book, Session

NOBODY = ""  # whose ledger takes what no session did: a person's orders, and somebody else's


def take_fill(state: AccountState, fill: Fill) -> list[AnyCommand]:
    """Count a fill once (the gateway repeats half-turns as a habit); a voided one is taken out of the position."""
    if fill.account != state.account or (fill.trade_id in state.trades and not fill.voided):
        return []
    if not state.covers(fill.contract) or (fill.trade_id not in state.trades and is_past(state, fill.at)):
        return []
    if fill.voided:
        return _void(state, fill)
    state.trades.add(fill.trade_id)
    book = state.book(fill.contract)
    state.counted[fill.order_id] = state.counted.get(fill.order_id, 0) + abs(fill.qty)
    if fill.order_id in book.uncounted:
        book.uncounted[fill.order_id] -= abs(fill.qty)
        if book.uncounted[fill.order_id] <= 0:
            del book.uncounted[fill.order_id]
    if fill.at > book.adopted_until:  # an older one is inside the position that was adopted from the broker
        (_book_late if fill.at < state.day_start else _book)(state, book, fill)
    note_difference(state, book)
    return [] if fill.order_id in state.key_of_id else suspect(state, book, fill.order_id)


def _book_late(state: AccountState, book: Book, fill: Fill) -> None:
    # A fill of an earlier trading date that becomes known only now belongs to that date: the baseline becomes what it
    # would have been, at the price of the roll, and today's profit is that of today.
    price, book.last_price = book.last_price, book.roll_price
    nets = {s.session: earned_by(state, s.contract, s.session).net for s in state.sessions.values()}
    total = state.total_usd()
    _book(state, book, fill)
    book.last_price = book.roll_price
    after = state.total_usd()
    if total is not None and after is not None:
        state.day_baseline += after - total
    for session in state.sessions.values():
        was, net = nets[session.session], earned_by(state, session.contract, session.session).net
        if was is not None and net is not None:
            session.day_baseline += net - was
    book.last_price = price if price is not None else book.spec.price(fill.ticks)


def _book(state: AccountState, book: Book, fill: Fill) -> None:
    before = book.qty
    if not before:
        book.since_flat, book.shares, book.flat_base, book.base_stops = [], {}, book.position, 0
    book.since_flat.append(fill)
    book.position = apply_fill(book.position, fill)
    if before * book.qty <= 0:
        book.protect_by = None  # another position than the one it was set for, though one reading brought both
    order = state.orders.get(state.key_of_id.get(fill.order_id, ""))
    book.shares[fill.trade_id] = _allot(book, fill, _owner(state, order))
    if book.qty and abs(book.qty) < abs(before) and (order is None or order.family is None):
        book.misfit = True
    book.last_price = book.spec.price(fill.ticks)
    book.priced_at = max(book.priced_at, min(fill.at, state.now))
    book.filled_at = state.now


def _owner(state: AccountState, order: Order | None) -> str:
    # What an ended session's orders still do is the account's: it has handed over what it held.
    session = None if order is None else state.sessions.get(order.session)
    return NOBODY if session is None or session.status == "ended" else session.session


def give_back(state: AccountState, book: Book, session: str) -> int:
    """Hand what a session holds to the account, at what it has cost; return the contracts (signed)."""
    held = book.ledgers.get(session)
    if held is None or not held.qty:
        return 0
    nobodys = book.ledgers.get(NOBODY) or Position(account=state.account, contract=held.contract)
    book.ledgers[NOBODY] = msgspec.structs.replace(
        nobodys,
        qty=nobodys.qty + held.qty,
        cost_ticks=nobodys.cost_ticks + held.cost_ticks,
        opened_at=nobodys.opened_at or held.opened_at,
    )
    book.ledgers[session] = msgspec.structs.replace(held, qty=0, cost_ticks=Decimal(0))
    return held.qty


def _allot(book: Book, fill: Fill, owner: str) -> tuple[tuple[str, int], ...]:
    """Give a fill to its session's ledger; what no session sent closes whatever is open, and opens for nobody."""
    if owner or not book.ledgers:
        return (_share(book, fill, owner, fill.qty, fill.fees),)
    left, fees, shares = fill.qty, fill.fees, []
    for name in sorted(book.ledgers):  # NOBODY comes first
        held = book.ledgers[name].qty
        if held * left < 0:
            part = left if abs(left) <= abs(held) else -held
            cost = fees if part == left else fill.fees * part / fill.qty
            shares.append(_share(book, fill, name, part, cost))
            left, fees = left - part, fees - cost
    if left:
        shares.append(_share(book, fill, NOBODY, left, fees))
    return tuple(shares)


def _share(book: Book, fill: Fill, name: str, qty: int, fees: Decimal) -> tuple[str, int]:
    held = book.ledgers.get(name)
    if held is None:
        held = Position(account=fill.account, contract=fill.contract)
    part = fill if qty == fill.qty else msgspec.structs.replace(fill, qty=qty, fees=fees)
    book.ledgers[name] = apply_fill(held, part)
    return name, qty


def claim(state: AccountState, order: Order) -> None:
    """Move fills that came before their order was known from nobody's ledger to the session that sent it."""
    book = state.book(order.contract)
    if _owner(state, order) == NOBODY:
        return
    for fill in book.since_flat:
        if fill.order_id == order.order_id and book.shares.get(fill.trade_id) == ((NOBODY, fill.qty),):
            back = msgspec.structs.replace(fill, qty=-fill.qty, fees=-fill.fees)
            _share(book, back, NOBODY, back.qty, back.fees)
            book.shares[fill.trade_id] = (_share(book, fill, order.session, fill.qty, fill.fees),)


def _void(state: AccountState, fill: Fill) -> list[AnyCommand]:
    # The gateway has taken a trade back. One that is not known yet will never count; a known one is taken out once.
    if fill.trade_id in state.voided:
        return []
    state.voided.add(fill.trade_id)
    if fill.trade_id not in state.trades:
        state.trades.add(fill.trade_id)
        return []
    book, before = state.book(fill.contract), state.book(fill.contract).qty
    known = next((f for f in book.since_flat if f.trade_id == fill.trade_id), None)
    _uncount(state, fill)
    back = msgspec.structs.replace(known or fill, qty=-fill.qty, fees=-(known or fill).fees)
    if fill.at > book.adopted_until:
        base = book.flat_base or Position(account=fill.account, contract=fill.contract)
        if known is not None:
            book.since_flat.remove(known)
        else:
            base = apply_fill(base, back)  # it lies before the position was last flat
        book.flat_base = book.position = base
        for each in book.since_flat:
            book.position = apply_fill(book.position, each)
    for name, qty in book.shares.pop(fill.trade_id, ((NOBODY, fill.qty),)):
        _share(book, back, name, -qty, back.fees * qty / fill.qty)
    if abs(book.qty) > abs(before):  # an exit has not happened: what is open again must show a stop, or be closed
        book.bracketed = max(book.bracketed, abs(book.qty))
        if known is None:
            book.base_stops += abs(fill.qty)
    book.misfit, book.filled_at = True, state.now
    note_difference(state, book)
    text = (
        f"the gateway has voided trade {fill.trade_id} ({fill.qty:+d} {fill.contract}): it was taken out of the "
        f"position, which is {book.qty:+d} now"
    )
    return [
        Alert(account=state.account, contract=fill.contract, level="critical", text=text),
        ReadBroker(account=state.account, contract=fill.contract, reason="a trade was voided"),
    ]


def _uncount(state: AccountState, fill: Fill) -> None:
    state.counted[fill.order_id] = max(0, state.counted.get(fill.order_id, 0) - abs(fill.qty))
    key = state.key_of_id.get(fill.order_id, "")
    order = state.orders.get(key)
    if order is not None:
        state.orders[key] = msgspec.structs.replace(order, filled=max(0, order.filled - abs(fill.qty)))


def note_difference(state: AccountState, book: Book) -> None:
    """Note since when own fold and broker differ; None while they agree."""
    if book.is_sure:
        book.differs_since = None
    elif book.differs_since is None:
        book.differs_since = state.now


def hand_over(state: AccountState, book: Book, shown: AbstractSet[int | None]) -> None:
    """Give a position that was adopted from the broker, without its fills, to the session that trades the contract.

    `shown` are the ids of the orders that the broker's reading holds.
    """
    for name, held in book.ledgers.items():
        book.ledgers[name] = msgspec.structs.replace(held, qty=0, cost_ticks=Decimal(0))
    book.base_stops = adopted_stops(state, book, shown)
    book.since_flat, book.shares, book.flat_base, book.misfit = [], {}, book.position, bool(book.qty)
    if not book.qty:
        return
    contract = book.position.contract
    owner = next(
        (
            s.session
            for s in state.sessions.values()
            if s.contract == contract and s.status != "ended" and not s.waits_flat
        ),
        NOBODY,
    )
    held = book.ledgers.get(owner) or Position(account=state.account, contract=contract)
    book.ledgers[owner] = msgspec.structs.replace(
        held, qty=book.qty, cost_ticks=book.position.cost_ticks, opened_at=state.now
    )


def correct_cost(state: AccountState, book: Book, cost_ticks: Decimal) -> None:
    """Take the broker's cost of the open position (average price in ticks × contracts) in place of our own."""
    change = cost_ticks - book.position.cost_ticks
    book.position = msgspec.structs.replace(book.position, cost_ticks=cost_ticks)
    book.base_stops = needs_stop(state, book)
    book.since_flat, book.shares, book.flat_base = [], {}, book.position
    holders = sorted(book.ledgers, key=lambda name: (-book.ledgers[name].qty * book.qty, name))
    if holders:
        held = book.ledgers[holders[0]]  # whoever holds most of it
        book.ledgers[holders[0]] = msgspec.structs.replace(held, cost_ticks=held.cost_ticks + change)


def take_over(state: AccountState, book: Book, session: str) -> None:
    """Give what nobody's orders have opened to the session that adopts it; what was realised before stays."""
    held = book.ledgers.get(NOBODY)
    if held is None or not held.qty:
        return
    mine = book.ledgers.get(session) or Position(account=state.account, contract=held.contract)
    book.ledgers[session] = msgspec.structs.replace(
        mine, qty=mine.qty + held.qty, cost_ticks=mine.cost_ticks + held.cost_ticks, opened_at=state.now
    )
    book.ledgers[NOBODY] = msgspec.structs.replace(held, qty=0, cost_ticks=Decimal(0))


@dataclass(frozen=True, slots=True)
class Earned:
    """What somebody has earned, USD: realised is net of fees; open is None when there is a position but no price."""

    realized: Decimal
    open: Decimal | None
    fees: Decimal
    qty: int = 0

    @property
    def net(self) -> Decimal | None:
        """Realised and open profit net of fees."""
        return None if self.open is None else round(self.realized + self.open, 9)


def earned_by(state: AccountState, contract: str, name: str = NOBODY) -> Earned:
    """What a session (or nobody's orders) has earned in a contract since its first fill."""
    book = state.books.get(contract)
    held = None if book is None else book.ledgers.get(name)
    if book is None or held is None:
        return Earned(Decimal(0), Decimal(0), Decimal(0))
    return Earned(held.realized_ticks * book.spec.tick_value - held.fees, book.open_usd(held), held.fees, held.qty)


def session_day_usd(state: AccountState, session: Session) -> Decimal | None:
    """Profit of a session on this trading date (realised + open, net of fees), USD; None when it cannot be known."""
    net = earned_by(state, session.contract, session.session).net
    return None if net is None or not session.day_baseline_known else net - session.day_baseline


def roll_sessions(state: AccountState) -> None:
    """Begin a new trading date for every session: what it has earned so far is yesterday's."""
    for session in state.sessions.values():
        net = earned_by(state, session.contract, session.session).net
        session.day_baseline = net if net is not None else Decimal(0)
        session.day_baseline_known = net is not None


def take_baselines(state: AccountState) -> list[AnyCommand]:
    """Take the baseline that was not known at the day roll, for want of a price, once everything held has one."""
    total = state.total_usd()
    if total is None or not total.is_finite():
        return []
    state.day_baseline, state.day_baseline_known = total, True
    for session in state.sessions.values():
        net = earned_by(state, session.contract, session.session).net
        if not session.day_baseline_known and net is not None:
            session.day_baseline, session.day_baseline_known = net, True
    text = (
        f"no price was there when {state.trading_date} began with a position open: the day's profit and loss counts "
        "from the first one, which has come now. What was made before it belongs to the date before"
    )
    return [Alert(account=state.account, contract="", level="warning", text=text)]
