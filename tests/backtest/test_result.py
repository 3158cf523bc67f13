"""What a result shows of a run that was written down by hand: frames, groups, alarms, pictures, the portfolio."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.play import MES, enter
from tests.rules.build import strategy_text
from workbench.backtest.curve import Curve, curve, drawdown, trading_dates
from workbench.backtest.page import page
from workbench.backtest.played import (
    NO_LEVEL,
    RULES,
    AccountDays,
    AccountPlayed,
    Fills,
    Orders,
    Played,
    fills_of,
    orders_of,
)
from workbench.backtest.prepared import Prepared
from workbench.backtest.result import Result
from workbench.backtest.series import Series, series
from workbench.backtest.static import Picture, steps
from workbench.backtest.thin import candles, largest, turning_points
from workbench.domain.clock import MINUTE
from workbench.domain.errors import UnknownName
from workbench.domain.hours import at_local
from workbench.domain.order import OrderType
from workbench.domain.timeframe import timeframe
from workbench.rules import parse_strategy

STRATEGY = enter()
FEE_E4 = 6_200


def bars_at(stamps: list[int], closes: list[int]) -> Series:
    """One-minute bars of MES; prices in ticks, each bar from the close before to its own."""
    close = np.array(closes, dtype=np.float64) * 0.25
    open_ = np.concatenate([close[:1], close[:-1]])
    columns = {"open": open_, "high": np.maximum(open_, close), "low": np.minimum(open_, close), "close": close}
    ts = pl.Series(stamps, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
    return series(pl.DataFrame({"ts": ts, **columns, "volume": [10] * len(stamps)}), MES, timeframe("1m"))


def run(bars: Series, *rows: tuple[int, int, int, str], **more: object) -> Result:
    """A run with fills (bar, contracts, ticks, rule) at the opens of bars, one market order each."""
    codes = [RULES.index(rule) for *_, rule in rows]
    fills = fills_of(
        [
            (int(bars.starts[bar]), bar, i + 1, qty, ticks, abs(qty) * FEE_E4)
            for i, (bar, qty, ticks, _) in enumerate(rows)
        ]
    )
    orders = orders_of(
        [
            (
                *(i + 1, int(bars.starts[bar]) - 1, int(OrderType.MARKET), 1 if qty > 0 else -1, abs(qty)),
                *(NO_LEVEL, NO_LEVEL, 1, NO_LEVEL, codes[i], 0),
            )
            for i, (bar, qty, _, _) in enumerate(rows)
        ]
    )
    return Result(STRATEGY, bars, Played(fills=fills, orders=orders, **more))  # type: ignore[arg-type]


def minutes(day: date, clock: str, count: int) -> list[int]:
    return [at_local(day, clock) + i * MINUTE for i in range(count)]


TUESDAY, EVENING = date(2025, 9, 2), date(2025, 9, 30)
# ten bars before the close of 2 September, five from 17:00 on (3 September), ten on 1 October
STAMPS = [*minutes(TUESDAY, "15:48", 10), *minutes(TUESDAY, "17:00", 5), *minutes(date(2025, 10, 1), "09:00", 10)]
BARS = bars_at(STAMPS, [4000, 4004, 4008, 4006, 4002, 4000, 3996, 4000, 4004, 4008, *[4010] * 5, *[4020] * 10])
FILLS = (
    (1, 1, 4000, "entry.long"),
    (3, -1, 4008, "exit.long"),  # +8 ticks = 10.00, costs 1.24
    (8, -2, 4000, "entry.short"),
    (12, 2, 4010, "flat_by"),  # −20 ticks = −25.00, costs 2.48, held over the evening's open
    (20, 1, 4020, "entry.long"),  # open at the end, at its entry price
)
RESULT = run(BARS, *FILLS)


def test_trades_are_rows_with_prices_money_rules_and_excursions() -> None:
    trades = RESULT.trades
    assert list(trades["gross_usd"]) == [10.0, -25.0, 0.0]
    assert list(trades["net_usd"]) == [8.76, -27.48, -0.62]
    assert list(trades["side"]) == ["long", "short", "long"] and list(trades["qty"]) == [1, 2, 1]
    assert list(trades["rule"]) == ["entry.long", "entry.short", "entry.long"]
    assert list(trades["exit_rule"]) == ["exit.long", "flat_by", ""]
    assert list(trades["entry_price"]) == [1000.0, 1000.0, 1005.0]
    assert list(trades["exit_price"][:2]) == [1002.0, 1002.5] and np.isnan(trades["exit_price"][2])
    assert trades["exit_at"].isna().tolist() == [False, False, True]
    # long over bars 1 and 2 (4000 … 4008); short over 8 … 11 (4000 … 4010), two contracts
    assert list(trades["mae_usd"]) == [0.0, -25.0, 0.0] and list(trades["mfe_usd"]) == [10.0, 0.0, 0.0]
    assert list(trades["bars"]) == [2, 4, 0]


def test_orders_are_rows_with_levels_and_fills() -> None:
    leg = (3, 0, int(OrderType.STOP), -1, 1, NO_LEVEL, 3990, 2, 1, 0, 1)
    orders = orders_of([(1, 5, 2, 1, 1, NO_LEVEL, NO_LEVEL, 1, NO_LEVEL, 1, 0), leg])
    fills = fills_of([(int(BARS.starts[2]), 2, 1, 1, 4008, 0)])
    frame = Result(STRATEGY, BARS, Played(fills=fills, orders=orders)).orders
    assert list(frame["type"]) == ["market", "stop"] and list(frame["side"]) == ["buy", "sell"]
    assert frame["stop_price"][1] == 997.5 and np.isnan(frame["stop_price"][0])
    assert list(frame["status"]) == ["filled", "canceled"] and list(frame["moved"]) == ["", "trail"]
    assert frame["fill_price"][0] == 1002.0 and frame["filled_at"].isna().tolist() == [False, True]
    assert frame["parent_id"].isna().tolist() == [True, False] and frame["parent_id"][1] == 1
    assert Result(STRATEGY, BARS, Played(fills=fills_of([]), orders=orders_of([]))).orders.empty


def test_days_and_months_add_up_to_the_net_profit() -> None:
    daily = RESULT.daily
    assert [str(day.date()) for day in daily.index] == ["2025-09-02", "2025-09-03", "2025-10-01"]
    # 2 September ends at 4008: 8.76, and short 2 from 4000 at 4008: −20.00 − 1.24
    assert list(daily["net_usd"]) == [-12.48, -6.24, -0.62]
    assert list(daily["trades"]) == [1, 1, 0]
    months = RESULT.monthly
    assert list(months.index) == [2025] and months.loc[2025, "Sep"] == pytest.approx(-18.72)
    assert np.isnan(months.loc[2025, "Aug"]) and months.loc[2025, "total"] == pytest.approx(RESULT.stats["net_usd"])


@pytest.mark.parametrize(
    ("what", "labels"),
    [
        ("day", [pd.Timestamp("2025-09-02"), pd.Timestamp("2025-09-03")]),
        ("month", ["2025-09"]),
        ("weekday", ["Tue", "Wed"]),
        ("hour", [15]),
        ("rule", ["entry.long", "entry.short"]),
        ("exit_rule", ["exit.long", "flat_by"]),
        ("side", ["long", "short"]),
    ],
)
def test_groups_hold_the_closed_trades(what: str, labels: list[object]) -> None:
    table = RESULT.by(what)
    assert list(table.index) == labels and table.index.name == what
    assert table["trades"].sum() == 2
    assert table["net_usd"].sum() == pytest.approx(8.76 - 27.48)
    assert table["costs_usd"].sum() == pytest.approx(1.24 + 2.48)


def test_a_group_without_losses_has_no_profit_factor() -> None:
    table = RESULT.by("side")
    assert table["profit_factor"].isna().tolist() == [True, False] and table["profit_factor"]["short"] == 0.0
    assert list(table["win_rate"]) == [1.0, 0.0]
    assert list(RESULT.by("month")["profit_factor"]) == [pytest.approx(8.76 / 27.48)]
    with pytest.raises(UnknownName, match="did you mean weekday"):
        RESULT.by("weekdy")
    assert run(BARS).by("hour").empty


def test_the_capital_is_said_where_the_result_comes_from() -> None:
    assert RESULT.provenance["capital_usd"] == 50_000.0
    assert Result(STRATEGY, BARS, RESULT._played, capital_usd=100_000).stats["net_share"] == pytest.approx(
        RESULT.stats["net_usd"] / 100_000
    )


# --- alarms ---


def names(result: Result) -> set[str]:
    return {alarm.name for alarm in result.alarms}


LONG_BARS = bars_at(minutes(TUESDAY, "08:30", 400), [4000 + i % 7 for i in range(400)])


def trips(nets: list[int], *, bars: Series = LONG_BARS, every: int = 4) -> list[tuple[int, int, int, str]]:
    """Long trades of the given profit in ticks, one bar long, one after another; fills away from the extremes."""
    rows = []
    for i, made in enumerate(nets):
        rows += [(2 + i * every, 1, 9000, "entry.long"), (3 + i * every, -1, 9000 + made, "exit.long")]
    return rows


def test_few_trades_and_missing_costs_are_told() -> None:
    assert "few_trades" in names(RESULT) and "no_costs" not in names(RESULT)
    free = run(LONG_BARS, *trips([4, -4] * 20))
    free._played.fills.fees_e4[:] = 0
    assert names(free) == {"no_costs"}
    assert "nobody trades futures for nothing" in repr(free)


def test_a_plain_result_has_no_alarms() -> None:
    assert names(run(LONG_BARS, *trips([9, -4] * 20))) == set()
    assert "!" not in repr(run(LONG_BARS, *trips([9, -4] * 20)))


def test_one_trade_and_one_day_that_make_the_profit_are_told() -> None:
    result = run(LONG_BARS, *trips([300, *[4, -4] * 20]))
    found = {alarm.name: alarm for alarm in result.alarms}
    assert found["one_trade"].value == pytest.approx((375 - 1.24) / float(result.stats["net_usd"] or 0))
    assert "what is left without it?" in found["one_trade"].text
    # all bars lie on one day: then the day says nothing
    assert "one_day" not in found
    days = bars_at([*minutes(TUESDAY, "08:30", 200), *minutes(date(2025, 9, 4), "08:30", 200)], [4000] * 400)
    assert "one_day" in names(run(days, *trips([30, -20] * 20), (399, 1, 4000, "entry.long")))


def test_many_winners_and_huge_ratios_are_told() -> None:
    assert {"win_rate", "profit_factor"} <= names(run(LONG_BARS, *trips([*[20] * 39, -5])))
    assert "win_rate" not in names(run(LONG_BARS, *trips([*[20] * 35, *[-5] * 5])))


def test_sharpe_above_four_is_told() -> None:
    days = [date(2025, 9, 2), *(date(2025, 9, d) for d in (3, 4, 5, 8, 9, 10, 11, 12, 15, 16, 17, 18, 19, 22, 23, 24))]
    days += [date(2025, 9, d) for d in (25, 26, 29, 30)]
    bars = bars_at([stamp for day in days for stamp in minutes(day, "09:00", 8)], [4000] * 8 * len(days))
    rows = [fill for i in range(len(days)) for fill in trips([40 + i, -10 - 2 * i])]
    moved = [(8 * (i // 4) + 2 + i % 4, *fill[1:]) for i, fill in enumerate(rows)]
    result = run(bars, *moved)
    assert float(result.stats["sharpe"] or 0) > 4 and "sharpe" in names(result)


def test_fills_at_the_good_end_of_their_bars_are_told() -> None:
    ends = bars_at(minutes(TUESDAY, "08:30", 400), [4000 + 10 * (i % 2) for i in range(400)])
    rows = (
        [(4 + 8 * i, 1, 4000, "entry.long") for i in range(20)],
        [(6 + 8 * i, -1, 4010, "exit.long") for i in range(20)],
    )
    lucky = sorted([*rows[0], *rows[1]])
    assert "extreme_fills" in names(run(ends, *lucky))
    unlucky = [(bar, qty, 8010 - ticks, rule) for bar, qty, ticks, rule in lucky]
    assert "extreme_fills" not in names(run(ends, *unlucky))


def test_profit_from_thin_hours_and_one_side_and_costs_are_told() -> None:
    stamps = [*minutes(TUESDAY, "08:30", 200), *minutes(date(2025, 9, 2), "19:00", 200)]
    thin = replace(bars_at(stamps, [4000] * 400), volume=np.array([100] * 200 + [1] * 200))
    rows = trips([*[-2] * 20, *[9] * 20], every=9)
    assert "thin_hours" in names(run(thin, *rows)) and "thin_hours" not in names(run(LONG_BARS, *rows))
    assert "cost_share" in names(run(LONG_BARS, *trips([4, -2] * 20)))
    eaten = run(LONG_BARS, *trips([4, -3] * 20))  # 25.00 before costs of 49.60
    assert "take 198% of gross profit, so nothing is left" in repr(eaten)
    both = [(b, -q if i % 4 > 1 else q, t, r) for i, (b, q, t, r) in enumerate(trips([9, 1] * 20))]
    assert "one_side" in names(run(LONG_BARS, *both))


def test_bars_of_closed_hours_are_told() -> None:
    # the exchange is closed from 16:00 to 17:00 Chicago: 9 of 400 minutes are told, 8 are not yet
    for closed, expected in ((8, set()), (9, {"closed_hours"})):
        stamps = [*minutes(TUESDAY, "09:00", 400 - closed), *minutes(TUESDAY, "16:00", closed)]
        assert names(run(bars_at(stamps, [4000] * 400), *trips([9, -4] * 20))) == expected


def test_a_position_that_is_hardly_ever_held_is_told() -> None:
    assert "exposure" in names(run(LONG_BARS, *trips([5])))


def test_a_broken_account_is_told() -> None:
    at = int(LONG_BARS.starts[10])
    days = AccountDays(np.array([at]), np.array([1_500_000_000]), np.array([1_455_000_000]))
    # 20 × 5 ticks × 1.25 less 40 × 1.24: it ended 75.40 above its 150,000
    account = AccountPlayed("Topstep 150K", days, ((at, "max_loss"),), 1_500_754_000, 0, failed_at=at)
    result = run(LONG_BARS, *trips([9, -4] * 20), account=account)
    assert (
        names(result) == {"account"}
        and "max_loss broke 1 ×, first 2025-09-02 08:40 Chicago; the account ended" in result.alarms[0].text
    )
    assert result.capital_usd == 150_000.0  # the programme's


def test_the_level_of_the_firm_is_in_the_frame_and_in_the_pictures() -> None:
    days = AccountDays(LONG_BARS.starts[[10, 200]], np.array([500_000_000] * 2), np.array([480_000_000, 481_000_000]))
    account = AccountPlayed("Topstep 50K", days, (), 500_754_000, 481_000_000)
    result = run(LONG_BARS, *trips([9, -4] * 20), account=account)
    frame = result.account
    assert frame is not None and list(frame["floor_usd"]) == [48_000.0, 48_100.0, 48_100.0]
    assert list(frame["balance_usd"]) == [50_000.0, 50_000.0, 50_075.4]
    level = next(trace for trace in result.plot().data if trace.name == "maximum loss")
    assert list(level.y) == [-2000.0, -1900.0, -1900.0]
    picture = result.plot(static=True)
    assert "stroke-dasharray" in picture and ET.fromstring(picture).tag.endswith("svg")
    assert RESULT.account is None and "stroke-dasharray" not in RESULT.plot(static=True)
    assert result.plot(start="2025-09-02 15:00").data and result.plot(static=True, start="2025-09-02 15:00")


# --- pictures and pages ---


def test_a_page_holds_tables_alarms_and_what_it_comes_from_and_no_address() -> None:
    text = page(RESULT, static=True)
    assert "<svg" in text and "<script" not in text and len(text) < 100_000
    for part in ("few_trades", "Where it came from", "By weekday", "exit.long", "capital_usd", "Sep"):
        assert part in text
    assert "nan" not in text.replace("Provenance", "") and "NaT" not in text
    assert not re.search(r"""(src|href)=["']http""", text)
    assert "No closed trades" in page(run(BARS), static=True)


def test_the_plotly_page_has_its_script_inside() -> None:
    text = page(RESULT)
    assert "Plotly.newPlot" in text and not re.search(r"<script[^>]+src=", text)


def test_the_static_picture_is_svg_with_every_trade() -> None:
    picture = RESULT.plot(static=True)
    assert isinstance(picture, Picture) and picture._repr_svg_() == picture
    root = ET.fromstring(picture)
    assert root.tag.endswith("svg")
    paths = [element.get("d", "") for element in root.iter() if element.tag.endswith("path")]
    assert sum(path.count("h7.2z") for path in paths) == 3  # entries
    assert sum(path.count("m0-6l-6 6") for path in paths) == 2  # exits
    numbers = [float(x) for path in paths for x in re.findall(r"-?\d+\.?\d*", path)]
    assert numbers and all(np.isfinite(numbers)) and max(numbers) <= 1000
    ET.fromstring(run(BARS).plot(static=True))


def test_a_stretch_can_be_looked_at() -> None:
    figure = RESULT.plot(start="2025-10-01", end="2025-10-02")
    assert len(figure.data[0].x) == 10
    part = RESULT.plot(static=True, start="2025-09-02 20:00", end="2025-09-02 20:54")
    assert part.count("h7.2z") == 1 and part.count("m0-6l-6 6") == 1
    assert RESULT.plot(start="2026-01-01").data is not None
    ET.fromstring(RESULT.plot(static=True, start="2026-01-01"))


def test_a_long_run_is_thinned_but_keeps_its_extremes() -> None:
    steps_ = np.random.default_rng(3).integers(-3, 4, 20_000).cumsum() + 8000
    steps_[12_345] = 9999
    close = steps_.astype(np.float64)
    made = candles((close, close + 1, close - 1, close), 1500)
    assert len(made.first) <= 1500 and made.high.max() == 10_000 and made.low.min() == close.min() - 1
    points = turning_points(close, 4000)
    assert len(points) <= 4000 + 4 and close[points].max() == 9999 and close[points].min() == close.min()


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=400), st.integers(4, 60))
def test_turning_points_keep_ends_and_extremes(values: list[int], most: int) -> None:
    made = np.array(values)
    points = turning_points(made, most)
    assert list(points) == sorted(set(points)) and points[0] == 0 and points[-1] == len(values) - 1
    assert made[points].max() == made.max() and made[points].min() == made.min()
    assert len(points) <= max(most, len(values) if len(values) <= most else most) + 4
    sizes = np.abs(made.astype(np.float64))
    kept = largest(sizes, most)
    assert len(kept) == min(most, len(values))
    assert np.sort(sizes[kept])[::-1].tolist() == sorted(sizes, reverse=True)[:most]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 8))
def test_axis_steps_are_round_and_inside(low: float, span: float, count: int) -> None:
    found = steps(low, low + span, count)
    assert 1 <= len(found) <= 2 * count + 2
    assert all(low - 1e-6 <= value <= low + span + 1e-6 for value in found)


# --- the curve ---


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(-4, 4).filter(bool)), max_size=20), st.integers(0, 10**6))
def test_the_curve_is_cash_and_the_position_at_each_close(rows: list[tuple[int, int]], seed: int) -> None:
    close = np.random.default_rng(seed).integers(-50, 50, 61).cumsum() + 4000
    bars = bars_at(minutes(TUESDAY, "08:30", 61), close.tolist())
    fills = [(bar, qty, int(bars.ticks[0][bar]), "entry.long") for bar, qty in sorted(rows)]
    result = run(bars, *fills)
    found = curve(result._played.fills, bars)
    for i in range(61):
        done = [fill for fill in fills if fill[0] <= i]
        held = sum(qty for _, qty, _, _ in done)
        ticks = held * int(close[i]) - sum(qty * ticks for _, qty, ticks, _ in done)
        assert found.position[i] == held
        assert found.equity_e4[i] == ticks * 12_500 - FEE_E4 * sum(abs(qty) for _, qty, _, _ in done)
    # and the last point is what the trades made, the open one at the last close
    nets = result.trades["net_usd"].sum()
    assert result.stats["net_usd"] == found.equity_e4[-1] / 10_000
    if found.position[-1] == 0:
        assert nets == pytest.approx(found.equity_e4[-1] / 10_000)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=40), st.integers(1, 5))
def test_drawdowns_agree_with_a_walk_along_the_curve(steps_: list[int], a_day: int) -> None:
    equity = np.cumsum(steps_) * 10_000
    day = np.arange(len(equity)) // a_day
    edges = np.append(np.flatnonzero(np.diff(day, prepend=-1)), len(equity))
    found = drawdown(Curve(np.zeros_like(equity), equity, edges, np.unique(day)), 100.0)
    peak, since, deep, share, under, spans = 0, 0, 0, 0.0, 0, [0]
    for i, value in enumerate(equity.tolist()):
        if value >= peak:
            if i and equity[i - 1] < peak:
                spans.append(int(day[i]) - since)
            peak, since = value, int(day[i])
        else:
            under += 1
            deep, share = max(deep, peak - value), max(share, (peak - value) / (peak + 1_000_000))
            if i == len(equity) - 1:
                spans.append(int(day[i]) - since)
    assert (found.usd, found.under_water) == (deep / 10_000, pytest.approx(under / len(equity)))
    assert found.share == pytest.approx(share) and found.longest_days == max(spans)
    assert found.days in spans


def test_trading_dates_of_bars_are_those_of_the_exchange() -> None:
    edges, rows = trading_dates(BARS)
    assert list(edges) == [0, 10, 15, 25]
    assert [str(day) for day in BARS.hours.dates[rows]] == ["2025-09-02", "2025-09-03", "2025-10-01"]
    assert list(np.unique(BARS.hours.session_index(BARS.starts))) == list(rows)


# --- vectorbt ---


@pytest.mark.slow
def test_the_portfolio_of_vectorbt_is_worth_the_same_to_the_cent() -> None:
    portfolio = RESULT.portfolio
    assert portfolio.final_value() == pytest.approx(50_000 + float(RESULT.stats["net_usd"] or 0), abs=0.005)
    assert len(portfolio.orders.records) == len(FILLS)
    value = portfolio.value()
    assert value.index.is_unique and value.index.is_monotonic_increasing
    closes = value.reindex(RESULT.equity.index)
    assert np.allclose(closes, 50_000 + RESULT.equity["equity_usd"], atol=0.005)
    assert portfolio.trades.records["pnl"].sum() == pytest.approx(RESULT.stats["net_usd"], abs=0.005)
    assert portfolio.init_cash == 50_000.0
    assert isinstance(portfolio.max_drawdown(), float)


def test_equal_fills_make_equal_results() -> None:
    assert isinstance(RESULT._played.fills, Fills) and isinstance(RESULT._played.orders, Orders)
    assert run(BARS, *FILLS).trades.equals(RESULT.trades)


# --- against the lean account of a sweep ---


@pytest.mark.parametrize("seed", range(6))
def test_what_a_sweep_keeps_of_a_run_is_what_its_result_says(seed: int) -> None:
    close = np.random.default_rng(seed).integers(-6, 7, 900).cumsum() + 4000
    stamps = [stamp for day in (2, 3, 4) for stamp in minutes(date(2025, 9, day), "08:30", 300)]
    text = strategy_text(
        entry="{long: 'cross_above(sma(close, 3), sma(close, 8))', short: 'cross_below(sma(close, 3), sma(close, 8))'}",
        stop="{ticks: 12}",
        target="{ticks: 20}",
        trading="{flat_by: '13:00'}",
    )
    strategy, prepared = parse_strategy(text), Prepared(series=bars_at(stamps, close.tolist()))
    result, lean = Result(strategy, prepared.series, prepared.run(strategy)), prepared.summarise(strategy)
    values, nets = result.stats, result.trades.dropna(subset=["exit_at"])["net_usd"]
    assert lean.trades == values["trades"] and lean.trades > 20
    assert lean.wins == (nets > 0).sum()
    assert (lean.won_usd, lean.lost_usd) == (pytest.approx(nets[nets > 0].sum()), pytest.approx(nets[nets < 0].sum()))
    assert lean.trade_sum_sq == pytest.approx((nets**2).sum())
    for name in ("net_usd", "costs_usd", "max_drawdown_usd"):
        assert getattr(lean, name) == pytest.approx(values[name]), name
    assert lean.exposure_bars == round(float(values["exposure"] or 0) * len(prepared.series))
    assert lean.daily.tolist() == pytest.approx(result.daily["net_usd"].tolist())
    assert lean.refused == values["refused"]
