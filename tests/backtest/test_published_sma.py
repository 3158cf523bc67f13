"""A 20/50 moving-average cross on recorded bars: our trades are those of vectorbt and of backtrader, to the tick."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from tests.answers import sma_20_50 as reference
from tests.rules.build import strategy_text
from workbench.backtest.costs import FREE
from workbench.backtest.result import Result
from workbench.domain.contract import parse_contract
from workbench.risk.limits import Limits

ANSWERS = json.loads(Path(reference.__file__).with_suffix(".json").read_text(encoding="utf-8"))["cases"]
UNBOUND = Limits(daily_loss_usd=Decimal(10**9), max_orders_per_minute=10**6)
ENTRY = "{long: 'cross_above(sma(close, 20), sma(close, 50))', short: 'cross_below(sma(close, 20), sma(close, 50))'}"


def run(folder: Path, name: str, **keywords: Any) -> Result:
    _, named, contract, timeframe, _ = next(case for case in reference.CASES if case[0] == name)
    text = strategy_text(timeframe=timeframe, roots=f"[{parse_contract(contract).spec.exchange_root}]", entry=ENTRY)
    bars = reference.recorded(folder, name, named)
    return wb.backtest(text, bars, contract=contract, costs=FREE, limits=UNBOUND, **keywords)  # type: ignore[no-any-return]


def closed_trades(result: Result) -> list[reference.Trade]:
    """Our closed trades by the rows of their bars, prices in ticks."""
    tick = result._bars.contract.spec.tick_size
    rows = result.bars.index
    trades = result.trades.dropna(subset=["exit_at"])
    into, out = rows.get_indexer(trades["entry_at"]), rows.get_indexer(trades["exit_at"])
    assert (into >= 0).all() and (out >= 0).all()  # every fill lies at the open of a bar
    return [
        (int(a), 1 if side == "long" else -1, round(p / tick), int(b), round(q / tick))
        for a, side, p, b, q in zip(into, trades["side"], trades["entry_price"], out, trades["exit_price"], strict=True)
    ]


@pytest.mark.parametrize("name", list(ANSWERS))
def test_our_trades_are_theirs(shared_data: Path, name: str) -> None:
    answer = ANSWERS[name]
    assert answer["vectorbt"] == answer["backtrader"]
    result = run(shared_data, name)
    assert len(result.bars) == answer["bars"]
    found = reference.facts(closed_trades(result))
    assert found == answer["vectorbt"]


def test_crosses_that_pass_through_equality_are_among_them(shared_data: Path) -> None:
    # otherwise the convention would not have been put to the test
    passed = 0
    for name, named, _, _, tick in reference.CASES:
        close = reference.in_ticks(reference.recorded(shared_data, name, named), tick)["close"]
        side = np.sign(close.rolling(20).sum() * 5 - close.rolling(50).sum() * 2).dropna().to_numpy()
        apart = np.flatnonzero(side)
        passed += int(np.sum((np.diff(apart) > 1) & (side[apart[1:]] != side[apart[:-1]])))
    assert passed >= 3


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ANSWERS))
@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # backtrader, when it is compiled for the first time
def test_the_reference_comes_out_again(shared_data: Path, name: str) -> None:
    _, named, _, _, tick = next(case for case in reference.CASES if case[0] == name)
    bars = reference.in_ticks(reference.recorded(shared_data, name, named), tick)
    assert reference.facts(reference.by_vectorbt(bars)) == ANSWERS[name]["vectorbt"]
    assert reference.facts(reference.by_backtrader(bars)) == ANSWERS[name]["backtrader"]


@pytest.mark.slow
def test_the_portfolio_of_vectorbt_ends_where_the_result_ends(shared_data: Path) -> None:
    result = wb.backtest("sma_cross", reference.recorded(shared_data, "MES_5m_projectx_2025", None), timeframe="5m")
    portfolio = result.portfolio
    assert len(result.trades) > 100 and float(result.stats["costs_usd"] or 0) > 0
    assert portfolio.final_value() == pytest.approx(50_000 + float(result.stats["net_usd"] or 0), abs=0.005)
    assert portfolio.total_return() == pytest.approx(result.stats["net_share"], abs=1e-9)
    assert portfolio.max_drawdown() == pytest.approx(-float(result.stats["max_drawdown_share"] or 0), rel=0.05)
