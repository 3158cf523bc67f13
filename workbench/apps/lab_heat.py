"""A sweep as a heat map, its best combinations and its verdict; a walk-forward as its windows. Pure."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import Any

from workbench.apps.frame import tone
from workbench.apps.grid import Act, Row, columns
from workbench.apps.lab_form import METRICS
from workbench.apps.lab_rows import figure
from workbench.rules.parameter import shown
from workbench.widgets.cards import money

Json = dict[str, Any]

LABELS = {**METRICS, "trades": "Trades", "max_drawdown_usd": "Max drawdown"}
UNITS = {"net_usd": "USD", "trades": "n", "max_drawdown_usd": "loss", "expectancy_usd": "USD"}
LISTED = 12
SMALLER_IS_BETTER = {"max_drawdown_usd"}


def heat(result: Json, x: str | None = None, y: str | None = None, metric: str | None = None) -> Json:
    """Return the heat map of a sweep over two parameters; over all others the median is taken.

    Cells go row by row, the lowest value of `y` first. `best` and `near` are places of cells: the best one and those at
    most one step away from it.
    """
    grid = result["grid"]
    names, data = grid["parameters"], grid["columns"]
    x = x if x in names else names[0]
    y = y if y in names and y != x else next((name for name in names if name != x), None)
    metric = metric if metric in data and metric not in names else grid["metric"]
    across = sorted(set(data[x]))
    up: list[Any] = sorted(set(data[y])) if y else [None]
    place = {(u, a): i for i, (u, a) in enumerate((u, a) for u in up for a in across)}
    rows = [place[u, a] for u, a in zip(data[y] if y else [None] * len(data[x]), data[x], strict=True)]
    told = [name for name in data if name in LABELS]
    values = {name: _medians(rows, data[name], len(place)) for name in told}
    best = _best(values[metric], metric)
    return {
        "x": {"name": x, "ticks": [shown(value) for value in across]},
        "y": {"name": y or "", "ticks": [shown(value) if value is not None else "" for value in up]},
        "metric": metric,
        "metrics": [[name, LABELS[name]] for name in told],
        "parameters": names,
        "values": values,
        "units": {name: UNITS.get(name, "x") for name in told},
        "smaller": metric in SMALLER_IS_BETTER,
        "best": best,
        "near": [] if best is None else _near(best, len(across), len(up)),
        "note": _note(grid, x, y, len(rows)),
    }


def _medians(rows: list[int], column: list[float | None], cells: int) -> list[float | None]:
    if len(rows) == cells:  # one combination in each cell
        made: list[float | None] = [None] * cells
        for row, value in zip(rows, column, strict=True):
            made[row] = value
        return made
    found: dict[int, list[float]] = defaultdict(list)
    for row, value in zip(rows, column, strict=True):
        if value is not None:
            found[row].append(value)
    return [median(found[cell]) if cell in found else None for cell in range(cells)]


def _best(values: list[float | None], metric: str) -> int | None:
    sign = -1 if metric in SMALLER_IS_BETTER else 1
    known = [(sign * value, -cell) for cell, value in enumerate(values) if value is not None]
    return -max(known)[1] if known else None


def _near(best: int, wide: int, high: int) -> list[int]:
    row, column = divmod(best, wide)
    return [
        r * wide + c
        for r in range(max(0, row - 1), min(high, row + 2))
        for c in range(max(0, column - 1), min(wide, column + 2))
        if (r, c) != (row, column)
    ]


def _note(grid: Json, x: str, y: str | None, number: int) -> str:
    others = [name for name in grid["parameters"] if name not in (x, y)]
    words = f"{number:,} combinations"
    if others:
        words += f"; the median over {' and '.join(others)}"
    return words + (f"; {grid['left_out']:,} more are not drawn" if grid["left_out"] else "")


def verdict(result: Json) -> Json:
    """Return the honest line about luck, and what stands around the best, for the sheet of a sweep."""
    over, stable = result["overfit"], result["stability"]
    luck = over.get("is_likely_luck")
    tiles = [
        _tile("Deflated Sharpe", over["deflated_sharpe"], "x", f"probability: above luck, {over['trials']:,} trials"),
        _tile("Overfitting (PBO)", over["pbo"], "%", "splits in which the best of one half fails in the other"),
        _tile("Reality check p", over["hansen"], "x", over["reasons"].get("reality_check", "small: better than luck")),
        _tile("Kept by neighbours", stable["kept"], "%", stable["reason"] or "near 100: a plateau; near 0: a needle"),
        _tile("Neighbours in profit", stable["profitable"], "%", f"of {stable['neighbours']} one step away"),
    ]  # fmt: skip
    best = ", ".join(f"{name} {shown(value)}" for name, value in result["best"].items())
    return {
        "title": f"Best of {result['combinations']:,}: {best}",
        "sub": result["summary"],
        "verdict": over["sentence"],
        "verdict_tone": "alarm" if luck else "ok" if luck is False else "warn",
        "alarms": [],
        "tiles": tiles,
    }


def _tile(label: str, value: float | None, unit: str, note: str) -> Json:
    text, written = figure(value, unit)
    return {"label": label, "value": text, "unit": written, "note": note}


def top_heads(result: Json) -> Any:
    """Return the columns of the best combinations."""
    return columns(*(f"#{name}" for name in result["grid"]["parameters"]), *(f"#{LABELS[m]}" for m in _shown(result)))


def _shown(result: Json) -> list[str]:
    return [name for name in result["grid"]["columns"] if name in LABELS]


def top_rows(result: Json) -> list[Row]:
    """Return the best combinations; each can be taken into the form and run as a backtest of its own."""
    return [
        Row(
            id=str(n),
            cells=[
                *(shown(row[name]) for name in result["grid"]["parameters"]),
                *(_cell(row.get(name), name) for name in _shown(result)),
            ],
            acts=(Act(verb="run", label="Backtest"),),
        )
        for n, row in enumerate(result["top"][:LISTED])
    ]


def _cell(value: float | None, name: str) -> Any:
    text = " ".join(filter(None, figure(value, UNITS.get(name, "x"))))
    return (text, tone(value)) if name == "net_usd" else text


# --- walk-forward ----------------------------------------------------------------------------------------------------


def walk_sheet(result: Json) -> Json:
    """Return what a walk-forward came to, out of sample only."""
    of = result["stats"]
    kept = "profit a date out of sample ÷ in sample" if of["efficiency"] is not None else "nothing was made in sample"
    return {
        "title": f"Walk-forward: {of['windows']} windows, {result['combinations']:,} combinations each",
        "sub": result["summary"],
        "alarms": [],
        "tiles": [
            {**_tile("Net out of sample", of["net_usd"], "USD", ""), "tone": tone(of["net_usd"])},
            _tile("Sharpe out of sample", of["sharpe_daily"], "x", "by days, a year"),
            _tile("Above 0 with", of["probabilistic_sharpe"], "%", "probability; nothing was chosen out of sample"),
            _tile("Max drawdown", of["max_drawdown_usd"], "loss", "by days"),
            _tile("Efficiency", of["efficiency"], "x", kept),
            _tile("Windows in profit", of["profitable_windows"], "%", f"{of['idle_windows']} traded nothing"),
        ],
    }


def window_heads(result: Json) -> Any:
    """Return the columns of the windows."""
    names = [f"#{name}" for name in result["parameters"]]
    return columns(
        "Chosen on", "Traded", *names, "#Net in USD", "#Net out USD", "#Sharpe in", "#Sharpe out", "#Trades out"
    )


def window_rows(result: Json) -> list[Row]:
    """Return a row for each window: dates, the chosen values, and what they came to before and after."""
    return [
        Row(
            id=str(n),
            cells=[
                f"{w['train_first'][:10]} … {w['train_last'][:10]}", f"{w['test_first'][:10]} … {w['test_last'][:10]}",
                *(None if w[name] is None else shown(w[name]) for name in result["parameters"]),
                *(_usd(w[f"{side}_net_usd"]) for side in ("in", "out")),
                *(figure(w[f"{side}_sharpe_daily"], "x")[0] for side in ("in", "out")),
                figure(w["out_trades"], "n")[0],
            ],
        )
        for n, w in enumerate(result["windows"])
    ]  # fmt: skip


def _usd(value: float | None) -> tuple[str, str]:
    return money(value).removesuffix(" USD"), tone(value)
