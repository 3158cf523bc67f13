"""The hubs' methods and payloads. The hubs leave null members out, where REST spells them.

`ARGUMENT_TYPES` is what the fast decoder expects of the targets that come often, trades and depth as an array or a
single object. What does not fit is still delivered, as plain lists and dicts, and so are all user events, which come
wrapped as ``{"action", "data"}`` or flat; `translate.py` understands those.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from workbench.gateway.wire_rest import AccountModel, OrderModel, PositionModel, TradeModel

# --- targets ---------------------------------------------------------------------------------------------------------

TARGET_USER_ACCOUNT: Final = "GatewayUserAccount"
TARGET_USER_ORDER: Final = "GatewayUserOrder"
TARGET_USER_POSITION: Final = "GatewayUserPosition"
TARGET_USER_TRADE: Final = "GatewayUserTrade"
TARGET_QUOTE: Final = "GatewayQuote"
TARGET_TRADE: Final = "GatewayTrade"
TARGET_DEPTH: Final = "GatewayDepth"
TARGET_LOGOUT: Final = "GatewayLogout"

# Our simulator's clock extension; no other client subscribes to it, so no other client sees it.
SUBSCRIBE_CLOCK: Final = "SubscribeSimulatorClock"  # [participant: str]
TARGET_CLOCK: Final = "SimulatorClock"  # [SimulatorClock]
ACKNOWLEDGE_CLOCK: Final = "AcknowledgeSimulatorClock"  # [seq: int]


# --- market hub: arguments are (contractId, data) --------------------------------------------------------------------


class QuoteUpdate(msgspec.Struct, rename="camel", kw_only=True, gc=False):
    """What we keep of a quote. It is sparse: the first one is full, later ones hold what changed."""

    last_price: float | None = None
    best_bid: float | None = None
    best_ask: float | None = None
    volume: float | None = None
    timestamp: str | None = None


class Print(msgspec.Struct, rename="camel", kw_only=True, gc=False):
    """What we keep of one print; `type` is the aggressor (TradeLogType)."""

    price: float
    timestamp: str
    type: int | None = None
    volume: int


class Depth(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, gc=False):
    """One change of the book; `type` is a DomType, `volume` the absolute size at the price."""

    price: float | None = None  # a Reset has none
    volume: int
    current_volume: int | None = None
    type: int
    timestamp: str | None = None


class SimulatorClock(msgspec.Struct, kw_only=True, gc=False):
    """Market time of the simulator (`now`, UTC ns) and its pace; in lockstep it goes on after our acknowledgement."""

    now: int
    rate: float
    seq: int
    lockstep: bool = False


# --- user hub: one argument, wrapped on the wire, flat in the documentation ------------------------------------------


class HubAccount(AccountModel, kw_only=True, omit_defaults=True):
    """Keep `is_visible` and `simulated` on the wire even when true: they are members, not nulls."""

    is_visible: bool | None = None  # type: ignore[assignment]
    simulated: bool | None = None  # type: ignore[assignment]


class HubOrder(OrderModel, kw_only=True, omit_defaults=True):
    pass


class HubPosition(PositionModel, kw_only=True, omit_defaults=True):
    """Closed = `size` 0, with type and average price kept; the action stays 1."""


class HubTrade(TradeModel, kw_only=True, omit_defaults=True):
    """An opening half-turn has no `profitAndLoss`; it is sent again when the position closes."""

    fees: Decimal | None = None  # type: ignore[assignment]  # None = left out; 0 is sent
    voided: bool | None = None  # type: ignore[assignment]


ARGUMENT_TYPES: Final[dict[str, Any]] = {
    TARGET_QUOTE: tuple[str, QuoteUpdate],
    TARGET_TRADE: tuple[str, list[Print] | Print],
    TARGET_DEPTH: tuple[str, list[Depth] | Depth],
    TARGET_CLOCK: tuple[SimulatorClock],
}
