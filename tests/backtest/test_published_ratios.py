"""The ratios of Bacon's book come out of his 24 months, to the last digit that was printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from workbench.backtest import ratios
from workbench.backtest.curve import Curve
from workbench.backtest.stats import TradeColumns, growth_a_year, stats

ANSWERS = json.loads((Path(__file__).parents[1] / "answers" / "bacon.json").read_text(encoding="utf-8"))
MONTHS = np.array(ANSWERS["returns_percent"]) / 100
COUNT, TARGET = 24, 0.005


def known(value: float | None) -> float:
    assert value is not None
    return value


def adjusted(sharpe: float) -> float:
    # S (1 + skew/6 S − (kurtosis − 3)/24 S²); Pezier and White 2006, Bacon p. 99
    skew, tails = known(ratios.skew(MONTHS)), known(ratios.kurtosis(MONTHS))
    return sharpe * (1 + skew / 6 * sharpe - (tails - 3) / 24 * sharpe**2)


def compounded() -> float:
    # annual return over annual deviation (n − 1), as the package takes the Sharpe ratio
    return known(growth_a_year(float(np.prod(1 + MONTHS)), 2.0)) / (float(MONTHS.std(ddof=1)) * 12**0.5)


def pain_index() -> float:
    # the mean depth under the highest value so far, on the curve of an account of 10,000 that compounds
    capital = 100_000_000
    equity = np.round((np.cumprod(1 + MONTHS) - 1) * capital).astype(np.int64)
    curve = Curve(np.zeros(COUNT, dtype=np.int64), equity, np.arange(COUNT + 1), np.arange(COUNT))
    return float(np.mean(curve.fall_e4 / (curve.peak_e4 + capital)))


OURS: dict[str, Callable[[], float]] = {
    "downside_deviation": lambda: ratios.downside_deviation(MONTHS, TARGET),
    "sortino_a_month": lambda: known(ratios.sortino(MONTHS, 1, TARGET)),
    "omega_sharpe": lambda: known(ratios.omega(MONTHS, TARGET)) - 1,
    "bernardo_ledoit": lambda: known(ratios.omega(MONTHS)),
    "downside_frequency": lambda: float(np.mean(MONTHS < TARGET)),
    "kurtosis": lambda: known(ratios.kurtosis(MONTHS)),
    "excess_kurtosis": lambda: known(ratios.kurtosis(MONTHS)) - 3,
    # the sample form of the third moment is ours × √(n (n − 1)) ÷ (n − 2)
    "sample_skew": lambda: known(ratios.skew(MONTHS)) * (COUNT * (COUNT - 1)) ** 0.5 / (COUNT - 2),
    "skew_over_kurtosis": lambda: known(ratios.skew(MONTHS)) / known(ratios.kurtosis(MONTHS)),
    "adjusted_sharpe_bacon": lambda: adjusted(known(ratios.sharpe(MONTHS, 12, ddof=0))),
    "adjusted_sharpe_compounded": lambda: adjusted(compounded()),
    "pain_index": pain_index,
}


@pytest.mark.parametrize("name", OURS)
def test_bacons_ratio_comes_out_of_his_months(name: str) -> None:
    printed = ANSWERS["published"][name]["value"]
    digits = -int(Decimal(printed).as_tuple().exponent)
    assert round(OURS[name](), digits) == float(printed), ANSWERS["published"][name]["example"]


def test_the_months_are_bacons() -> None:
    # a figure that none of our ratios makes, so that a mistyped month is noticed: mean absolute deviation, p. 62
    assert len(MONTHS) == COUNT
    deviation = float(np.mean(np.abs(MONTHS - MONTHS.mean())))
    assert deviation == pytest.approx(float(ANSWERS["published"]["mean_absolute_deviation"]["value"]), abs=1e-4)


def test_a_result_with_these_months_as_its_days_has_his_moments() -> None:
    # 24 days that make 1 % of 100,000 for each of his per cents: the statistics of a result are the same ratios
    made = np.round(MONTHS * 100_000 * 10_000).astype(np.int64)
    none = np.empty(0)
    curve = Curve(np.zeros(COUNT, dtype=np.int64), np.cumsum(made), np.arange(COUNT + 1), np.arange(COUNT))
    columns = TradeColumns(
        net_usd=none, side=none.astype(np.int64), mae_usd=none, mfe_usd=none, bars=none.astype(np.int64)
    )
    values = stats(columns, curve, years=2.0, capital=100_000, costs_usd=0.0).values
    assert round(known(values["kurtosis"]), 2) == 2.43
    assert round(known(values["skew"]) / known(values["kurtosis"]), 3) == -0.034
    assert values["volatility"] == pytest.approx(float(MONTHS.std(ddof=1)) * 252**0.5)
    assert values["sharpe"] == pytest.approx(float(MONTHS.mean() / MONTHS.std(ddof=1)) * 252**0.5)
