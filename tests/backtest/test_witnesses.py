"""Independent witnesses: the same rule computed with pandas, and its trades booked by vectorbt."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import workbench as wb
from tests.rules.build import strategy_text
from tests.test_research import CONTRACT, walk
from workbench.backtest.costs import FREE
from workbench.backtest.result import Result
from workbench.risk.limits import Limits

UNBOUND = Limits(daily_loss_usd=Decimal(10**9), max_orders_per_minute=10**6)
RULE = strategy_text(
    timeframe="5m",
    entry="{long: 'cross_above(sma(close, 10), sma(close, 30))', short: 'cross_below(sma(close, 10), sma(close, 30))'}",
)
POINT_USD = 5.0  # MES: 1.25 USD a tick of 0.25


def signals(close: pd.Series) -> pd.Series:
    """+1 and -1 where the fast average leaves equality or the other side for good, by pandas alone."""
    # prices are whole quarters, so sums of them are exact and equality means equality
    fast, slow = close.rolling(10).sum() * 3, close.rolling(30).sum()
    side = np.sign(fast - slow).replace(0.0, np.nan).ffill()
    return side.where((side != side.shift()) & side.shift().notna(), 0.0)


def run(bars: pl.DataFrame, **keywords: object) -> Result:
    return wb.backtest(RULE, bars, costs=FREE, limits=UNBOUND, **keywords)  # type: ignore[arg-type]


def test_entries_of_a_cross_are_those_of_pandas(shared_data: Path) -> None:
    recorded = pl.read_parquet(shared_data / "bars" / "MES_5m_projectx_2025.parquet")
    result = run(recorded)
    bars = result.bars
    found = signals(bars["close"]).shift(1)  # decided at the close, filled at the next open
    expected = found[found.fillna(0.0) != 0.0]
    trades = result.trades
    assert len(expected) > 200
    assert list(trades["entry_at"]) == list(expected.index)
    assert list(trades["side"]) == ["long" if s > 0 else "short" for s in expected]
    assert list(trades["entry_price"]) == list(bars["open"].loc[expected.index])
    # in the market always, so each exit is the next entry, and money is the sum of the steps between
    assert list(trades["exit_price"].iloc[:-1]) == list(trades["entry_price"].iloc[1:])
    side, price = expected.to_numpy(), bars["open"].loc[expected.index].to_numpy()
    steps = float((side[:-1] * np.diff(price)).sum() + side[-1] * (bars["close"].iloc[-1] - price[-1]))
    assert result.stats["net_usd"] == pytest.approx(steps * POINT_USD)


@pytest.mark.slow
def test_vectorbt_books_the_same_trades_and_money(shared_data: Path) -> None:
    import vectorbt as vbt

    recorded = pl.read_parquet(shared_data / "bars" / "MES_5m_projectx_2025.parquet")
    result = run(recorded)
    bars = result.bars
    found = signals(bars["close"]).shift(1).fillna(0.0)
    portfolio = vbt.Portfolio.from_signals(
        bars["close"],
        entries=found > 0,
        short_entries=found < 0,
        price=bars["open"],
        size=1.0,
        init_cash=1e9,
        freq="5min",
    )
    records = portfolio.trades.records
    assert len(records) == len(result.trades)
    assert records["pnl"].sum() * POINT_USD == pytest.approx(result.stats["net_usd"])


def test_a_day_cut_off_changes_no_earlier_trade() -> None:
    bars = walk(900, seed=3)
    whole = wb.backtest("sma_cross", bars, contract=CONTRACT).trades
    part = wb.backtest("sma_cross", bars.head(700), contract=CONTRACT).trades.dropna(subset=["exit_at"])
    assert len(part) > 10
    assert whole.head(len(part)).equals(part)
