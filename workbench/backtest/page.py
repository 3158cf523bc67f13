"""A result as one HTML page that needs no network: numbers, alarms, picture, tables, trades, provenance."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from workbench.backtest.result import Result

MOST_ROWS = 500
TABLES = {
    "month": "By month",
    "weekday": "By weekday",
    "hour": "By hour of the entry (Chicago)",
    "rule": "By entry rule",
    "exit_rule": "By reason of the exit",
    "side": "Long and short",
}

_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1100px;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .4rem;border-bottom:2px solid #eee;padding-bottom:.2rem}
h3{font-size:1rem;margin:1.2rem 0 .2rem}.line{color:#444}
table{border-collapse:collapse;margin:.5rem 0;font-variant-numeric:tabular-nums}
td,th{padding:.2rem .7rem;border-bottom:1px solid #e4e4e4;text-align:right;white-space:nowrap}
td:first-child,th:first-child{text-align:left}th{color:#555;font-weight:600}
.numbers{columns:2;column-gap:2.5rem}.numbers table{width:100%;margin:0}.numbers tr{break-inside:avoid}
.numbers td:last-child{white-space:normal}.why{color:#666;font-size:.85em}
.wide{overflow-x:auto}.minus{color:#b3362d}
ul.alarms{background:#fff6e5;border-left:4px solid #e2a000;margin:.8rem 0;padding:.6rem 1rem .6rem 2rem}
pre{background:#f6f6f6;padding:.7rem;overflow:auto}svg:not(.main-svg){width:100%;height:auto}
@media(max-width:600px){.numbers{columns:1}body{margin:1rem auto}.numbers td{white-space:normal}}
"""


def page(result: Result, *, static: bool = False) -> str:
    """Return the page; Plotly's script is inside it, unless the picture is `static`."""
    if static:
        figure = str(result.plot(static=True))
    else:
        figure = result.plot().to_html(full_html=False, include_plotlyjs=True, include_mathjax=False)  # type: ignore[union-attr]
    title = html.escape(result.strategy.name)
    provenance = html.escape(json.dumps(result.provenance, indent=1, default=str))
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width'><title>Backtest of {title}</title>"
        f"<style>{_STYLE}</style></head><body><h1>Backtest of {title}</h1>"
        f"<p class='line'>{html.escape(result.summary())}</p>{alarm_list(result)}{figure}"
        f"<h2>Numbers</h2><div class='numbers'>{number_table(result)}</div>"
        f"<h2>Months</h2><p class='line'>Net profit, USD, open positions at their last close.</p>{_months(result)}"
        f"<h2>Where it came from</h2>{_groups(result)}<h2>Trades</h2>{_trades(result)}"
        f"<h2>Provenance</h2><pre>{provenance}</pre></body></html>"
    )


def alarm_list(result: Result) -> str:
    """Return the alarms as a list; empty when there are none."""
    told = "".join(f"<li><b>{html.escape(alarm.name)}</b>: {html.escape(alarm.text)}</li>" for alarm in result.alarms)
    return f"<ul class='alarms'>{told}</ul>" if told else ""


def number_table(result: Result) -> str:
    """Return the statistics as a table of two columns."""
    rows = []
    for name, text in result.shown().items():
        value = html.escape(text)
        if text.startswith("– ("):
            value = f"– <span class='why'>{html.escape(text[3:-1])}</span>"
        rows.append(f"<tr><td>{name}</td><td>{value}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def _months(result: Result) -> str:
    return _table(result.monthly)


def _groups(result: Result) -> str:
    if result.stats["trades"] == 0:
        return "<p>No closed trades.</p>"
    return "".join(f"<h3>{title}</h3>{_table(result.by(what))}" for what, title in TABLES.items())


def _trades(result: Result) -> str:
    trades = result.trades.tail(MOST_ROWS).copy()
    if trades.empty:
        return "<p>None.</p>"
    for name in ("entry_at", "exit_at"):
        trades[name] = [f"{at:%Y-%m-%d %H:%M}" if at == at else "" for at in trades[name]]  # not NaT
    more = len(result.trades) - len(trades)
    note = f"<p class='line'>The last {len(trades)} of {len(result.trades):,} trades; times are UTC.</p>"
    return f"{note if more else ''}{_table(trades.set_index('entry_at'))}"


def _table(frame: pd.DataFrame) -> str:
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in [frame.index.name or "", *frame.columns])
    body = []
    for label, row in zip(frame.index, frame.itertuples(index=False), strict=True):
        cells = "".join(_cell(name, value) for name, value in zip(frame.columns, row, strict=True))
        body.append(f"<tr><td>{html.escape(_label(label))}</td>{cells}</tr>")
    return f"<div class='wide'><table><tr>{head}</tr>{''.join(body)}</table></div>"


def _label(value: Any) -> str:
    return f"{value:%Y-%m-%d}" if hasattr(value, "strftime") else str(value)


def _cell(name: str, value: Any) -> str:
    if isinstance(value, float):
        if value != value:  # NaN: nothing there
            return "<td>–</td>"
        text = f"{value:.1%}" if name == "win_rate" else f"{value:,.2f}"
        return f"<td class='minus'>{text}</td>" if value < 0 else f"<td>{text}</td>"
    if isinstance(value, int):
        return f"<td>{value:,}</td>"
    text = str(value)
    return f"<td>{'–' if text == '<NA>' else html.escape(text)}</td>"
