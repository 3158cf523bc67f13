"""`workbench strategy promote | rollback`: which version may trade where, with the reasons when it may not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.output import show

if TYPE_CHECKING:
    from workbench.services.evidence import Backtest
    from workbench.services.promoted import Promotion

Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
HomeOption = Annotated[str | None, typer.Option("--home", help="Folder of state and data (WORKBENCH_HOME).")]
Person = Annotated[str | None, typer.Option(help="Who does it; by default the user of this machine.")]


def add(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("promote")(promote)
    app.command("rollback")(rollback)


def promote(
    version: Annotated[str, typer.Argument(help="A version, name@version, a file, or the name of a shipped strategy.")],
    to: Annotated[str, typer.Option(help="tested, paper, live or retired.")],
    session: Annotated[
        str | None, typer.Option(help="Session it goes live in; by default the strategy's name.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; needed for live.")] = "",
    person: Person = None,
    parameter: Annotated[list[str] | None, typer.Option("-p", help="name=value it is judged with; repeatable.")] = None,
    gates: Annotated[Path | None, typer.Option(help="Another gates file than the home's or the shipped one.")] = None,
    contract: Annotated[str | None, typer.Option(help="Contract to test on; by default of its first root.")] = None,
    data: Annotated[Path | None, typer.Option(help="A file of bars to test on, instead of the store.")] = None,
    home: HomeOption = None,
    json_: Json = False,
) -> None:
    """Move a version to another state: through its gates, or refused with every reason."""
    from workbench import research
    from workbench.commands.session import parameters
    from workbench.services.promotion import promote as carry_out

    chosen = research.load_strategy(version, home=home).with_parameters(**parameters(parameter or []))
    run = _backtest(contract, data, home)
    _answer(
        lambda: carry_out(
            chosen, to=to, backtest=run, session=session, reason=reason, person=person, home=home, gates=gates
        ),
        json_,
    )


def rollback(
    session: Annotated[str, typer.Argument(help="Name of the session.")],
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    person: Person = None,
    home: HomeOption = None,
    json_: Json = False,
) -> None:
    """Make the version live again that was live in a session before the present one."""
    from workbench.services.promotion import rollback as carry_out

    _answer(lambda: carry_out(session, reason=reason, person=person, home=home), json_)


def _backtest(contract: str | None, data: Path | None, home: str | None) -> Backtest:
    from workbench import research

    bars = None if data is None else research.read_bars(data)

    def run(strategy: Any, /, *, start: Any = None) -> Any:
        return research.backtest(strategy, bars, contract=contract, start=start, home=home)

    return run


def _answer(attempt: Any, json_: bool) -> None:
    from workbench.services.promoted import NotPromoted

    try:
        done: Promotion = attempt()
    except NotPromoted as refusal:
        done = refusal.promotion
    show(done.facts() if json_ else str(done), as_json=json_)
    if done.passed and done.session and not json_:
        print("sessions that run already go on with the version they were started with")
    raise typer.Exit(0 if done.passed else 1)
