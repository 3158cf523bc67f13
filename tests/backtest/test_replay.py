"""The event engine: the live step over bars, in dollars calculated by hand (MES: a tick of 0.25 is 1.25 USD)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from tests.backtest.play import MES, QUIET, Bar, clock, enter, frame, play
from tests.rules.build import strategy_text
from workbench.backtest.costs import FREE, Costs
from workbench.backtest.prepared import Prepared
from workbench.backtest.replay import Replay
from workbench.backtest.result import Result
from workbench.backtest.series import series
from workbench.domain.clock import MINUTE
from workbench.domain.hours import at_local
from workbench.domain.timeframe import timeframe
from workbench.risk.limits import Limits
from workbench.rules import parse_strategy

UP = (1000, 1001, 1000, 1001)  # closes above 1000: the long strategy enters at the next open
DOWN = (1000, 1000, 999, 999)


def only(result: Result) -> Any:
    """Return the one trade of a result."""
    assert len(result.trades) == 1
    return result.trades.iloc[0]


def test_the_signal_of_a_bar_fills_at_the_next_open() -> None:
    trade = only(play(enter(), [UP, (1002, 1003, 1001, 1003), (1003, 1003, 1003, 1003)]))
    assert trade.entry_price == 1002.0
    assert trade.entry_at == clock("13:31:00")
    assert trade.side == "long" and trade.rule == "entry.long"
    assert trade.exit_rule == "" and trade.net_usd == 0


def test_a_winner_in_dollars() -> None:
    # in at 1002, target 8 ticks above = 1004: 8 × 1.25 = 10.00 USD
    result = play(enter(target="{ticks: 8}"), [UP, (1002, 1003, 1001, 1003), (1003, 1005, 1003, 1004), QUIET])
    trade = only(result)
    assert (trade.exit_price, trade.gross_usd, trade.exit_rule) == (1004.0, 10.0, "target")
    assert result.stats["net_usd"] == 10.0
    assert list(result.equity["equity_usd"]) == [0.0, 5.0, 10.0, 10.0]
    assert list(result.equity["position"]) == [0, 1, 0, 0]


def test_a_loser_in_dollars_with_slippage_and_costs() -> None:
    # market at the open 1002 + 1 tick = 1002.25; stop 8 ticks below = 1000.25, filled one tick lower = 1000.00:
    # 9 ticks × 1.25 = 11.25 lost, twice 0.62 in costs
    result = play(
        enter(stop="{ticks: 8}"), [UP, (1002, 1003, 1001, 1003), (1002, 1002, 998, 999), QUIET], costs=Costs()
    )
    trade = only(result)
    assert (trade.entry_price, trade.exit_price, trade.exit_rule) == (1002.25, 1000.0, "stop")
    assert (trade.gross_usd, trade.costs_usd, trade.net_usd) == (-11.25, 1.24, -12.49)
    assert result.stats["net_usd"] == -12.49
    assert result.stats["gross_usd"] == pytest.approx(-11.25)


def test_a_short_is_the_mirror() -> None:
    # out of 998 at 996.00: 8 ticks, 10 USD
    bars = [DOWN, (998, 999, 997.5, 998), (998, 998, 995, 996), QUIET]
    trade = only(play(enter("short", stop="{ticks: 12}", target="{ticks: 8}"), bars))
    assert (trade.side, trade.entry_price, trade.exit_price, trade.gross_usd) == ("short", 998.0, 996.0, 10.0)


def test_a_gap_through_the_stop_fills_at_the_open() -> None:
    trade = only(play(enter(stop="{ticks: 8}"), [UP, (1002, 1003, 1001, 1003), (990, 992, 988, 991), QUIET]))
    assert (trade.exit_price, trade.gross_usd) == (990.0, -60.0)


def test_stop_and_target_in_one_bar_is_the_stop() -> None:
    made = enter(stop="{ticks: 8}", target="{ticks: 8}")
    trade = only(play(made, [UP, (1002, 1002.5, 1001.5, 1002), (1002, 1006, 998, 1005), QUIET]))
    assert trade.exit_rule == "stop"


def test_stop_and_target_may_fill_in_the_bar_of_the_entry() -> None:
    trade = only(play(enter(stop="{ticks: 8}", target="{ticks: 8}"), [UP, (1002, 1005, 1001, 1004), QUIET]))
    assert trade.exit_rule == "target" and trade.entry_at == clock("13:31:00")


@pytest.mark.parametrize(
    ("side", "first", "bar"),
    [
        ("long", UP, (1002, 1006, 998, 999)),  # falls after a rise: read as it closed, the target would have been first
        ("long", UP, (1002, 1006, 998, 1005)),
        ("short", DOWN, (998, 1002, 994, 1001)),
        ("short", DOWN, (998, 1002, 994, 995)),
    ],
)
def test_stop_and_target_in_the_bar_of_the_entry_is_the_stop_too(side: str, first: Bar, bar: Bar) -> None:
    trade = only(play(enter(side, stop="{ticks: 8}", target="{ticks: 8}"), [first, bar, QUIET]))
    assert trade.exit_rule == "stop"


def test_the_broker_cancels_the_sibling_so_that_nothing_is_left_to_do() -> None:
    made = enter(stop="{ticks: 8}", target="{ticks: 8}")
    data = series(frame([UP, (1002, 1006, 998, 999), QUIET]), MES, timeframe("1m"))
    replay = Replay(Prepared(series=data, costs=FREE), made)
    sent = []
    execute = replay.broker.execute
    replay.broker.execute = lambda command, at: sent.append(type(command).__name__) or execute(command, at)  # type: ignore[method-assign, func-returns-value]
    replay.run()
    assert sent == ["ReadBroker", "Approved"]


def test_the_sibling_of_a_filled_leg_is_cancelled() -> None:
    result = play(enter(stop="{ticks: 8}", target="{ticks: 8}"), [UP, (1002, 1005, 1001, 1004), QUIET])
    assert dict(zip(result.orders["type"], result.orders["status"], strict=True)) == {
        "market": "filled",
        "stop": "canceled",
        "limit": "filled",
    }


def test_a_reversal_is_a_close_and_an_entry_at_the_same_open() -> None:
    made = parse_strategy(
        strategy_text(entry="{long: 'cross_above(close, 1000)', short: 'cross_below(close, 1000)'}", stop="{ticks: 40}")
    )
    bars = [(999, 999, 999, 999), (999, 1001, 999, 1001), (1002, 1002, 999, 999), (998, 998, 997, 998), (998,) * 4]
    result = play(made, bars)
    assert list(result.trades["side"]) == ["long", "short"]
    assert list(result.trades["entry_price"]) == [1002.0, 998.0]
    assert result.trades["exit_price"][0] == 998.0
    assert result.trades["gross_usd"][0] == -16 * 1.25
    assert result.trades["exit_rule"][0] == "entry.short"
    assert list(result.equity["position"]) == [0, 0, 1, -1, -1]
    assert (result.orders["status"] == "canceled").sum() == 1  # the long's stop


def test_flat_by_is_out_in_time() -> None:
    made = parse_strategy(
        strategy_text(entry="{long: 'close > 1000'}", trading="{flat_by: '08:34', max_trades_per_day: 1}")
    )
    trade = only(play(made, [UP, *[(1002, 1002, 1002, 1002)] * 7]))
    assert (trade.exit_rule, trade.exit_at) == ("flat_by", clock("13:34:00"))


def test_the_gate_of_the_account_stands_before_every_order() -> None:
    made = parse_strategy(strategy_text(entry="{long: 'close > 1000'}", sizing="{contracts: 3}"))
    result = play(made, [UP, UP, UP], limits=Limits(max_order_qty=2))
    assert result.trades.empty and result.stats["refused"] == 3
    assert "3 contracts in one order, limit 2" in result.alerts[0][1]


def test_the_daily_loss_ends_the_entries_of_the_day() -> None:
    made = parse_strategy(strategy_text(entry="{long: 'close > 1000'}", stop="{ticks: 8}"))
    bars = [UP, (1002, 1002, 1001.5, 1002), (1002, 1002, 998, 1001), UP, UP]
    free = play(made, bars)
    bound = play(made, bars, limits=Limits(daily_loss_usd=Decimal(5)))
    assert len(free.trades) == 2
    assert len(bound.trades) == 1 and bound.stats["refused"] >= 1


def test_the_same_run_twice_is_the_same() -> None:
    made = enter(stop="{ticks: 8}", target="{ticks: 8}")
    bars = [UP, (1002, 1002.5, 1001.5, 1002), (1002, 1006, 998, 1005), QUIET]
    assert play(made, bars).orders.equals(play(made, bars).orders)


def test_a_run_without_trades_has_numbers_and_reasons() -> None:
    result = play(enter(), [QUIET, QUIET])
    assert result.stats["net_usd"] == 0.0 and result.stats["trades"] == 0
    assert result.stats["win_rate"] is None and result.reasons["win_rate"] == "no closed trades"
    assert result.stats["sharpe_daily"] is None
    assert "0 trades" in result.summary() and "nan" not in result.summary()
    assert result.trades.empty and list(result.trades.columns)[:2] == ["entry_at", "exit_at"]
    assert result.plot().data


def test_the_days_are_trading_dates_and_add_up() -> None:
    # 15:58 and 15:59 belong to Tuesday; 17:00 and later to Wednesday
    made = parse_strategy(strategy_text(entry="{long: 'close > 1000'}", target="{ticks: 8}"))
    evening = at_local(date(2025, 9, 2), "15:57")
    bars = [UP, (1002, 1005, 1000, 1000), UP, (1002, 1002, 1000, 1000), (1002, 1005, 1000, 1000), QUIET]
    stamps = [evening, evening + MINUTE, evening + 2 * MINUTE, *(evening + n * MINUTE for n in (63, 64, 65))]
    data = series(frame(bars).with_columns(ts=pl.Series(stamps).cast(pl.Datetime("ns", "UTC"))), MES, timeframe("1m"))
    result = Result(made, data, Prepared(series=data, costs=FREE).run(made))
    assert [str(day.date()) for day in result.daily.index] == ["2025-09-02", "2025-09-03"]
    assert list(result.daily["trades"]) == [1, 1]
    assert list(result.daily["net_usd"]) == [10.0, 10.0]


def test_a_higher_slippage_never_helps() -> None:
    made = enter(stop="{ticks: 8}", target="{ticks: 12}")
    bars = [UP, (1002, 1003, 1001, 1003), (1003, 1003.5, 996, 998), QUIET]
    nets = [
        play(made, bars, costs=Costs(slippage_ticks=n, fees_usd=0, commissions_usd=0)).stats["net_usd"]
        for n in range(4)
    ]
    assert nets == sorted(nets, reverse=True) and nets[0] > nets[1]
    assert play(made, bars, costs=FREE).stats["net_usd"] == nets[0]
