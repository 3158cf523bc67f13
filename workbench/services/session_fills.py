"""Whose a fill is: each session has what its own orders filled, and what closed the position that it had opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from workbench.domain import events as e
from workbench.domain.commands import PlaceOrder
from workbench.domain.order import Order
from workbench.domain.position import Fill
from workbench.storage.journal import Record

NOBODY = ""  # a person's orders, and somebody else's


@dataclass(slots=True)
class Told:
    """Orders and fills of an account as the records of its journal tell them.

    Attributes
    ----------
    fills : dict
        By trade, those that the gateway has not taken back.
    tags : dict
        Order id → our tag.
    """

    fills: dict[int, Fill] = field(default_factory=dict)
    tags: dict[int, str] = field(default_factory=dict)
    _sessions: dict[str, str] = field(default_factory=dict)  # tag -> session
    _parents: dict[int, int] = field(default_factory=dict)
    _voided: set[int] = field(default_factory=set)

    def take(self, record: Record) -> None:
        """Note what one record says."""
        event = record.event
        self._sessions |= {c.tag: c.session for c in record.commands if isinstance(c, PlaceOrder)}
        if isinstance(event, e.PlaceAnswered):
            if event.order_id is not None:
                self.tags[event.order_id] = event.tag
        elif isinstance(event, e.OrderReported):
            self._note(event.order)
        elif isinstance(event, e.FillReported):
            self._count(event.fill)
        elif isinstance(event, e.BrokerRead):
            for order in event.orders:
                self._note(order)
            for fill in event.fills:
                self._count(fill)

    def _note(self, order: Order) -> None:
        if order.order_id is not None and order.tag:
            self.tags[order.order_id] = order.tag
        if order.order_id is not None and order.parent_id is not None:
            self._parents[order.order_id] = order.parent_id

    def _count(self, fill: Fill) -> None:
        if fill.voided:
            self._voided.add(fill.trade_id)
            self.fills.pop(fill.trade_id, None)
        elif fill.trade_id not in self._voided:
            self.fills.setdefault(fill.trade_id, fill)

    def sessions(self) -> dict[int, str]:
        """Return each order's session; a protective leg belongs to that of its entry."""
        own = {number: self._sessions.get(tag, NOBODY) for number, tag in self.tags.items()}
        return own | {leg: own.get(parent, NOBODY) for leg, parent in self._parents.items() if leg not in own}


def share_out(fills: Iterable[Fill], sessions: Mapping[int, str]) -> dict[str, list[Fill]]:
    """Return the fills of each session, oldest first; `NOBODY` has the rest.

    A session's order closes what the session holds and opens the rest for it. What no session sent (the close of the
    emergency stop, a person, the broker) closes what is open, a person's before a session's, and opens for nobody. A
    fill that does two of these is given in parts, its fees with the contracts.

    Parameters
    ----------
    fills : iterable of Fill
    sessions : mapping
        Order id → the session that sent it.
    """
    out: dict[str, list[Fill]] = {}
    books: dict[str, dict[str, int]] = {}  # contract -> who -> signed contracts
    for fill in sorted(fills, key=lambda f: (f.at, f.trade_id)):
        owner, held = sessions.get(fill.order_id, NOBODY), books.setdefault(fill.contract, {})
        left = fill.qty
        for name in sorted(held) if owner == NOBODY else [owner]:
            if held.get(name, 0) * left < 0:
                part = left if abs(left) <= abs(held[name]) else -held[name]
                out.setdefault(name, []).append(_part(fill, part))
                held[name], left = held[name] + part, left - part
        if left:
            if owner != NOBODY and not held.get(owner):
                held.clear()  # a session enters only when nothing is held: what others held was closed unseen
            out.setdefault(owner, []).append(_part(fill, left))
            held[owner] = held.get(owner, 0) + left
    return out


def _part(fill: Fill, qty: int) -> Fill:
    if qty == fill.qty:
        return fill
    changes: dict[str, Any] = {"qty": qty, "fees": fill.fees * abs(qty) / abs(fill.qty)}
    return msgspec.structs.replace(fill, **changes)
