"""Products that our table lacks: nothing of them can be valued, but what they hold can be closed.

A close needs no tick size: their orders are cancelled by their ids, then the gateway is asked to close the position. It
goes the way of `execution.flatten`: cancel, wait until nothing works, close once, and read before anything is repeated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.domain.commands import Alert, AnyCommand, CancelOrder, ClosePosition, ReadBroker
from workbench.domain.events import BrokerRead
from workbench.domain.order import Order

if TYPE_CHECKING:
    from workbench.execution.state import AccountState

HALT = " is traded on this account and is not in our table of products"
ASK_AGAIN_NS = 10_000_000_000  # of market time, as for every other close


@dataclass(slots=True, kw_only=True)
class Stray:
    """What the broker says of a contract that we have no specification of, and a close of it under way.

    `qty` is signed, `orders` maps the ids of its orders that may still fill to when their cancel was asked for (0:
    not), `reason` is why it is being closed (empty: it is not). `heard_at` is when something of it was last heard of,
    `is_gone` says that a reading from after that has shown nothing, `over` are the ids of its orders that have ended.
    """

    qty: int = 0
    orders: dict[int, int] = field(default_factory=dict)
    reason: str = ""
    close_sent_at: int = 0
    read_asked_at: int = 0
    heard_at: int = 0
    is_gone: bool = False
    over: set[int] = field(default_factory=set)


def halt_of(contract: str) -> str:
    """Return the halt that an unknown product causes."""
    return contract + HALT


def halted_contract(halt: str) -> str:
    """Return the unknown product that caused this halt, "" for every other halt."""
    return halt.removesuffix(HALT) if halt.endswith(HALT) else ""


def is_gone(state: AccountState, contract: str) -> bool:
    """Say whether the newest reading has shown that nothing of an unknown product is held or works."""
    stray = state.strays.get(contract)
    return stray is None or (stray.is_gone and not is_stray(state, contract))


def note_order(state: AccountState, order: Order) -> bool:
    """Remember an order of an unknown product as long as it may fill; say whether it tells anything new.

    A reading shows every order of the date, so one that was over when it was last told of tells nothing.
    """
    stray = state.strays.setdefault(order.contract, Stray())
    if order.order_id is None:
        return True
    if order.order_id in stray.over and not order.is_open:
        return False
    _hear(state, stray)
    if order.is_open:
        stray.orders.setdefault(order.order_id, 0)
    else:
        stray.orders.pop(order.order_id, None)
        stray.over.add(order.order_id)
    return True


def note_position(state: AccountState, contract: str, qty: int) -> None:
    """Remember what is held of an unknown product."""
    stray = state.strays.setdefault(contract, Stray())
    stray.qty = qty
    _hear(state, stray)


def _hear(state: AccountState, stray: Stray) -> None:
    stray.heard_at, stray.is_gone = state.now, False


def note_reading(state: AccountState, event: BrokerRead, first: bool) -> None:
    """Take a reading of the broker: what it does not show is not there."""
    held = {p.contract: p.qty for p in event.positions if not state.covers(p.contract)}
    working = {o.order_id for o in event.orders if o.is_open}
    for contract in sorted({*held, *state.strays}):
        stray = state.strays.setdefault(contract, Stray())
        stray.qty = held.get(contract, 0)
        for number in [n for n in stray.orders if n not in working]:
            del stray.orders[number]
        if stray.close_sent_at and event.until >= stray.close_sent_at + state.patience(ASK_AGAIN_NS):
            stray.close_sent_at = 0  # it was long enough under way: what is still there is closed again
        if first or event.until >= stray.heard_at:
            stray.is_gone = not (stray.qty or stray.orders)


def is_stray(state: AccountState, contract: str) -> bool:
    """Say whether anything is known to be held or to work of an unknown product."""
    stray = state.strays.get(contract)
    return stray is not None and bool(stray.qty or stray.orders)


def close(state: AccountState, contracts: Iterable[str], reason: str) -> list[AnyCommand]:
    """Begin to close unknown products; what is under way already goes on."""
    for contract in contracts:
        stray = state.strays[contract]
        if not stray.reason and (stray.qty or stray.orders):
            stray.reason = reason
    return advance(state)


def advance(state: AccountState) -> list[AnyCommand]:
    """Take the next step of every close of an unknown product; call it after each event while there are any."""
    return [c for contract, stray in state.strays.items() if stray.reason for c in _advance(state, contract, stray)]


def begin_anew(state: AccountState) -> None:
    """A runner has started: what the last life asked for may never have left; a close is read for, not repeated."""
    for stray in state.strays.values():
        stray.orders = dict.fromkeys(stray.orders, 0)
        stray.close_sent_at = state.now if stray.close_sent_at else 0


def _advance(state: AccountState, contract: str, stray: Stray) -> list[AnyCommand]:
    out, again = list[AnyCommand](), state.patience(ASK_AGAIN_NS)
    for number, asked in stray.orders.items():
        if not asked or state.now - asked >= again:
            stray.orders[number] = state.now
            out.append(CancelOrder(account=state.account, contract=contract, order_id=number, reason=stray.reason))
    if stray.orders:
        return [*out, *_read_when_late(state, contract, stray, min(stray.orders.values()))]
    if not stray.qty:
        text = f"{contract} is closed ({stray.reason})"
        stray.reason, stray.close_sent_at = "", 0
        return [Alert(account=state.account, contract=contract, level="info", text=text)]
    if stray.close_sent_at:
        return _read_when_late(state, contract, stray, stray.close_sent_at)
    stray.close_sent_at = state.now
    return [ClosePosition(account=state.account, contract=contract, reason=stray.reason)]


def _read_when_late(state: AccountState, contract: str, stray: Stray, since: int) -> list[AnyCommand]:
    if state.now - max(since, stray.read_asked_at) < state.patience(ASK_AGAIN_NS):
        return []
    stray.read_asked_at = state.now
    text = "a close was not confirmed in time; reading the broker before asking again"
    return [ReadBroker(account=state.account, contract=contract, reason=text)]
