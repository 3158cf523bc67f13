"""Walk-forward: choose on the past, trade what follows with it, move on, and join only what was traded.

::

    dates      0 ........................................................ n
    window 1   [ train ···········|purge][embargo][ test ]
    window 2             [ train ···········|purge][embargo][ test ]      (rolling; anchored ones all begin at 0)

The test windows follow each other without a gap. `purge` takes the last dates out of the training, whose trades and
look-backs reach into what follows; `embargo` leaves dates between training and test that belong to neither.

Source: R. Pardo, The Evaluation and Optimization of Trading Strategies, 2nd edition, Wiley 2008 (windows, efficiency);
M. López de Prado, Advances in Financial Machine Learning, Wiley 2018, chapter 7 (purge, embargo).
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.backtest.overfit import moments, probabilistic_sharpe
from workbench.backtest.search import Space
from workbench.backtest.stats import TRADING_DATES_A_YEAR
from workbench.backtest.sweep import Chunk, metrics, score
from workbench.domain.errors import InputError
from workbench.rules.strategy import Value

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

Float64Array = npt.NDArray[np.float64]
DateArray = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One step; numbers of trading dates, the ends exclusive."""

    train: tuple[int, int]
    test: tuple[int, int]


def windows(
    dates: int, *, train: int, test: int, anchored: bool = False, purge: int = 0, embargo: int = 0
) -> list[Window]:
    """Return the windows over so many trading dates; the last test may be shorter.

    Parameters
    ----------
    dates : int
        Trading dates there are.
    train, test : int
        Dates to choose on (purge included) and to trade after it.
    anchored : bool
        Train from the first date on, ever longer.
    purge, embargo : int
        See the head of this module.

    Raises
    ------
    InputError
        A length below 1, a purge that eats the training, fewer dates than one window takes.

    >>> [(w.train, w.test) for w in windows(10, train=4, test=3, purge=1)]
    [((0, 3), (4, 7)), ((3, 6), (7, 10))]
    >>> [(w.train, w.test) for w in windows(10, train=4, test=3, anchored=True, embargo=1)]
    [((0, 4), (5, 8)), ((0, 7), (8, 10))]
    """
    for name, value, least in (("train", train, 2), ("test", test, 1), ("purge", purge, 0), ("embargo", embargo, 0)):
        if isinstance(value, bool) or value != int(value) or value < least:
            raise InputError(f"{name}={value!r} must be a whole number of trading dates, at least {least}")
    if purge > train - 2:
        raise InputError(f"purge={purge} leaves less than two of train={train} dates; take a longer training")
    first = train + embargo
    if dates <= first:
        raise InputError(
            f"{dates} trading dates are too few for train={train} and embargo={embargo}: nothing is left to test on"
        )
    return [
        Window(
            train=(0 if anchored else begin - first, begin - embargo - purge), test=(begin, min(begin + test, dates))
        )
        for begin in range(first, dates, test)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one window came to.

    Parameters
    ----------
    window : Window
    values : mapping
        Chosen in sample.
    inside, outside : mapping
        Metrics in sample and out of sample.
    daily : array of float64, shape (dates of the test,)
        Net profit out of sample, USD.
    """

    window: Window
    values: Mapping[str, Value]
    inside: Mapping[str, float]
    outside: Mapping[str, float]
    daily: Float64Array

    @property
    def is_idle(self) -> bool:
        """True when no combination had the metric in sample: then the window trades nothing."""
        return any(isinstance(value, float) and math.isnan(value) for value in self.values.values())


# (first date, last date exclusive, table) → what is kept of each combination, traded on these dates only
Runner = Callable[[int, int, Float64Array], Chunk]


def walk(
    of: Space,
    table: Float64Array,
    steps: Sequence[Window],
    run: Runner,
    bars_between: Callable[[int, int], int],
    metric: str,
) -> list[Step]:
    """Return what each window came to: the best of the table in sample, run again out of sample.

    Parameters
    ----------
    of : Space
    table : array of float64, shape (combinations, axes)
    steps : sequence of Window
    run : callable
        Runs combinations on a range of trading dates, beginning flat and with warm indicators.
    bars_between : callable
        Bars of a range of trading dates.
    metric : str

    Raises
    ------
    InputError
        No combination has the metric in any of the windows; a single such window trades nothing.
    """
    made = []
    for step in steps:
        inside = run(*step.train, table)
        of_all = metrics(inside.raw, inside.daily, bars_between(*step.train))
        ranked = score(metric, of_all[metric])
        best = int(np.argmax(ranked))
        if not math.isfinite(ranked[best]):
            made.append(_idle(of, step, of_all))
            continue
        outside = run(*step.test, table[best : best + 1])
        of_best = metrics(outside.raw, outside.daily, bars_between(*step.test))
        made.append(
            Step(
                window=step,
                values=of.values(table[best]),
                inside={name: float(column[best]) for name, column in of_all.items()},
                outside={name: float(column[0]) for name, column in of_best.items()},
                daily=outside.daily[0],
            )
        )
    if all(step.is_idle for step in made):
        raise InputError(f"no combination has a {metric} in any of the {len(made)} training windows; train longer")
    return made


def _idle(of: Space, window: Window, names: Mapping[str, Any]) -> Step:
    # nothing could be chosen, so nothing is traded: what a person would do at that point
    nothing = {**dict.fromkeys(names, math.nan), **dict.fromkeys(_COUNTED, 0.0)}
    return Step(
        window=window,
        values=dict.fromkeys(of.names, math.nan),
        inside=nothing,
        outside=nothing,
        daily=np.zeros(window.test[1] - window.test[0]),
    )


_COUNTED = ("net_usd", "trades", "costs_usd", "max_drawdown_usd")


@dataclass(frozen=True, kw_only=True)
class WalkForward:
    """What choosing and trading in turn came to: out of sample only.

    Parameters
    ----------
    space : Space
    steps : sequence of Step
    dates : array of datetime64[D]
        All trading dates.
    metric : str
        What was chosen by.
    combinations : int
        Tried in each window.
    """

    space: Space
    steps: Sequence[Step] = field(repr=False)
    dates: DateArray = field(repr=False)
    metric: str
    combinations: int
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for each window: its dates, the chosen values, metrics in sample (`in_…`) and out of it (`out_…`)."""
        import pandas as pd

        shown = list(dict.fromkeys((self.metric, "net_usd", "sharpe_daily", "trades", "max_drawdown_usd")))
        rows = []
        for step in self.steps:
            train, test = step.window.train, step.window.test
            rows.append(
                {
                    "train_first": self.dates[train[0]],
                    "train_last": self.dates[train[1] - 1],
                    "test_first": self.dates[test[0]],
                    "test_last": self.dates[test[1] - 1],
                    **step.values,
                    **{f"in_{name}": step.inside[name] for name in shown},
                    **{f"out_{name}": step.outside[name] for name in shown},
                }
            )
        return pd.DataFrame(rows)

    @cached_property
    def daily(self) -> pd.Series[float]:
        """Net profit of each trading date out of sample, USD."""
        import pandas as pd

        first, last = self.steps[0].window.test[0], self.steps[-1].window.test[1]
        made = np.concatenate([step.daily for step in self.steps])
        return pd.Series(made, index=pd.DatetimeIndex(self.dates[first:last], name="date"), name="net_usd")

    @property
    def equity(self) -> pd.Series[float]:
        """Net profit so far out of sample, USD, the windows joined."""
        return self.daily.cumsum().rename("equity_usd")

    @cached_property
    def stats(self) -> dict[str, float | None]:
        """The stitched result: net profit, Sharpe ratio, drawdown by days, efficiency, windows that made money.

        ``efficiency`` is Pardo's: profit a date out of sample ÷ profit a date in sample, both over all windows; None
        when nothing was made in sample. ``probabilistic_sharpe`` needs no deflation: nothing was chosen out of sample.
        """
        made = np.concatenate([step.daily for step in self.steps])
        equity = np.cumsum(made)
        found = moments(made)
        inside = [step.inside["net_usd"] / (step.window.train[1] - step.window.train[0]) for step in self.steps]
        return {
            "net_usd": float(made.sum()),
            "sharpe_daily": None if found is None else found.sharpe * math.sqrt(TRADING_DATES_A_YEAR),
            "probabilistic_sharpe": None
            if found is None
            else probabilistic_sharpe(found.sharpe, found.n, skew=found.skew, kurtosis=found.kurtosis),
            "max_drawdown_usd": float((np.maximum.accumulate(np.maximum(equity, 0.0)) - equity).max()),
            "efficiency": float(made.mean()) / float(np.mean(inside)) if np.mean(inside) > 0 else None,
            "profitable_windows": float(np.mean([step.outside["net_usd"] > 0 for step in self.steps])),
            "windows": len(self.steps),
            "idle_windows": sum(step.is_idle for step in self.steps),
        }

    @property
    def efficiency(self) -> float | None:
        """Profit a date out of sample ÷ in sample; None when nothing was made in sample."""
        return self.stats["efficiency"]

    def plot(self) -> go.Figure:
        """Return the stitched profit with the windows."""
        from workbench.backtest.sweep_plot import plot_walk_forward

        return plot_walk_forward(self)

    def summary(self) -> str:
        """Return the walk-forward in a line."""
        told = f"{self.space.strategy.name}: {len(self.steps)} windows, {self.combinations:,} combinations each"
        idle = self.stats["idle_windows"]
        told += f", {idle} of them idle for want of trades in sample" if idle else ""
        sharpe, kept = self.stats["sharpe_daily"], self.efficiency
        return (
            f"{told}; out of sample net {self.stats['net_usd']:,.2f} USD, "
            f"Sharpe {'–' if sharpe is None else f'{sharpe:.2f}'}, efficiency {'–' if kept is None else f'{kept:.0%}'}"
        )

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<WalkForward {self.summary()}>"

    def _repr_html_(self) -> str:
        table = self.frame.to_html(index=False, border=0, float_format=lambda v: f"{v:,.4g}", na_rep="–")
        return f"<p><b>{html.escape(self.summary())}</b></p>{table}"
