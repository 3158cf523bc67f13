"""Costs: fees by date, slippage by bar, margin; expected figures are worked out by hand or come from another source."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.made import MES, frame
from tests.rules.build import DAY_OPEN
from workbench.backtest import costs as module
from workbench.backtest.costs import FREE, Costs, Rate, fees_e4, slippage_ticks
from workbench.backtest.inner import with_inner
from workbench.backtest.margin import MAINTENANCE, is_covered, margins_e4, margins_of
from workbench.backtest.series import Series, series
from workbench.domain.clock import MINUTE
from workbench.domain.contract import SPECS, spec
from workbench.domain.errors import InputError
from workbench.domain.hours import at_local
from workbench.domain.timeframe import timeframe

WIDE = (1000.0, 1005.0, 1000.0, 1002.0)  # 20 ticks of MES from low to high
FLAT = (1000.0, 1000.0, 1000.0, 1000.0)


def bars(*rows: tuple[float, float, float, float], start: int = DAY_OPEN, text: str = "1m") -> Series:
    chosen = timeframe(text)
    return series(frame(rows, start=start, every=chosen.length), MES, chosen)


def slip(costs: Costs, *rows: tuple[float, float, float, float], start: int = DAY_OPEN) -> list[int]:
    return slippage_ticks(bars(*rows, start=start), costs).tolist()


def test_slippage_is_never_nothing_unless_it_is_asked_for() -> None:
    assert slip(Costs(), WIDE, FLAT) == [1, 1]
    assert slip(FREE, WIDE) == [0]


def test_a_fraction_of_the_range_is_added_and_the_sum_rounded_half_up() -> None:
    # 20 ticks: 1 + 0.1 × 20 = 3; 1 + 0.075 × 20 = 2.5, up to 3; 1 + 0.07 × 20 = 2.4, down to 2
    assert slip(Costs(range_fraction=0.1), WIDE, FLAT) == [3, 1]
    assert slip(Costs(range_fraction=0.075), WIDE) == [3]
    assert slip(Costs(range_fraction=0.07), WIDE) == [2]


def test_latency_costs_the_move_to_expect_in_that_time() -> None:
    # a bar of 60 s that goes 20 ticks goes 20 · √(15/60) = 10 ticks in 15 s; never more than its range
    assert slip(Costs(slippage_ticks=1, latency_s=15), WIDE, FLAT) == [11, 1]
    assert slip(Costs(slippage_ticks=0, latency_s=600), WIDE) == [20]


def test_hours_of_the_day_are_those_of_chicago() -> None:
    costs = Costs(by_hour={8: 2, 9: 5})
    summer, winter = at_local(date(2025, 9, 2), "08:59"), at_local(date(2025, 12, 2), "08:59")
    assert slip(costs, WIDE, WIDE, start=summer) == [3, 6]
    assert slip(costs, WIDE, WIDE, start=winter) == [3, 6]


def test_each_finer_bar_has_its_own_slippage() -> None:
    fine = [FLAT, (1000.0, 1001.0, 1000.0, 1001.0), FLAT, FLAT, FLAT]  # 0, 4, 0, 0, 0 ticks
    coarse = bars((1000.0, 1001.0, 1000.0, 1000.0), start=DAY_OPEN, text="5m")
    inner = with_inner(coarse, frame(fine), "1m")
    assert slippage_ticks(coarse, Costs(range_fraction=0.5)).tolist() == [3]
    assert slippage_ticks(inner, Costs(range_fraction=0.5)).tolist() == [1, 3, 1, 1, 1]
    # 15 s of 5 minutes: 4 · √(15/300) = 0.894…; of one minute: 4 · √(15/60) = 2
    assert slippage_ticks(coarse, Costs(latency_s=15)).tolist() == [2]
    assert slippage_ticks(inner, Costs(latency_s=15)).tolist() == [1, 3, 1, 1, 1]


@given(
    st.integers(0, 5), st.floats(0, 2), st.floats(0, 100), st.dictionaries(st.integers(0, 23), st.integers(0, 9)),
    st.integers(0, 400), st.integers(0, 2000),
)  # fmt: skip
def test_slippage_is_the_rounded_sum_of_its_parts(
    base: int, fraction: float, latency: float, hours: dict[int, int], ticks: int, minute: int
) -> None:
    start = DAY_OPEN + minute * MINUTE
    costs = Costs(slippage_ticks=base, range_fraction=fraction, latency_s=latency, by_hour=hours)
    low, high = 1000.0, 1000.0 + ticks * 0.25
    hour = (8 * 60 + 30 + minute) // 60 % 24  # 08:30 Chicago and no change of the clock in two days
    expected = base + fraction * ticks + ticks * math.sqrt(min(1.0, latency / 60)) + hours.get(hour, 0)
    made = slip(costs, (low, high, low, low), start=start)[0]
    assert abs(made - expected) <= 0.5 + 1e-9
    assert made >= base


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"slippage_ticks": math.inf}, "whole number"),
        ({"slippage_ticks": 2_000_000}, "more than"),
        ({"range_fraction": -0.1}, "between 0 and 10"),
        ({"range_fraction": math.nan}, "must be a number"),
        ({"latency_s": 4000}, "between 0 and 3600"),
        ({"by_hour": {24: 1}}, "no hour of the day"),
        ({"by_hour": {9: -1}}, "must not be negative"),
        ({"by_hour": "9"}, "must map hours"),
        ({"fees_usd": "0.00001"}, "1/10,000"),
        ({"margin_usd": -1}, "must not be negative"),
        ({"margin_usd": "much"}, "not an amount"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Costs(**wrong)  # type: ignore[arg-type]


def test_costs_are_told_as_they_were_given() -> None:
    day = date(2025, 9, 2)
    assert Costs().told(MES.spec, day) == {"slippage_ticks": 1, "per_side_usd": "0.62"}
    full = Costs(range_fraction=0.1, by_hour={15: 1}, latency_s=0.2, margin_usd="exchange").told(MES.spec, day)
    assert full == {
        "slippage_ticks": 1, "range_fraction": 0.1, "by_hour": {"15": 1}, "latency_s": 0.2, "per_side_usd": "0.62",
        "margin_usd": "exchange",
    }  # fmt: skip


# --- fees ---


def test_a_new_rate_holds_from_midnight_in_chicago(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = (
        Rate(date(2025, 1, 1), Decimal("0.37"), Decimal("0.25")),
        Rate(date(2025, 9, 3), Decimal("0.40"), Decimal("0.2525")),
    )
    monkeypatch.setitem(module.TABLE, "MES", rates)
    midnight = at_local(date(2025, 9, 3), "00:00")
    starts = np.array([0, midnight - 1, midnight, midnight + 10**18])
    assert fees_e4(Costs(), MES.spec, starts).tolist() == [6200, 6200, 6525, 6525]
    assert fees_e4(Costs(commissions_usd=0), MES.spec, starts).tolist() == [3700, 3700, 4000, 4000]
    assert fees_e4(FREE, MES.spec, starts).tolist() == [0, 0, 0, 0]


def test_the_column_of_fees_is_the_rate_of_each_day() -> None:
    days = [date(2020, 5, 4), date(2024, 12, 31), date(2025, 1, 1), date(2026, 7, 1)]
    starts = np.array([at_local(day, "09:00") for day in days])
    for product in SPECS.values():
        expected = [int(Costs().per_side(product, day) * 10_000) for day in days]
        assert fees_e4(Costs(), product, starts).tolist() == expected


# --- margin ---


def test_margins_of_the_table_are_the_published_ones(shared_data: Path) -> None:
    import polars as pl

    published = pl.read_parquet(shared_data / "meta" / "lean_margins.parquet")
    for root in MAINTENANCE:
        rows = published.filter(pl.col("symbol") == root).sort("date")
        for margin in margins_of(spec(root)):
            last = rows.filter(pl.col("date").dt.date() <= margin.valid_from).row(-1, named=True)
            assert (margin.maintenance, margin.initial) == (last["maintenance"], last["initial"])


@pytest.mark.parametrize(("root", "initial"), [("MES", 1188), ("MNQ", 1650), ("MCL", 748), ("SIL", 2090), ("M6E", 242)])
def test_a_micro_needs_its_share(root: str, initial: int) -> None:
    assert margins_of(spec(root))[-1].initial == initial


def test_the_margin_of_a_day_is_the_last_one_before_it() -> None:
    days = [date(2010, 1, 4), date(2020, 3, 31), date(2020, 4, 1), date(2025, 1, 2)]
    starts = np.array([at_local(day, "09:00") for day in days])
    exchange = margins_e4(Costs(margin_usd="exchange"), spec("ES"), starts)
    assert exchange.tolist() == [3850_0000, 6930_0000, 13200_0000, 11880_0000]
    assert margins_e4(Costs(margin_usd="500"), spec("ES"), starts).tolist() == [500_0000] * 4
    assert margins_e4(Costs(), spec("ES"), starts).tolist() == [0] * 4


def test_a_product_without_a_row_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"no margin of SR3 in the table; pass Costs\(margin_usd"):
        margins_e4(Costs(margin_usd="exchange"), spec("SR3"), np.array([0]))


def test_an_order_beyond_the_balance_is_refused_and_a_smaller_position_never() -> None:
    assert is_covered(23_760_0000, 11_880_0000, 0, -2)
    assert not is_covered(23_759_9999, 11_880_0000, 0, -2)
    assert not is_covered(23_760_0000, 11_880_0000, 2, 3)
    assert is_covered(-1, 11_880_0000, 3, 0)
    assert not is_covered(1_0000, 11_880_0000, 1, -2)  # a turn is a larger position on the other side
