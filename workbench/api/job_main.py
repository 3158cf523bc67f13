"""The process of one job: one JSON object comes in, JSON lines with progress and the result go out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.domain.errors import WorkbenchError
from workbench.storage.plain import plain

Json = dict[str, Any]
MOST_POINTS, MOST_TRADES, TOP, MOST_CELLS = 2_000, 500, 50, 20_000
HEAT = ("net_usd", "sharpe_daily", "trades", "profit_factor", "max_drawdown_usd")
NICE = 10  # what trades goes first
TRADES_A_GROUP = 10_000  # that are read together when a page of them is wanted


def main() -> None:
    """Read what is asked, carry it out, and say how it went."""
    os.nice(NICE)
    out, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints stays out of the answer
    with _telling(out) as tell:
        try:
            body = json.loads(sys.stdin.readline())
            work = {"backtest": backtest, "sweep": sweep, "walk_forward": walk_forward, "report": report}[body["kind"]]
            result = work({**body["asked"], "trades": body.get("trades")}, tell)
            tell(result=plain(result))
        except WorkbenchError as error:
            tell(error=str(error))
        except Exception as error:  # noqa: BLE001 - whatever it was, the person who asked reads it
            tell(error=f"{type(error).__name__}: {error}")


@contextmanager
def _telling(out: Any) -> Iterator[Any]:
    def tell(**words: Any) -> None:
        out.write(json.dumps(words) + "\n")
        out.flush()

    yield tell


def backtest(asked: Json, tell: Any) -> Json:
    """Run a backtest on stored bars and return its summary, figures, trades and a thinned equity curve."""
    from workbench import research
    from workbench.backtest.costs import Costs

    tell(phase="loading", progress=None)
    strategy = research.load_strategy(asked["strategy"]).with_parameters(**asked["parameters"])
    tell(phase="running", progress=None)
    result = research.backtest(
        strategy,
        contract=asked["contract"],
        timeframe=asked["timeframe"],
        start=asked["start"],
        end=asked["end"],
        costs=Costs(slippage_ticks=asked["slippage_ticks"]),
        account=asked["programme"],
        engine=asked["engine"],
    )
    tell(phase="summing up", progress=None)
    if asked["trades"] is not None:
        _keep_trades(result.trades, asked["trades"])
    return {
        "summary": result.summary(),
        "stats": result.stats,
        "reasons": result.reasons,
        "alarms": [str(alarm) for alarm in result.alarms],
        "trades": _rows(result.trades, MOST_TRADES),
        "trades_in_all": len(result.trades),
        "equity": _curve(result.equity),
        "provenance": result.provenance,
    }


def sweep(asked: Json, tell: Any) -> Json:
    """Run a sweep on stored bars and return its best combinations, and whether they are luck."""
    from dataclasses import asdict

    from workbench import research_sweep
    from workbench.backtest.costs import Costs
    from workbench.services import progress

    tell(phase="loading", progress=None)
    costs = Costs(slippage_ticks=asked["slippage_ticks"])
    with progress.heard(lambda done, total: tell(phase="running", progress=done / total if total else None)):
        made = research_sweep.sweep(
            asked["strategy"], method=asked["method"], trials=asked["trials"], metric=asked["metric"],
            seed=asked["seed"], contract=asked["contract"], start=asked["start"], end=asked["end"],
            timeframe=asked["timeframe"], account=asked["programme"], costs=costs,
            jobs=1, progress=False, **asked["values"],
        )  # fmt: skip
    return {
        "summary": made.summary(),
        "best": made.best,
        "top": _rows(made.top(TOP), TOP),
        "combinations": len(made),
        "planned": made.planned,
        "dropped": made.dropped,
        "overfit": made.overfit.as_dict(),
        "stability": asdict(made.stability),
        "grid": _grid(made),
        "provenance": dict(made.provenance),
    }


def walk_forward(asked: Json, tell: Any) -> Json:
    """Run a walk-forward on stored bars and return its windows and what was traded out of sample."""
    from workbench import research_sweep
    from workbench.backtest.costs import Costs
    from workbench.services import progress

    tell(phase="loading", progress=None)
    names = ("method", "trials", "metric", "seed", "contract", "start", "end", "timeframe", "train", "test", "anchored")
    with progress.heard(lambda done, total: tell(phase="running", progress=done / total if total else None)):
        made = research_sweep.walk_forward(
            asked["strategy"], account=asked["programme"], costs=Costs(slippage_ticks=asked["slippage_ticks"]),
            jobs=1, progress=False, **{name: asked[name] for name in names}, **asked["values"],
        )  # fmt: skip
    return {
        "summary": made.summary(),
        "metric": made.metric,
        "combinations": made.combinations,
        "parameters": list(made.space.names),
        "windows": _rows(made.frame, MOST_CELLS),
        "stats": made.stats,
        "equity": _rows(made.equity.reset_index(), MOST_POINTS),
        "provenance": dict(made.provenance),
    }


def report(asked: Json, tell: Any) -> Json:
    """Run a report from a shipped template into the home."""
    from workbench.services.reports import run_report
    from workbench.storage.home import home

    place = home()
    tell(phase="running", progress=None)
    made = run_report(
        asked["template"], asked["parameters"], place.reports, home=place, schedule=asked.get("schedule", "")
    )
    return {"name": made.folder.name, "status": made.status, "error": made.error, "seconds": made.seconds}


def _rows(frame: Any, most: int) -> list[Json]:
    rows: list[Json] = json.loads(frame.head(most).to_json(orient="records", date_format="iso"))
    return rows


def _curve(frame: Any) -> list[Json]:
    """Thin the curve; its highest, its lowest and its deepest points stay."""
    import numpy as np

    from workbench.backtest.thin import turning_points

    columns = (frame["equity_usd"].to_numpy(), frame["drawdown_usd"].to_numpy())
    kept = np.unique(np.concatenate([turning_points(column, MOST_POINTS // 2) for column in columns]))
    return _rows(frame.iloc[kept].reset_index(), MOST_POINTS)


def _keep_trades(trades: Any, path: str) -> None:
    # Times as UTC ns: what reads a slice of them answers with plain numbers.
    import io

    import polars as pl

    from workbench.storage.home import write_durably

    columns = {}
    for name in trades.columns:
        column = trades[name]
        if name in ("entry_at", "exit_at"):
            ns = pl.Series(name, column.dt.tz_convert(None).astype("datetime64[ns]").to_numpy())
            columns[name] = ns.to_physical()
        else:
            columns[name] = pl.Series(name, column.to_list(), nan_to_null=True, strict=False)
    held = io.BytesIO()
    pl.DataFrame(columns).write_parquet(held, row_group_size=TRADES_A_GROUP)
    write_durably(Path(path), held.getvalue())


def _plain_column(column: Any) -> list[Any]:
    values: list[Any] = column.astype(object).where(column.notna(), None).tolist()
    return values


def _grid(made: Any) -> Json:
    """Return every combination in columns: what was varied, and the numbers that a heat map shows."""
    from workbench.backtest.sweep import METRICS

    frame = made.frame.head(MOST_CELLS)
    names = list(made.space.names)
    shown = list(dict.fromkeys((made.metric, *HEAT)))
    return {
        "parameters": [name for name in names if frame[name].nunique() > 1] or names[:1],
        "metric": made.metric,
        "sign": METRICS[made.metric],
        "columns": {
            name: frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in (*names, *shown)
        },
        "left_out": len(made.frame) - len(frame),
    }


if __name__ == "__main__":
    main()
