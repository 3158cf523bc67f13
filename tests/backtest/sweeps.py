"""An engine whose outcomes are known beforehand, and sweeps over it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.rules.build import strategy_text
from workbench.backtest.played import Summary
from workbench.backtest.search import Space, grid, space
from workbench.backtest.sweep import Chunk, run_chunk
from workbench.backtest.swept import Sweep
from workbench.domain.errors import InputError
from workbench.rules import Strategy, parse_strategy

PARAMETERS = """
  fast: {default: 5, min: 2, max: 100, step: 1}
  slow: {default: 20, min: 3, max: 400, step: 5}"""
DATES = np.array("2025-01-06", dtype="datetime64[D]") + np.arange(40)


def crossing() -> Strategy:
    return parse_strategy(
        strategy_text(
            parameters=PARAMETERS,
            constraints="[fast < slow]",
            entry="{long: 'sma(close, fast) > sma(close, slow)'}",
        )
    )


def summary(daily: np.ndarray, trades: int = 4) -> Summary:
    """One trade a day on the first days, each making the profit of its day."""
    nets = daily[:trades]
    equity = np.cumsum(daily)
    return Summary(
        daily=daily,
        trades=trades,
        wins=int((nets > 0).sum()),
        won_usd=float(nets[nets > 0].sum()),
        lost_usd=float(nets[nets < 0].sum()),
        net_usd=float(daily.sum()),
        costs_usd=1.5,
        trade_sum_sq=float((nets**2).sum()),
        max_drawdown_usd=float((np.maximum.accumulate(np.maximum(equity, 0)) - equity).max()),
        exposure_bars=25,
        refused=0,
        first=0,
        last=1,
    )


class Known:
    """Runs of an engine that is a function of the parameters."""

    def __init__(self, outcome: Callable[[float, float], np.ndarray]) -> None:
        self.outcome = outcome
        self.runs = 0

    def summarise(self, strategy: Strategy, cache: object = None) -> Summary:
        self.runs += 1
        fast, slow = strategy.values["fast"], strategy.values["slow"]
        if fast == 13:
            raise InputError("13 is refused")
        return summary(self.outcome(float(fast), float(slow)))


def noisy(fast: float, slow: float) -> np.ndarray:
    """Forty days of noise, the same for the same values."""
    return np.random.default_rng(int(fast * 1000 + slow)).normal(0, 10, 40).round(2)


def hill(fast: float, slow: float) -> np.ndarray:
    """The same forty days for all, lifted most at fast = 30, slow = 103."""
    days = np.random.default_rng(1).normal(0, 10, 40).round(2)
    return days + 8 - 0.02 * (fast - 30) ** 2 - 0.001 * (slow - 103) ** 2


def swept(outcome: Callable[[float, float], np.ndarray], **given: object) -> Sweep:
    of: Space = space(crossing(), given)
    points = grid(of)
    chunk = run_chunk(Known(outcome), of, points.table, 40)
    assert isinstance(chunk, Chunk)
    return Sweep(
        space=of, table=points.table, chunk=chunk, metric="sharpe_daily", method="grid", bars=100, dates=DATES,
        planned=len(points.table), dropped=points.dropped, trials=len(points.table),
    )  # fmt: skip
