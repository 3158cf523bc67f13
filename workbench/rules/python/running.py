"""A Python strategy in motion: the same evaluator in a backtest, in a live worker and in a replay.

What a bar's close decides is what the declarative rules decide, in the same order: the day's end first, then leaving,
then entering where window, trades of the day, cool-down and history allow it. Only the conditions are a person's code.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.domain.contract import spec
from workbench.domain.errors import InputError
from workbench.domain.events import BarClosed
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import timeframe
from workbench.rules.daytime import DAY_S, DayClock, day_second, is_within
from workbench.rules.plan import MAX_TICKS, NEVER, whole_ticks
from workbench.rules.python.bar import Bar
from workbench.rules.python.errors import StrategyFault, fault_of
from workbench.rules.python.host import Host
from workbench.rules.python.modules import Modules
from workbench.rules.signal import Signal

if TYPE_CHECKING:
    from workbench.rules.python.strategy import PythonStrategy


class PythonRule:
    """The state of one Python strategy on one contract, in this process; owned by whoever feeds it.

    Raises
    ------
    StrategyFault
        From any call: the person's code raised; with its file and line.
    """

    def __init__(self, strategy: PythonStrategy) -> None:
        self.strategy = strategy
        self.bars = 0
        self._modules = Modules(strategy.bundle, strategy.where)
        made = self._modules.strategy(strategy.class_name)
        try:
            self._user = made(**strategy.values)
        except Exception as error:  # a person's __init__ may raise anything
            raise fault_of(error, self._modules.files) from error
        self._setting = {name: self._whole(name) for name in ("contracts", "cooldown", "history", "max_trades_per_day")}
        self.host = Host(strategy, self._setting["contracts"])
        self._user._host = self.host
        self._call("start")
        self.host.starting = False
        self._most = self._setting["max_trades_per_day"] or NEVER
        self._warm = self.host.graph.warmup
        self._window = tuple(map(day_second, strategy.window)) if strategy.window else None
        self._contract = ""
        self._day: DayClock | None = None
        self._last_start = -1
        self._position = 0
        self._entered = False
        self._since_trade = NEVER

    @property
    def warmup(self) -> int:
        """Closed bars to load before the first live decision."""
        a_day = -(-DAY_S // timeframe(self.strategy.timeframe).seconds)
        return max(self._warm, self.host.graph.days * a_day) + self._setting["history"]

    @property
    def ready(self) -> bool:
        """True once enough bars have been taken for entries."""
        return self.bars >= self._warm + self._setting["history"]

    @property
    def trades_today(self) -> int:
        """Entries signalled on this trading date."""
        return self.host.trades_today

    def warm(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> bool:
        """Take a closed bar, history or late: the strategy sees it, what it asks for is dropped."""
        if not self._take(bar):
            return False
        self._count(position)
        self._decide_by_user(bar, position, entry_ticks)
        return True

    def on_bar(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> Signal | None:
        """Take a closed bar and return what the strategy wants, or None.

        Parameters
        ----------
        bar : BarClosed
            A closed bar; of another timeframe, or not newer than the last one, it changes nothing.
        position : int
            Signed contracts that are held for this strategy, or for which its entry order is out.
        entry_ticks : float, optional
            Average entry price in ticks, where it is known.
        """
        if not self._take(bar):
            return None
        self._count(position)
        self._decide_by_user(bar, position, entry_ticks)
        flat_at = self._day.flat_at if self._day is not None else None
        if flat_at is not None and bar.end + (bar.end - bar.start) > flat_at:
            return Signal(at=bar.end, exit=True, rule="flat_by") if position else None
        return self._decide(bar, position)

    def _take(self, bar: BarClosed) -> bool:
        if bar.timeframe != self.strategy.timeframe or bar.start <= self._last_start:
            return False
        day = self._day if bar.contract == self._contract else None
        if day is None:
            day = self._open(bar.contract)
        if day.enter(bar.start):
            self.host.trades_today = 0
        self._last_start = bar.start
        self._end_s = day.second(bar.end)
        prices = (bar.open, bar.high, bar.low, bar.close, bar.volume)
        self.host.graph.step(*prices, day.day, day.second(bar.start), self._end_s, bar.start, bar.end)
        self.bars += 1
        return True

    def _open(self, contract: str) -> DayClock:
        if self._contract:
            raise ValueError(f"this state belongs to {self._contract}, not to {contract}; start another one")
        self.strategy.require_contract(contract)
        product = spec(contract)
        self._contract, self.host.tick = contract, product.tick_size
        flat_by = self.strategy.flat_by
        self._day = DayClock(trading_hours(product), day_second(flat_by) if flat_by else None)
        return self._day

    def _count(self, position: int) -> None:
        # As in the declarative evaluator: an entry that was signalled may have come and gone within this bar.
        busy = position != 0 or self._position != 0 or self._entered
        self._since_trade = 0 if busy else min(self._since_trade + 1, NEVER)
        held = self.host.bars_in_position
        same = position * self._position > 0
        self.host.bars_in_position = 0 if position == 0 else held + 1 if same else 1
        self._position, self._entered = position, False

    def _decide_by_user(self, bar: BarClosed, position: int, entry_ticks: float | None) -> None:
        host, day = self.host, self._day
        seen = Bar(
            bar.contract,
            bar.timeframe,
            bar.start,
            bar.end,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            day.day if day is not None else 0,
        )
        host.take(seen)
        host.forget()
        host.position = position
        host.entry_price = None if entry_ticks is None or not position else entry_ticks * host.tick
        if self.bars >= self._warm:
            self._call("on_bar", seen)

    def _call(self, name: str, *arguments: object) -> None:
        try:
            answer = getattr(self._user, name)(*arguments)
        except Exception as error:  # a person's code may raise anything; it is told with its line
            raise fault_of(error, self._modules.files) from error
        if answer is not None:
            raise StrategyFault(
                f"{name} returned {answer!r:.60}; it returns nothing: ask by self.enter_long(…), self.enter_short(…) "
                "or self.exit()",
                where=f"{self.strategy.where}, line {self._line(name)}, in {name}",
            )

    def _line(self, name: str) -> int:
        code = getattr(getattr(type(self._user), name, None), "__code__", None)
        return int(getattr(code, "co_firstlineno", 0))

    def _whole(self, name: str) -> int:
        value = getattr(self._user, name)
        least = 1 if name in ("contracts", "max_trades_per_day") else 0
        if value is None and name == "max_trades_per_day":
            return 0
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise InputError(f"{name} = {value!r} must be a whole number, at least {least} ({self.strategy.where})")
        return value

    def _decide(self, bar: BarClosed, position: int) -> Signal | None:
        host = self.host
        held = (position > 0) - (position < 0)
        side = host.side
        rule = ""
        if held and host.exits:
            rule = host.exit_tag or ("exit.long" if held > 0 else "exit.short")
        elif held and side == -held:
            rule = host.tag or _entry_name(side)
        if side and side != held and self._may_enter():
            entry = self._entry(bar, side, held if rule else 0)
            if entry is not None:
                host.trades_today += 1
                self._entered = True
                return entry
        if rule:
            return Signal(at=bar.end, exit=True, exit_side=held, rule=rule)
        return self._moved(bar, held)

    def _may_enter(self) -> bool:
        if not self.ready or self.host.trades_today >= self._most or self._since_trade < self._setting["cooldown"]:
            return False
        return self._window is None or is_within(self._end_s, *self._window)

    def _entry(self, bar: BarClosed, side: int, held: int) -> Signal | None:
        stop, target = self._in_ticks(self.host.stop), self._in_ticks(self.host.target)
        if stop == 0 or target == 0:  # unknown or absurd: nothing is bought without its protection
            return None
        return Signal(
            at=bar.end,
            entry=side,
            exit=held != 0,
            exit_side=held,
            rule=self.host.tag or _entry_name(side),
            stop_ticks=None if stop is None else -side * stop,
            target_ticks=None if target is None else side * target,
            qty=self.host.qty,
        )

    def _in_ticks(self, points: float | None) -> int | None:
        return None if points is None else whole_ticks(points / self.host.tick)

    def _moved(self, bar: BarClosed, held: int) -> Signal | None:
        price = self.host.stop_price
        if price is None or not held or abs(price) / self.host.tick > MAX_TICKS * 100:
            return None
        if (bar.close - price) * held <= 0:  # the market is there already
            return Signal(at=bar.end, exit=True, exit_side=held, rule="trail")
        level = math.floor(price / self.host.tick + 0.5)
        return Signal(at=bar.end, rule="trail", stop_to=level)


def _entry_name(side: int) -> str:
    return "entry.long" if side > 0 else "entry.short"
