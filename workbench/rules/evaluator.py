"""A strategy that takes closed bars one by one and says what it wants: deterministic, no clock, no I/O.

It is a plan whose graph takes each bar as it comes (`rules.plan`), and the decision at its close (`rules.decision`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from workbench.domain.events import BarClosed
from workbench.domain.hours import trading_hours
from workbench.rules.daytime import DayClock
from workbench.rules.decision import Decision
from workbench.rules.memory import (
    restore_day,
    restore_decision,
    restore_graph,
    saved_day,
    saved_decision,
    saved_graph,
)
from workbench.rules.plan import Plan
from workbench.rules.signal import Signal
from workbench.rules.windows import is_allowed

if TYPE_CHECKING:
    from workbench.rules.strategy import Strategy


class RuleState:
    """The state of one strategy on one contract. Made by `Strategy.start`; owned by whoever feeds it.

    Attributes
    ----------
    bars : int
        Closed bars taken so far.
    plan : Plan or None
        What it decides from; None before the first bar has told the contract.
    """

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.bars = 0
        self.plan: Plan | None = None
        self._contract = ""
        self._day: DayClock | None = None
        self._decision: Decision | None = None
        self._last_start = -1

    @property
    def trades_today(self) -> int:
        """Entries signalled on this trading date."""
        return self._decision.trades_today if self._decision is not None else 0

    @property
    def ready(self) -> bool:
        """True once enough bars have been taken for entries."""
        return self.plan is not None and self.bars >= self.plan.needed

    @property
    def conditions(self) -> dict[str, bool | None]:
        """Each rule's truth at the newest bar; None where it cannot be known yet."""
        if self.plan is None:
            return dict.fromkeys(self.strategy.rules)
        values = self.plan.graph.values
        made = {name: values[slot] for name, slot in self.plan.conditions.items()}
        return {name: None if math.isnan(value) else value == 1.0 for name, value in made.items()}

    def warm(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> bool:
        """Take a closed bar without deciding anything, history or late; False if it is not newer than the last one."""
        if not self._take(bar):
            return False
        if self._decision is not None:
            self._decision.count(position, bar.high, bar.low)
        return True

    def _take(self, bar: BarClosed) -> bool:
        if bar.timeframe != self.strategy.timeframe or bar.start <= self._last_start:
            return False
        day = self._day
        if day is None or bar.contract != self._contract:
            day = self._open(bar.contract)
        if day.enter(bar.start) and self._decision is not None:
            self._decision.trades_today = 0
        self._last_start = bar.start
        self._step(bar, day)
        self.bars += 1
        return True

    def on_bar(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> Signal | None:
        """Take a closed bar and return what the rules want, or None.

        Parameters
        ----------
        bar : BarClosed
            A closed bar; of another timeframe, or not newer than the last one, it changes nothing.
        position : int
            Signed contracts that are held for this strategy, or for which its entry order is out.
        entry_ticks : float, optional
            Average entry price in ticks; None when it is not known (yet).
        """
        if not self._take(bar) or self._decision is None or self._day is None:
            return None
        self._decision.count(position, bar.high, bar.low)
        return self._decision.decide(bar.start, bar.end, bar.close, self._day.flat_at, self.ready, entry_ticks)

    @property
    def own_limits(self) -> tuple[float, int] | None:
        """Loss of a day (USD) and contracts that the strategy allows itself."""
        return None if self.plan is None else (self.plan.daily_loss_usd, self.plan.max_position)

    @property
    def has_stop(self) -> bool:
        """Whether the strategy declares a stop, of its own or by its trail."""
        return self.strategy.stop is not None or self.strategy.trail is not None

    def save(self) -> dict[str, Any]:
        """Return all that it remembers, as plain values; see `rules.memory`."""
        if self.plan is None or self._day is None or self._decision is None:
            return {}
        return {
            "contract": self._contract,
            "bars": self.bars,
            "last_start": self._last_start,
            "day": saved_day(self._day),
            "decision": saved_decision(self._decision),
            "graph": saved_graph(self.plan.graph),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on where `save` was called: in a fresh state of the same version and parameters.

        Raises
        ------
        InputError
            Another program saved it.
        """
        if not saved:
            return
        day = self._open(saved["contract"])
        if self.plan is not None and self._decision is not None:
            restore_graph(self.plan.graph, saved["graph"])
            restore_decision(self._decision, saved["decision"])
        restore_day(day, saved["day"])
        self.bars, self._last_start = saved["bars"], saved["last_start"]

    def _open(self, contract: str) -> DayClock:
        if self._contract:
            raise ValueError(f"this state belongs to {self._contract}, not to {contract}; start another one")
        self.strategy.require_contract(contract)
        plan = self.strategy.plan(contract)
        self.plan, self._contract = plan, contract
        self._decision = Decision(plan, plan.graph.values, self._is_allowed)
        self._day = DayClock(trading_hours(contract), plan.flat_by_s)
        return self._day

    def _step(self, bar: BarClosed, day: DayClock) -> None:
        if self.plan is not None:
            begins, ends = day.second(bar.start), day.second(bar.end)
            prices = (bar.open, bar.high, bar.low, bar.close, bar.volume)
            self.plan.graph.step(*prices, day.day, begins, ends, bar.start, bar.end)

    def _is_allowed(self, end: int) -> bool:
        return self.plan is not None and is_allowed(self.plan.windows, end)
