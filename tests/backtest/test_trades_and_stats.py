"""Round trips and statistics, calculated by hand."""

from __future__ import annotations

from dataclasses import fields as columns_of
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.backtest.costs import Costs
from workbench.backtest.curve import Curve, drawdown
from workbench.backtest.played import NO_LEVEL, RULES, Fills, Orders, fills_of, orders_of
from workbench.backtest.stats import LEAST_DATES, TradeColumns, growth_a_year, longest_run, stats
from workbench.backtest.trades import Trips, entry_rules, excursions, exit_rules, round_trips
from workbench.domain.contract import spec
from workbench.domain.errors import InputError
from workbench.domain.order import OrderType

TICK_E4 = 12_500  # MES: 1.25 USD
MOVES = ("", "trail", "break_even")


def fills(*rows: tuple[int, int, int]) -> Fills:
    """Fills of (contracts, ticks, fees in 1/10,000 USD), one a bar, each of its own order."""
    return fills_of([(10 * i, i, i + 1, qty, ticks, fees) for i, (qty, ticks, fees) in enumerate(rows)])


def no_orders() -> Orders:
    return orders_of([])


# --- round trips ---


def test_adding_averages_and_leaving_in_parts_is_one_trade() -> None:
    # 1 at 100 and 3 at 104 ticks: average 103; out 2 at 106 and 2 at 101: 2×3 + 2×(−2) = 2 ticks × 1.25 = 2.50 USD
    trips = round_trips(fills((1, 100, 0), (3, 104, 0), (-2, 106, 0), (-2, 101, 0)), TICK_E4)
    assert len(trips) == 1 and (trips.qty[0], trips.side[0]) == (4, 1)
    assert trips.entry_ticks[0] == 103 and trips.exit_ticks[0] == 103.5
    assert trips.gross_e4[0] == 25_000 and trips.closed[0]


def test_a_fill_through_zero_ends_one_trade_and_begins_the_next() -> None:
    trips = round_trips(fills((2, 100, 12_400), (-3, 104, 18_600)), TICK_E4)
    assert list(trips.gross_e4) == [100_000, 0] and list(trips.costs_e4) == [24_800, 6_200]
    assert list(trips.side) == [1, -1] and list(trips.qty) == [2, 1] and list(trips.closed) == [True, False]
    assert np.isnan(trips.exit_ticks[1]) and trips.entry_ticks[1] == 104


def test_an_average_after_an_exit_counts_what_is_still_held() -> None:
    # in 2 at 100, out 1 at 110 (+10), in 1 at 120, out 2 at 130: −200 + 110 − 120 + 260 = +50 ticks
    trips = round_trips(fills((2, 100, 0), (-1, 110, 0), (1, 120, 0), (-2, 130, 0)), TICK_E4)
    assert trips.gross_e4[0] == 50 * TICK_E4
    # still open after the third fill: the exit made 10
    trips = round_trips(fills((2, 100, 0), (-1, 110, 0), (1, 120, 0)), TICK_E4)
    assert trips.gross_e4[0] == 10 * TICK_E4 and not trips.closed[0] and trips.out[0] == 1


def test_a_short_gains_when_the_price_falls() -> None:
    trips = round_trips(fills((-2, 100, 5), (1, 90, 5), (1, 95, 5)), TICK_E4)
    assert trips.side[0] == -1 and trips.gross_e4[0] == 15 * TICK_E4 and trips.costs_e4[0] == 15


def test_no_fills_make_no_trades() -> None:
    assert len(round_trips(fills(), TICK_E4)) == 0
    empty = round_trips(fills(), TICK_E4)
    assert all(len(column) == 0 for column in excursions(empty, no_orders(), np.array([0]), [np.array([1])] * 4))


SOME_FILLS = st.lists(
    st.tuples(st.integers(-5, 5).filter(bool), st.integers(-200, 5_000), st.integers(0, 9_999)), min_size=1, max_size=30
)


@given(SOME_FILLS)
def test_trades_keep_every_contract_and_every_dollar(rows: list[tuple[int, int, int]]) -> None:
    made = fills(*rows)
    trips = round_trips(made, TICK_E4)
    assert trips.costs_e4.sum() == made.fees_e4.sum()
    assert trips.qty.sum() + trips.out.sum() == np.abs(made.qty).sum()
    assert list(trips.closed[:-1]) == [True] * (len(trips) - 1)
    held = int(made.qty.sum())
    assert (trips.qty - trips.out)[-1] == abs(held)
    # closed ones made what their fills took in; an open one is worth its cash and its contracts at their average cost
    cash = -int((made.qty * made.ticks).sum()) * TICK_E4
    if held == 0:
        assert trips.gross_e4.sum() == cash


@given(SOME_FILLS)
def test_columns_agree_with_a_fold_contract_by_contract(rows: list[tuple[int, int, int]]) -> None:
    # first in, first out or average cost: from flat to flat the sum is the same
    expected, cash, held = [], 0, 0
    for qty, ticks, _ in rows:
        for _ in range(abs(qty)):
            one = 1 if qty > 0 else -1
            cash -= one * ticks
            held += one
            if held == 0:
                expected.append(cash * TICK_E4)
                cash = 0
    trips = round_trips(fills(*rows), TICK_E4)
    assert list(trips.gross_e4[trips.closed]) == expected


# --- excursions and rules ---

LEG, MARKET = int(OrderType.STOP), int(OrderType.MARKET)


def order(key: int, kind: int, *, parent: int = NO_LEVEL, rule: int = 0, moved: int = 0) -> tuple[int, ...]:
    return (key, 0, kind, 1, 1, NO_LEVEL, NO_LEVEL, 1, parent, rule, moved)


def path(*bars: tuple[int, int, int, int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Bars of 10 ns from (open, high, low, close)."""
    columns = [np.array(column, dtype=np.int64) for column in zip(*bars, strict=True)]
    return np.arange(len(bars), dtype=np.int64) * 10, columns


BARS = path((100, 105, 95, 101), (101, 112, 98, 103), (103, 104, 90, 100), (100, 101, 80, 100))


def excursion(entry: tuple[int, int], leave: tuple[int, int], kind: int, side: int = 1) -> tuple[float, float]:
    """MAE and MFE of one contract bought (or sold) at (time, ticks) and left at (time, ticks) by an order of `kind`."""
    (t0, p0), (t1, p1) = entry, leave
    made = fills_of([(t0, t0 // 10, 1, side, p0, 0), (t1, t1 // 10, 2, -side, p1, 0)])
    parent = 1 if kind != MARKET else NO_LEVEL
    found = excursions(round_trips(made, TICK_E4), orders_of([order(1, MARKET), order(2, kind, parent=parent)]), *BARS)
    return float(found[0][0]), float(found[1][0])


@pytest.mark.parametrize(
    ("entry", "leave", "kind", "expected"),
    [
        # bar 0 whole (95 … 105), bar 1 whole (98 … 112), out at the open of bar 2 at 103
        ((0, 100), (20, 103), MARKET, (-5, 12)),
        # a stop in bar 2 at 92: that bar counts by its exit
        ((0, 100), (29, 92), LEG, (-8, 12)),
        # a target in bar 1 at 110: the low of that bar (98) came first, bar 0 had 95
        ((0, 100), (19, 110), int(OrderType.LIMIT), (-5, 10)),
        # entered inside bar 0: of it only the close (101) is known to have come after
        ((9, 104), (20, 103), MARKET, (-6, 8)),
        # in and out in one bar, out at a target: its low came first; out at a stop: the exit is the worst
        ((10, 101), (19, 110), int(OrderType.LIMIT), (-3, 9)),
        ((10, 101), (19, 99), LEG, (-2, 0)),
    ],
)
def test_excursions_read_the_bars_as_the_fill_model_does(
    entry: tuple[int, int], leave: tuple[int, int], kind: int, expected: tuple[int, int]
) -> None:
    assert excursion(entry, leave, kind) == expected


def test_excursions_of_a_short_are_mirrored_and_an_open_trade_runs_to_the_end() -> None:
    assert excursion((0, 100), (20, 103), MARKET, side=-1) == (-12, 5)
    made = fills_of([(10, 1, 1, 2, 101, 0)])
    worst, best = excursions(round_trips(made, TICK_E4), orders_of([order(1, MARKET)]), *BARS)
    assert (worst[0], best[0]) == (-42, 22)  # two contracts from 101: down to 80, up to 112


def test_a_trade_says_which_rule_opened_it_and_what_ended_it() -> None:
    long, flat = RULES.index("entry.long"), RULES.index("flat_by")
    orders = orders_of(
        [
            order(1, MARKET, rule=long), order(2, LEG, parent=1), order(3, MARKET, rule=long),
            order(4, int(OrderType.LIMIT), parent=3), order(5, MARKET, rule=long), order(6, LEG, parent=5, moved=1),
            order(7, MARKET, rule=long), order(8, MARKET, rule=flat), order(9, MARKET, rule=long),
        ]
    )  # fmt: skip
    made = fills(*[(1 if i % 2 == 0 else -1, 100, 0) for i in range(9)])
    trips = round_trips(made, TICK_E4)
    assert entry_rules(trips, orders, RULES) == ["entry.long"] * 5
    assert exit_rules(trips, orders, RULES, MOVES) == ["stop", "target", "trail", "flat_by", ""]
    assert entry_rules(trips, no_orders(), RULES) == [""] * 5


# --- curve and statistics ---


def made_curve(equity: list[float], days: list[int], position: list[int] | None = None) -> Curve:
    """A curve of dollars at bars that belong to the numbered days."""
    edges = [i for i, day in enumerate(days) if i == 0 or day != days[i - 1]]
    return Curve(
        position=np.array(position or [0] * len(equity), dtype=np.int64),
        equity_e4=(np.array(equity) * 10_000).astype(np.int64),
        edges=np.array([*edges, len(days)], dtype=np.int64),
        rows=np.arange(len(edges), dtype=np.int64),
    )


def trades_of(*nets: float) -> TradeColumns:
    made = np.array(nets, dtype=np.float64)
    ones = np.ones(len(made), dtype=np.int64)
    return TradeColumns(
        net_usd=made, side=ones, mae_usd=np.minimum(made, 0) - 1.0, mfe_usd=np.maximum(made, 0) + 1.0, bars=ones
    )


def told(trades: TradeColumns, curve: Curve, **changes: float) -> dict[str, object]:
    given = {"years": 1.0, "capital": 1000.0, "costs_usd": 1.5, **changes}
    return dict(stats(trades, curve, **given).values)  # type: ignore[arg-type]


def test_statistics_of_trades_by_hand() -> None:
    found = stats(
        trades_of(10, -4, 6, -4, 0), made_curve([10, 6, 12, 8, 8], [1, 1, 2, 2, 3], [1, 1, 0, 0, 0]),
        years=1.0, capital=1000.0, costs_usd=1.5, refused=2,
    )  # fmt: skip
    v = found.values
    assert (v["trades"], v["win_rate"], v["profit_factor"], v["payoff_ratio"]) == (5, 0.4, 2.0, 2.0)
    assert (v["expectancy_usd"], v["average_win_usd"], v["average_loss_usd"]) == (1.6, 8.0, -4.0)
    assert (v["net_usd"], v["gross_usd"], v["costs_usd"], v["refused"]) == (8.0, 9.5, 1.5, 2)
    assert v["cost_share"] == pytest.approx(1.5 / 9.5) and v["net_share"] == 0.008
    assert (v["max_drawdown_usd"], v["best_usd"], v["worst_usd"], v["days"]) == (4.0, 10.0, -4.0, 3)
    # 10 → 6 on an account of 1010 is the larger share; 12 → 8 has 1012
    assert v["max_drawdown_share"] == pytest.approx(4 / 1010)
    assert (v["best_day_usd"], v["worst_day_usd"], v["winning_days"]) == (6.0, 0.0, pytest.approx(2 / 3))
    assert (v["longest_wins"], v["longest_losses"]) == (1, 1)
    assert (v["mae_worst_usd"], v["mfe_best_usd"]) == (-5.0, 11.0)
    assert v["mae_mean_usd"] == pytest.approx(-(1 + 5 + 1 + 5 + 1) / 5)
    assert v["exposure"] == 0.4 and v["under_water"] == pytest.approx(3 / 5)
    assert found.reasons["sharpe"] == f"3 trading dates; it takes {LEAST_DATES}"
    assert found.reasons["t_trades"] == "5 closed trades; it takes 20"


def test_statistics_of_days_by_hand() -> None:
    # twenty days of +2 and −1 in turn: mean 0.5, deviation √(20 × 1.5² / 19), shortfall √(10 × 1 / 20)
    daily = np.array([2.0, -1.0] * 10)
    v = told(trades_of(*daily), made_curve(list(np.cumsum(daily)), list(range(20))), years=0.5)
    spread = (20 * 1.5**2 / 19) ** 0.5
    assert v["sharpe"] == v["sharpe_daily"] == pytest.approx(0.5 / spread * 252**0.5)
    assert v["sortino"] == pytest.approx(0.5 / 0.5**0.5 * 252**0.5)
    assert v["volatility"] == pytest.approx(spread * 252**0.5 / 1000)
    assert v["cagr"] == pytest.approx(1.01**2 - 1)  # 10 dollars on 1,000 in half a year
    assert v["max_drawdown_usd"] == 1.0 and v["max_drawdown_share"] == pytest.approx(1 / 1002)
    assert v["calmar"] == pytest.approx((1.01**2 - 1) * 1002)
    assert v["t_days"] == v["t_trades"] == pytest.approx(0.5 / spread * 20**0.5)
    assert v["sqn"] == v["t_trades"]  # fewer than 100 trades
    assert (v["skew"], v["kurtosis"]) == (pytest.approx(0.0), pytest.approx(1.0))
    assert v["tail_ratio"] == pytest.approx(2.0) and v["winning_days"] == 0.5


def test_what_is_undefined_says_why() -> None:
    found = stats(trades_of(3), made_curve([3.0], [1]), years=0.0, capital=0.0, costs_usd=0.0)
    assert found.values["profit_factor"] is None and found.reasons["profit_factor"] == "no losing trades"
    assert found.values["average_loss_usd"] is None and found.values["payoff_ratio"] is None
    assert found.reasons["cagr"] == f"1 trading date; it takes {LEAST_DATES}"
    assert found.reasons["net_share"] == "no capital to relate it to"
    assert set(found.reasons) == {name for name, value in found.values.items() if value is None}


def test_no_days_of_loss_no_variation_and_a_lost_account_have_no_ratios() -> None:
    rising = stats(trades_of(), made_curve(list(range(1, 31)), list(range(30))), years=1, capital=100, costs_usd=0)
    assert rising.reasons["sharpe"] == "every trading date made the same"
    assert rising.reasons["sortino"] == "no losing date" and rising.reasons["calmar"] == "no drawdown"
    lost = stats(
        trades_of(), made_curve([-5.0 * i for i in range(30)], list(range(30))), years=1, capital=100, costs_usd=0
    )
    assert lost.values["cagr"] is None and lost.reasons["cagr"] == "the capital is lost"
    assert lost.reasons["calmar"] == "the capital is lost"


@given(
    st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(-3, 3)), min_size=1, max_size=60),
    st.lists(st.floats(-1e6, 1e6), max_size=30),
    st.sampled_from([0.0, 1.0, 50_000.0]),
    st.floats(0.0, 5.0),
)
def test_numbers_are_finite_or_none_with_a_reason(
    rows: list[tuple[int, int]], nets: list[float], capital: float, years: float
) -> None:
    equity = np.cumsum([step for step, _ in rows])
    days = np.arange(len(rows)) // 2
    curve = made_curve([0.0] * len(rows), list(days), [held for _, held in rows])
    curve = Curve(position=curve.position, equity_e4=equity, edges=curve.edges, rows=curve.rows)
    found = stats(trades_of(*nets), curve, years=years, capital=capital, costs_usd=1.0)
    for name, value in found.values.items():
        assert (value is None) == (name in found.reasons), name
        assert value is None or np.isfinite(value), name
        assert type(value) in (int, float, type(None)), name


def test_a_drawdown_begins_at_zero_and_may_never_be_made_good() -> None:
    deep = drawdown(made_curve([-3.0, -1.0, -7.0], [1, 2, 3]), 100.0)
    assert (deep.usd, deep.share, deep.days, deep.longest_days, deep.under_water) == (7.0, 0.07, 2, 2, 1.0)
    none = drawdown(made_curve([1.0, 2.0], [1, 2]), 100.0)
    assert (none.usd, none.days, none.under_water) == (0.0, 0, 0.0)


def test_the_longest_time_under_water_need_not_be_the_deepest() -> None:
    # 5 → 1 is made good after one day; 6 → 5 takes four
    found = drawdown(made_curve([5, 1, 6, 5, 5, 5, 6], [0, 0, 1, 2, 3, 4, 5]), 0.0)
    assert (found.usd, found.days, found.longest_days) == (4.0, 1, 4)
    assert found.share == 0.0  # no capital to relate it to
    # after time at the top, the fall counts from its last bar there
    found = drawdown(made_curve([5, 5, 5, 4, 5], [0, 1, 2, 3, 4]), 100.0)
    assert found.days == 2


def test_growth_a_year_and_runs() -> None:
    assert growth_a_year(1.21, 2.0) == pytest.approx(0.1)
    assert growth_a_year(0.0, 1.0) is None and growth_a_year(2.0, 0.0) is None and growth_a_year(9.0, 1e-9) is None
    assert longest_run(np.array([], dtype=bool)) == 0
    assert longest_run(np.array([False, True, True, False, True])) == 2


def test_a_curve_of_trips_has_the_columns_of_its_docstring() -> None:
    described = (Trips.__doc__ or "").replace(", ", " ").split()
    assert all(column.name in described for column in columns_of(Trips))


# --- costs ---


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
