"""The process of one job: one JSON object comes in, JSON lines with progress and the result go out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workbench.domain.errors import WorkbenchError
from workbench.storage.plain import plain

Json = dict[str, Any]
MOST_POINTS, MOST_TRADES, TOP = 500, 500, 50
NICE = 10  # what trades goes first


def main() -> None:
    """Read what is asked, carry it out, and say how it went."""
    os.nice(NICE)
    out, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints stays out of the answer
    with _telling(out) as tell:
        try:
            body = json.loads(sys.stdin.readline())
            result = {"backtest": backtest, "sweep": sweep, "report": report}[body["kind"]](body["asked"], tell)
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
        "provenance": dict(made.provenance),
    }


def report(asked: Json, tell: Any) -> Json:
    """Run a report from a shipped template into the home."""
    from workbench.services.reports import run_report
    from workbench.storage.home import home

    place = home()
    tell(phase="running", progress=None)
    made = run_report(asked["template"], asked["parameters"], place.reports, home=place)
    return {"name": made.folder.name, "status": made.status, "error": made.error, "seconds": made.seconds}


def _rows(frame: Any, most: int) -> list[Json]:
    rows: list[Json] = json.loads(frame.head(most).to_json(orient="records", date_format="iso"))
    return rows


def _curve(frame: Any) -> list[Json]:
    step = max(1, -(-len(frame) // MOST_POINTS))
    return _rows(frame.iloc[::step].reset_index(), MOST_POINTS)


if __name__ == "__main__":
    main()
