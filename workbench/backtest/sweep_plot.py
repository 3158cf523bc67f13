"""Pictures of a sweep and of a walk-forward."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from workbench.backtest.swept import Sweep
    from workbench.backtest.walk_forward import WalkForward

_LINE, _BEST = "#3b6ea5", "#111111"


def plot_heatmap(sweep: Sweep, x: str, y: str | None, metric: str) -> go.Figure:
    """Return the median of a metric over one or two parameters; the best combination is marked."""
    import plotly.graph_objects as go

    frame, best = sweep.frame, sweep.best
    if y is None:
        line = frame.groupby(x)[metric].median()
        figure = go.Figure(go.Scatter(x=line.index, y=line.to_numpy(np.float64), mode="lines+markers"))
        figure.update_yaxes(title=metric)
    else:
        table = frame.pivot_table(index=y, columns=x, values=metric, aggfunc="median")
        cells = table.to_numpy(np.float64)
        figure = go.Figure(
            go.Heatmap(
                x=table.columns,
                y=table.index,
                z=cells,
                colorscale="Cividis",  # as in the lab: the same to eyes that tell red from green or not
                colorbar={"title": metric},
                **_middle(cells),
            )
        )
        mark = {"symbol": "circle-open", "size": 16, "color": _BEST, "line": {"width": 3}}
        figure.add_trace(
            go.Scatter(x=[best[x]], y=[best[y]], mode="markers", marker=mark, name="best", showlegend=False)
        )
        figure.update_yaxes(title=y)
    figure.update_xaxes(title=x)
    figure.update_layout(title=sweep.summary(), title_font_size=13, template="plotly_white", height=520)
    return figure


def _middle(cells: np.ndarray) -> dict[str, float]:
    # 0 in the middle of the colours where there are gains and losses
    return {"zmid": 0.0} if np.nanmin(cells) < 0 < np.nanmax(cells) else {}


def plot_walk_forward(walked: WalkForward) -> go.Figure:
    """Return the stitched profit out of sample, with the windows."""
    import plotly.graph_objects as go

    equity = walked.equity
    figure = go.Figure(go.Scatter(x=equity.index, y=equity.to_numpy(), line={"color": _LINE}, name="out of sample"))
    for row in walked.frame.itertuples():
        figure.add_vline(x=row.test_first, line={"color": "#bbb", "width": 1, "dash": "dot"})
    figure.update_layout(title=walked.summary(), title_font_size=13, template="plotly_white", height=420)
    figure.update_yaxes(title="net profit, USD")
    return figure
