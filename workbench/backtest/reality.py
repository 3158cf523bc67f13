"""Is the best of N better than nothing? Bootstrap tests that know that it was chosen.

The dates are resampled in blocks of random length (stationary bootstrap), so that good and bad stretches stay together,
and all combinations share the same resampled dates, so that their kinship is kept: a thousand near copies count as
little more than one.

Sources: D. N. Politis and J. P. Romano, "The Stationary Bootstrap", JASA 89, 1994; H. White, "A Reality Check for Data
Snooping", Econometrica 68, 2000; P. R. Hansen, "A Test for Superior Predictive Ability", JBES 23, 2005.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

SAMPLES = 1000
LEAST_DATES = 20
_AT_ONCE = 1 << 21  # resampled means held at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class RealityCheck:
    """How often resampled luck beats the best that was found.

    Parameters
    ----------
    white : float or None
        p-value of White's reality check: mean profits as they are.
    hansen : float or None
        p-value of Hansen's test (consistent variant): mean profits over their standard errors, hopeless combinations
        left out. The more powerful of the two.
    samples : int
    block : float
        Mean length of the resampled blocks, dates.
    reason : str
        Why the others are None.
    """

    white: float | None = None
    hansen: float | None = None
    samples: int = 0
    block: float = 0.0
    reason: str = ""


def stationary_bootstrap(dates: int, samples: int, block: float, seed: int) -> Int64Array:
    """Return rows of dates drawn in blocks of geometric length, around the end to the beginning.

    Parameters
    ----------
    dates, samples : int
        Length of the series, and how many resampled series to make.
    block : float
        Mean block length, at least 1.
    seed : int

    Returns
    -------
    array of int64, shape (samples, dates)

    >>> stationary_bootstrap(6, 2, 1e9, seed=3)  # blocks without end: the series turned round
    array([[4, 5, 0, 1, 2, 3],
           [5, 0, 1, 2, 3, 4]])
    """
    random = np.random.default_rng(seed)
    begins = random.integers(0, dates, size=(samples, dates))
    fresh = random.random((samples, dates)) < 1.0 / block
    made = np.empty((samples, dates), dtype=np.int64)
    made[:, 0] = begins[:, 0]
    for i in range(1, dates):
        made[:, i] = np.where(fresh[:, i], begins[:, i], (made[:, i - 1] + 1) % dates)
    return made


def reality_check(
    daily: Float64Array, *, samples: int = SAMPLES, block: float | None = None, seed: int = 0
) -> RealityCheck:
    """Return p-values for "no combination makes money": the chance of a best one like this without any skill.

    Parameters
    ----------
    daily : array of float64, shape (dates, combinations)
        Profit of each combination on each trading date.
    samples : int
        Resampled series.
    block : float, optional
        Mean block length in dates; the cube root of the number of dates when left out.
    seed : int
    """
    dates = len(daily)
    if dates < LEAST_DATES:
        return RealityCheck(reason=f"{dates} trading dates are too few; {LEAST_DATES} are the least")
    if not daily.any():
        return RealityCheck(reason="nothing was traded")
    block = max(1.0, dates ** (1.0 / 3.0)) if block is None else block
    weights = _weights(stationary_bootstrap(dates, samples, block, seed))
    raw, scaled = np.full(samples, -math.inf), np.zeros(samples)
    best = best_scaled = -math.inf
    each = max(1, _AT_ONCE // samples)
    for first in range(0, daily.shape[1], each):
        part = daily[:, first : first + each]
        mean, drawn = part.mean(axis=0), weights @ part
        spread = drawn.std(axis=0)
        used = spread > 0.0
        threshold = -spread * math.sqrt(2.0 * math.log(math.log(dates)))
        raw = np.maximum(raw, (drawn - mean).max(axis=1))
        best = max(best, float(mean.max()))
        if used.any():
            centre = np.where(mean >= threshold, mean, 0.0)[used]
            scaled = np.maximum(scaled, ((drawn[:, used] - centre) / spread[used]).max(axis=1))
            best_scaled = max(best_scaled, float((mean[used] / spread[used]).max()))
    return RealityCheck(
        white=_share(raw, best), hansen=_share(scaled, max(best_scaled, 0.0)), samples=samples, block=block
    )


def _weights(drawn: Int64Array) -> Float64Array:
    # how often each date was drawn, ÷ dates: resampled means are then one matrix product
    samples, dates = drawn.shape
    flat = (drawn + np.arange(samples)[:, None] * dates).ravel()
    counts: Float64Array = np.bincount(flat, minlength=samples * dates).reshape(samples, dates) / dates
    return counts


def _share(resampled: Float64Array, found: float) -> float:
    # the series itself counts as one of its resamples, so that no p-value is 0
    return float((np.count_nonzero(resampled >= found) + 1) / (len(resampled) + 1))
