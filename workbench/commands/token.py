"""`workbench token create | list | revoke`: tokens for other programs; the desk may be down."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from workbench.commands.output import show, table

app = typer.Typer(help="Tokens for programs that use the desk's API.", no_args_is_help=True)
Home = Annotated[str | None, typer.Option("--home", help="Folder of state and data (WORKBENCH_HOME).")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="What it is for; shown in the audit log.")],
    scope: Annotated[list[str], typer.Option(help="read, trade or stop; repeatable.")],
    days: Annotated[float, typer.Option(help="Its life, at most 366.")] = 30.0,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Issue a token and print it: it is kept as a hash only, and never shown again."""
    tokens, audit = _tools(home)
    token, entry = tokens.create(name=name, scopes=scope, days=days, by=getpass.getuser())
    details = {"name": entry.name, "scopes": list(entry.scopes), "days": days}
    audit.note(who=getpass.getuser(), what="create a token", source="cli", details=details)
    if json_:
        show({**entry.shown(), "token": token}, as_json=True)
    else:
        print(token)
        typer.echo(
            f"{entry.name}: {', '.join(entry.scopes)}, until {_day(entry.expires_at)}; shown this once", err=True
        )


@app.command("list")
def list_tokens(home: Home = None, json_: Json = False) -> None:
    """List the tokens without their secrets."""
    tokens, _ = _tools(home)
    rows: list[dict[str, Any]] = [each.shown() for each in tokens.list()]
    if json_:
        show(rows, as_json=True)
        return
    for row in rows:
        row["scopes"], row["until"] = ", ".join(row["scopes"]), _day(row["expires_at"])
        row["revoked"] = None if row["revoked_at"] is None else _day(row["revoked_at"])
    table(
        rows, ["id", "name", "scopes", "until", "revoked", "by"], empty="no tokens; workbench token create issues one"
    )


@app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(help="Its id or name.")], home: Home = None, json_: Json = False
) -> None:
    """Make a token worthless at once, also while the desk runs."""
    tokens, audit = _tools(home)
    entry = tokens.revoke(token)
    audit.note(who=getpass.getuser(), what="revoke a token", source="cli", details={"name": entry.name, "id": entry.id})
    show(entry.shown() if json_ else f"{entry.name} opens nothing any more", as_json=json_)


def _tools(home: str | None) -> tuple[Any, Any]:
    from workbench.services.audit import Audit
    from workbench.services.issued_tokens import IssuedTokens
    from workbench.storage.home import home as home_of

    place = home_of(home)
    return IssuedTokens(place), Audit(place)


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1e9, UTC).isoformat(sep=" ", timespec="minutes")
