"""`workbench sweep`: many parameter values on stored bars, the best of them, and whether they are luck."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.output import show, table
from workbench.domain.errors import InputError

if TYPE_CHECKING:
    from workbench.backtest.swept import Sweep

Opt = typer.Option
SHOWN = ("net_usd", "sharpe_daily", "trades", "win_rate", "profit_factor", "max_drawdown_usd")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("sweep")(sweep)


def sweep(
    strategy: Annotated[str, typer.Argument(help="A file, the name of a shipped strategy, or a version.")],
    set_: Annotated[
        list[str] | None,
        Opt("--set", "-s", help="name=low:high:step, name=5,10,20, name=... or name=value; repeatable."),
    ] = None,
    contract: Annotated[str | None, Opt(help="Id, code or root; by default the strategy's first root.")] = None,
    timeframe: Annotated[str | None, Opt(help="Other bars than the strategy is written for.")] = None,
    start: Annotated[str | None, Opt(help="First trading date, 2025-03-17, or Chicago time.")] = None,
    end: Annotated[str | None, Opt(help="Last trading date, or Chicago time.")] = None,
    method: Annotated[str, Opt(help="grid, random or tpe.")] = "grid",
    trials: Annotated[int | None, Opt(help="Combinations of random and tpe; 100 when left out.")] = None,
    metric: Annotated[str, Opt(help="What the best is best in.")] = "sharpe_daily",
    seed: Annotated[int, Opt(help="Of everything that is drawn.")] = 0,
    account: Annotated[str | None, Opt(help="The firm's rules to be held to, such as topstep-50k.")] = None,
    slippage: Annotated[int, Opt(help="Ticks against us on each market and stop fill.")] = 1,
    jobs: Annotated[int | None, Opt(help="Threads; as many as processors when left out.")] = None,
    cluster: Annotated[str | None, Opt(help="Address of a dask scheduler, tcp://host:8786.")] = None,
    resume: Annotated[bool, Opt("--resume", help="Go on with what an interrupted sweep has done.")] = False,
    top: Annotated[int, Opt(help="Rows to print.")] = 10,
    data: Annotated[Path | None, Opt(help="A Parquet file of bars instead of the store.")] = None,
    csv: Annotated[Path | None, Opt(help="Write every combination there.")] = None,
    home: Annotated[str | None, Opt("--home", help="Folder of state and data (WORKBENCH_HOME).")] = None,
    json_: Annotated[bool, Opt("--json", help="Answer as JSON.")] = False,
) -> None:
    """Try many parameter values of a strategy, print the best, and say whether they are luck."""
    from workbench import research, research_sweep
    from workbench.backtest.costs import Costs

    made = research_sweep.sweep(
        strategy,
        None if data is None else research.read_bars(data),
        method=method, trials=trials, metric=metric, seed=seed, contract=contract, start=start, end=end,
        timeframe=timeframe, account=account,
        costs=Costs(slippage_ticks=slippage), jobs=jobs, cluster=cluster, resume=resume,
        progress=False if json_ else None, home=home, **tried(set_ or []),
    )  # fmt: skip
    if csv is not None:
        made.frame.to_csv(csv, index=False)
    if json_:
        show(_facts(made, top), as_json=True)
    else:
        _print(made, top)
    if not made.is_complete:
        print("interrupted; the same command with --resume goes on", file=sys.stderr)
        raise typer.Exit(1)


def tried(written: list[str]) -> dict[str, Any]:
    """Return ``name=…`` texts as what `sweep` takes: ``5:50:5`` and ``...`` stay texts, ``5,10`` is a list.

    >>> tried(["fast=5:50:5", "slow=20,60", "both=true,false", "stop=2.5"])
    {'fast': '5:50:5', 'slow': [20, 60], 'both': [True, False], 'stop': 2.5}
    """
    from workbench.commands.session import parameters

    out: dict[str, Any] = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier() or not value:
            raise InputError(f"--set {text!r} must be name=low:high:step, name=5,10,20 or name=value")
        if name in out:
            raise InputError(f"--set {name} is given twice; write all its values in one")
        if "," in value:
            out[name] = [parameters([f"{name}={part.strip()}"])[name] for part in value.split(",") if part.strip()]
        else:
            out[name] = parameters([text])[name]
    return out


def _facts(made: Sweep, top: int) -> dict[str, Any]:
    import json

    rows = json.loads(made.top(top).to_json(orient="records"))
    return {
        "summary": made.summary(),
        "best": made.best,
        "top": rows,
        "combinations": len(made),
        "planned": made.planned,
        "dropped": made.dropped,
        "trials": made.trials,
        "overfit": made.overfit.as_dict(),
        "stability": asdict(made.stability),
        "provenance": dict(made.provenance),
    }


def _print(made: Sweep, top: int) -> None:
    print(made.summary())
    columns = [*made.space.names, *dict.fromkeys((made.metric, *SHOWN))]
    rows = made.top(top)[columns].to_dict(orient="records")
    table([{name: _text(value) for name, value in row.items()} for row in rows], columns, empty="nothing was run")
    near = made.stability
    if near.median is not None:
        print(f"the {near.neighbours} neighbours of the best: median {near.median:.4g}, worst {near.worst:.4g}")
    print(made.overfit.sentence)


def _text(value: Any) -> str | None:
    if value is None or value != value:  # NaN
        return None
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e4 else f"{value:,.0f}"
