"""What the journal believes beside what the broker has: read-only, with or without a desk.

The runner does its own reconcile at each start and reconnect (`execution.reconcile`); this is for a person who wants
to see it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from workbench.domain.contract import spec
from workbench.domain.errors import InputError, StorageError, UnknownContract
from workbench.domain.events import BrokerRead
from workbench.domain.order import Order
from workbench.execution.state import AccountState
from workbench.services.journal_fold import JournalFold, silent_state
from workbench.services.reader import ReadableBroker, read_broker
from workbench.services.snapshot import order_dict
from workbench.storage.home import Home
from workbench.storage.records import files_of, read_contents
from workbench.storage.snapshot import load

DAY_NS = 86_400_000_000_000
BEFORE_NS = 60_000_000_000
Json = dict[str, Any]


class Believed:
    """What the journal of an account comes to, and what is wrong with the file."""

    def __init__(self, state: AccountState, damage: str, records: int) -> None:
        self.state, self.damage, self.records = state, damage, records


def believed(home: Home, account: int) -> Believed:
    """Read the journal of an account, without a lock and without changing anything.

    Raises
    ------
    InputError
        There is none.
    StorageError
        The file cannot be read, or another program wrote its snapshot.
    """
    files = files_of(home.account(account))
    if not files:
        raise InputError(f"account {account} has no journal in {home.path}: nothing has traded it from here")
    try:
        contents = read_contents(files[-1])
    except OSError as error:
        raise StorageError(f"cannot read {files[-1]}: {error.strerror or error}") from error
    state = silent_state(account)
    if contents.snapshot is not None:
        load(contents.snapshot.state, state)
    fold = JournalFold(state)
    for record in contents.records:
        fold.take(record)
    return Believed(state, contents.damage, len(contents.records))


async def reconcile_account(home: Home, account: int, broker: ReadableBroker, now: int) -> Json:
    """Return what the journal believes, what the broker has, and how they differ.

    Parameters
    ----------
    home : Home
    account : int
    broker : ReadableBroker
    now : int
        Market time, UTC ns.
    """
    state = believed(home, account).state
    opened = [o.created_at for o in state.orders.values() if o.is_open and o.created_at]
    since = min([state.day_start or now - DAY_NS, *(at - BEFORE_NS for at in opened)])
    reading = await read_broker(broker, account, since, now)
    found = believed(home, account)  # what a live runner has heard meanwhile is believed too
    differences = compare(found.state, reading)
    if found.damage:
        differences.insert(0, f"the journal is damaged: {found.damage}")
    return {
        "account": account,
        "equal": not differences,
        "differences": differences,
        "journal": _of_journal(found),
        "broker": _of_broker(reading),
    }


def compare(state: AccountState, reading: BrokerRead) -> list[str]:
    """Return every difference between what is believed and a reading of the broker, in words."""
    return [
        *_orders(state, reading),
        *_fills(state, reading),
        *_positions(state, reading),
        *_balance(state, reading),
    ]


def _orders(state: AccountState, reading: BrokerRead) -> list[str]:
    ours = {key: order for key, order in state.orders.items() if order.is_open}
    by_id = {order.order_id: order for order in state.orders.values() if order.order_id is not None}
    theirs = {order.order_id: order for order in reading.orders if order.is_open}
    tags = {order.tag: order for order in reading.orders if order.tag}
    out = []
    for key, order in ours.items():
        there = theirs.get(order.order_id) or tags.get(order.tag)
        if there is None:
            out.append(f"order {key} ({_short(order)}) is {order.status} in the journal, the broker does not show it")
        else:
            out += _unlike(order, there)
    for number, order in theirs.items():
        known = by_id.get(number) or state.orders.get(order.tag or "")
        if known is None:
            out.append(
                f"order {number} ({_short(order)}) is {order.status} at the broker, the journal does not know it"
            )
        elif not known.is_open:
            out.append(f"order {number} is {order.status} at the broker, {known.status} in the journal")
    return out


def _unlike(ours: Order, theirs: Order) -> list[str]:
    out = []
    for name in ("status", "qty", "filled", "limit_ticks", "stop_ticks"):
        one, two = getattr(ours, name), getattr(theirs, name)
        if one != two and not (one is None and name.endswith("ticks")):
            out.append(f"order {theirs.order_id}: {name} {one} in the journal, {two} at the broker")
    return out


def _short(order: Order) -> str:
    return f"{order.side.name} {order.qty} {order.contract} {order.type.name}"


def _fills(state: AccountState, reading: BrokerRead) -> list[str]:
    missed = [f for f in reading.fills if not f.voided and f.trade_id not in state.trades]
    return [
        f"trade {f.trade_id} ({f.qty:+d} {f.contract} at {_points(f.contract, f.ticks)}) is not in the journal"
        for f in missed
    ]


def _points(contract: str, ticks: int) -> str:
    try:
        return f"{spec(contract).price(ticks):g}"
    except UnknownContract:
        return f"{ticks} ticks"


def _positions(state: AccountState, reading: BrokerRead) -> list[str]:
    theirs = {p.contract: p.qty for p in reading.positions if p.qty}
    ours = {contract: book.qty for contract, book in state.books.items() if book.qty}
    return [
        f"{contract}: {ours.get(contract, 0):+d} in the journal, {theirs.get(contract, 0):+d} at the broker"
        for contract in sorted(set(ours) | set(theirs))
        if ours.get(contract, 0) != theirs.get(contract, 0)
    ]


def _balance(state: AccountState, reading: BrokerRead) -> list[str]:
    out = []
    if state.balance is not None and state.balance != reading.balance:
        out.append(f"balance {state.balance} USD in the journal, {reading.balance} USD at the broker")
    if state.can_trade is not None and state.can_trade != reading.can_trade:
        out.append(f"the firm's canTrade is {state.can_trade} in the journal, {reading.can_trade} at the broker")
    return out


def _of_journal(found: Believed) -> Json:
    state = found.state
    return {
        "records": found.records,
        "at": state.now,
        "epoch": state.epoch,
        "trading_date": state.trading_date,
        "orders": [order_dict(o) for o in state.orders.values() if o.is_open],
        "fills": len(state.trades),
        "positions": {c: b.qty for c, b in state.books.items() if b.qty},
        "balance_usd": _text(state.balance),
        "halted": list(state.halted),
        "sessions": {s.session: s.status for s in state.sessions.values()},
    }


def _of_broker(reading: BrokerRead) -> Json:
    return {
        "at": reading.until,
        "since": reading.since,
        "orders": [order_dict(o) for o in reading.orders if o.is_open],
        "fills": len(reading.fills),
        "positions": {p.contract: p.qty for p in reading.positions if p.qty},
        "balance_usd": _text(reading.balance),
        "can_trade": reading.can_trade,
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
