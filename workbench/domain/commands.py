"""What we want done, in the imperative; and what became of it, as a value."""

from __future__ import annotations

import msgspec

from workbench.domain.order import OrderType, Side


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="command"):
    """Base of all commands to the broker."""

    account: int
    contract: str


class PlaceOrder(Command, frozen=True, kw_only=True, tag="place_order"):
    """One new order. Prices and bracket distances in integer ticks; bracket ticks are signed in price direction.

    `tag` is the gateway's `customTag`: used once, never again. `intent` names the wish behind it (a signal's session
    and bar, a person's request) and `intent_qty` how many contracts that wish is for: what is sent for one intent is
    counted, whatever the tags. `protects` is the tag of the entry whose separate exit this is.
    """

    tag: str
    side: Side
    type: OrderType
    qty: int
    limit_ticks: int | None = None
    stop_ticks: int | None = None
    trail_ticks: int | None = None  # an absolute level, as the gateway wants it
    stop_loss_ticks: int | None = None
    take_profit_ticks: int | None = None
    strategy: str = ""
    rule: str = ""
    session: str = ""
    intent: str = ""
    intent_qty: int = 0
    protects: str = ""


class CancelOrder(Command, frozen=True, kw_only=True, tag="cancel_order"):
    """Cancel one order."""

    order_id: int
    reason: str = ""


class ModifyOrder(Command, frozen=True, kw_only=True, tag="modify_order"):
    """Change a working order; None leaves a value as it is."""

    order_id: int
    qty: int | None = None
    limit_ticks: int | None = None
    stop_ticks: int | None = None
    trail_ticks: int | None = None
    reason: str = ""


class ClosePosition(Command, frozen=True, kw_only=True, tag="close_position"):
    """Close the whole net position at the market; its orders must be cancelled before."""

    reason: str = ""


class ReadBroker(Command, frozen=True, kw_only=True, tag="read_broker"):
    """Read orders, fills and positions over REST and bring them back as `BrokerRead`."""

    reason: str = ""


class Alert(Command, frozen=True, kw_only=True, tag="alert"):
    """Tell the operator. `level` is ``info``, ``warning`` or ``critical``."""

    level: str
    text: str


AnyCommand = PlaceOrder | CancelOrder | ModifyOrder | ClosePosition | ReadBroker | Alert


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag="accepted"):
    """The gateway took it (which is not a fill)."""

    order_id: int | None = None


class Rejected(msgspec.Struct, frozen=True, kw_only=True, tag="rejected"):
    """The gateway refused it for sure. A refused place has an order id all the same."""

    code: int
    name: str  # the endpoint's own name of the code, such as OrderRejected
    reason: str
    order_id: int | None = None


class Unknown(msgspec.Struct, frozen=True, kw_only=True, tag="unknown"):
    """We cannot know: time-out, reset, 5xx, unreadable body, ambiguous code. Never treated as a rejection."""

    reason: str
    code: int = 0
    order_id: int | None = None


Outcome = Accepted | Rejected | Unknown
