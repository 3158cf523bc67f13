"""A result as one HTML page that needs no network: numbers, picture, trades, provenance."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.backtest.result import Result

MOST_ROWS = 500

_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1100px;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}pre{background:#f6f6f6;padding:.7rem;overflow:auto}
"""


def page(result: Result) -> str:
    """Return the page; Plotly's script is inside it."""
    figure = result.plot().to_html(full_html=False, include_plotlyjs=True, include_mathjax=False)
    trades = result.trades.tail(MOST_ROWS)
    more = len(result.trades) - len(trades)
    note = f"<p>The last {len(trades)} of {len(result.trades)} trades.</p>" if more else ""
    rows = "".join(f"<tr><td>{name}</td><td>{html.escape(text)}</td></tr>" for name, text in result.shown().items())
    provenance = html.escape(json.dumps(result.provenance, indent=1, default=str))
    title = html.escape(result.strategy.name)
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Backtest of {title}</title>"
        f"<style>{_STYLE}</style></head><body><h1>Backtest of {title}</h1>"
        f"<p>{html.escape(result.summary())}</p>{figure}<h2>Numbers</h2><table>{rows}</table>"
        f"<h2>Trades</h2>{note}{trades.to_html(index=False, border=0)}"
        f"<h2>Provenance</h2><pre>{provenance}</pre></body></html>"
    )
