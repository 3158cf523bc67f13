"""`workbench limits show | set | tighten | history`: the limits of accounts, markets and strategies, by date."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer

from workbench.commands.output import show, table
from workbench.domain.errors import InputError

app = typer.Typer(help="Show and change limits.", no_args_is_help=True)
Home = Annotated[str | None, typer.Option("--home", help="Folder of state and data (WORKBENCH_HOME).")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
Names = Annotated[list[str], typer.Argument(help="Limits as name=value, such as max_position=2; value off: none.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the file and in the audit log.")]
Person = Annotated[str | None, typer.Option("--person", help="Who; by default the user who is logged in.")]
Account = Annotated[int | None, typer.Option("--account", help="Of this account.")]
Market = Annotated[str | None, typer.Option("--market", help="Of this product, such as MES; only tighter.")]
Strategy = Annotated[str | None, typer.Option("--strategy", help="Of this strategy; only tighter.")]


@app.command("show")
def show_limits(account: Account = None, home: Home = None, json_: Json = False) -> None:
    """Show what holds now, and from which level each limit comes; what is off says so."""
    from workbench.services.limits import shown
    from workbench.storage.home import home as home_of

    body = shown(home_of(home), account)
    if json_:
        show(body, as_json=True)
        return
    for number, limits in body["accounts"].items():
        typer.echo(f"account {number}")
        table([{"limit": name, **row} for name, row in limits.items()], ["limit", "value", "from"], empty="")
    for level in ("markets", "strategies"):
        rows = [{"of": key, "limit": n, "value": v} for key, names in body[level].items() for n, v in names.items()]
        if rows:
            typer.echo(f"{level} (where tighter)")
            table(rows, ["of", "limit", "value"], empty="")
    if not body["accounts"]:
        typer.echo("no account is linked")


@app.command("set")
def set_limits(
    names: Names,
    reason: Reason,
    account: Account = None,
    market: Market = None,
    strategy: Strategy = None,
    person: Person = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Set limits of one level (without an option: of all accounts). Looser ones only while nothing trades."""
    _change(names, reason, (account, market, strategy), person, home, json_, tighten=False)


@app.command("tighten")
def tighten(
    names: Names,
    reason: Reason,
    account: Account = None,
    market: Market = None,
    strategy: Strategy = None,
    person: Person = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Make limits tighter, also while sessions run: they take them up within a second. Looser ones are refused."""
    _change(names, reason, (account, market, strategy), person, home, json_, tighten=True)


@app.command("history")
def show_history(home: Home = None, json_: Json = False) -> None:
    """List every change: from when, by whom, why, and what."""
    from workbench.services.limits import history
    from workbench.storage.home import home as home_of

    rows = history(home_of(home))
    if json_:
        show(rows, as_json=True)
    else:
        shown = [{**row, "changes": "; ".join(row["changes"])} for row in rows]
        table(
            shown, ["from", "by", "reason", "changes"], empty="no limits.yaml yet: each account has those of its link"
        )


def _change(
    names: list[str],
    reason: str,
    of: tuple[int | None, str | None, str | None],
    person: str | None,
    home: str | None,
    json_: bool,
    *,
    tighten: bool,
) -> None:
    from workbench.services.limits import change
    from workbench.storage.home import home as home_of

    given = [
        (level, str(key))
        for level, key in zip(("accounts", "markets", "strategies"), of, strict=True)
        if key is not None
    ]
    if len(given) > 1:
        raise InputError("name one of --account, --market and --strategy: a change is one of one level")
    level, key = given[0] if given else ("global", "")
    values = dict(_pair(text) for text in names)
    who = person or getpass.getuser()
    done = change(home_of(home), level, key, values, person=who, reason=reason, tighten=tighten)
    place = f"{level} {key}".strip()
    text = f"{place}: {', '.join(names)} from {done['from']} on"
    if done["loosened"]:
        text += f"; looser: {', '.join(sorted({n for names in done['loosened'].values() for n in names}))}"
    show(done if json_ else text, as_json=json_)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"write a limit as name=value, such as max_position=2, not {text!r}")
    if value.strip().lower() in ("off", "none", ""):
        return name.strip(), None
    if name.strip() == "products":
        return "products", [root.strip() for root in value.split(",") if root.strip()]
    return name.strip(), value.strip()
