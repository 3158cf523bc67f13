"""The one matcher: orders in integer ticks against a stream of prints, for both engines and the simulator.

The written fill model
----------------------
* A market order fills at once at the opposite best when quotes are known, else at the next print; slippage is added.
* A limit order that is marketable when it arrives fills at the opposite best (or the first print beyond its price).
  One that rests fills at its own price when a print trades *through* it; with `touch` a print at the price is enough.
* A stop triggers on a print at or beyond its level and fills at that print: a gap fills at the gap; slippage is added.
* A trailing stop keeps its distance in ticks from the best print since it works. A print is first compared with the
  level as it stood, only then may it move the level.
* Join orders rest at the best bid or ask of the moment they arrive and stay there.
* With `part_fills` all our orders together get at most the size of a print, older orders first; a market order against
  quotes is not cut, because a quote shows no size.

Nothing here reads a clock or draws a random number: the same calls give the same fills.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from workbench.domain.errors import InputError
from workbench.domain.order import OrderType, Side

TRAILING, STOP, LIMIT, MARKET = (
    OrderType.TRAILING_STOP,
    OrderType.STOP,
    OrderType.LIMIT,
    OrderType.MARKET,
)
_JOINS = (OrderType.JOIN_BID, OrderType.JOIN_ASK)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRules:
    """How prints fill orders. `slippage_ticks` is added against us to market, stop and trailing fills."""

    touch: bool = False
    part_fills: bool = False
    slippage_ticks: int = 0
    trail_on_print: bool = True  # False: the level moves only by `Matcher.trail` (on closed bars)


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution: `key` of the order, time (ns), price in ticks, contracts, contracts left."""

    key: int
    at: int
    ticks: int
    qty: int
    left: int


@dataclass(slots=True, kw_only=True)
class Resting:
    """An order inside the matcher. Levels are integer ticks; `distance` (> 0) belongs to trailing stops."""

    key: int
    side: Side
    type: OrderType
    qty: int
    limit: int | None = None
    stop: int | None = None
    distance: int | None = None
    fresh: bool = field(default=True)  # no print seen yet: a limit beyond the market is marketable, not resting

    def level(self) -> int | None:
        """The price at which something happens, None for a market order."""
        return self.stop if self.type in (STOP, TRAILING) else self.limit


def wrong_side(side: Side, stop: int, bid: int | None, ask: int | None) -> bool:
    """Tell whether a stop would trigger at once: a buy stop must lie above the bid, a sell stop below the ask.

    >>> wrong_side(Side.BUY, 100, 100, 101), wrong_side(Side.BUY, 101, 100, 101), wrong_side(Side.SELL, 101, 100, 101)
    (True, False, True)
    """
    if side is Side.BUY:
        return bid is not None and stop <= bid
    return ask is not None and stop >= ask


def trail_distance(last: int, level: int) -> int:
    """Return the fixed distance (ticks) of a trailing stop sent as a price level, as the gateway takes it."""
    return abs(last - level)


def bar_path(open_: int, high: int, low: int, close: int) -> tuple[int, int, int, int]:
    """Return the order in which one bar's prices are taken to print: a rising bar dips first.

    >>> bar_path(10, 14, 8, 12), bar_path(12, 14, 8, 10)
    ((10, 8, 14, 12), (12, 14, 8, 10))
    """
    return (open_, low, high, close) if close >= open_ else (open_, high, low, close)


class Matcher:
    """The working orders of one contract (all accounts), oldest first."""

    def __init__(self, rules: FillRules | None = None) -> None:
        self.rules = rules or FillRules()
        self.orders: dict[int, Resting] = {}
        self.bid: int | None = None
        self.ask: int | None = None
        self.last: int | None = None

    def submit(self, order: Resting, at: int) -> list[Fill]:
        """Start working `order`; return what fills at once against the known quotes.

        Raises
        ------
        InputError
            A key that is already working, no contracts, or a missing level for the type.
        """
        _require_complete(order, self)
        self.orders[order.key] = order
        return self._cross(order, at)

    def cancel(self, key: int) -> Resting | None:
        """Stop working the order; None when it is not here (filled or never was)."""
        return self.orders.pop(key, None)

    def modify(self, key: int, at: int, *, qty: int | None = None, limit: int | None = None, stop: int | None = None,
               distance: int | None = None) -> list[Fill]:  # fmt: skip
        """Change levels or contracts left; an order moved to another level queues anew and may fill at once."""
        order = self.orders.pop(key)
        if qty is not None:
            order.qty = qty
        if limit is not None and limit != order.limit:
            order.limit, order.fresh = limit, True
        if stop is not None:
            order.stop = stop
        if distance is not None:
            order.distance = distance
            order.stop = None if self.last is None else self.last + order.side.sign * distance
        self.orders[key] = order
        return self._cross(order, at)

    def on_quote(self, at: int, bid: int, ask: int) -> list[Fill]:
        """Take the new best prices (ticks); market orders that waited for a quote fill now."""
        self.bid, self.ask = bid, ask
        fills: list[Fill] = []
        for order in list(self.orders.values()):
            if order.type is MARKET:
                fills += self._cross(order, at)
        return fills

    def on_print(self, at: int, ticks: int, size: int) -> list[Fill]:
        """Return the fills that a trade of `size` at `ticks` gives our orders, older orders first."""
        self.last = ticks
        fills: list[Fill] = []
        room = size if self.rules.part_fills else None
        for order in list(self.orders.values()):
            price = self._match(order, ticks)
            if price is None:
                continue
            qty = order.qty if room is None else min(order.qty, room)
            if qty <= 0:
                continue
            if room is not None:
                room -= qty
            fills.append(self._fill(order, at, price, qty))
        return fills

    def trail(self, best: int) -> None:
        """Move every trailing level as if `best` had printed, without matching (closed bars)."""
        for order in self.orders.values():
            if order.type is TRAILING:
                _follow(order, best)

    def bounds(self) -> tuple[int, int] | None:
        """Return (low, high): prints strictly between them fill nothing. None: every print must be looked at."""
        low, high = -(1 << 62), 1 << 62
        for order in self.orders.values():
            level = order.level()
            if level is None or order.type is TRAILING or order.fresh:
                return None
            if (order.side is Side.BUY) == (order.type is STOP):
                high = min(high, level)
            else:
                low = max(low, level)
        return low, high

    # -- inside --

    def _cross(self, order: Resting, at: int) -> list[Fill]:
        best = self.ask if order.side is Side.BUY else self.bid
        if best is None:
            return []
        if order.type is MARKET:
            return [
                self._fill(
                    order,
                    at,
                    best + order.side.sign * self.rules.slippage_ticks,
                    order.qty,
                )
            ]
        if order.type is LIMIT and order.limit is not None and (order.limit - best) * order.side.sign >= 0:
            return [self._fill(order, at, best, order.qty)]
        order.fresh = order.fresh and order.type is not LIMIT
        return []

    def _match(self, order: Resting, ticks: int) -> int | None:
        """Return the fill price of this order on a print, or None; moves trailing levels and clears `fresh`."""
        sign, fresh = order.side.sign, order.fresh
        order.fresh = False
        slip = sign * self.rules.slippage_ticks
        if order.type is MARKET:
            return ticks + slip
        if order.type in (STOP, TRAILING):
            if order.stop is not None and (ticks - order.stop) * sign >= 0:
                return ticks + slip
            if order.type is TRAILING and self.rules.trail_on_print:
                _follow(order, ticks)
            return None
        if order.limit is None:
            raise InputError(f"order {order.key} has no limit price; submit() should have refused it")
        through = (order.limit - ticks) * sign
        if fresh and through > 0 and order.type is LIMIT:
            return ticks
        return order.limit if through > 0 or (self.rules.touch and through == 0) else None

    def _fill(self, order: Resting, at: int, ticks: int, qty: int) -> Fill:
        order.qty -= qty
        if order.qty == 0:
            self.orders.pop(order.key, None)
        return Fill(order.key, at, ticks, qty, order.qty)


def _follow(order: Resting, best: int) -> None:
    if order.distance is None:
        raise InputError(f"trailing stop {order.key} has no distance")
    level = best + order.side.sign * order.distance
    if order.stop is None or (order.stop - level) * order.side.sign > 0:
        order.stop = level


def _require_complete(order: Resting, matcher: Matcher) -> None:
    if order.key in matcher.orders:
        raise InputError(f"order {order.key} is already working")
    if order.qty <= 0:
        raise InputError(f"order {order.key} has {order.qty} contracts; at least 1 is needed")
    if order.type in _JOINS and order.limit is None:
        order.limit = matcher.bid if order.type is OrderType.JOIN_BID else matcher.ask
    if order.type is TRAILING:
        if not order.distance or order.distance < 0:
            raise InputError(f"trailing stop {order.key} needs a distance of at least 1 tick, got {order.distance}")
        if order.stop is None and matcher.last is not None:
            order.stop = matcher.last + order.side.sign * order.distance
    elif order.type is STOP and order.stop is None:
        raise InputError(f"stop order {order.key} has no stop price")
    elif order.type in (LIMIT, *_JOINS) and order.limit is None:
        raise InputError(f"order {order.key} ({order.type.name}) has no price and no quote is known to take it from")
    elif order.type is OrderType.STOP_LIMIT:
        raise InputError(f"order {order.key}: stop-limit orders cannot be placed at the gateway; use a stop")


def replay(matcher: Matcher, prints: Iterable[tuple[int, int, int]]) -> list[Fill]:
    """Feed (at, ticks, size) prints and return all fills; for tests and small studies.

    >>> m = Matcher()
    >>> m.submit(Resting(key=1, side=Side.BUY, type=OrderType.LIMIT, qty=1, limit=100), at=0)
    []
    >>> replay(m, [(1, 101, 5), (2, 100, 5), (3, 99, 5)])
    [Fill(key=1, at=3, ticks=100, qty=1, left=0)]
    """
    return [fill for at, ticks, size in prints for fill in matcher.on_print(at, ticks, size)]
