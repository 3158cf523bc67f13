"""What the API asks of a desk; the bodies that may be posted to it are in `desk_bodies`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from workbench.services.desk_bodies import (
    VERBS,
    AllowOrigin,
    Body,
    ChangeLimits,
    ClearStop,
    ManualOrder,
    ReleaseHalts,
    SessionCommand,
    StartSession,
    StopRequest,
    Verb,
)
from workbench.storage.home import Home

__all__ = [
    "VERBS",
    "AllowOrigin",
    "Body",
    "ClearStop",
    "DeskService",
    "ManualOrder",
    "OrderAction",
    "ReleaseHalts",
    "SessionCommand",
    "StartSession",
    "StopRequest",
    "Verb",
]

Json = dict[str, Any]
Past = Literal["orders", "fills", "sessions", "days"]
ActionKind = Literal["cancel", "modify", "close", "part_close", "reverse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAction:
    """What a person wants done with an order or a position; prices in points, `request` is the caller's key."""

    request: str
    kind: ActionKind
    account: int
    contract: str = ""  # of a position; an order has its own
    order_id: int | None = None
    qty: int | None = None
    limit_price: float | None = None
    stop_price: float | None = None
    person: str = ""
    seen_qty: int | None = None


class DeskService(Protocol):
    """The desk as the API sees it; `services.supervisor` is the real one, `tests.fakes.desk` the fake."""

    home: Home

    async def snapshot(self) -> Json:
        """Return the whole visible state; missing values are null, never 0."""
        ...

    async def bars(self, contract: str, timeframe: str, limit: int) -> list[Json]:
        """Return up to `limit` bars, ascending; `time` is the bar's start in unix seconds, the last may be partial."""
        ...

    async def orders(self, account: int | None) -> list[Json]: ...

    async def fills(self, account: int | None) -> list[Json]: ...

    async def start_session(self, request: StartSession) -> Json: ...

    async def command_session(self, session: str, verb: str, person: str) -> Json: ...

    async def manual_order(self, request: ManualOrder) -> Json: ...

    async def order_action(self, action: OrderAction) -> Json:
        """Cancel or modify an order, close, part-close or reverse a position, through the account's own gate."""
        ...

    async def release(self, account: int, wish: ReleaseHalts) -> Json:
        """End the halts of an account that a person ends; what is refused says why."""
        ...

    async def stop_session(self, session: str, reason: str, person: str) -> Json:
        """End one session, cancel and close what it holds; its account is stopped when that is not confirmed."""
        ...

    async def stop_strategy(self, strategy: str, account: int | None, reason: str, person: str) -> Json:
        """End every session of a strategy; an account whose runner does not confirm in time is stopped whole."""
        ...

    async def past(self, what: Past, account: int, limit: int, before: str | None) -> list[Json]:
        """Return rows of an account's history, the newest first; `before` is the cursor of the last row before."""
        ...

    async def monitor(self) -> Json:
        """Return exposure and headroom across accounts."""
        ...

    async def limits(self) -> Json:
        """Return the limits of every level and how they came to be."""
        ...

    async def change_limits(self, change: ChangeLimits, *, tighten: bool) -> Json:
        """Write new limits; `tighten` refuses whatever is looser than what holds."""
        ...

    async def stop(self, reason: str, account: int | None, person: str) -> Json:
        """Latch, cancel, flatten, verify; return the result whether or not everything is flat."""
        ...

    async def clear_stop(self, reason: str, person: str, account: int | None) -> Json: ...
