"""Round trips and statistics, calculated by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from workbench.backtest.costs import Costs
from workbench.backtest.stats import daily_profit, drawdown, sharpe_daily, stats
from workbench.backtest.trades import Trade, round_trips
from workbench.domain.contract import spec
from workbench.domain.errors import InputError
from workbench.domain.position import Fill

MES = spec("MES")


def fill(trade_id: int, qty: int, ticks: int, fees: str = "0") -> Fill:
    return Fill(trade_id=trade_id, order_id=trade_id, account=1, contract="CON.F.US.MES.U25", qty=qty, ticks=ticks,
                at=trade_id, fees=Decimal(fees))  # fmt: skip


def test_adding_averages_and_leaving_in_parts_is_one_trade() -> None:
    # 1 at 100 and 3 at 104 ticks: average 103; out 2 at 106 and 2 at 101: 2×3 + 2×(−2) = 2 ticks × 1.25 = 2.50 USD
    (trade,) = round_trips([fill(1, 1, 100), fill(2, 3, 104), fill(3, -2, 106), fill(4, -2, 101)], {}, MES)
    assert (trade.qty, trade.side) == (4, 1)
    assert trade.entry_price == 103 * 0.25 and trade.exit_price == 103.5 * 0.25
    assert trade.gross_usd == Decimal("2.50")


def test_a_fill_through_zero_ends_one_trade_and_begins_the_next() -> None:
    first, second = round_trips([fill(1, 2, 100, "1.24"), fill(2, -3, 104, "1.86")], {}, MES)
    assert (first.gross_usd, first.costs_usd) == (Decimal(10), Decimal("2.48"))
    assert (second.side, second.qty, second.exit_at, second.costs_usd) == (-1, 1, None, Decimal("0.62"))


def closed(net: str) -> Trade:
    return Trade(side=1, qty=1, entry_at=0, entry_price=0.0, rule="", exit_at=1, exit_price=0.0, gross_usd=Decimal(net))


def test_statistics_of_trades_by_hand() -> None:
    trades = [closed("10"), closed("-4"), closed("6"), closed("-4"), closed("0")]
    equity, flat = np.array([10.0, 6.0, 12.0, 8.0, 8.0]), np.zeros(5, dtype=np.int64)
    found = stats(trades, equity, flat, np.array([1, 1, 2, 2, 3]), Decimal("1.50"), 2)
    v = found.values
    assert (v["trades"], v["win_rate"], v["profit_factor"]) == (5, 0.4, 2.0)
    assert (v["expectancy_usd"], v["average_win_usd"], v["average_loss_usd"]) == (1.6, 8.0, -4.0)
    assert (v["net_usd"], v["gross_usd"], v["costs_usd"], v["refused"]) == (8.0, 9.5, 1.5, 2)
    assert (v["max_drawdown_usd"], v["best_usd"], v["worst_usd"], v["days"]) == (4.0, 10.0, -4.0, 3)
    # days made 6, 2, 0: mean 8/3, deviation √(((6−8/3)² + (2−8/3)² + (0−8/3)²)/2) = 3.0551
    assert v["sharpe_daily"] == pytest.approx(8 / 3 / 3.0550504633 * 252**0.5)
    assert found.reasons == {}


def test_what_is_undefined_says_why() -> None:
    found = stats([closed("3")], np.array([3.0]), np.array([0]), np.array([1]), Decimal(0), 0)
    assert found.values["profit_factor"] is None and found.reasons["profit_factor"] == "no losing trades"
    assert found.values["average_loss_usd"] is None
    assert found.reasons["sharpe_daily"] == "fewer than two trading dates"
    assert sharpe_daily(np.array([1.0, 1.0])) is None
    assert all(value is None or np.isfinite(value) for value in found.values.values())


def test_a_drawdown_begins_at_zero_and_may_never_be_made_good() -> None:
    assert drawdown(np.array([-3.0, -1.0, -7.0]), np.array([1, 2, 3])) == (7.0, 2)
    assert drawdown(np.array([1.0, 2.0]), np.array([1, 2])) == (0.0, 0)
    assert list(daily_profit(np.array([2.0]), np.array([7]))) == [2.0]


@pytest.mark.parametrize(
    ("root", "side_usd"),
    [
        ("MES", "0.62"),
        ("ES", "1.40"),
        ("MYM", "0.62"),
        ("ZB", "1.39"),
        ("MNQ", "0.37"),
        ("CL", "2.02"),
        ("MGC", "0.87"),
    ],
)
def test_the_table_names_fees_and_commissions_per_side(root: str, side_usd: str) -> None:
    assert Costs().per_side(spec(root), date(2025, 9, 2)) == Decimal(side_usd)
    assert Costs().per_side(spec(root), date(2001, 1, 1)) == Decimal(side_usd)  # before the table: its first row


def test_every_product_has_a_cost() -> None:
    from workbench.domain.contract import SPECS

    assert all(Costs().per_side(product, date(2026, 1, 1)) > 0 for product in SPECS.values())


@pytest.mark.parametrize(
    "wrong",
    [
        {"slippage_ticks": -1},
        {"slippage_ticks": 0.5},
        {"fees_usd": -1},
        {"fees_usd": "x"},
        {"commissions_usd": float("nan")},
    ],
)
def test_costs_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Costs(**wrong)  # type: ignore[arg-type]
