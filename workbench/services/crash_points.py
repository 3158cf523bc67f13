"""Where in the life of one decision the exact crash points lie; nothing is looked at unless a crash test is running."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from workbench.domain import events as e
from workbench.domain.order import OrderType
from workbench.execution.state import AccountState
from workbench.risk.gate import Approved
from workbench.services import crash


def is_armed() -> bool:
    """Say whether any crash point is to be looked for."""
    return crash.hook is not None or crash.VARIABLE in os.environ


def before(state: AccountState, event: e.Event) -> None:
    """Die where `event` is here and nothing is decided."""
    if not is_armed():
        return
    if isinstance(event, e.FillReported):
        crash.crash_point("K5")
    elif isinstance(event, e.BarClosed) and state.sessions:
        crash.crash_point("K0")
    elif isinstance(event, e.BrokerRead) and not state.synced:
        crash.crash_point("K11")
    if state.day_end and event.at >= state.day_end:
        crash.crash_point("K12.1")


def after(state: AccountState, event: e.Event, commands: Sequence[Any], was_date: str) -> None:
    """Die where `event` is decided and journalled, and nothing has followed; `was_date` is the date before it."""
    if not is_armed():
        return
    if was_date and state.trading_date != was_date:
        crash.crash_point("K12.2")
    if isinstance(event, e.FillReported):
        crash.crash_point("K6")
        book = state.books.get(event.fill.contract)
        if book is not None and not book.qty and any(state.open_orders(event.fill.contract)):
            crash.crash_point("K8")
    elif isinstance(event, e.PlaceAnswered) and event.outcome == "accepted":
        crash.crash_point("K4")
    if any(isinstance(c, Approved) for c in commands):
        crash.crash_point("K1")


def sent(command: Any) -> None:
    """Die where an order was answered and what was to follow it has not left."""
    if isinstance(command, Approved) and command.reducing and command.command.type is not OrderType.MARKET:
        crash.crash_point("K7")
