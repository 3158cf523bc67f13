"""Is the best of a sweep luck? One answer from several tests, in a sentence that can be read aloud."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.backtest.cscv import Overfitting, overfitting
from workbench.backtest.overfit import (
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_track_record,
    moments,
    probabilistic_sharpe,
)
from workbench.backtest.reality import SAMPLES, reality_check
from workbench.backtest.sweep import sharpe_per_day

Float64Array = npt.NDArray[np.float64]

CONFIDENCE = 0.95
MOST_PBO = 0.2  # from a quarter on, one half of the time says little about the other
LIKELY_PBO = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What speaks for and against luck. What cannot be known is None, with the reason in `reasons`.

    Parameters
    ----------
    trials : int
        Combinations of this strategy that were ever tried, by the ledger: this sweep and all before it.
    dates : int
        Trading dates.
    sharpe : float or None
        Of the best, a day. `sharpe_variance` over the combinations of the sweep, and `luck_sharpe`: what the best of
        `trials` without skill would show.
    probabilistic_sharpe : float or None
        Probability that the true Sharpe ratio of the best is above 0, had it been the only one.
    deflated_sharpe : float or None
        The same against `luck_sharpe`: the choice among `trials` counted.
    track_record_dates : float or None
        Trading dates it takes until a Sharpe ratio like this is above 0 with 95 % confidence, the choice not counted.
    pbo : float or None
        Probability of backtest overfitting; `pbo_loss` the share of the splits in which the chosen one lost money.
    white, hansen : float or None
        p-values of the reality checks: small says that the best is better than the best of luck.
    reasons : dict
    """

    trials: int
    dates: int
    sharpe: float | None = None
    sharpe_variance: float | None = None
    luck_sharpe: float | None = None
    probabilistic_sharpe: float | None = None
    deflated_sharpe: float | None = None
    track_record_dates: float | None = None
    pbo: float | None = None
    pbo_loss: float | None = None
    white: float | None = None
    hansen: float | None = None
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def is_likely_luck(self) -> bool | None:
        """True if a test says so, False if all of them say that luck is no explanation, None in between."""
        known = (self.deflated_sharpe, self.pbo, self.hansen)
        bad = (
            self.deflated_sharpe is not None and self.deflated_sharpe < 0.5,
            self.pbo is not None and self.pbo >= LIKELY_PBO,
            self.hansen is not None and self.hansen > 0.5,
        )
        if any(bad):
            return True
        if None in known:
            return None
        good = (
            self.deflated_sharpe is not None and self.deflated_sharpe >= CONFIDENCE,
            self.pbo is not None and self.pbo <= MOST_PBO,
            self.hansen is not None and self.hansen <= 1 - CONFIDENCE,
        )
        return False if all(good) else None

    @property
    def sentence(self) -> str:
        """The answer to "is this luck?"."""
        head = {
            True: "This looks like luck",
            False: "Luck alone hardly explains this",
            None: "This may well be luck; the data cannot tell",
        }[self.is_likely_luck]
        parts = [
            _said(self.deflated_sharpe, "deflated Sharpe probability {:.2f} after {trials:,} trials", self.trials),
            _said(self.pbo, "the best of one half was below the median of the other in {:.0%} of the splits"),
            _said(self.hansen, "the best of luck does as well with p = {:.3f}"),
        ]
        unknown = sorted(set(self.reasons.values()))
        told = "; ".join([part for part in parts if part] + unknown) or "nothing could be computed"
        return f"{head}: {told}."

    def as_dict(self) -> dict[str, Any]:
        """Return all values, the sentence and the reasons."""
        return {**asdict(self), "is_likely_luck": self.is_likely_luck, "sentence": self.sentence}

    def __str__(self) -> str:
        return self.sentence


def judge(
    daily: Float64Array,
    best: int,
    trials: int,
    *,
    split: Overfitting | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Verdict:
    """Return what speaks for and against luck.

    Parameters
    ----------
    daily : array of float64, shape (combinations, dates)
        Net profit of each combination on each trading date, USD.
    best : int
        Row of the chosen one.
    trials : int
        Combinations ever tried; at least those of `daily` are counted.
    split : Overfitting, optional
        Of these profits, when it is known already.
    samples, seed : int
        Of the bootstrap.
    """
    trials = max(trials, len(daily))
    reasons: dict[str, str] = {}
    made: dict[str, Any] = _of_best(daily, best, trials, reasons)
    across = np.ascontiguousarray(daily.T)
    split = split or overfitting(across)
    if split.pbo is None:
        reasons["pbo"] = split.reason
    check = reality_check(across, samples=samples, seed=seed)
    if check.hansen is None:
        reasons["reality_check"] = check.reason
    return Verdict(
        trials=trials, dates=daily.shape[1], **made, pbo=split.pbo, pbo_loss=split.loss, white=check.white,
        hansen=check.hansen, reasons=reasons,
    )  # fmt: skip


def _of_best(daily: Float64Array, best: int, trials: int, reasons: dict[str, str]) -> dict[str, Any]:
    found = moments(daily[best], reasons)
    if found is None:
        return {}
    shape = {"skew": found.skew, "kurtosis": found.kurtosis}
    ratios = sharpe_per_day(daily)
    ratios = ratios[np.isfinite(ratios)]
    variance = float(np.var(ratios, ddof=1)) if len(ratios) > 1 else 0.0
    return {
        "sharpe": found.sharpe,
        "sharpe_variance": variance,
        "luck_sharpe": expected_maximum_sharpe(trials, variance),
        "probabilistic_sharpe": probabilistic_sharpe(found.sharpe, found.n, **shape, reasons=reasons),
        "deflated_sharpe": deflated_sharpe(
            found.sharpe, found.n, trials=trials, variance=variance, **shape, reasons=reasons
        ),
        "track_record_dates": minimum_track_record(found.sharpe, confidence=CONFIDENCE, **shape, reasons=reasons),
    }


def _said(value: float | None, text: str, trials: int = 0) -> str:
    return "" if value is None or not math.isfinite(value) else text.format(value, trials=trials)
