"""An order of ours or of somebody else, its life as one table, and the fold over what the broker reports."""

from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec

from workbench.domain.errors import IllegalTransition


class Side(IntEnum):
    """Numbers as the gateway uses them."""

    BUY = 0
    SELL = 1

    @property
    def sign(self) -> int:
        """+1 for a buy, −1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(IntEnum):
    """Numbers as the gateway uses them."""

    LIMIT = 1
    MARKET = 2
    STOP_LIMIT = 3
    STOP = 4
    TRAILING_STOP = 5
    JOIN_BID = 6
    JOIN_ASK = 7


class Status(StrEnum):
    """Where an order stands, as far as we can know."""

    SENT = "sent"  # journalled and handed to the sender; no answer yet
    UNKNOWN = "unknown"  # the answer was lost: never "rejected", a resolver asks
    PENDING = "pending"  # accepted by the gateway, not yet working
    WORKING = "working"
    SUSPENDED = "suspended"  # a bracket leg waiting for its parent's fill
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    ABSENT = "absent"  # resolved: the gateway never had it


OPEN = frozenset({Status.SENT, Status.UNKNOWN, Status.PENDING, Status.WORKING, Status.SUSPENDED})
_REPORTS = frozenset(
    {Status.PENDING, Status.WORKING, Status.SUSPENDED, Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REJECTED}
)

# From a status to the reported statuses that move it. What the gateway merely repeats or delivers late (a "pending"
# after "working") is a stale report and changes nothing; a cell that is neither is impossible and raises.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.SENT: _REPORTS | {Status.UNKNOWN, Status.ABSENT},
    Status.UNKNOWN: _REPORTS | {Status.ABSENT},
    Status.PENDING: _REPORTS,
    Status.WORKING: frozenset({Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REJECTED}),
    Status.SUSPENDED: _REPORTS - {Status.PENDING},
    Status.CANCELED: frozenset({Status.FILLED}),  # the fill crossed our cancel on the wire
    Status.EXPIRED: frozenset({Status.FILLED}),
    Status.REJECTED: frozenset(),
    Status.FILLED: frozenset(),
    Status.ABSENT: _REPORTS,  # it did arrive after all: better late than wrong
}
STALE: dict[Status, frozenset[Status]] = {
    Status.SENT: frozenset(),
    Status.UNKNOWN: frozenset({Status.SENT}),
    Status.PENDING: frozenset({Status.SENT, Status.UNKNOWN}),
    Status.WORKING: frozenset({Status.SENT, Status.UNKNOWN, Status.PENDING, Status.SUSPENDED}),
    Status.SUSPENDED: frozenset({Status.SENT, Status.UNKNOWN, Status.PENDING}),
    Status.CANCELED: frozenset(OPEN | {Status.EXPIRED}),
    Status.EXPIRED: frozenset(OPEN | {Status.CANCELED}),
    Status.REJECTED: frozenset(OPEN | {Status.CANCELED}),
    Status.FILLED: frozenset(OPEN | {Status.CANCELED, Status.EXPIRED}),
    Status.ABSENT: frozenset({Status.SENT, Status.UNKNOWN}),
}


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One order. Prices in integer ticks of its contract, quantity unsigned with a side."""

    account: int
    contract: str  # gateway id, CON.F.US.MES.Z26
    side: Side
    type: OrderType
    qty: int
    order_id: int | None = None
    tag: str | None = None
    status: Status = Status.SENT
    filled: int = 0
    limit_ticks: int | None = None
    stop_ticks: int | None = None
    trail_ticks: int | None = None
    parent_id: int | None = None
    linked_id: int | None = None
    created_at: int = 0  # UTC ns, exchange side when known
    updated_at: int = 0
    strategy: str = ""  # strategy version, "" when not ours
    rule: str = ""
    reason: str = ""  # why it was refused or is unknown
    session: str = ""  # the session that sent it, "" when none did
    protects: str = ""  # tag of the entry whose separate exit this is, where the gateway grows no brackets
    origin: str = ""  # "" ours; close: the gateway's order for our close; firm: the firm's own; external: somebody else

    @property
    def family(self) -> int | str | None:
        """What an exit belongs to: the entry's order id, or its tag for a separate one; None for any other order."""
        return self.parent_id if self.parent_id is not None else (self.protects or None)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def remaining(self) -> int:
        """Contracts that may still fill; 0 once the order is done."""
        return self.qty - self.filled if self.is_open else 0

    @property
    def signed_remaining(self) -> int:
        return self.side.sign * self.remaining


def move(order: Order, status: Status) -> Order:
    """Return `order` in `status`; stale news changes nothing, an impossible cell raises IllegalTransition."""
    if status is order.status or status in STALE[order.status]:
        return order
    if status not in TRANSITIONS[order.status]:
        raise IllegalTransition(order, status)
    return msgspec.structs.replace(order, status=status)


def merge_report(order: Order, report: Order) -> Order:
    """Return what we know after the broker's snapshot `report` of the same order.

    Filled quantity never falls; quantity and prices follow the newest snapshot by the broker's own time, so that any
    order of arrival ends in the same state; tag, strategy and rule stay ours.

    Raises
    ------
    IllegalTransition
        The table has no such cell, or an order that was refused is reported working afterwards.
    """
    newer = report.updated_at >= order.updated_at
    if order.status is Status.REJECTED and report.status is Status.WORKING and report.updated_at > order.updated_at:
        raise IllegalTransition(order, report.status)
    new, old = (report, order) if newer else (order, report)
    return msgspec.structs.replace(
        move(order, report.status),
        order_id=_first(new.order_id, old.order_id),
        tag=order.tag or report.tag,
        qty=new.qty,
        filled=max(order.filled, report.filled),
        limit_ticks=_first(new.limit_ticks, old.limit_ticks),
        stop_ticks=_first(new.stop_ticks, old.stop_ticks),
        trail_ticks=_first(new.trail_ticks, old.trail_ticks),
        parent_id=_first(new.parent_id, old.parent_id),
        linked_id=_first(new.linked_id, old.linked_id),
        created_at=report.created_at or order.created_at,
        updated_at=new.updated_at,
    )


def _first(new: int | None, old: int | None) -> int | None:
    return old if new is None else new
