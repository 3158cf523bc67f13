"""Trades and reviews from journals: figures by hand, the difference to the replay to the cent."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.services.test_session_replay import MES, OPEN, recorded
from workbench.backtest.decisions import FILL_PRICE, SIGNAL, Difference, Run, Trip
from workbench.domain.clock import MINUTE
from workbench.domain.contract import spec
from workbench.domain.errors import InputError, UnknownName
from workbench.domain.position import Fill
from workbench.services.live_difference import BY_HAND, difference
from workbench.services.report_day import session_day
from workbench.services.report_stored import stored_data
from workbench.services.report_trades import read_sessions, summed, trades_of
from workbench.services.report_week import week
from workbench.services.session_replay import SessionReplayed, replay_session
from workbench.storage.home import Home

__all__ = ["recorded"]


def fill(number: int, qty: int, ticks: int, fees: str = "0") -> Fill:
    return Fill(
        trade_id=number, order_id=number, account=1, contract=MES, qty=qty, ticks=ticks, at=number, fees=Decimal(fees)
    )


def test_a_trade_goes_from_flat_to_flat_with_average_prices_and_all_its_fees() -> None:
    # 2 bought at 100 and 104 ticks, sold at 110: (110 - 102) x 2 ticks of 1.25 USD = 20 USD
    made = trades_of("s", [fill(1, 1, 100, "0.5"), fill(2, 1, 104, "0.5"), fill(3, -2, 110, "1")], spec(MES))
    assert len(made) == 1
    assert (made[0].qty, made[0].gross_usd, made[0].fees_usd, made[0].net_usd) == (2, 20, 2, 18)
    assert (made[0].entry_price, made[0].exit_price) == (25.5, 27.5)


def test_a_fill_that_turns_the_position_over_ends_one_trade_and_begins_the_next() -> None:
    # long 1 at 100, sold 3 at 90: -10 ticks; short 2 from 90, bought back at 80: +20 ticks; fees go with the contracts
    made = trades_of("s", [fill(1, 1, 100), fill(2, -3, 90, "3"), fill(3, 2, 80)], spec(MES))
    assert [(t.qty, t.gross_usd, t.fees_usd) for t in made] == [(1, Decimal("-12.5"), 1), (-2, 25, 2)]


def test_an_open_trade_has_no_exit_and_counts_in_no_average() -> None:
    made = trades_of("s", [fill(1, 1, 100, "1"), fill(2, -1, 104, "1"), fill(3, 1, 100, "1")], spec(MES))
    s = summed(made)
    assert made[1].exit_at is None and made[1].exit_price is None
    assert (s["trades"], s["open"], s["net_usd"], s["average_usd"]) == (1, 1, 3.0, 3.0)  # 4 ticks x 1.25 - 2
    assert s["fees_usd"] == 3.0 and s["win_rate"] == 1.0 and s["profit_factor"] is None
    assert summed([])["win_rate"] is None


def test_the_journal_gives_the_same_money_as_the_replay_of_the_session(recorded: Home) -> None:
    facts = read_sessions(recorded)["s1"]
    done = replay_session(recorded, "s1")
    over = [t for t in facts.trades if t.exit_at is not None]
    assert len(over) > 10 and all(t.entry_rule.startswith("entry.") and t.exit_rule for t in over)
    assert sum((t.net_usd for t in facts.trades), Decimal(0)) == done.live.net_usd
    if not facts.trades[-1].exit_at:
        return
    assert facts.equity[-1][1] == pytest.approx(float(done.live.net_usd), abs=0.005)


def test_a_day_tells_money_equity_orders_limits_and_the_difference(recorded: Home) -> None:
    day = session_day(recorded)
    assert day.date == date(2026, 11, 23) and day.facts.name == "s1"
    assert "Monday 23 November 2026" in day.headline
    assert "Live − replay" in day.tiles() and "polyline" in day.equity_chart()
    assert "daily loss" in day.headroom_table() and "filled" in day.order_table()
    assert "Not one: the same decisions" in day.difference_table()
    told = day.provenance()
    assert told["strategy"].startswith("sma") or "@" in told["strategy"]
    assert len(told["data"]) >= 16 and told["trading_date"] == "2026-11-23"


def test_a_day_or_session_that_is_not_there_is_said_with_what_there_is(recorded: Home, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="s1"):
        session_day(recorded, "s2")
    with pytest.raises(InputError, match="did not run on 2026-11-20; it ran on 2026-11-23"):
        session_day(recorded, day="2026-11-20")
    with pytest.raises(InputError, match="write it as 2026-11-23"):
        session_day(recorded, day="yesterday")
    with pytest.raises(InputError, match="no session has run yet"):
        session_day(Home(tmp_path / "other"))


def test_without_recorded_market_the_day_is_told_and_the_comparison_says_why_not(recorded: Home) -> None:
    import shutil

    shutil.rmtree(recorded.market)
    day = session_day(recorded)
    assert "There is no comparison" in day.cause_table() and len(day.trades) > 10


def test_a_week_sums_up_by_version_and_by_date(recorded: Home) -> None:
    made = week(recorded)
    s = summed([t for _, t in made.trades])
    assert list(made.by_date()) == [date(2026, 11, 23)]
    assert made.by_date()[date(2026, 11, 23)] == pytest.approx(sum(float(t.net_usd) for _, t in made.trades))
    assert made.strategies[0].gap_usd == 0 and f"{s['trades']} trades" in made.headline
    for part in (made.tiles(), made.strategy_table(), made.cause_table(), made.hour_chart(), made.rule_table()):
        assert part.startswith("<")
    with pytest.raises(InputError, match="no session ran from 2026-11-09 to 2026-11-13"):
        week(recorded, "2026-11-13", 5)


def test_stored_data_is_judged_against_the_calendar(recorded: Home) -> None:
    made = stored_data(recorded)
    assert [(s.timeframe, s.share) for s in made.series] == [("1m", 1.0)]
    assert "✓ whole" in made.series_table() and "None: every bar" in made.gap_table()
    with pytest.raises(InputError, match="no bars of NQ"):
        stored_data(recorded, "NQ")


# --- the difference of a stretch ---


def trip(bar: int, usd: int, at: int = 0) -> Trip:
    return Trip(
        bar=bar, qty=1, entry_ticks=Decimal(0), exit_ticks=Decimal(1), entry_at=at or bar, exit_at=bar + 5,
        exit_bar=bar, gross_usd=Decimal(usd), fees_usd=Decimal(0),
    )  # fmt: skip


def test_the_difference_of_a_date_is_its_own_and_what_no_bar_decided_is_named() -> None:
    live = Run(trips=[trip(10, 5), trip(110, 7), trip(0, 3, at=120)])
    again = Run(trips=[trip(10, 6), trip(110, 9)])
    rows = (Difference(bar=10, cause=FILL_PRICE, text="a", usd=Decimal(-1)),
            Difference(bar=110, cause=FILL_PRICE, text="b", usd=Decimal(-2)),
            Difference(bar=0, cause=SIGNAL, text="c", usd=Decimal(3)))  # fmt: skip
    done = SessionReplayed(session="s", source="prints", live=live, again=again, bars=9, late=0, filled=rows)
    first, second = difference(done, 0, 100), difference(done, 100, 200)
    assert (first.usd, second.usd) == (-1, 1)
    assert [r.text for r in first.rows] == ["a"] and [r.text for r in second.rows] == ["b", BY_HAND]
    assert second.by_cause()["signal"] == (3, 1) and second.by_cause()["fee"] == (0, 0)
    assert sum((usd for usd, _ in second.by_cause().values()), Decimal(0)) == second.usd
    assert OPEN % MINUTE == 0
