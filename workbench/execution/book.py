"""What is kept of one contract and of one session: the position, and a close, a trim or a guard under way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from workbench.domain.contract import ContractSpec
from workbench.domain.events import BarClosed
from workbench.domain.order import Order
from workbench.domain.position import Fill, Position
from workbench.risk.limits import Limits
from workbench.rules.signal import Signal


class Rule(Protocol):
    """A strategy in motion: fed every closed bar once, it may answer with a signal.

    One that has limits of its own shows them as `own_limits`: loss of a day in USD, and contracts. `warm` gives it a
    bar on which nothing is decided: history, or one that came late, with what is held then.
    """

    def warm(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> object: ...

    def on_bar(self, bar: BarClosed, position: int, entry_ticks: float | None = None) -> Signal | None: ...


RuleFactory = Callable[[str, str, dict[str, float | int | str | bool]], Rule]
"""(strategy version, contract id, parameters) -> a fresh rule; content-addressed, so always the same."""


@dataclass(slots=True, kw_only=True)
class Session:
    """One strategy version trading one contract."""

    session: str
    strategy: str
    contract: str
    timeframe: str
    rule: Rule
    started_at: int
    parameters: dict[str, float | int | str | bool] = field(default_factory=dict)
    status: str = "running"  # running, paused, ended
    reason: str = ""
    last_bar_end: int = 0
    last_signal: str = ""
    entries: int = 0
    start_policy: str = "adopt"  # adopt, wait_flat, flatten
    waits_flat: bool = False  # a position that it does not own must be gone first
    disconnect_policy: str = "keep"  # keep, pause, flatten
    disconnect_after_s: float = 60.0
    disconnected_at: int = 0  # the outage for which the policy has run
    warm_bars: int = 0  # closed bars without a hole that must be there before an entry; 0: not asked for
    bars: int = 0  # closed bars since the last hole
    widest: int = 0  # missing bars in the widest gap of its history
    at_seam: bool = True  # the next live bar must join what came before
    hole: str = ""
    day_baseline: Decimal = Decimal(0)  # what it had earned when the trading date began, USD
    day_baseline_known: bool = True

    @property
    def warming(self) -> str:
        """Why it may not enter yet; empty when it is warm."""
        if self.bars >= self.warm_bars:
            return ""
        return f"{self.bars} of {self.warm_bars} bars{self.hole}"

    def limits(self, account: Limits) -> Limits:
        """Return the limits that hold for this session's orders: its own may only be tighter than the account's."""
        own: tuple[float, int] | None = getattr(self.rule, "own_limits", None)
        return account if own is None else account.tighter(*own)


@dataclass(slots=True, kw_only=True)
class Flatten:
    """A close under way: cancel what works, then close what is open, then (for a reversal) enter."""

    reason: str
    asked: dict[int, int] = field(default_factory=dict)  # order id -> when its cancel was sent
    first_asked: dict[int, int] = field(default_factory=dict)  # order id -> when that was done for the first time
    close_sent_at: int | None = None
    close_answered_at: int | None = None  # while it is queued or on the wire there is no second close
    read_asked_at: int = 0
    looked_at: int = 0  # the broker was read because a report should have come
    then: tuple[str, Signal] | None = None  # session ("" for a person's) and entry that follow a reversal
    started_at: int = 0


@dataclass(slots=True, kw_only=True)
class Guard:
    """Separate protection of one entry at a broker that grows no brackets: a stop and a target of our own.

    Distances are signed ticks from the entry's first fill. `asked` maps a leg's key to when it was last changed.
    """

    entry: str
    side: int
    session: str
    strategy: str
    rule: str
    stop_ticks: int | None
    target_ticks: int | None
    base: int | None = None
    legs: dict[str, str] = field(default_factory=dict)  # "stop" and "target" -> key of the newest order
    keys: list[str] = field(default_factory=list)  # all that were ever sent
    tried: dict[str, int] = field(default_factory=dict)
    asked: dict[str, tuple[int, int]] = field(default_factory=dict)  # key -> when it was asked to change, and to what


@dataclass(slots=True, kw_only=True)
class Trim:
    """A part close under way: the exits shrink to `left` first, then a market order closes `qty` contracts."""

    qty: int
    left: int
    rule: str
    request: str
    asked: dict[int, int] = field(default_factory=dict)  # order id -> when its exit was asked to shrink
    started_at: int = 0
    key: str = ""  # the market order, once it is sent


@dataclass(slots=True, kw_only=True)
class Book:
    """One contract of the account."""

    spec: ContractSpec
    position: Position
    broker_qty: int | None = None
    differs_since: int | None = None
    adopt_votes: int = 0
    average_votes: int = 0  # readings in a row that showed another average price
    voted_for: tuple[int, int] = (0, 0)  # own and broker quantity of the last vote
    adopted_until: int = 0  # fills up to here are inside an adopted position
    filled_at: int = 0  # when we last heard of a fill, by its trade or by its order
    uncounted: dict[int, int] = field(default_factory=dict)  # order id -> contracts reported filled without their trade
    last_price: float | None = None
    priced_at: int = 0  # market time of the last price, ns: an older bar says nothing about what is held now
    roll_price: float | None = None  # the last price when the trading date began
    stale_s: float | None = None  # age of the newest market data, when it is too old
    locked: str = ""
    flatten: Flatten | None = None
    protect_by: int | None = None
    bracketed: int = 0  # contracts that our bracketed entries asked for, as far as they may still be held
    moving: dict[int, int] = field(default_factory=dict)  # stop order id -> level (ticks) that it was asked to move to
    guard: Guard | None = None
    trim: Trim | None = None
    misfit: bool = False  # something else than its brackets has changed the position: they may not fit
    asked_at: int = 0  # when a reading was asked for because a position waits for its stop
    last_close: tuple[int, int] = (0, 0)  # when we last asked the gateway to close, and how many contracts (signed)
    since_flat: list[Fill] = field(default_factory=list)  # fills since the position was last flat
    shares: dict[int, tuple[tuple[str, int], ...]] = field(default_factory=dict)  # trade id -> whose it was
    flat_base: Position | None = None  # the position before them
    base_stops: int = 0  # contracts of it that must show a stop
    ledgers: dict[str, Position] = field(default_factory=dict)  # session ("" nobody) -> its part of the position
    externals: dict[int, str] = field(default_factory=dict)  # orders of somebody else: id -> what they are
    suspects: dict[int, int] = field(default_factory=dict)  # order ids that may be somebody else's -> since when

    @property
    def qty(self) -> int:
        return self.position.qty

    @property
    def is_quiet(self) -> bool:
        """Say whether nothing is held, differs or is under way, apart from orders."""
        return not (
            self.position.qty
            or self.bracketed
            or self.uncounted
            or self.flatten is not None
            or self.guard is not None
            or self.trim is not None
            or self.misfit
            or self.differs_since is not None
            or self.protect_by is not None
            or self.suspects
        )

    @property
    def is_sure(self) -> bool:
        """Say whether own fold and broker agree as far as we have heard: only then is the position known."""
        return not self.uncounted and self.broker_qty in (None, self.qty)

    def realized_usd(self) -> Decimal:
        """Realised profit net of fees, USD."""
        return self.position.realized_ticks * self.spec.tick_value - self.position.fees

    def open_usd(self, held: Position | None = None) -> Decimal | None:
        """Open profit in USD at the last price (of a part of it); None when there is a position but no price."""
        held = self.position if held is None else held
        if not held.qty:
            return Decimal(0)
        if self.last_price is None or not math.isfinite(self.last_price):
            return None
        return (exact_ticks(self.spec, self.last_price) * held.qty - held.cost_ticks) * self.spec.tick_value


def exact_ticks(contract_spec: ContractSpec, price: float) -> Decimal:
    """A price in points as a decimal number of ticks; an average price may lie between two of them."""
    return Decimal(repr(price)) * contract_spec.tick.denominator / contract_spec.tick.numerator


class Orders(dict[str, Order]):
    """Orders by key, with an index of those that may still fill: a step costs the same after a thousand trades."""

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[str, dict[str, Order]] = {}

    def __setitem__(self, key: str, order: Order) -> None:
        super().__setitem__(key, order)
        still = self._open.setdefault(order.contract, {})
        if order.is_open:
            still[key] = order
        else:
            still.pop(key, None)

    def __delitem__(self, key: str) -> None:
        self._open[self[key].contract].pop(key, None)
        super().__delitem__(key)

    def none_open(self, contract: str) -> bool:
        """Say whether no order of `contract` may still fill."""
        return not self._open.get(contract)

    def open_of(self, contract: str) -> list[Order]:
        """Orders of `contract` that may still fill, oldest first."""
        return list(self._open.get(contract, {}).values())

    def open_items(self) -> list[tuple[str, Order]]:
        """Key and order of all that may still fill."""
        return [item for still in self._open.values() for item in still.items()]
