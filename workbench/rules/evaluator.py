"""A strategy that takes closed bars one by one and says what it wants: deterministic, no clock, no I/O.

What a bar's close decides, in this order:

1. Past the flat-by (the last close that is not later than it, half days included): leave, enter nothing.
2. An exit condition of the side that is held, or an entry condition of the other side: leave.
3. An entry condition of a side that is not held: enter, if the bar closes in the window, the day's trades are not used
   up, the cool-down is over, the history is long enough and the stop and target can be computed. When both sides want
   to enter at once, neither does.
"""

from __future__ import annotations

import math

from workbench.domain.contract import spec
from workbench.domain.events import BarClosed
from workbench.domain.hours import trading_hours
from workbench.rules.daytime import DayClock, day_second, is_within
from workbench.rules.signal import Signal
from workbench.rules.strategy import Distance, Strategy

MIN_TICKS = 4  # the gateway takes no bracket closer than this
_NEVER = 1 << 60


class RuleState:
    """The state of one strategy on one contract. Made by `Strategy.start`; owned by whoever feeds it.

    Attributes
    ----------
    bars : int
        Closed bars taken so far.
    trades_today : int
        Entries signalled on this trading date.
    """

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.bars = 0
        self.trades_today = 0
        graph = strategy.bind()
        self._graph, self._values = graph, graph.values
        self._rules = {name: graph.add(rule) for name, rule in strategy.rules.items()}
        self._stop, self._target = (self._slots(strategy.stop), self._slots(strategy.target))
        self._needed = graph.warmup
        self._qty = strategy.constant(strategy.contracts)
        self._cooldown = strategy.constant(strategy.cooldown)
        most = strategy.max_trades_per_day
        self._most = strategy.constant(most) if most is not None else _NEVER
        self._window = tuple(map(day_second, strategy.window)) if strategy.window else None
        self._contract = ""
        self._tick = math.nan
        self._day: DayClock | None = None
        self._last_start = -1
        self._position = 0
        self._entered = False
        self._since_trade = _NEVER

    @property
    def ready(self) -> bool:
        """True once enough bars have been taken for entries."""
        return self.bars >= self._needed

    @property
    def conditions(self) -> dict[str, bool | None]:
        """Each rule's truth at the newest bar; None where it cannot be known yet."""
        made = {name: self._values[slot] for name, slot in self._rules.items()}
        return {name: None if math.isnan(value) else value == 1.0 for name, value in made.items()}

    def warm(self, bar: BarClosed) -> bool:
        """Take a closed bar of history without deciding anything; False if it is not newer than the last one."""
        if bar.timeframe != self.strategy.timeframe or bar.start <= self._last_start:
            return False
        day = self._day if bar.contract == self._contract else None
        if day is None:
            day = self._open(bar.contract)
        if day.enter(bar.start):
            self.trades_today = 0
        self._last_start = bar.start
        begins, ends = day.second(bar.start), day.second(bar.end)
        self._graph.step(bar.open, bar.high, bar.low, bar.close, bar.volume, day.day, begins, ends)
        self.bars += 1
        return True

    def on_bar(self, bar: BarClosed, position: int = 0) -> Signal | None:
        """Take a closed bar and return what the rules want, or None.

        Parameters
        ----------
        bar : BarClosed
            A closed bar; of another timeframe, or not newer than the last one, it changes nothing.
        position : int
            Signed contracts that are held for this strategy, or for which its entry order is out.
        """
        if not self.warm(bar):
            return None
        self._count(position)
        flat_at = self._day.flat_at if self._day is not None else None
        if flat_at is not None and bar.end + (bar.end - bar.start) > flat_at:
            return Signal(at=bar.end, exit=True, rule="flat_by") if position else None
        return self._decide(bar, position)

    def _open(self, contract: str) -> DayClock:
        if self._contract:
            raise ValueError(f"this state belongs to {self._contract}, not to {contract}; start another one")
        self.strategy.require_contract(contract)
        product = spec(contract)
        self._contract, self._tick = contract, product.tick_size
        flat_by = self.strategy.flat_by
        self._day = DayClock(trading_hours(product), day_second(flat_by) if flat_by else None)
        return self._day

    def _count(self, position: int) -> None:
        # An entry that was signalled may have been filled and stopped out within this bar: it counts as a trade.
        busy = position != 0 or self._position != 0 or self._entered
        self._since_trade = 0 if busy else min(self._since_trade + 1, _NEVER)
        self._position, self._entered = position, False

    def _decide(self, bar: BarClosed, position: int) -> Signal | None:
        wants_long, wants_short = (self._is_true("entry.long"), self._is_true("entry.short"))
        side = 0 if wants_long == wants_short else 1 if wants_long else -1
        held = (position > 0) - (position < 0)
        rule = ""
        if held and self._is_true("exit.long" if held > 0 else "exit.short"):
            rule = "exit.long" if held > 0 else "exit.short"
        elif held and side == -held:
            rule = "entry.long" if side > 0 else "entry.short"
        if side and side != held and self._may_enter():
            entry = self._entry(bar, side)
            if entry is not None:
                self.trades_today += 1
                self._entered = True
                return entry if not rule else _flip(entry, held)
        return Signal(at=bar.end, exit=True, exit_side=held, rule=rule) if rule else None

    def _is_true(self, name: str) -> bool:
        slot = self._rules.get(name)
        return slot is not None and self._values[slot] == 1.0

    def _may_enter(self) -> bool:
        if not self.ready or self.trades_today >= self._most or self._since_trade < self._cooldown:
            return False
        return self._window is None or is_within(self._values[7], *self._window)

    def _entry(self, bar: BarClosed, side: int) -> Signal | None:
        stop, target = self._ticks(self._stop), self._ticks(self._target)
        if (self._stop and stop is None) or (self._target and target is None):
            return None
        return Signal(
            at=bar.end,
            entry=side,
            rule="entry.long" if side > 0 else "entry.short",
            stop_ticks=None if stop is None else -side * stop,
            target_ticks=None if target is None else side * target,
            qty=self._qty,
        )

    def _slots(self, distance: Distance | None) -> tuple[str, int, int] | None:
        if distance is None:
            return None
        ranged = self._graph.add(distance.range) if distance.range else -1
        return distance.unit, self._graph.add(distance.amount), ranged

    def _ticks(self, slots: tuple[str, int, int] | None) -> int | None:
        if slots is None:
            return None
        unit, amount, ranged = slots
        ticks = self._values[amount]
        if unit == "atr":
            ticks *= self._values[ranged]
        if unit != "ticks":
            ticks /= self._tick
        if not 0.0 <= ticks < 1e6:  # unknown, negative or absurd: no entry without its protection
            return None
        return max(MIN_TICKS, math.floor(ticks + 0.5))


def _flip(entry: Signal, held: int) -> Signal:
    return Signal(
        at=entry.at,
        entry=entry.entry,
        exit=True,
        exit_side=held,
        rule=entry.rule,
        stop_ticks=entry.stop_ticks,
        target_ticks=entry.target_ticks,
        qty=entry.qty,
    )
