"""Ratios of profits or returns per period, each a few lines, None where it is undefined.

They take dollars or returns alike; none compounds. `per_year` is the number of periods in a year.

====================  ==================================================================================================
sharpe                mean ÷ standard deviation × √per_year; Sharpe, The Sharpe Ratio, J. of Portfolio Management 1994
sortino               (mean − target) ÷ downside deviation × √per_year; Sortino and Price, J. of Investing 1994
downside_deviation    √ of the mean of min(x − target, 0)², over all periods; Sortino and Price 1994
omega                 gains over the target ÷ shortfalls under it, summed; Keating and Shadwick 2002. With target 0
                      the Bernardo-Ledoit ratio, and of trades the profit factor
skew, kurtosis        third and fourth standardised moment (a normal distribution has 0 and 3); Bacon 2008, p. 83
tail_ratio            95th percentile ÷ |5th percentile|
t_statistic           mean ÷ its standard error: is the mean above 0 by more than luck?
====================  ==================================================================================================

Bacon 2008: Practical Portfolio Performance Measurement and Attribution, 2nd edition, Wiley.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]


def sharpe(made: Float64Array, per_year: float, ddof: int = 1) -> float | None:
    """Return the Sharpe ratio; None for fewer than two periods or no variation.

    >>> round(sharpe(np.array([1.0, 2.0, 3.0]), 252), 3)  # 2 / 1 × √252
    31.749
    """
    spread = _spread(made, ddof)
    return float(made.mean()) / spread * math.sqrt(per_year) if spread else None


def downside_deviation(made: Float64Array, target: float = 0.0) -> float:
    """Return the root mean square shortfall under `target`; periods above it count as 0.

    >>> downside_deviation(np.array([0.0, 3.0, -4.0, 1.0]))  # √(16 / 4)
    2.0
    """
    return float(np.sqrt(np.mean(np.minimum(made - target, 0.0) ** 2)))


def sortino(made: Float64Array, per_year: float, target: float = 0.0) -> float | None:
    """Return the Sortino ratio; None without a period under the target."""
    down = downside_deviation(made, target) if len(made) else 0.0
    return (float(made.mean()) - target) / down * math.sqrt(per_year) if down else None


def omega(made: Float64Array, target: float = 0.0) -> float | None:
    """Return gains ÷ shortfalls; None without a shortfall.

    >>> omega(np.array([3.0, -2.0, 1.0]))
    2.0
    """
    over = made - target
    lost = -float(over[over < 0].sum())
    return float(over[over > 0].sum()) / lost if lost else None


def skew(made: Float64Array) -> float | None:
    """Return the third standardised moment; None without variation.

    >>> round(skew(np.array([0.0, 0.0, 3.0])), 4)  # 1 / √2
    0.7071
    """
    return _moment(made, 3)


def kurtosis(made: Float64Array) -> float | None:
    """Return the fourth standardised moment (3 for a normal distribution); None without variation.

    >>> round(kurtosis(np.array([-1.0, 1.0, -1.0, 1.0])), 4)
    1.0
    """
    return _moment(made, 4)


def _moment(made: Float64Array, power: int) -> float | None:
    spread = _spread(made, 0)
    return float(np.mean(((made - made.mean()) / spread) ** power)) if spread else None


def _spread(made: Float64Array, ddof: int) -> float:
    # 0 for fewer than two values, and for equal ones whatever the rounding of their mean
    return float(made.std(ddof=ddof)) if len(made) > 1 and np.ptp(made) > 0.0 else 0.0


def tail_ratio(made: Float64Array) -> float | None:
    """Return the 95th percentile ÷ |5th percentile|; None unless they lie on both sides of 0."""
    if not len(made):
        return None
    low, high = np.percentile(made, [5, 95])
    return float(high / -low) if low < 0 < high else None


def t_statistic(made: Float64Array) -> float | None:
    """Return the mean in standard errors; None for fewer than two periods or no variation.

    >>> round(t_statistic(np.array([1.0, 2.0, 3.0])), 4)  # 2 / (1 / √3)
    3.4641
    """
    return sharpe(made, len(made))
