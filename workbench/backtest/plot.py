"""The picture of a result: price with entries and exits, equity, drawdown.

Long runs are thinned for the eye, keeping extremes: at most MOST_CANDLES candles, MOST_POINTS points a curve, and the
MOST_TRADES trades that won or lost most. The numbers of the result are not touched; `start` and `end` zoom in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.backtest.thin import candles, largest, turning_points

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from workbench.backtest.result import Result

MOST_CANDLES = 1500
MOST_POINTS = 4000
MOST_TRADES = 300
MOST_BREAKS = 60
_BREAK_NS = 12 * 3600 * 10**9
UP, DOWN, LINE, SHORT = "#2a9d6f", "#c8453c", "#3b6ea5", "#8a4fa3"


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a picture shows of a result."""

    bars: pd.DataFrame
    equity: pd.DataFrame
    trades: pd.DataFrame
    all_trades: int
    floor: pd.Series[float] | None  # the firm's maximum-loss level as net profit, USD


def stretch(result: Result, start: Any, end: Any, most_trades: int = MOST_TRADES) -> Stretch:
    """Return the bars, the curve and the trades between two times (open when None), the largest trades only."""
    bars, equity, trades = result.bars, result.equity, result.trades
    if start is not None or end is not None:
        first, last = _utc(start), _utc(end)
        bars, equity = bars.loc[first:last], equity.loc[first:last]
        if first is not None:
            trades = trades[trades["exit_at"].isna() | (trades["exit_at"] >= first)]
            trades = trades.assign(entry_at=trades["entry_at"].where(trades["entry_at"] >= first))
        if last is not None:
            trades = trades[trades["entry_at"].isna() | (trades["entry_at"] <= last)]
            trades = trades.assign(exit_at=trades["exit_at"].where(trades["exit_at"] <= last))
    shown = trades.iloc[largest(trades["net_usd"].to_numpy(dtype=np.float64), most_trades)]
    return Stretch(bars, equity, shown, len(trades), _floor(result, equity))


def _floor(result: Result, equity: pd.DataFrame) -> pd.Series[float] | None:
    account = result.account
    if account is None or not len(equity):
        return None
    levels = account["floor_usd"][~account.index.duplicated(keep="last")] - result.capital_usd
    known = levels.reindex(levels.index.union(equity.index)).ffill()
    made = known.reindex(equity.index).dropna()
    if made.empty:
        return None
    kept: pd.Series[float] = made[(made != made.shift()).to_numpy() | (made.index == made.index[-1])]
    return kept


def _utc(when: Any) -> pd.Timestamp | None:
    import pandas as pd

    if when is None:
        return None
    stamp = pd.Timestamp(when)
    return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")


def _wall(times: Any) -> Any:
    # UTC without its name: plotly copies an array of these at once, and zoned ones one by one
    import pandas as pd

    return pd.DatetimeIndex(times).tz_localize(None).to_numpy()


def plot_result(result: Result, start: Any = None, end: Any = None) -> go.Figure:
    """Return the figure."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    shown = stretch(result, start, end)
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, row_heights=[0.55, 0.27, 0.18], vertical_spacing=0.045,
        subplot_titles=(_price_title(shown), "net profit, USD", "drawdown, USD"),
    )  # fmt: skip
    if len(shown.bars):
        _price(figure, shown.bars)
    _marks(figure, shown.trades)
    for row, column, colour in ((2, "equity_usd", LINE), (3, "drawdown_usd", DOWN)):
        values = shown.equity[column]
        points = values.iloc[turning_points(values.to_numpy(), MOST_POINTS)]
        line = {"color": colour, "width": 1.3}
        name = column.removesuffix("_usd")
        trace = go.Scatter(
            x=_wall(points.index), y=points.to_numpy(), line=line, name=name, fill="tozeroy" if row == 3 else None,
            hovertemplate="%{x|%Y-%m-%d %H:%M}<br>%{y:,.2f} USD",
        )  # fmt: skip
        figure.add_trace(trace, row=row, col=1)
    if shown.floor is not None:
        line = {"color": DOWN, "width": 1, "dash": "dot", "shape": "hv"}
        trace = go.Scatter(
            x=_wall(shown.floor.index), y=shown.floor.to_numpy(), line=line, mode="lines", name="maximum loss"
        )
        figure.add_trace(trace, row=2, col=1)
    figure.update_layout(
        title=f"{result.strategy.name}@{result.strategy.version[:8]}",
        title_font_size=15, height=760, template="plotly_white", showlegend=False, hovermode="closest",
        margin={"l": 70, "r": 20, "t": 80, "b": 35}, xaxis_rangeslider_visible=False,
    )  # fmt: skip
    figure.update_annotations(font_size=12, x=0, xanchor="left")
    figure.update_yaxes(tickformat=",", zerolinecolor="#bbb")
    figure.update_xaxes(rangebreaks=_breaks(shown.bars))
    return figure


def _breaks(bars: pd.DataFrame) -> list[dict[str, Any]]:
    # weekends and holidays take no room, where there are few enough of them to be seen
    stamps = bars.index.to_numpy(dtype="M8[ns]").astype(np.int64)
    steps = np.diff(stamps)
    usual = int(np.median(steps)) if len(steps) else _BREAK_NS
    rows = np.flatnonzero(steps > _BREAK_NS)
    if usual >= _BREAK_NS or len(rows) > MOST_BREAKS:
        return []
    ends = (stamps[rows] + usual).astype("M8[ns]").astype("M8[ms]"), stamps[rows + 1].astype("M8[ns]").astype("M8[ms]")
    return [{"bounds": [str(begin), str(end)]} for begin, end in zip(*ends, strict=True)]


def _price_title(shown: Stretch) -> str:
    count, every = len(shown.trades), -(-len(shown.bars) // MOST_CANDLES)
    said = f"price, candles of {every} bars, UTC" if every > 1 else "price, UTC"
    return f"{said}; the {count:,} largest of {shown.all_trades:,} trades" if count < shown.all_trades else said


def _price(figure: go.Figure, bars: pd.DataFrame) -> None:
    import plotly.graph_objects as go

    made = candles([bars[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close")], MOST_CANDLES)
    trace = go.Candlestick(
        x=_wall(bars.index[made.first]), open=made.open, high=made.high, low=made.low, close=made.close, name="price",
        increasing={"line": {"color": "#8aa0ad", "width": 1}, "fillcolor": "#dfe7eb"},
        decreasing={"line": {"color": "#8aa0ad", "width": 1}, "fillcolor": "#8aa0ad"},
    )  # fmt: skip
    figure.add_trace(trace, row=1, col=1)


def _marks(figure: go.Figure, trades: pd.DataFrame) -> None:
    import plotly.graph_objects as go

    out = trades.dropna(subset=["exit_at"])
    text = [f"{rule}: {net:+,.2f} USD" for rule, net in zip(out["exit_rule"], out["net_usd"], strict=True)]
    colours = [UP if net > 0 else DOWN for net in out["net_usd"]]
    mark = {"symbol": "x-thin", "size": 8, "line": {"color": colours, "width": 1.8}}
    figure.add_trace(
        go.Scatter(
            x=_wall(out["exit_at"]), y=out["exit_price"], mode="markers", marker=mark, text=text, name="out",
            hovertemplate="%{x|%Y-%m-%d %H:%M}<br>%{text}<br>%{y:,}<extra></extra>",
        ),
        row=1, col=1,
    )  # fmt: skip
    for side, symbol, colour in (("long", "triangle-up", UP), ("short", "triangle-down", SHORT)):
        part = trades[trades["side"] == side]
        mark = {"symbol": symbol, "size": 9, "color": colour, "line": {"color": "white", "width": 0.8}}
        text = [f"{side} {qty} · {rule}" for qty, rule in zip(part["qty"], part["rule"], strict=True)]
        figure.add_trace(
            go.Scatter(
                x=_wall(part["entry_at"]), y=part["entry_price"], mode="markers", marker=mark, text=text,
                name=f"{side} in", hovertemplate="%{x|%Y-%m-%d %H:%M}<br>%{text}<br>%{y:,}<extra></extra>",
            ),
            row=1, col=1,
        )  # fmt: skip
