"""What a sweep found: every combination, the best one, and whether it is luck."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from workbench.backtest.cscv import Overfitting, overfitting
from workbench.backtest.luck import Verdict, judge
from workbench.backtest.monte_carlo import RandomEntries, TradeOrder, trade_order
from workbench.backtest.neighbours import Stability, stability
from workbench.backtest.search import Space
from workbench.backtest.sweep import METRICS, Chunk, metrics, require_metric, score
from workbench.domain.errors import InputError, UnknownName
from workbench.domain.html_table import muted, table
from workbench.rules.strategy import Strategy, Value

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from workbench.backtest.result import Result
    from workbench.backtest.walk_forward import WalkForward

Float64Array = npt.NDArray[np.float64]
DateArray = npt.NDArray[np.datetime64]

_Made = TypeVar("_Made")

SHOWN = ("net_usd", "sharpe_daily", "trades", "win_rate", "profit_factor", "max_drawdown_usd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """What a sweep can still do with its bars; None where it has none.

    Parameters
    ----------
    result : callable
        Strategy → full result.
    random_entries : callable
        Strategy, samples, seed → comparison with random entries.
    walk_forward : callable
        Keywords of `services.sweeping.walk_forward` → its result.
    """

    result: Callable[[Strategy], Result] | None = None
    random_entries: Callable[[Strategy, int, int], RandomEntries] | None = None
    walk_forward: Callable[..., WalkForward] | None = None


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """All combinations that were run. In a notebook it shows its best rows and its verdict.

    Parameters
    ----------
    space : Space
    table : array of float64, shape (combinations, axes)
        Values that were run, in the order in which they were.
    chunk : Chunk
        What is kept of them.
    metric : str
        What the best is best in.
    method : str
    bars : int
        Bars that were run on.
    dates : array of datetime64[D]
        Trading dates of `daily`.
    trials : int
        Combinations of this strategy ever tried, this sweep included.
    planned : int
        Combinations that were to be run; more than there are rows when it was interrupted.
    dropped : int
        Combinations that broke a constraint.
    seed : int
    provenance : mapping
    later : Later
    """

    space: Space
    table: Float64Array = field(repr=False)
    chunk: Chunk = field(repr=False)
    metric: str
    method: str
    bars: int
    dates: DateArray = field(repr=False)
    trials: int = 0
    planned: int = 0
    dropped: int = 0
    seed: int = 0
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)
    later: Later = field(default_factory=Later, repr=False)

    # --- numbers ---

    @property
    def strategy(self) -> Strategy:
        """The strategy with the values of the best combination."""
        return self.space.strategy.with_parameters(**self.best)

    @cached_property
    def metrics(self) -> dict[str, Float64Array]:
        """Numbers of each combination by name; the definitions stand in `workbench.backtest.sweep.metrics`."""
        return metrics(self.chunk.raw, self.chunk.daily, self.bars)

    @property
    def daily(self) -> Float64Array:
        """Net profit in USD, shape (combinations, trading dates)."""
        return self.chunk.daily

    @property
    def is_complete(self) -> bool:
        """False when it was interrupted; ``resume=True`` goes on."""
        return len(self.table) >= self.planned

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for each combination, in the order they were run: parameters, then metrics. NaN: undefined."""
        import pandas as pd

        axes = {a.name: np.array([a.typed(v) for v in self.table[:, i]]) for i, a in enumerate(self.space.axes)}
        made = pd.DataFrame(axes | self.metrics)
        if self.chunk.refusals:
            made["refusal"] = pd.Series(dict(self.chunk.refusals), dtype=object)
        return made.astype({"trades": "Int64", "refused": "Int64"})

    @cached_property
    def order(self) -> npt.NDArray[np.int64]:
        """Rows from the best to the worst; of equals the one that was run first comes first."""
        return np.argsort(-score(self.metric, self.metrics[self.metric]), kind="stable")

    @property
    def row(self) -> int:
        """Row of the best combination.

        Raises
        ------
        InputError
            No combination has a value of the metric.
        """
        best = int(self.order[0])
        if not np.isfinite(self.metrics[self.metric][best]):
            refusal = f": {self.chunk.refusals[0][1]}" if self.chunk.refusals else "; did any of them trade?"
            raise InputError(f"none of {len(self.table)} combinations has a {self.metric}{refusal}")
        return best

    @property
    def best(self) -> dict[str, Value]:
        """Values of the best combination, as `backtest` takes them: ``wb.backtest(strategy, **sweep.best)``."""
        return self.space.values(self.table[self.row])

    def top(self, n: int = 10) -> pd.DataFrame:
        """Return the best rows of `frame`."""
        return self.frame.iloc[self.order[:n]]

    def _row_of(self, values: Mapping[str, Any]) -> int:
        if not values:
            return self.row
        for name in values:
            if name not in self.space.names:
                raise UnknownName("parameter of this sweep", name, self.space.names)
        same = np.ones(len(self.table), dtype=np.bool_)
        for i, name in enumerate(self.space.names):
            if name in values:
                same &= np.isclose(self.table[:, i], float(values[name]))
        found = np.flatnonzero(same)
        if not len(found):
            raise InputError(f"{dict(values)} was not run; the values of each parameter are in .frame")
        return int(found[0])

    def equity(self, **values: Any) -> pd.Series[float]:
        """Return net profit so far at the end of each trading date, USD; of the best unless values are given."""
        import pandas as pd

        row = self._row_of(values)
        return pd.Series(np.cumsum(self.daily[row]), index=pd.DatetimeIndex(self.dates, name="date"), name="equity_usd")

    # --- honesty ---

    @cached_property
    def overfit(self) -> Verdict:
        """Is this luck? Deflated Sharpe by the ledger's count, probability of overfitting, reality check."""
        ran = np.isfinite(self.chunk.raw[:, 0])
        best = int(np.count_nonzero(ran[: self.row]))
        return judge(self.daily[ran], best, self.trials, split=self.overfitting, seed=self.seed)

    @cached_property
    def overfitting(self) -> Overfitting:
        """Probability of backtest overfitting with all that was counted for it."""
        ran = np.isfinite(self.chunk.raw[:, 0])
        return overfitting(np.ascontiguousarray(self.daily[ran].T))

    @cached_property
    def stability(self) -> Stability:
        """The neighbours of the best: a plateau or a needle."""
        of = self.metrics
        sign = METRICS[self.metric]
        return stability(self.table, self.space.axes, of[self.metric], of["net_usd"], self.row, sign)

    @cached_property
    def monte_carlo(self) -> TradeOrder:
        """Drawdowns of the best one's trades in other orders."""
        result = self.result()
        nets = result.trades.loc[result.trades["exit_at"].notna(), "net_usd"]
        return trade_order(nets.to_numpy(np.float64), seed=self.seed)

    def random_entries(self, samples: int = 200, seed: int | None = None) -> RandomEntries:
        """Return how the best compares with itself entering at random bars as often."""
        return _able(self.later.random_entries)(self.strategy, samples, self.seed if seed is None else seed)

    # --- more runs ---

    def result(self, **values: Any) -> Result:
        """Return the full result of a combination; of the best unless values are given."""
        chosen = self.space.values(self.table[self._row_of(values)])
        return _able(self.later.result)(self.space.strategy.with_parameters(**chosen))

    def walk_forward(self, **options: Any) -> WalkForward:
        """Choose anew in each window and trade what follows it; options as `wb.walk_forward` takes them."""
        return _able(self.later.walk_forward)(**{"metric": self.metric, **options})

    # --- showing ---

    def heatmap(self, x: str | None = None, y: str | None = None, metric: str | None = None) -> go.Figure:
        """Return the metric over two parameters; over all other parameters the median is taken.

        Parameters
        ----------
        x, y : str, optional
            The first two parameters that were varied, when left out. With one parameter it is a line.
        metric : str, optional
            That of the sweep, when left out.
        """
        from workbench.backtest.sweep_plot import plot_heatmap

        names = self.space.names
        for name in (x, y):
            if name is not None and name not in names:
                raise UnknownName("parameter of this sweep", name, names)
        if x is not None and x == y:
            raise InputError(f"x and y are both {x}; leave one out, or name another parameter")
        across = x or next((name for name in names if name != y), names[0])
        up = y or next((name for name in names if name != across), None)
        return plot_heatmap(self, across, up, require_metric(metric or self.metric))

    def summary(self) -> str:
        """Return the sweep in a line."""
        told = f"{self.space.strategy.name}: {len(self.table):,} combinations ({self.method})"
        if not self.is_complete:
            told += f" of {self.planned:,}, interrupted"
        if self.dropped:
            told += f", {self.dropped:,} against constraints left out"
        if self.chunk.refusals:
            told += f", {len(self.chunk.refusals):,} refused by the strategy"
        best = ", ".join(f"{name}={value:g}" for name, value in self.best.items())
        return f"{told}; best {self.metric} {self.metrics[self.metric][self.row]:.4g} with {best}"

    def __len__(self) -> int:
        return len(self.table)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Sweep {self.summary()}>"

    def _repr_html_(self) -> str:
        columns = [*self.space.names, *dict.fromkeys((self.metric, *SHOWN))]
        best = self.top(8)[columns].itertuples(index=False, name=None)
        rows = [[_cell(name, value) for name, value in zip(columns, row, strict=True)] for row in best]
        luck = self.overfit
        share = "–" if luck.deflated_sharpe is None else f"{luck.deflated_sharpe:.2f}"
        counted = muted(f"{luck.trials:,} trials · deflated Sharpe probability {share} · best {len(rows)} shown")
        shown = table(columns, rows, right=range(len(columns)))
        verdict = f"<p>{html.escape(luck.sentence)}</p>"
        return f"<p><b>{html.escape(self.summary())}</b></p>{shown}{counted}{verdict}"


def _cell(name: str, value: float) -> str:
    if value != value:
        return "–"
    return f"{value:,.2f}" if name.endswith("_usd") else f"{value:.1%}" if name == "win_rate" else f"{value:,.4g}"


def _able(what: Callable[..., _Made] | None) -> Callable[..., _Made]:
    if what is None:
        raise InputError("this sweep was read without its bars; run it again with resume=True to go on with it")
    return what
