"""A backtest from the store looks inside its bars, says so, and trades differently only where they hid the order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import workbench as wb
from tests.rules.build import strategy_text
from tests.test_research import CONTRACT, walk
from workbench.domain.errors import InputError
from workbench.domain.hours import trading_hours
from workbench.ingestion.aggregate import bars_from_bars
from workbench.rules import parse_strategy
from workbench.storage.bars import BarStore
from workbench.storage.home import Home

MINUTES = walk(3_000)
RULE = parse_strategy(
    strategy_text(
        timeframe="15m", entry="{long: 'close > close[1]', short: 'close < close[1]'}", stop="{ticks: 12}",
        target="{ticks: 12}",
    )
)  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    BarStore(made.market).write(CONTRACT, "1m", MINUTES, source="test")
    return made


def quarters() -> pl.DataFrame:
    return bars_from_bars(MINUTES, "1m", "15m", trading_hours("MES"))


def test_bars_of_the_store_are_looked_into_and_that_is_told(place: Home) -> None:
    inside = wb.backtest(RULE, contract=CONTRACT, home=place)
    told = inside.provenance["inside_the_bars"]
    assert (told["source"], told["bars"], told["bars_without"], told["bars_that_differ"]) == ("1m", 200, 0, 0)
    assert len(told["version"]) == 32
    worst = wb.backtest(RULE, contract=CONTRACT, home=place, finer=None)
    assert "inside_the_bars" not in worst.provenance
    # a bar that reaches both is a stop without them; inside, the target was first in some
    assert len(worst.trades) > 50
    assert worst.stats["win_rate"] < inside.stats["win_rate"]


def test_a_frame_of_ones_own_is_left_as_it_is_unless_asked(place: Home) -> None:
    given = wb.backtest(RULE, quarters(), contract=CONTRACT, home=place)
    assert "inside_the_bars" not in given.provenance
    asked = wb.backtest(RULE, quarters(), contract=CONTRACT, home=place, finer="1m")
    framed = wb.backtest(RULE, quarters(), contract=CONTRACT, home=place, finer=MINUTES)
    assert asked.provenance["inside_the_bars"] == framed.provenance["inside_the_bars"]
    assert asked.trades.equals(framed.trades)
    with pytest.raises(InputError, match="no ticks of"):
        wb.backtest(RULE, quarters(), contract=CONTRACT, home=place, finer="ticks")


def test_the_shorter_bars_that_were_given_may_be_named(tmp_path: Path) -> None:
    given, named = (
        wb.backtest(RULE, MINUTES, contract=CONTRACT, home=tmp_path, finer=finer) for finer in ("auto", "1m")
    )
    assert named.provenance["inside_the_bars"]["source"] == "1m"
    assert named.trades.equals(given.trades)
    with pytest.raises(InputError, match="the store has no 5m"):
        wb.backtest(RULE, MINUTES, contract=CONTRACT, home=tmp_path, finer="5m")


def test_the_engines_agree_inside_the_bars(place: Home) -> None:
    trades = [wb.backtest(RULE, contract=CONTRACT, home=place, engine=e).trades for e in ("kernel", "event", "every")]
    assert trades[0].equals(trades[1])
    assert trades[0].equals(trades[2])


def test_every_trade_lies_on_the_minute_that_it_was_made_in(place: Home) -> None:
    trades = wb.backtest(RULE, contract=CONTRACT, home=place, costs=wb.Costs(slippage_ticks=0)).trades
    minutes = MINUTES.to_pandas().set_index("ts")
    closed = trades[trades["exit_at"].notna()]
    for at, price in zip(closed["exit_at"], closed["exit_price"], strict=True):
        bar = minutes.loc[:at].iloc[-1]
        assert bar["low"] - 1e-9 <= price <= bar["high"] + 1e-9
    assert np.isfinite(closed["exit_price"]).all()
