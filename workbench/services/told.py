"""What the rules of a runner have said, and why its closes left: for people, beside the state that decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from workbench.domain import events as e
from workbench.domain.commands import ClosePosition
from workbench.domain.order import Order
from workbench.execution.external import CLOSE
from workbench.rules.signal import Signal

Json = dict[str, Any]
MOST_SIGNALS = 20  # of one session
MOST_SESSIONS = 50
MOST_CLOSES = 1_000


class Told:
    """Remembers the newest signals of each session with the bar that gave them, and the reason of each close.

    The gateway's order for a close carries no name of ours: it is the first order without a tag after our wish.
    """

    def __init__(self) -> None:
        self._signals: dict[str, deque[Json]] = {}
        self._closing: dict[str, str] = {}  # contract -> why it is being closed
        self._closes: dict[int, str] = {}  # order id -> why

    def signal(self, session: str, signal: Signal) -> None:
        """A session's rule has spoken."""
        said = self._signals.pop(session, None) or deque(maxlen=MOST_SIGNALS)
        self._signals[session] = said  # whoever spoke last is let go of last
        said.append({"session": session, "at": signal.at, "rule": signal.rule})
        if len(self._signals) > MOST_SESSIONS:
            del self._signals[next(iter(self._signals))]

    def take(self, event: e.AnyEvent, commands: Iterable[object]) -> None:
        """Look at an event and at what was decided on it."""
        orders = [event.order] if isinstance(event, e.OrderReported) else []
        orders += event.orders if isinstance(event, e.BrokerRead) else []
        for order in orders:
            why = self._closing.get(order.contract)
            if why and order.order_id is not None and order.tag is None and order.parent_id is None:
                self._closes.setdefault(order.order_id, why)
        if len(self._closes) > MOST_CLOSES:
            del self._closes[next(iter(self._closes))]
        for command in commands:
            if isinstance(command, ClosePosition):
                self._closing[command.contract] = command.reason

    def signals(self) -> list[Json]:
        """Return what was said, the oldest first."""
        return sorted((row for said in self._signals.values() for row in said), key=lambda row: row["at"])

    def last_at(self, session: str) -> int | None:
        """Return the end (UTC ns) of the bar that gave a session's last signal, None where that is not known."""
        said = self._signals.get(session)
        return said[-1]["at"] if said else None

    def rule_of(self, order: Order) -> str:
        """Return the rule that wanted an order: its own, or that of the close it carries out."""
        return order.rule or (self._closes.get(order.order_id or 0, "") if order.origin == CLOSE else "")
