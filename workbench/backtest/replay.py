"""The event engine: the live `step` over recorded bars, with the matcher where the exchange was.

For each bar: first its sub-bars are played against the working orders, then its close is told to `step`, whose
commands are carried out at once and meet the next bar's open. Deterministic: the same bars, strategies, limits and
costs give the same fills. Several strategies, each on a contract of its own, share one account and its limits.

A line that *wakes* asks only at bars where something can happen (`backtest.waking`); what it does is what it would do
if it were asked at each bar.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.backtest.account import FirmOfBars
from workbench.backtest.broker import BarBroker
from workbench.backtest.played import RULES, Played, fills_of
from workbench.backtest.waking import ColumnRule, Wakes
from workbench.domain import events as e
from workbench.domain.errors import InputError
from workbench.domain.hours import trading_hours
from workbench.execution.state import AccountState, Rule
from workbench.execution.step import step

if TYPE_CHECKING:
    from workbench.backtest.prepared import Columns, Prepared
    from workbench.rules.arrays import ColumnCache
    from workbench.rules.python.strategy import PythonStrategy
    from workbench.rules.strategy import Strategy

ACCOUNT = 1


class Line:
    """One strategy on one contract: its bars, its broker, and where it stands.

    Parameters
    ----------
    prepared : Prepared
    strategy : Strategy
    account : Account
    every : bool
        Ask at each bar, with streaming rules: the reference.
    first, last : int
        Bars before `first` are history, bar `last` is the first that is left out.
    """

    def __init__(
        self, prepared: Prepared, strategy: Strategy | PythonStrategy, account: Account, first: int, last: int,
        *, every: bool, cache: ColumnCache | None = None, columns: Columns | None = None,
    ) -> None:  # fmt: skip
        bars = prepared.series
        self.prepared, self.strategy, self.account, self.every = prepared, strategy, account, every
        self.first, self.last = first, last
        self.broker = BarBroker(bars.contract, ACCOUNT, account.firm, touch=prepared.touch, without=prepared.without)
        account.firm.watch(self.broker)
        self.wakes = None if every else Wakes(prepared, strategy, cache, columns)
        self.rule: Rule = strategy.start() if self.wakes is None else ColumnRule(self.wakes)
        self._columns = prepared.lists
        self._name, self._timeframe = bars.contract.id, bars.timeframe.text
        self._flat_done = -1
        self._previous = first - 1

    def begin(self) -> None:
        """Start the session, and show a streaming rule its history."""
        starts, ends = self._columns.starts, self._columns.ends
        at = ends[self.first - 1] if self.first else starts[0] - 1
        self.account.feed(
            e.SessionStarted(
                at=at, session=self._name, strategy=self.strategy.version, contract=self._name,
                timeframe=self._timeframe, parameters={},
            )
        )  # fmt: skip
        if self.every:
            for i in range(self.first):
                self.rule.warm(self._event(i))

    def next(self, i: int) -> int:
        """Return the bar to ask at after bar `i`; `last` or more when there is none."""
        return i + 1 if self.wakes is None else self.wakes.after(i, self)

    def play(self, i: int) -> None:
        """Play one bar against the working orders, then tell its close."""
        columns, broker, firm = self._columns, self.broker, self.account.firm
        broker.bar, broker.fee_e4 = i, columns.fees[i]
        if columns.margins is not None:
            firm.margins[self._name] = columns.margins[i]
        skipped = i - self._previous - 1
        self._previous = i
        if self.wakes is not None and skipped:
            self.account.state.book(self._name).last_price = columns.closes[i - 1]
            self.wakes.decision.skip(skipped)
        bounds = columns.lows[i], columns.highs[i]
        for j in range(columns.offsets[i], columns.offsets[i + 1]):
            self._play(j, bounds)
        event = self._event(i)
        if self.wakes is not None:
            self.wakes.enter(i)
        self.account.feed(event)

    def _play(self, j: int, bounds: tuple[int, int]) -> None:
        columns, broker, firm = self._columns, self.broker, self.account.firm
        start, end = columns.sub_starts[j], columns.sub_ends[j]
        flat_at = None
        if firm.rules is not None:
            self.account.roll(start)
            flat_at = columns.flat_times[j]
            if start >= flat_at:
                firm.flat_by(start)
        prices = (columns.sub_opens[j], columns.sub_highs[j], columns.sub_lows[j], columns.sub_closes[j])
        broker.open = prices[0]
        self._match(start, end, prices, columns.slips[j], bounds)
        if flat_at is not None and start < flat_at < end:
            firm.flat_by(end - 1)
            self._match(end - 1, end, (prices[3],) * 4, columns.slips[j], bounds)

    def _match(self, start: int, end: int, prices: tuple[int, ...], slippage: int, bounds: tuple[int, int]) -> None:
        broker, feed = self.broker, self.account.feed
        open_, high, low, close = prices
        for match in broker.matcher.play(
            start, end, open_, high, low, close, broker.held, slippage=slippage, bounds=bounds
        ):
            for told in broker.take(match):
                feed(told)

    def _event(self, i: int) -> e.BarClosed:
        c = self._columns
        return e.BarClosed(
            at=c.ends[i], contract=self._name, timeframe=self._timeframe, start=c.starts[i], end=c.ends[i],
            open=c.opens[i], high=c.highs_points[i], low=c.lows_points[i], close=c.closes[i], volume=int(c.volume[i]),
        )  # fmt: skip


class Account:
    """One account that plays one or several lines in the order of time."""

    def __init__(self, prepared: Prepared) -> None:
        self.firm = FirmOfBars(ACCOUNT, prepared.programme, self.feed)
        self.lines: list[Line] = []
        self.state = AccountState(ACCOUNT, prepared.limits, self._rule)
        self._day_ends = -1
        self._rolled = 0

    def run(self) -> None:
        """Play every bar of every line."""
        first = min(line.prepared.lists.starts[line.first] for line in self.lines)
        self.feed(e.RunnerStarted(at=first - 1, epoch=1, uid="backtest"))
        for line in self.lines:
            line.begin()
        self._open_firm()
        if len(self.lines) == 1:
            self._run_one(self.lines[0])
            return
        waiting = [(line.prepared.lists.ends[line.first], place, line.first) for place, line in enumerate(self.lines)]
        heapq.heapify(waiting)
        while waiting:
            _, place, i = heapq.heappop(waiting)
            line = self.lines[place]
            line.play(i)
            if i + 1 < line.last:
                heapq.heappush(waiting, (line.prepared.lists.ends[i + 1], place, i + 1))

    def _run_one(self, line: Line) -> None:
        i = line.next(line.first - 1)
        while i < line.last:
            line.play(i)
            i = line.next(i)
        if self.firm.rules is not None and line.last > line.first:  # days that end in bars that were passed over
            lists = line.prepared.lists
            self.roll(lists.sub_starts[lists.offsets[line.last] - 1])

    def _open_firm(self) -> None:
        line = min(self.lines, key=lambda each: each.prepared.lists.starts[each.first])
        lists = line.prepared.lists
        place = lists.offsets[line.first]
        self._day_ends = trading_hours("index").session_bounds(lists.sub_starts[place])[1]
        self._rolled = int(np.searchsorted(line.prepared.firm_days, place, side="right"))

    def roll(self, start: int) -> None:
        """Let the firm's trading dates end that are over at `start`; each is told with its first sub-bar."""
        if start < self._day_ends:
            return
        # Every trading date that had bars ends by itself, those that were passed over, too.
        line = self.lines[0]
        days, starts = line.prepared.firm_days, line.prepared.lists.sub_starts
        if len(self.lines) == 1:
            while self._rolled < len(days) and starts[int(days[self._rolled])] <= start:
                at = starts[int(days[self._rolled])]
                self.firm.roll(at)
                self._rolled += 1
        else:
            self.firm.roll(start)
        self._day_ends = trading_hours("index").session_bounds(start)[1]

    def feed(self, event: e.Event) -> None:
        """Give an event to `step` and carry out what it answers, until nothing is left to do."""
        waiting = deque([event])
        while waiting:
            event = waiting.popleft()
            for command in step(self.state, event):
                waiting.extend(self._broker(command).execute(command, event.at))

    def _broker(self, command: object) -> BarBroker:
        order = getattr(command, "command", command)
        contract = getattr(order, "contract", "")
        for line in self.lines:
            if line.broker.contract.id == contract:
                return line.broker
        return self.lines[0].broker

    def _rule(self, strategy: str, contract: str, parameters: dict[str, float | int | str | bool]) -> Rule:
        line = next(line for line in self.lines if line.broker.contract.id == contract)
        line.strategy.require_contract(contract)
        return line.rule


class Replay:
    """One strategy on one account over one series of bars.

    Parameters
    ----------
    prepared : Prepared
        Bars, costs, limits and programme.
    strategy : Strategy
    every : bool
        Ask at each bar, with streaming rules, instead of only where something can happen.
    cache, columns
        As in `Prepared.run`.
    """

    def __init__(
        self, prepared: Prepared, strategy: Strategy | PythonStrategy, *, every: bool = False,
        cache: ColumnCache | None = None, columns: Columns | None = None, first: int = 0, last: int | None = None,
    ) -> None:  # fmt: skip
        if every and columns:
            raise InputError("given columns need an engine that reads columns: kernel or event")
        self.account = Account(prepared)
        end = len(prepared.series) if last is None else last
        line = Line(prepared, strategy, self.account, first, end, every=every, cache=cache, columns=columns)
        self.account.lines.append(line)
        self.broker = line.broker

    def run(self) -> Played:
        """Play every bar and return what happened."""
        self.account.run()
        return played_of(self.account, self.account.lines)[0]


def played_of(account: Account, lines: Sequence[Line]) -> list[Played]:
    """Return what each line did; the account's part stands in the first."""
    made = []
    for line in lines:
        rules = list(RULES)
        orders = line.broker.table(rules)
        made.append(
            Played(
                fills=fills_of(line.broker.rows),
                orders=orders,
                rules=tuple(rules),
                alerts=tuple(line.broker.alerts),
                account=account.firm.played() if line is lines[0] else None,
            )
        )
    return made
