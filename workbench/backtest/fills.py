"""How a bar fills orders: the written fill model of bars, on the one matcher.

A bar is played as prints, in the worst order for the position that is held when it opens: the open, then the extreme
against it, then the extreme in its favour, then the close. Between two of these the price passes every level. Signals
come from closed bars, so an order is never filled in the bar that gave its signal.

=============  =====================  =======================  =====================  =====================
Order          the bar opens beyond   its price is touched     its price is traded    stop and target lie
               it (gap)               exactly                  through                in one bar
=============  =====================  =======================  =====================  =====================
market         open ± slippage        .                        .                      .
stop           open ± slippage        its level ± slippage     its level ± slippage   the stop fills
limit, target  its price, or the      no fill (`touch=True`:   its price              is cancelled
               bar's nearest to it    its price)
=============  =====================  =======================  =====================  =====================

No fill lies outside its bar: slippage ends at the bar's extreme. Stop and target count from the entry's fill price.
Orders sent in answer to a fill at the open (the entry of a reversal) still meet the open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from workbench.backtest.matcher import Fill, FillRules, Matcher, Resting, bar_path
from workbench.domain.order import OrderType

_STOPS = (OrderType.STOP, OrderType.TRAILING_STOP)
_JOINS = (OrderType.JOIN_BID, OrderType.JOIN_ASK)
_SIZE = 1 << 40  # a bar tells no sizes: every fill is whole


class BarMatcher:
    """The orders of one contract against bars in integer ticks.

    Parameters
    ----------
    slippage_ticks : int
        Against us, on market and stop fills.
    touch : bool
        Whether a limit fills when its price is only touched.
    """

    def __init__(self, *, slippage_ticks: int = 1, touch: bool = False) -> None:
        self._rules = {
            slippage_ticks: FillRules(touch=touch, slippage_ticks=slippage_ticks, trail_on_print=False),
        }
        self._matcher = Matcher(self._rules[slippage_ticks])
        self._held = 0

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
        if self.is_idle(low, high):
            self._matcher.last = close
            return
        if slippage is not None:
            self._matcher.rules = self._with(slippage)
        within = bounds or (low, high)
        self._held = held
        yield from self._print(start, open_, within)
        before = open_
        for ticks in self._legs(open_, high, low, close):
            for stop in self._passed(before, ticks):
                yield from self._print(end - 1, stop, within)
            yield from self._print(end - 1, ticks, within)
            before = ticks

    def turn(self, held: int) -> None:
        """Tell the position after a fill: the rest of the bar runs against it first."""
        self._held = held

    def is_idle(self, low: int, high: int) -> bool:
        """Return True if no order can fill in a bar of this range."""
        if not self._matcher.orders:
            return True
        bounds = self._matcher.bounds()
        return bounds is not None and bounds[0] < low and high < bounds[1]

    def _legs(self, open_: int, high: int, low: int, close: int) -> tuple[int, ...]:
        if self._held > 0:
            return low, high, close
        if self._held < 0:
            return high, low, close
        return bar_path(open_, high, low, close)[1:]

    def _passed(self, before: int, to: int) -> Iterator[int]:
        # stop levels strictly between two prices, in the order in which the price passes them; looked up anew after
        # each, because a fill changes what is working
        at = before
        while True:
            levels = [o.stop for o in self._matcher.orders.values() if o.type in _STOPS and o.stop is not None]
            ahead = [level for level in levels if (at < level < to) or (to < level < at)]
            if not ahead:
                return
            at = min(ahead, key=lambda level: abs(level - at))
            yield at

    def _print(self, at: int, ticks: int, within: tuple[int, int]) -> Iterator[Fill]:
        # Until nothing fills: what is sent in answer to a fill still meets this price.
        low, high = within
        while fills := self._matcher.on_print(at, ticks, _SIZE):
            for fill in fills:
                yield Fill(fill.key, fill.at, min(max(fill.ticks, low), high), fill.qty, fill.left)

    def _with(self, slippage: int) -> FillRules:
        rules = self._rules.get(slippage)
        if rules is None:
            rules = self._rules[slippage] = replace(self._matcher.rules, slippage_ticks=slippage)
        return rules
