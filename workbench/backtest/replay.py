"""The event engine: the live `step` over recorded bars, with the matcher where the exchange was.

For each bar: first it is played against the working orders, then its close is told to `step`, whose commands are
carried out at once and meet the next bar's open. Deterministic: the same bars, strategy, limits and costs give the same
fills.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from workbench.backtest.broker import BarBroker
from workbench.backtest.costs import Costs
from workbench.backtest.series import Series
from workbench.domain import events as e
from workbench.domain.commands import Alert
from workbench.domain.order import Order
from workbench.domain.position import Fill
from workbench.execution.state import AccountState, Rule
from workbench.execution.step import step
from workbench.risk.limits import Limits
from workbench.rules.strategy import Strategy

ACCOUNT = 1
BALANCE = Decimal(50_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What happened: fills and orders as the broker has them, and what the operator would have been told."""

    fills: list[Fill]
    orders: list[Order]
    alerts: list[tuple[int, Alert]]


class Replay:
    """One strategy on one account over one series of bars.

    Parameters
    ----------
    strategy : Strategy
    bars : Series
    costs : Costs
    limits : Limits
        The gate's limits, as they would be live.
    touch : bool
        Whether limit orders fill when only touched.
    """

    def __init__(self, strategy: Strategy, bars: Series, *, costs: Costs, limits: Limits, touch: bool = False) -> None:
        self.strategy, self.bars = strategy, bars
        self.broker = BarBroker(bars.contract, ACCOUNT, costs, BALANCE, touch=touch)
        self.state = AccountState(ACCOUNT, limits, self._rule)

    def run(self) -> Played:
        """Play every bar and return what happened."""
        bars, broker = self.bars, self.broker
        self._begin(int(bars.starts[0]) - 1)
        columns = zip(bars.events(), *(column.tolist() for column in bars.ticks), strict=True)
        for event, open_, high, low, close in columns:
            for fill in broker.matcher.play(event.start, event.end, open_, high, low, close, broker.held):
                for told in broker.take(fill):
                    self._feed(told)
            self._feed(event)
        return Played(fills=broker.fills, orders=list(broker.orders.values()), alerts=broker.alerts)

    def _begin(self, at: int) -> None:
        self._feed(e.RunnerStarted(at=at, epoch=1, uid="backtest"))
        self._feed(
            e.SessionStarted(
                at=at,
                session="backtest",
                strategy=self.strategy.version,
                contract=self.bars.contract.id,
                timeframe=self.bars.timeframe.text,
                parameters={},
            )
        )

    def _rule(self, strategy: str, contract: str, parameters: dict[str, float | int | str | bool]) -> Rule:
        self.strategy.require_contract(contract)
        return self.strategy.start()

    def _feed(self, event: e.Event) -> None:
        waiting = deque([event])
        while waiting:
            event = waiting.popleft()
            for command in step(self.state, event):
                waiting.extend(self.broker.execute(command, event.at))
