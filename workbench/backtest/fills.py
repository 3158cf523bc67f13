"""How a bar fills orders: the written fill model of bars, on the one matcher.

A bar is played as prints, in the worst order for the position that is held: the open, then the extreme against it,
then the extreme in its favour, then the close (flat: a rising bar dips first). Between two of these the price passes
every level. A position that a stop opens inside the bar meets the same from there on; one that a limit opens meets the
extreme against it and the close only, because what was best may have been before. Signals come from closed bars, so an
order is never filled in the bar that gave its signal.

==================  =========================  =====================  ====================  =========================
Order               the bar opens beyond its   its level is touched   its level is traded   the bar also reaches the
                    level (gap), or at it      exactly                through               other leg (both)
==================  =========================  =====================  ====================  =========================
market              open ± slippage            .                      .                     .
stop                open ± slippage            level ± slippage       level ± slippage      fills, unless the bar
                                                                                            opens beyond the target
limit, target,      its price, or the bar's    no fill (`touch`:      its price             is cancelled, unless the
that has rested     nearest to it; at it it    its price)                                   bar opens beyond it
                    is a touch
limit that has      the open; at it it is a    no fill (`touch`:      its price             .
just arrived        touch                      its price)
join bid, join ask  as a limit that has rested, at the last price before it arrived: bars know no quotes
trailing stop       as a stop; its level moves when a bar has closed, by that bar's best price, and only closer
stop-limit          refused: the gateway does not take it
==================  =========================  =====================  ====================  =========================

No fill lies outside its bar: slippage ends at the bar's extreme, so a bar without range has none. Limits pay none.
Stop and target count from the entry's fill price. What is sent in answer to a fill (legs, the entry of a reversal)
still meets the price of that fill; a stop that slippage has put on the wrong side of it fills at once. A stop that is
moved, for a trail or to break even, is moved between two bars: the old level holds for the whole bar, the new one meets
the next open. Fills at the open carry the bar's start, all others its last nanosecond.

With finer bars or prints inside (`workbench.backtest.inner`) all this holds for the sub-bars, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from workbench.backtest.matcher import Fill, FillRules, Matcher, Resting, bar_path
from workbench.backtest.switches import Without
from workbench.domain.order import OrderType

_STOPS = (OrderType.STOP, OrderType.TRAILING_STOP)
_JOINS = (OrderType.JOIN_BID, OrderType.JOIN_ASK)
_FAR = 1 << 62
_SIZE = 1 << 40  # a bar tells no sizes: every fill is whole


class BarMatcher:
    """The orders of one contract against bars in integer ticks.

    Parameters
    ----------
    slippage_ticks : int
        Against us, on market and stop fills.
    touch : bool
        Whether a limit fills when its price is only touched.
    without : Without
        Rules to leave out, for tests.

    Attributes
    ----------
    seen : callable or None
        Called with (time, ticks) after the fills of every print, also when there were none: here an account's loss
        rules look at the price. What it submits still meets that print. None, the default: bars that fill nothing are
        passed over.
    level : int or None
        A price at which there must be a print if the bar passes it: where a loss rule breaks.
    """

    def __init__(self, *, slippage_ticks: int = 1, touch: bool = False, without: Without = Without.NONE) -> None:
        self._touch = touch != bool(without & Without.TRADE_THROUGH)
        self._without = without
        self._rules = {
            slippage_ticks: FillRules(touch=self._touch, slippage_ticks=slippage_ticks, trail_on_print=False)
        }
        self._matcher = Matcher(self._rules[slippage_ticks])
        self.seen: Callable[[int, int], None] | None = None
        self.level: int | None = None
        self._held = 0
        self._entered = False

    def submit(self, order: Resting, at: int) -> None:
        """Take an order; it meets the next print.

        A join order rests at the last price known, as bars know no quotes; a trailing stop begins at its distance from
        it.
        """
        if order.type in _JOINS and order.limit is None:
            order.limit = self._matcher.last
        self._matcher.submit(order, at)

    def cancel(self, key: int) -> bool:
        """Stop working an order; False if it is not here any more."""
        return self._matcher.cancel(key) is not None

    def modify(self, key: int, at: int, *, limit: int | None = None, stop: int | None = None) -> bool:
        """Move the level of an order (ticks); it meets the next print. False if it is not here any more."""
        if key not in self._matcher.orders:
            return False
        self._matcher.modify(key, at, limit=limit, stop=stop)
        return True

    def trail(self, high: int, low: int) -> None:
        """Tell that a bar has closed: the trailing stops follow its best price, high for a sell, low for a buy."""
        self._matcher.trail(high)
        self._matcher.trail(low)  # a level only tightens, so the wrong side's extreme moves nothing

    def play(
        self, start: int, end: int, open_: int, high: int, low: int, close: int, held: int,
        *, slippage: int | None = None, bounds: tuple[int, int] | None = None,
    ) -> Iterator[Fill]:  # fmt: skip
        """Yield the fills of one bar or sub-bar, in order; the caller may submit and cancel between two of them.

        Parameters
        ----------
        start, end : int
            The bar's time, ns: fills at the open carry its start, all others its last nanosecond.
        open_, high, low, close : int
            Prices in ticks.
        held : int
            Signed contracts held before the bar; after a fill at the open, use `turn`.
        slippage : int, optional
            Ticks against us in this bar, instead of those given at the beginning.
        bounds : (int, int), optional
            Low and high between which every fill must lie; by default the bar's own. For a sub-bar give those of its
            bar: a single print would leave slippage no room.
        """
        if self.seen is None and self.is_idle(low, high):
            self._matcher.last = close
            return
        if slippage is not None:
            self._matcher.rules = self._with(slippage)
        within = bounds or (low, high)
        self._held = held
        yield from self._print(start, open_, within, self._levels() if self._without & Without.GAP else {})
        self._entered = False
        at, path = open_, self._legs(open_, high, low, close)
        while path:
            before, at = at, self._next(at, path[0])
            yield from self._print(end - 1, at, within)
            if self._entered:
                self._entered = False
                path = self._legs(open_, high, low, close)
                if (at - before) * self._held <= 0:  # not by a stop
                    del path[1]
            elif at == path[0]:
                path = path[1:]

    def turn(self, held: int) -> None:
        """Tell the position after a fill: the rest of the bar runs against a new one first."""
        self._entered = held != 0 and held * self._held <= 0
        self._held = held

    def is_idle(self, low: int, high: int) -> bool:
        """Return True if no order can fill in a bar of this range."""
        if not self._matcher.orders:
            return True
        bounds = self._matcher.bounds()
        return bounds is not None and bounds[0] < low and high < bounds[1]

    def _legs(self, open_: int, high: int, low: int, close: int) -> list[int]:
        if not self._held:
            return list(bar_path(open_, high, low, close)[1:])
        worst_first = not self._without & Without.WORST_PATH
        return [low, high, close] if (self._held > 0) == worst_first else [high, low, close]

    def _next(self, at: int, to: int) -> int:
        # the next price on the way at which an order fills, or the end of the way; looked up anew after each, because
        # a fill changes what is working
        nearest = to
        if self.level is not None and (at < self.level < to or to < self.level < at):
            nearest = self.level
        for order in self._matcher.orders.values():
            level = order.stop if order.type in _STOPS else order.limit
            if level is None:
                continue
            if order.type not in _STOPS and not self._touch:
                level -= order.side.sign  # one tick through
            if at < level < nearest or nearest < level < at:
                nearest = level
        return nearest

    def _print(
        self, at: int, ticks: int, within: tuple[int, int], instead: Mapping[int, int] = MappingProxyType({})
    ) -> Iterator[Fill]:
        # Until nothing fills: what is sent in answer to a fill still meets this price.
        low, high = (-_FAR, _FAR) if self._without & Without.WITHIN_BAR else within
        unseen = self.seen is not None
        while (fills := self._matcher.on_print(at, ticks, _SIZE)) or unseen:
            for fill in fills:
                price = instead.get(fill.key, fill.ticks)
                yield Fill(fill.key, fill.at, min(max(price, low), high), fill.qty, fill.left)
            unseen = False
            if self.seen is not None:
                self.seen(at, ticks)

    def _levels(self) -> dict[int, int]:
        slippage, orders = self._matcher.rules.slippage_ticks, self._matcher.orders.values()
        return {o.key: o.stop + o.side.sign * slippage for o in orders if o.type in _STOPS and o.stop is not None}

    def _with(self, slippage: int) -> FillRules:
        rules = self._rules.get(slippage)
        if rules is None:
            rules = self._rules[slippage] = replace(self._matcher.rules, slippage_ticks=slippage)
        return rules
