"""`workbench session list | show | start | pause | resume | flatten | end | replay`: sessions, through the desk."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from workbench.commands.output import show, table
from workbench.domain.errors import InputError

app = typer.Typer(help="Trading sessions of the desk.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
COLUMNS = ["session", "contract", "state", "pos", "pnl_usd", "trades"]  # 80 columns hold no more


def _desk() -> Any:
    from workbench.desk import connect

    return connect()


@app.command("list")
def list_sessions(json_: Json = False) -> None:
    """List all sessions with position and profit, then the policies of each that is not over, and what it waits for."""
    rows = _desk().snapshot()["sessions"]
    if json_:
        show(rows, as_json=True)
    else:
        none = "no sessions; start one: workbench session start strategies/sma_cross.yaml"
        table([_short(row) for row in rows], COLUMNS, empty=none)
        for row in rows:
            if row["state"] != "ended":
                print(_told(row))


def _told(row: dict[str, Any]) -> str:
    from workbench.widgets.cards import policies, why

    return f"{row['session']}: {why(row)}; {policies(row)}"


def _short(row: dict[str, Any]) -> dict[str, Any]:
    # The session's name holds strategy and account; it is shown whole, because the other commands ask for it.
    from workbench.domain.contract import parse_contract

    return {**row, "contract": parse_contract(row["contract"]).code, "pos": row["position"]}


@app.command("show")
def show_session(
    session: Annotated[str, typer.Argument(help="Its name, as `workbench session list` shows it.")],
    json_: Json = False,
) -> None:
    """Show all of one session: what it waits for, its policies, parameters, position and profit."""
    row = _desk().session(session).as_row()
    show(row if json_ else "\n".join(f"{name:18}  {_word(value)}" for name, value in row.items()), as_json=json_)


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={each}" for name, each in value.items()) or "–"
    return "–" if value in (None, "") else str(value)


@app.command("start")
def start(
    strategy: Annotated[str, typer.Argument(help="A path, a name or a version.")],
    account: Annotated[int | None, typer.Option(help="Gateway account id; may be left out with one linked.")] = None,
    contract: Annotated[str | None, typer.Option(help="Contract id or root; the front month by default.")] = None,
    parameter: Annotated[list[str] | None, typer.Option("-p", help="name=value; repeatable.")] = None,
    start_policy: Annotated[
        Literal["adopt", "wait_flat", "flatten"],
        typer.Option(
            help="A position that is there already: adopt takes it over, wait_flat enters nothing until it is gone, "
            "flatten closes it first."
        ),
    ] = "adopt",
    disconnect_policy: Annotated[
        Literal["keep", "pause", "flatten"],
        typer.Option(
            help="A stream that stays away (entries are blocked at once): keep goes on when it is back, pause waits "
            "until a person resumes, flatten closes the position and pauses."
        ),
    ] = "keep",
    disconnect_after: Annotated[
        float,
        typer.Option(min=1.0, max=3_600.0, help="Seconds of open market before the disconnect policy acts."),
    ] = 60.0,
    json_: Json = False,
) -> None:
    """Start a strategy version as a session."""
    options: dict[str, Any] = {
        "start_policy": start_policy,
        "disconnect_policy": disconnect_policy,
        "disconnect_after_s": disconnect_after,
    }
    if account is not None:
        options["account"] = account
    given = parameters(parameter or [])
    if taken := sorted({*given} & {*options, "account", "contract"}):
        raise InputError(f"{', '.join(taken)} is no parameter of a strategy; give it as an option: see --help")
    session = _desk().start(strategy, contract=contract, **options, **given)
    show(session.as_row() if json_ else session, as_json=json_)


@app.command("here")
def here(
    person: Annotated[str | None, typer.Option(help="Who attends; default the user of this computer.")] = None,
    home: Annotated[str | None, typer.Option(help="Folder of state and data (WORKBENCH_HOME).")] = None,
    json_: Json = False,
) -> None:
    """Say that you attend: where a limit `unattended_after_s` is set, entries need this sign of life in time."""
    import getpass

    from workbench.services.clock import wall_ns
    from workbench.storage.home import home as home_of
    from workbench.storage.presence import note_presence

    who = person or getpass.getuser()
    note_presence(home_of(home), who, wall_ns())
    show({"person": who} if json_ else f"{who} attends", as_json=json_)


def parameters(written: list[str]) -> dict[str, float | int | str | bool]:
    """Return ``name=value`` texts as parameters."""
    out: dict[str, float | int | str | bool] = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"-p {text!r} must be name=value")
        out[name] = _value(value)
    return out


def _value(text: str) -> float | int | str | bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


@app.command("replay")
def replay(
    session: Annotated[str, typer.Argument(help="Name of a session that has run.")],
    bars: Annotated[bool, typer.Option("--bars", help="From stored bars instead of recorded prints.")] = False,
    home: Annotated[str | None, typer.Option(help="Folder of state and data (WORKBENCH_HOME).")] = None,
    json_: Json = False,
) -> None:
    """Decide a recorded session again from its market data alone, and compare it with its journal."""
    from workbench.services.session_replay import BARS, PRINTS, replay_session
    from workbench.storage.home import home as home_of

    done = replay_session(home_of(home), session, source=BARS if bars else PRINTS)
    show(done.facts() if json_ else str(done), as_json=json_)
    raise typer.Exit(0 if done.is_same else 1)


def _verb(name: str, summary: str) -> None:
    @app.command(name, help=summary)
    def command(session: str, json_: Json = False) -> None:
        done = _desk().command(session, name)
        show(done.as_row() if json_ else done, as_json=json_)


for _name, _summary in (
    ("pause", "No new entries; exits and protection stay."),
    ("resume", "Let a paused session enter again."),
    ("flatten", "Cancel its orders, close its position, pause it."),
    ("end", "Flatten and end it for good."),
):
    _verb(_name, _summary)
