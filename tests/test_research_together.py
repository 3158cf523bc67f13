"""Several strategies on one account from a notebook: one call, one account, one result for all."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.backtest.play import frame
from workbench import research
from workbench.backtest.costs import FREE
from workbench.domain.errors import InputError
from workbench.risk.limits import Limits

UP = (1000.0, 1001.0, 1000.0, 1001.0)
HIGH = (1010.0, 1010.0, 1010.0, 1010.0)
FALL = (990.0, 990.0, 990.0, 990.0)
LONG = """
name: {name}
roots: [{root}]
timeframe: 1m
entry: {{long: "close > {level}"}}
exit: {{long: "close < 1000"}}
"""


def test_money_of_all_is_the_sum_and_trades_are_told_apart(tmp_path: Path) -> None:
    mes, mnq = LONG.format(name="a", root="MES", level=1000), LONG.format(name="b", root="MNQ", level=1005)
    bars = {"MESU25": frame([UP, HIGH, FALL, FALL]), "MNQU25": frame([UP, HIGH, HIGH, FALL, FALL])}
    both = research.backtest([mes, mnq], bars, costs=FREE, home=tmp_path)
    # MES enters at 1010 and leaves at 990 at 5 USD a point: -100. MNQ enters at 1010, leaves at 990 at 2 USD: -40
    assert [each.stats["net_usd"] for each in both] == [-100.0, -40.0]
    assert both.stats["net_usd"] == -140.0
    assert both.stats["trades"] == 2
    assert both.stats["max_drawdown_usd"] == 140.0
    assert both.equity["equity_usd"].tolist() == [0.0, 0.0, -100.0, -140.0, -140.0]
    assert both.equity["held"].tolist() == [0, 1, 2, 1, 0]
    assert both.trades[["strategy", "contract"]].values.tolist() == [
        ["a", "CON.F.US.MES.U25"],
        ["b", "CON.F.US.MNQ.U25"],
    ]
    assert "2 strategies on one account" in repr(both)


def test_the_limit_of_the_account_is_shared(tmp_path: Path) -> None:
    early, late = LONG.format(name="a", root="MES", level=1000), LONG.format(name="b", root="MNQ", level=1000)
    late = late.replace('"close > 1000"', '"close > 1000 and close[1] < 1000"')
    bars = {"MES": frame([UP, HIGH, FALL, FALL, UP, UP, UP]), "MNQ": frame([UP, UP, FALL, FALL, UP, UP, UP])}
    limits = Limits(daily_loss_usd=Decimal(50))
    alone = research.backtest(late, bars["MNQ"], contract="MNQ", costs=FREE, limits=limits, home=tmp_path)
    both = research.backtest([early, late], bars, costs=FREE, limits=limits, home=tmp_path)
    assert alone.stats["refused"] == 0
    assert both[1].stats["refused"] == 1, "what the first lost ends the entries of the second"


def test_what_belongs_to_one_strategy_is_refused_for_several(tmp_path: Path) -> None:
    mes = LONG.format(name="a", root="MES", level=1000)
    with pytest.raises(InputError, match="of their own"):
        research.backtest([mes], contract="MES", home=tmp_path)
    with pytest.raises(InputError, match="root or contract"):
        research.backtest([mes], frame([UP, UP]), home=tmp_path)
    with pytest.raises(InputError, match="nothing for a"):
        research.backtest([mes], {"MNQ": frame([UP, UP])}, home=tmp_path)
