"""Several strategies on one account, as one result: the sum of their curves, the trades of all."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.backtest.curve import Curve
from workbench.backtest.played import E4
from workbench.backtest.result import Result
from workbench.backtest.stats import Number, Stats, TradeColumns, stats, years_between
from workbench.domain.errors import InputError
from workbench.domain.hours import trading_hours

if TYPE_CHECKING:
    import pandas as pd

Int64Array = npt.NDArray[np.int64]
FIRM_DAY = "index"  # the group whose sessions are the account's trading dates


class Together(Sequence[Result]):
    """Results of strategies that shared an account; an item is the result of one of them.

    Raises
    ------
    InputError
        No results.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        if not results:
            raise InputError("no results to put together")
        self.results = tuple(results)

    def __getitem__(self, item: Any) -> Any:
        return self.results[item]

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    @cached_property
    def _ends(self) -> Int64Array:
        return np.unique(np.concatenate([each.series.ends for each in self.results]))

    @cached_property
    def _curve(self) -> Curve:
        # at each close of any of them: what all made until then, and how many contracts are held, whatever their side
        ends, hours = self._ends, trading_hours(FIRM_DAY)
        equity, held = np.zeros(len(ends), dtype=np.int64), np.zeros(len(ends), dtype=np.int64)
        for each in self.results:
            last = np.searchsorted(each.series.ends, ends, side="right") - 1
            known = last >= 0
            equity[known] += each.curve.equity_e4[last[known]]
            held[known] += np.abs(each.curve.position[last[known]])
        days = hours.session_index(ends - 1)
        first = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
        return Curve(position=held, equity_e4=equity, edges=np.append(first, len(ends)), rows=days[first])

    @cached_property
    def _stats(self) -> Stats:
        columns = [each.trade_columns for each in self.results]
        order = np.argsort(np.concatenate([each.exit_times for each in self.results]), kind="stable")
        names = ("net_usd", "side", "mae_usd", "mfe_usd", "bars")
        joined = TradeColumns(**{n: np.concatenate([getattr(c, n) for c in columns])[order] for n in names})
        starts = min(int(each.series.starts[0]) for each in self.results)
        return stats(
            joined,
            self._curve,
            years=years_between(starts, int(self._ends[-1])),
            capital=self.results[0].capital_usd,
            costs_usd=sum(float(each.stats["costs_usd"] or 0.0) for each in self.results),
            refused=sum(int(each.stats["refused"] or 0) for each in self.results),
        )

    @property
    def stats(self) -> dict[str, Number]:
        """Statistics of all together, as `Result.stats`; `open_position` counts contracts of any side."""
        return dict(self._stats.values)

    @property
    def reasons(self) -> dict[str, str]:
        """Why a value in `stats` is None."""
        return dict(self._stats.reasons)

    @cached_property
    def equity(self) -> pd.DataFrame:
        """Net profit and drawdown (USD) of all, and contracts held, at each close of any of them."""
        import pandas as pd

        made = self._curve
        index = pd.DatetimeIndex(pd.to_datetime(self._ends, utc=True), name="at")
        columns = {"equity_usd": made.equity_e4 / E4, "drawdown_usd": made.fall_e4 / -E4, "held": made.position}
        return pd.DataFrame(columns, index=index)

    @cached_property
    def trades(self) -> pd.DataFrame:
        """The trades of all by their entry, with strategy and contract."""
        import pandas as pd

        rows = [
            each.trades.assign(strategy=each.strategy.name, contract=each.series.contract.id) for each in self.results
        ]
        return pd.concat(rows, ignore_index=True).sort_values("entry_at", kind="stable", ignore_index=True)

    def summary(self) -> str:
        """Return one line for the account and one for each strategy."""
        made = self._stats.values
        head = f"{len(self)} strategies on one account · {made['trades']} trades · net {made['net_usd']:,.2f} USD"
        head += f" · max DD {made['max_drawdown_usd']:,.2f} USD"
        return "\n".join([head, *(f"  {each.summary()}" for each in self.results)])

    def __repr__(self) -> str:
        return f"<Together {self.summary()}>"

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(line)}</p>" for line in self.summary().split("\n"))
