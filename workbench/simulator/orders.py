"""An order inside the simulated exchange, its reading back by REST and hub, and the words of every refusal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workbench.domain.contract import Contract
from workbench.domain.order import OrderType, Side
from workbench.gateway.codes import OrderStatus
from workbench.gateway.messages import OrderModel
from workbench.simulator.stamps import stamp

OPEN = OrderStatus.OPEN
LIVE = frozenset({OrderStatus.OPEN, OrderStatus.PENDING, OrderStatus.SUSPENDED})
LEAST_BRACKET_TICKS = 4
MOST_TRAIL_TICKS = 1000

NO_AUTO_OCO = "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."
NO_TRAIL = "Trail Distance not set."
TRAIL_OFF_TICK = "Invalid trail price. Price is not aligned to tick size."
NO_LAST = "Cannot trail without a last price"
INVALID_SYMBOL = "Invalid symbol"
TRAIL_TOO_FAR = f"Trail Distance exceeds maximum ({MOST_TRAIL_TICKS})"
LIMIT_OFF_TICK = "Invalid limit price. Price is not aligned to tick size."
STOP_OFF_TICK = "Invalid stop price. Price is not aligned to tick size."
NO_LIMIT = "Invalid limit price. Price is not set."
NO_STOP = "Invalid stop price. Price is not set."
BUY_STOP_LOW = "Order price is outside allowed range. Please set price above best bid."
SELL_STOP_HIGH = "Order price is outside allowed range. Please set price below best ask."
CLOSED = "Trading is currently unavailable. The instrument is not in an active trading status."
NO_MARGIN = "Not enough margin."
TAG_USED = "Custom tag is already in use."
BAD_SIZE = "Invalid order size."
BAD_TYPE = "Invalid order type."
BAD_SIDE = "Invalid order side."
NOT_OPEN = "Order is not open"
VIOLATION = "Account is not allowed to trade."
TOO_BIG = "Maximum position size exceeded."
FOLLOWER = "Follower accounts cannot cancel orders"
LIVE_ACCOUNT = "Live accounts not supported"


@dataclass(frozen=True, slots=True)
class Bracket:
    """One leg as sent: signed ticks from the entry's fill price, and the order type of the leg."""

    ticks: int
    type: int


@dataclass(slots=True, kw_only=True)
class SimOrder:
    """One order. Prices in integer ticks; `filled_ticks` is the sum of price × contracts filled."""

    id: int
    account: int
    contract: Contract
    type: int
    side: int
    size: int
    created: int
    updated: int
    status: OrderStatus = OrderStatus.PENDING
    limit: int | None = None
    stop: int | None = None
    trail: int | None = None
    tag: str | None = None
    filled: int = 0
    filled_ticks: int = 0
    parent: int | None = None
    linked: int | None = None
    stop_loss: Bracket | None = None
    take_profit: Bracket | None = None
    children: list[int] = field(default_factory=list)

    @property
    def remaining(self) -> int:
        return self.size - self.filled

    @property
    def sign(self) -> int:
        return Side(self.side).sign

    def model(self, digits: int = 6) -> OrderModel:
        """Return the order as the gateway shows it; `trail_price` is the distance in price."""
        price = self.contract.spec.price
        spec = self.contract.spec
        return OrderModel(
            id=self.id,
            account_id=self.account,
            contract_id=self.contract.id,
            symbol_id=self.contract.symbol_id,
            creation_timestamp=stamp(self.created, digits),
            update_timestamp=stamp(self.updated, digits),
            status=int(self.status),
            type=int(self.type),
            side=int(self.side),
            size=self.size,
            limit_price=None if self.limit is None else price(self.limit),
            stop_price=None if self.stop is None else price(self.stop),
            fill_volume=self.filled,
            filled_price=float(self.filled_ticks * spec.tick / self.filled) if self.filled else None,
            custom_tag=self.tag,
            trail_distance=self.trail,
            trail_price=None if self.trail is None else price(self.trail),
            parent_order_id=self.parent,
            linked_order_id=self.linked,
        )


def bracket_refusal(name: str, bracket: Any, side: int, *, signed: bool = True) -> str | None:
    """Return why the service refuses this bracket leg, None if it takes it.

    `name` is ``stop loss`` or ``take profit``. Ticks are signed in price direction: on a buy the stop lies below
    (negative), the target above; `signed` False skips that check.

    >>> bracket_refusal("stop loss", Bracket(40, 4), 0)
    'Invalid stop loss ticks (40). Ticks should be less than zero when longing.'
    >>> bracket_refusal("take profit", Bracket(30, 1), 1)
    'Invalid take profit ticks (30). Ticks should be less than zero when going short'
    >>> bracket_refusal("stop loss", Bracket(-1, 4), 0)
    'Invalid stop loss ticks (-1). Price should be at least 4 ticks away.'
    """
    is_stop = name == "stop loss"
    if bracket.type not in ((4, 5) if is_stop else (1,)):
        return f"Invalid {name} bracket type ({bracket.type})."
    wanted = -1 if is_stop == (side == Side.BUY) else 1
    if signed and bracket.ticks * wanted <= 0:
        direction = "less" if wanted < 0 else "greater"
        ending = "when longing." if side == Side.BUY else "when going short"
        return f"Invalid {name} ticks ({bracket.ticks}). Ticks should be {direction} than zero {ending}"
    if abs(bracket.ticks) < LEAST_BRACKET_TICKS:
        return f"Invalid {name} ticks ({bracket.ticks}). Price should be at least {LEAST_BRACKET_TICKS} ticks away."
    return None


PLACEABLE = frozenset(map(int, OrderType)) - {int(OrderType.STOP_LIMIT)}
