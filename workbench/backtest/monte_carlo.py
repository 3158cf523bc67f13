"""What the same trades could have looked like: in another order, or entered at random bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]

SAMPLES = 2000
QUANTILES = (5, 25, 50, 75, 95, 99)
_EXACT = 6  # up to 720 orders are all tried
_AT_ONCE = 1 << 21


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOrder:
    """Drawdowns of the same trades in other orders, USD.

    Parameters
    ----------
    drawdown_usd : float or None
        Largest fall of the sum of closed trades in the order in which they came.
    quantiles : dict
        Drawdown that this percentage of the orders stays at or below.
    worse : float or None
        Share of the orders whose drawdown is at least the one that came: near 0, the order was unlucky; near 1, lucky.
    samples : int
        Orders that were tried; all of them for up to six trades.
    reason : str
        Why the others are None.
    """

    drawdown_usd: float | None = None
    quantiles: dict[int, float]
    worse: float | None = None
    samples: int = 0
    reason: str = ""


def trade_order(nets: Sequence[float] | Float64Array, *, samples: int = SAMPLES, seed: int = 0) -> TradeOrder:
    """Shuffle closed trades and return how deep their sum falls.

    Parameters
    ----------
    nets : sequence of float
        Net profit of each closed trade, USD, in the order in which they came.

    >>> made = trade_order([10.0, -4.0, -3.0])  # both losses in a row in four of six orders
    >>> made.drawdown_usd, made.quantiles[5], made.quantiles[99], round(made.worse, 2)
    (7.0, 4.0, 7.0, 0.67)
    """
    trades = np.asarray(nets, dtype=np.float64)
    if len(trades) < 2:
        return TradeOrder(quantiles={}, reason=f"{len(trades)} closed trades have no order")
    if len(trades) <= _EXACT:
        falls = drawdowns(np.array(list(permutations(trades.tolist()))))
    else:
        random, each = np.random.default_rng(seed), max(1, _AT_ONCE // len(trades))
        parts = [min(each, samples - first) for first in range(0, samples, each)]
        falls = np.concatenate([drawdowns(random.permuted(np.tile(trades, (n, 1)), axis=1)) for n in parts])
    came = float(drawdowns(trades[None, :])[0])
    return TradeOrder(
        drawdown_usd=came,
        quantiles={q: float(np.quantile(falls, q / 100, method="inverted_cdf")) for q in QUANTILES},
        worse=float(np.mean(falls >= came - 1e-9)),  # sums in another order differ in their last bits
        samples=len(falls),
    )


def drawdowns(nets: Float64Array) -> Float64Array:
    """Return the largest fall from the highest point so far of each row's running sum, which begins at 0.

    >>> drawdowns(np.array([[5.0, -3.0, -1.0, 2.0], [-2.0, 1.0, -4.0, 9.0]]))
    array([4., 5.])
    """
    equity = np.cumsum(nets, axis=1)
    peak = np.maximum.accumulate(np.maximum(equity, 0.0), axis=1)
    fall: Float64Array = (peak - equity).max(axis=1, initial=0.0)
    return fall


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomEntries:
    """The strategy against itself with its entries at random bars.

    Parameters
    ----------
    net_usd : float
        Net profit of the strategy.
    quantiles : dict
        Net profit that this percentage of the random versions stays at or below, USD.
    better : float or None
        Share of the random versions that made at least as much: a small one says that the entries know something.
    trades : float or None
        Mean number of trades of the random versions.
    samples : int
    reason : str
        Why the others are None.
    """

    net_usd: float
    quantiles: dict[int, float]
    better: float | None = None
    trades: float | None = None
    samples: int = 0
    reason: str = ""


def against_random(net_usd: float, nets: Float64Array, trades: Float64Array) -> RandomEntries:
    """Return how a net profit compares with those of random versions, USD."""
    return RandomEntries(
        net_usd=net_usd,
        quantiles={q: float(np.quantile(nets, q / 100, method="inverted_cdf")) for q in QUANTILES},
        better=float((np.count_nonzero(nets >= net_usd) + 1) / (len(nets) + 1)),
        trades=float(trades.mean()),
        samples=len(nets),
    )
