"""How much of a Sharpe ratio is left once its length, its tails and the number of tries are counted.

Everything here is per period, not annualised: with daily profits, a Sharpe ratio of 0.1 a day is 1.6 a year. Dollars
and returns give the same numbers, because nothing depends on the unit. What is undefined is None, with the reason in
`reasons` when one is given.

Sources: D. H. Bailey and M. López de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15(2), 2012 (PSR,
minimum track record); the same, "The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest Overfitting and
Non-Normality", Journal of Portfolio Management 40(5), 2014.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
Reasons = dict[str, str]

_NORMAL = NormalDist()
_EULER = 0.5772156649015329  # Euler and Mascheroni's constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """What the statistics below need of a series of profits.

    Parameters
    ----------
    n : int
        Periods.
    sharpe : float
        Mean ÷ standard deviation (n − 1), per period.
    skew, kurtosis : float
        Third and fourth standardised moments; 0 and 3 for a normal distribution.
    """

    n: int
    sharpe: float
    skew: float
    kurtosis: float


def moments(profits: Float64Array, reasons: Reasons | None = None) -> Moments | None:
    """Return the moments of a series of profits; None for fewer than three periods or no variation.

    >>> made = moments(np.array([1.0, 2.0, 3.0, 6.0]))  # mean 3, squares of the rest 4 1 0 9, cubes −8 −1 0 27
    >>> round(made.sharpe, 6), round(made.skew, 6), round(made.kurtosis, 6)  # 3/√(14/3), 4.5/3.5^1.5, 24.5/3.5²
    (1.38873, 0.687243, 2.0)
    """
    profits = np.asarray(profits, dtype=np.float64)
    if len(profits) < 3:
        _note(reasons, "moments", f"{len(profits)} periods are too few; three are the least")
        return None
    if not np.isfinite(profits).all():
        _note(reasons, "moments", "a profit is not a finite number")
        return None
    apart = profits - profits.mean()
    variance = float(np.mean(apart**2))
    if variance <= 1e-24 * max(1.0, float(np.max(np.abs(profits))) ** 2):
        _note(reasons, "moments", "every period made the same")
        return None
    spread = math.sqrt(variance * len(profits) / (len(profits) - 1))
    return Moments(
        n=len(profits),
        sharpe=float(profits.mean()) / spread,
        skew=float(np.mean(apart**3)) / variance**1.5,
        kurtosis=float(np.mean(apart**4)) / variance**2,
    )


def probabilistic_sharpe(
    sharpe: float,
    n: int,
    *,
    benchmark: float = 0.0,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    reasons: Reasons | None = None,
) -> float | None:
    """Return the probability that the true Sharpe ratio exceeds `benchmark`, given the measured one.

    Parameters
    ----------
    sharpe, benchmark : float
        Per period.
    n : int
        Periods it was measured on.
    skew, kurtosis : float
        Of the profits; 0 and 3 for normal ones.

    Notes
    -----
    Bailey and López de Prado (2012), equation 11; their example is 24 monthly returns with a Sharpe ratio of 0.458.

    >>> f"{probabilistic_sharpe(0.458, 24):.3f} {probabilistic_sharpe(0.458, 24, skew=-2.448, kurtosis=10.164):.3f}"
    '0.982 0.913'
    """
    if n < 2:
        _note(reasons, "probabilistic_sharpe", "one period says nothing")
        return None
    width = _width(sharpe, skew, kurtosis)
    if width is None:
        _note(reasons, "probabilistic_sharpe", "these moments belong to no distribution")
        return None
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt(n - 1) / math.sqrt(width))


def minimum_track_record(
    sharpe: float,
    *,
    benchmark: float = 0.0,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    confidence: float = 0.95,
    reasons: Reasons | None = None,
) -> float | None:
    """Return the periods it takes until the measured Sharpe ratio exceeds `benchmark` with this confidence.

    None when it does not exceed it at all: then no length is enough.

    Notes
    -----
    Bailey and López de Prado (2012), equation 13; a yearly 2 against a yearly 1 takes 2.73 years of daily profits:

    >>> round(minimum_track_record(2 / 250**0.5, benchmark=1 / 250**0.5) / 250, 2)
    2.73
    """
    width = _width(sharpe, skew, kurtosis)
    if width is None:
        _note(reasons, "minimum_track_record", "these moments belong to no distribution")
        return None
    if not sharpe > benchmark:
        _note(reasons, "minimum_track_record", "the Sharpe ratio is not above the benchmark")
        return None
    return 1.0 + width * (_NORMAL.inv_cdf(confidence) / (sharpe - benchmark)) ** 2


def expected_maximum_sharpe(trials: int, variance: float) -> float:
    """Return the best Sharpe ratio that `trials` tries without any skill are expected to show.

    Parameters
    ----------
    trials : int
        Independent tries.
    variance : float
        Variance of the Sharpe ratios over the tries, per period.

    Notes
    -----
    Bailey and López de Prado (2014), equation 1. Their example: 100 tries whose yearly Sharpe ratios vary by 1/2.

    >>> round(expected_maximum_sharpe(100, 0.5 / 250), 4)
    0.1132
    """
    if trials <= 1 or variance <= 0.0:
        return 0.0
    least, next_ = -_NORMAL.inv_cdf(1.0 / trials), -_NORMAL.inv_cdf(1.0 / (trials * math.e))
    return math.sqrt(variance) * ((1.0 - _EULER) * least + _EULER * next_)


def deflated_sharpe(
    sharpe: float,
    n: int,
    *,
    trials: int,
    variance: float,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    reasons: Reasons | None = None,
) -> float | None:
    """Return the probability that the best of `trials` has a true Sharpe ratio above what luck alone would show.

    Parameters
    ----------
    sharpe : float
        Of the best one, per period.
    n : int
        Periods.
    trials, variance
        As in `expected_maximum_sharpe`.
    skew, kurtosis : float
        Of the best one's profits.

    Notes
    -----
    Bailey and López de Prado (2014), equation 2. Their example: a yearly 2.5 over five years of daily returns, found
    among 100 tries.

    >>> tails = {"variance": 0.5 / 250, "skew": -3.0, "kurtosis": 10.0}
    >>> round(deflated_sharpe(2.5 / 250**0.5, 1250, trials=100, **tails), 4)
    0.9004
    """
    luck = expected_maximum_sharpe(trials, variance)
    known: Reasons = {}
    made = probabilistic_sharpe(sharpe, n, benchmark=luck, skew=skew, kurtosis=kurtosis, reasons=known)
    if made is None:
        _note(reasons, "deflated_sharpe", known["probabilistic_sharpe"])
    return made


def _width(sharpe: float, skew: float, kurtosis: float) -> float | None:
    # variance of a measured Sharpe ratio times n − 1 (Mertens 2002); moments of no real distribution make it negative
    made = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    return made if made > 0.0 else None


def _note(reasons: Reasons | None, name: str, reason: str) -> None:
    if reasons is not None:
        reasons[name] = reason
