"""The picture of a result: price with entries and exits, equity, drawdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from workbench.backtest.result import Result

MOST_CANDLES = 1500
MOST_POINTS = 6000
_UP, _DOWN, _LINE = "#2a9d6f", "#c8453c", "#3b6ea5"


def plot_result(result: Result) -> go.Figure:
    """Return the figure. Long series are thinned for the eye; the numbers of the result are not touched."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, row_heights=[0.55, 0.27, 0.18], vertical_spacing=0.03,
        subplot_titles=("price", "net profit, USD", "drawdown, USD"),
    )  # fmt: skip
    _price(figure, result.bars)
    _marks(figure, result.trades)
    curve = _thinned(result.equity)
    figure.add_trace(
        go.Scatter(x=curve.index, y=curve["equity_usd"], line={"color": _LINE}, name="net profit"), row=2, col=1
    )
    figure.add_trace(
        go.Scatter(x=curve.index, y=curve["drawdown_usd"], line={"color": _DOWN}, fill="tozeroy", name="drawdown"),
        row=3, col=1,
    )  # fmt: skip
    figure.update_layout(
        title=f"{result.strategy.name}@{result.strategy.version[:8]}", title_font_size=14, height=720,
        template="plotly_white", showlegend=False, margin={"l": 60, "r": 20, "t": 60, "b": 30},
        xaxis_rangeslider_visible=False,
    )  # fmt: skip
    return figure


def _price(figure: go.Figure, bars: pd.DataFrame) -> None:
    import plotly.graph_objects as go

    if len(bars) <= MOST_CANDLES:
        trace = go.Candlestick(
            x=bars.index, open=bars["open"], high=bars["high"], low=bars["low"], close=bars["close"], name="price"
        )
    else:
        thin = _thinned(bars)
        trace = go.Scatter(x=thin.index, y=thin["close"], line={"color": "#777", "width": 1}, name="close")
    figure.add_trace(trace, row=1, col=1)


def _marks(figure: go.Figure, trades: pd.DataFrame) -> None:
    import plotly.graph_objects as go

    for side, symbol, colour in (("long", "triangle-up", _UP), ("short", "triangle-down", _DOWN)):
        part = trades[trades["side"] == side]
        mark = {"symbol": symbol, "size": 9, "color": colour}
        figure.add_trace(
            go.Scatter(x=part["entry_at"], y=part["entry_price"], mode="markers", marker=mark, name=f"{side} in"),
            row=1, col=1,
        )  # fmt: skip
    out = trades.dropna(subset=["exit_at"])
    text = [f"{rule}: {net:,.2f} USD" for rule, net in zip(out["exit_rule"], out["net_usd"], strict=True)]
    mark = {"symbol": "x", "size": 7, "color": [_UP if net > 0 else _DOWN for net in out["net_usd"]]}
    figure.add_trace(
        go.Scatter(x=out["exit_at"], y=out["exit_price"], mode="markers", marker=mark, text=text, name="out"),
        row=1, col=1,
    )  # fmt: skip


def _thinned(frame: pd.DataFrame) -> pd.DataFrame:
    every = -(-len(frame) // MOST_POINTS)
    return frame if every <= 1 else frame.iloc[::every]
