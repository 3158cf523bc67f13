"""What a backtest found: numbers, frames, a picture, and everything needed to make it again."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.backtest.replay import Played
from workbench.backtest.series import Series
from workbench.backtest.stats import Number, Stats, daily_profit, stats
from workbench.backtest.trades import Trade, round_trips
from workbench.domain.errors import InputError
from workbench.rules.strategy import Strategy

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_SCALE = 10_000  # equity is summed in hundredths of a cent, so that it is exact
Writer = Callable[[Path, bytes], None]


class Result:
    """The result of one backtest. `print(result)` is its one line; in a notebook it shows itself.

    Attributes
    ----------
    provenance : dict
        Strategy version, parameters, data version, program version, costs and limits: what it takes to make it again.
    reasons : dict
        Why a value in `stats` is None.
    """

    def __init__(
        self,
        strategy: Strategy,
        bars: Series,
        played: Played,
        *,
        provenance: Mapping[str, Any] | None = None,
        writer: Writer | None = None,
    ) -> None:
        self.strategy, self.provenance = strategy, dict(provenance or {})
        self._bars, self._played, self._writer = bars, played, writer
        self._orders = {order.order_id or 0: order for order in played.orders}

    @cached_property
    def _trades(self) -> list[Trade]:
        return round_trips(self._played.fills, self._orders, self._bars.contract.spec)

    @cached_property
    def _curve(self) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
        # position at each close, and equity there in 1/10,000 USD
        bars, fills, product = self._bars, self._played.fills, self._bars.contract.spec
        at = np.searchsorted(bars.ends, np.array([fill.at for fill in fills], dtype=np.int64), side="right")
        qty, cash = np.zeros(len(bars), dtype=np.int64), np.zeros(len(bars), dtype=np.int64)
        paid = np.zeros(len(bars), dtype=np.int64)
        np.add.at(qty, at, np.array([fill.qty for fill in fills], dtype=np.int64))
        np.add.at(cash, at, np.array([-fill.qty * fill.ticks for fill in fills], dtype=np.int64))
        np.add.at(paid, at, np.array([int(fill.fees * _SCALE) for fill in fills], dtype=np.int64))
        position = np.cumsum(qty)
        ticks = np.cumsum(cash) + position * bars.ticks[3]
        return position, ticks * int(product.tick_value * _SCALE) - np.cumsum(paid)

    @cached_property
    def _stats(self) -> Stats:
        position, equity = self._curve
        days = self._bars.hours.session_index(self._bars.starts)
        costs = sum((fill.fees for fill in self._played.fills), Decimal(0))
        refused = sum(alert.text.startswith("order refused") for _, alert in self._played.alerts)
        return stats(self._trades, equity / _SCALE, position, days, costs, refused)

    @property
    def stats(self) -> dict[str, Number]:
        """Statistics by name; the definitions stand in `workbench.backtest.stats`."""
        return dict(self._stats.values)

    @property
    def reasons(self) -> dict[str, str]:
        """Why a value in `stats` is None."""
        return dict(self._stats.reasons)

    @property
    def alerts(self) -> list[tuple[int, str]]:
        """What the operator would have been told: (UTC ns, text)."""
        return [(at, alert.text) for at, alert in self._played.alerts]

    @cached_property
    def trades(self) -> pd.DataFrame:
        """One row per round trip; prices in points, money in USD, times UTC. An open trade has no exit."""
        import pandas as pd

        rows = [
            {
                "entry_at": t.entry_at,
                "exit_at": t.exit_at,
                "side": "long" if t.side > 0 else "short",
                "qty": t.qty,
                "entry_price": t.entry_price,
                "exit_price": t.exit_price,
                "gross_usd": float(t.gross_usd),
                "costs_usd": float(t.costs_usd),
                "net_usd": float(t.net_usd),
                "rule": t.rule,
                "exit_rule": t.exit_rule,
            }
            for t in self._trades
        ]
        frame = pd.DataFrame(rows, columns=_TRADE_COLUMNS)
        return _with_times(frame, "entry_at", "exit_at").astype({"exit_price": "float64"})

    @cached_property
    def orders(self) -> pd.DataFrame:
        """One row per order, bracket legs included; prices in points."""
        import pandas as pd

        price = self._bars.contract.spec.price
        filled = {fill.order_id: fill for fill in self._played.fills}
        rows = [
            {
                "order_id": o.order_id,
                "at": o.created_at,
                "type": o.type.name.lower(),
                "side": "buy" if o.side.sign > 0 else "sell",
                "qty": o.qty,
                "limit_price": None if o.limit_ticks is None else price(o.limit_ticks),
                "stop_price": None if o.stop_ticks is None else price(o.stop_ticks),
                "status": o.status.value,
                "filled_at": filled[o.order_id].at if o.order_id in filled else None,
                "fill_price": price(filled[o.order_id].ticks) if o.order_id in filled else None,
                "parent_id": o.parent_id,
                "rule": o.rule,
            }
            for o in self._orders.values()
        ]
        return _with_times(pd.DataFrame(rows, columns=_ORDER_COLUMNS), "at", "filled_at")

    @cached_property
    def equity(self) -> pd.DataFrame:
        """Net profit, drawdown (USD) and signed position at each bar's close."""
        import pandas as pd

        position, scaled = self._curve
        equity = scaled / _SCALE
        peak = np.maximum.accumulate(np.maximum(equity, 0.0))
        index = pd.DatetimeIndex(pd.to_datetime(self._bars.ends, utc=True), name="at")
        return pd.DataFrame({"equity_usd": equity, "drawdown_usd": equity - peak, "position": position}, index=index)

    @cached_property
    def daily(self) -> pd.DataFrame:
        """Net profit (USD, the open position at its last close included) and closed trades of each trading date."""
        import pandas as pd

        hours = self._bars.hours
        days = hours.session_index(self._bars.starts)
        rows = np.unique(days)
        exits = np.array([t.exit_at for t in self._trades if t.exit_at is not None], dtype=np.int64)
        closed = np.searchsorted(rows, hours.session_index(exits))
        index = pd.DatetimeIndex(hours.dates[rows], name="trading_date")
        profit = daily_profit(self._curve[1] / _SCALE, days)
        return pd.DataFrame({"net_usd": profit, "trades": np.bincount(closed, minlength=len(rows))}, index=index)

    @cached_property
    def bars(self) -> pd.DataFrame:
        """The bars it ran on, by their start."""
        import pandas as pd

        index = pd.DatetimeIndex(pd.to_datetime(self._bars.starts, utc=True), name="ts")
        columns = dict(zip(("open", "high", "low", "close"), self._bars.points, strict=True))
        return pd.DataFrame({**columns, "volume": self._bars.volume}, index=index)

    def plot(self) -> go.Figure:
        """Return price with entries and exits, equity and drawdown as one Plotly figure."""
        from workbench.backtest.plot import plot_result

        return plot_result(self)

    def summary(self) -> str:
        """Return the backtest line: everything that matters in one row of text."""
        s, bars = self._stats.values, self.provenance.get("data", {})
        parts = [
            f"{self.strategy.name}@{self.strategy.version[:8]} {self._bars.contract.id} {self._bars.timeframe}",
            f"{bars.get('first', '')} … {bars.get('last', '')}" if bars else f"{len(self._bars):,} bars",
            f"{s['trades']} trades",
            f"net {_usd(s['net_usd'])}",
            f"costs {_usd(s['costs_usd'])}",
            f"win {_text(s['win_rate'], '{:.1%}')}",
            f"PF {_text(s['profit_factor'], '{:.2f}')}",
            f"max DD {_usd(s['max_drawdown_usd'])}",
            f"Sharpe {_text(s['sharpe_daily'], '{:.2f}')}",
        ]
        return " · ".join(parts)

    def report(self, path: str | Path) -> Path:
        """Write a self-contained HTML page (numbers, picture, trades, provenance) and return its path."""
        from workbench.backtest.page import page

        if self._writer is None:
            raise InputError("this result has nobody to write for it; results of workbench.backtest have")
        target = Path(path)
        self._writer(target, page(self).encode("utf-8"))
        return target

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Result {self.summary()}>"

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td style='text-align:left'>{name}</td><td style='text-align:right'>{shown}</td></tr>"
            for name, shown in self.shown().items()
        )
        return f"<p><b>{html.escape(self.summary())}</b></p><table>{cells}</table>"

    def shown(self) -> dict[str, str]:
        """The statistics as people read them; what is undefined says why."""
        made = {}
        for name, value in self._stats.values.items():
            made[name] = f"– ({self._stats.reasons[name]})" if value is None else _shown(name, value)
        return made


_TRADE_COLUMNS = "entry_at exit_at side qty entry_price exit_price gross_usd costs_usd net_usd rule exit_rule".split()
_ORDER_COLUMNS = "order_id at type side qty limit_price stop_price status filled_at fill_price parent_id rule".split()


def _with_times(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    import pandas as pd

    for name in names:
        frame[name] = pd.to_datetime(frame[name].astype("Int64"), utc=True, unit="ns")
    return frame


def _shown(name: str, value: float) -> str:
    if name.endswith("_usd"):
        return _usd(value)
    if name in ("win_rate", "exposure"):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _usd(value: Number) -> str:
    return "–" if value is None else f"{value:,.2f} USD"


def _text(value: Number, form: str) -> str:
    return "–" if value is None else form.format(value)
