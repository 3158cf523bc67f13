"""`workbench backtest`: what a strategy would have done on stored bars, in one line or as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.commands.output import show

Opt = typer.Option


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("backtest")(backtest)


def backtest(
    strategy: Annotated[str, typer.Argument(help="A file, the name of a shipped strategy, or a version.")],
    contract: Annotated[str | None, Opt(help="Id, code or root; by default the strategy's first root.")] = None,
    timeframe: Annotated[str | None, Opt(help="Other bars than the strategy is written for.")] = None,
    start: Annotated[str | None, Opt(help="First trading date, 2025-03-17, or Chicago time.")] = None,
    end: Annotated[str | None, Opt(help="Last trading date, or Chicago time.")] = None,
    parameter: Annotated[list[str] | None, Opt("-p", help="name=value; repeatable.")] = None,
    slippage: Annotated[int, Opt(help="Ticks against us on each market and stop fill.")] = 1,
    account: Annotated[str | None, Opt(help="The firm's rules to be held to, such as topstep-50k.")] = None,
    engine: Annotated[str, Opt(help="auto, kernel, event or every: the same trades, at other speeds.")] = "auto",
    data: Annotated[Path | None, Opt(help="A Parquet file of bars instead of the store.")] = None,
    report: Annotated[Path | None, Opt(help="Write an HTML page there.")] = None,
    static: Annotated[bool, Opt("--static", help="A small page without scripts.")] = False,
    home: Annotated[str | None, Opt("--home", help="Folder of state and data (WORKBENCH_HOME).")] = None,
    json_: Annotated[bool, Opt("--json", help="Answer as JSON.")] = False,
) -> None:
    """Backtest a strategy with the live decision code and print what it came to."""
    from workbench import research
    from workbench.backtest.costs import Costs
    from workbench.commands.session import parameters

    result = research.backtest(
        research.load_strategy(strategy, home=home).with_parameters(**parameters(parameter or [])),
        None if data is None else research.read_bars(data),
        contract=contract,
        timeframe=timeframe,
        start=start,
        end=end,
        costs=Costs(slippage_ticks=slippage),
        account=account,
        engine=engine,
        home=home,
    )
    written = None if report is None else str(result.report(report, static=static))
    if json_:
        facts = {"summary": result.summary(), "stats": result.stats, "reasons": result.reasons}
        facts["alarms"] = [str(alarm) for alarm in result.alarms]
        show({**facts, "provenance": result.provenance, "report": written}, as_json=True)
        return
    print(result.summary())
    for name, text in result.shown().items():
        print(f"  {name:18} {text}")
    for alarm in result.alarms:
        print(f"  ! {alarm}")
    if written:
        print(f"report: {written}")
