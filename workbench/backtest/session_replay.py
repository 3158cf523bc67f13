"""A recorded session once more: the live `step` over the recorded market, with a matcher where the broker was.

What came from the broker is left out. What persons and the machine did (a pause, a lost hub) happens again at its time,
and a bar that reached the runner late reaches the replay as late.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from workbench.backtest.account import FirmOfBars
from workbench.backtest.broker import BarBroker
from workbench.backtest.decisions import Step
from workbench.backtest.prepared import Prepared
from workbench.domain import events as e
from workbench.domain.commands import CancelOrder, ClosePosition, ModifyOrder
from workbench.execution.state import AccountState, Rule
from workbench.execution.step import journal_form, step
from workbench.risk.gate import Approved

SENT = (Approved, CancelOrder, ClosePosition, ModifyOrder)
_CLOSED, _OUTSIDE, _PLAYED = range(3)  # a bar is decided before anything that trades at the instant of its end


class SessionReplay:
    """One session over its recorded market.

    Parameters
    ----------
    prepared : Prepared
        Bars, with what is known inside them; costs and limits.
    rule : callable
        Makes the strategy in motion.
    begun : RunnerStarted
        Of the runner that started the session.
    started : SessionStarted
    outside : sequence of Event
        What persons and the machine did while it ran, in order of time.
    arrivals : mapping
        When a bar reached the runner (ns), by the bar's end; the end itself where it is left out.
    delay_ns : int
        From a decision to the order in the market.
    """

    def __init__(
        self,
        prepared: Prepared,
        rule: Callable[[], Rule],
        begun: e.RunnerStarted,
        started: e.SessionStarted,
        outside: Sequence[e.Event],
        arrivals: Mapping[int, int],
        delay_ns: int = 0,
    ) -> None:
        self.prepared, self.begun, self.started, self.delay_ns = prepared, begun, started, delay_ns
        account = 1
        self.firm = FirmOfBars(account, None, self._feed)
        self.broker = BarBroker(prepared.series.contract, account, self.firm, touch=prepared.touch)
        self.state = AccountState(account, prepared.limits, lambda *_: rule())
        self.steps: list[Step] = []
        self._outside, self._arrivals = outside, arrivals
        self._due: deque[tuple[int, Any]] = deque()
        self._prices = prepared.lists

    def run(self) -> list[Step]:
        """Play everything; return the events and the commands that they gave."""
        self._feed(self.begun)
        for at, kind, thing in self._agenda():
            self._carry_out(at)
            if kind == _PLAYED:
                self._play(thing)
            else:
                self._feed(thing)
        return self.steps

    def _agenda(self) -> Iterable[tuple[int, int, Any]]:
        c, first = self._prices, self.started.at
        closed: list[tuple[int, int, int, e.BarClosed]] = []
        for i, end in enumerate(c.ends):
            at = self._arrivals.get(end, end) if end > first else min(end, first)
            closed.append((at, _CLOSED, i, self._bar(i, at)))
        closed.sort(key=lambda item: item[:3])
        outside: list[tuple[int, int, int, Any]] = [(o.at, _OUTSIDE, n, o) for n, o in enumerate(self._outside)]
        history = [item for item in closed if item[3].end <= first]
        played = ((c.sub_starts[j], _PLAYED, j, j) for j in range(len(c.sub_starts)) if c.sub_starts[j] >= first)
        yield first, _OUTSIDE, self.started
        for _, kind, _, bar in history:
            yield first, kind, bar
        later = [item for item in closed if item[3].end > first]
        for at, kind, _, thing in heapq.merge(later, outside, played, key=lambda item: item[:3]):
            yield at, kind, thing

    def _bar(self, i: int, at: int) -> e.BarClosed:
        c, bars = self._prices, self.prepared.series
        return e.BarClosed(
            at=at, contract=bars.contract.id, timeframe=bars.timeframe.text, start=c.starts[i], end=c.ends[i],
            open=c.opens[i], high=c.highs_points[i], low=c.lows_points[i], close=c.closes[i], volume=int(c.volume[i]),
        )  # fmt: skip

    def _play(self, j: int) -> None:
        c, broker = self._prices, self.broker
        while broker.bar + 1 < len(c.starts) and c.offsets[broker.bar + 1] <= j:
            broker.bar += 1
        i = broker.bar
        broker.fee_e4, broker.open = c.fees[i], c.sub_opens[j]
        prices = (c.sub_opens[j], c.sub_highs[j], c.sub_lows[j], c.sub_closes[j])
        for match in broker.matcher.play(
            c.sub_starts[j], c.sub_ends[j], *prices, broker.held, slippage=c.slips[j], bounds=(c.lows[i], c.highs[i])
        ):
            for told in broker.take(match):
                self._feed(told)

    def _carry_out(self, at: int) -> None:
        while self._due and self._due[0][0] <= at:
            due, command = self._due.popleft()
            for told in self.broker.execute(command, due):
                self._feed(told)

    def _feed(self, event: e.Event) -> None:
        waiting = deque([event])
        while waiting:
            event = waiting.popleft()
            out = step(self.state, event)
            self.steps.append((event, [journal_form(c) for c in out]))
            for command in out:
                if self.delay_ns and isinstance(command, SENT):
                    self._due.append((self.state.now + self.delay_ns, command))
                else:
                    waiting.extend(self.broker.execute(command, self.state.now))
