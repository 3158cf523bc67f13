"""`workbench account link | list | show | release`: what a person says about an account before it may trade."""

from __future__ import annotations

import asyncio
import getpass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from workbench.commands.output import show, table
from workbench.domain.errors import GatewayError, InputError

app = typer.Typer(help="Link, look at and release accounts.", no_args_is_help=True)
Home = Annotated[str | None, typer.Option("--home", help="Folder of state and data (WORKBENCH_HOME).")]
Profile = Annotated[str | None, typer.Option("--profile", help="sim or topstepx (WORKBENCH_PROFILE).")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


@app.command("list")
def list_accounts(home: Home = None, profile: Profile = None, json_: Json = False) -> None:
    """List the gateway's accounts: which are linked, locked by the firm, or the reset of an earlier one."""
    from workbench.services.linking import reset_of
    from workbench.storage.home import home as home_of
    from workbench.storage.links import LinkDamaged, load_link

    place = home_of(home)
    rows = asyncio.run(_listed(place, profile))
    names = {row["account"]: row["name"] for row in rows}
    for row in rows:
        old = reset_of(place, row["account"], row["name"], names)
        row["state"] = "open" if row["can_trade"] else "locked by the firm"
        if old is not None:
            row["state"] += f", reset of {old}"
        try:
            row["linked"] = load_link(place, row["account"]) is not None
        except LinkDamaged as error:
            row["linked"] = None  # not known; linking it anew mends it
            typer.echo(f"workbench: {error}", err=True)
    if json_:
        show(rows, as_json=True)
    else:
        table(rows, ["account", "name", "kind", "balance_usd", "state", "linked"], empty="no accounts")


@app.command("show")
def show_account(account: int, home: Home = None, json_: Json = False) -> None:
    """Show what was said about a linked account, its limits included."""
    from datetime import UTC, datetime

    import msgspec

    from workbench.storage.home import home as home_of
    from workbench.storage.links import load_link

    link = load_link(home_of(home), account)
    if link is None:
        raise InputError(f"account {account} is not linked; link it: workbench account link {account}")
    body: dict[str, Any] = msgspec.to_builtins(link)
    if json_:
        show(body, as_json=True)
    else:
        limits = {f"limit {name}": value for name, value in body.pop("limits").items()}
        body["linked_at"] = datetime.fromtimestamp(link.linked_at / 1e9, UTC).isoformat(timespec="seconds")
        table([{"field": k, "value": v} for k, v in {**body, **limits}.items()], ["field", "value"], empty="")


@app.command("link")
def link(
    account: int,
    kind: Annotated[str | None, typer.Option(help="practice, combine or express; guessed from the name.")] = None,
    programme: Annotated[str | None, typer.Option(help="Such as topstep-50k; '' for none.")] = None,
    max_loss_level: Annotated[str | None, typer.Option(help="Maximum-loss level the platform shows, USD.")] = None,
    day_start_balance: Annotated[str | None, typer.Option(help="Balance at 17:00 Chicago, USD.")] = None,
    bracket_mode: Annotated[str, typer.Option(help="auto-oco or position, as set in the platform.")] = "auto-oco",
    daily_loss: Annotated[str, typer.Option(help="Own daily loss limit, USD.")] = "1000",
    max_position: Annotated[int, typer.Option(help="Contracts of one instrument.")] = 5,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    home: Home = None,
    profile: Profile = None,
    json_: Json = False,
) -> None:
    """Link an account: confirm its kind, programme, loss level and bracket mode. Until then it may not enter."""
    import msgspec

    from workbench.services.audit import Audit
    from workbench.services.linking import called, gap, link_account, make_link, reset_of
    from workbench.storage.home import home as home_of

    place = home_of(home)
    rows = {row["account"]: row for row in asyncio.run(_listed(place, profile, account))}
    if account not in rows:
        known = ", ".join(called(r["account"], r["name"], r["kind"]) for r in rows.values())
        raise InputError(f"the gateway lists no account {account}; it has {known or 'none'}")
    old = reset_of(place, account, rows[account]["name"], {number: row["name"] for number, row in rows.items()})
    made = make_link(
        account=account,
        name=rows[account]["name"],
        balance=Decimal(str(rows[account]["balance_usd"])),
        kind=kind,
        programme=programme,
        max_loss_level=None if max_loss_level is None else _usd(max_loss_level, "--max-loss-level"),
        day_start_balance=None if day_start_balance is None else _usd(day_start_balance, "--day-start-balance"),
        bracket_mode=bracket_mode,
        daily_loss=_usd(daily_loss, "--daily-loss"),
        max_position=max_position,
        by=getpass.getuser(),
    )
    who = called(account, made.name, made.kind)
    if not rows[account]["can_trade"] and not json_:
        typer.echo(f"{who} is locked by the firm (canTrade is false): nothing can be entered until it is not", err=True)
    if old is not None and not json_:
        typer.echo(f"{who} looks like the reset of account {old}; its limits do not hold here", err=True)
    if (told := gap(made)) is not None:  # with --json, too: stderr is not the answer
        typer.echo(told, err=True)
    if not yes and not typer.confirm(
        f"{who}: programme {made.programme or 'none'}, brackets {made.bracket_mode}, "
        f"maximum-loss level {'none' if made.max_loss_level_usd is None else made.max_loss_level_usd}, "
        f"day start {made.day_start_balance_usd}. Is this what the platform shows?"
    ):
        raise InputError("not linked")
    aside = link_account(place, made)
    said = {"account": account, "name": made.name, "kind": str(made.kind), "programme": made.programme, "reset_of": old}
    Audit(place).note(who=made.by, what="link an account", source="cli", details=said)
    if aside is not None and not json_:
        typer.echo(f"the journal until now is kept as {aside}; the next runner reads the broker afresh")
    show(msgspec.to_builtins(made) if json_ else f"{who} is linked", as_json=json_)


@app.command("release")
def release(
    account: int,
    reason: Annotated[str, typer.Option("--reason", help="What you have looked at; at least 3 letters. It is kept.")],
    person: Annotated[str | None, typer.Option("--person", help="Who; by default the user who is logged in.")] = None,
    json_: Json = False,
) -> None:
    """Release a halt that waits for a person: a clock jump, or an unknown product that is gone.

    Stops, limits and every other halt stay. The desk reads the broker first; exit code 1 when nothing was released.
    """
    if len(reason.strip()) < 3:
        raise InputError(f'say what you have looked at: workbench account release {account} --reason "…"')
    told = _desk().release(account, reason=reason, by=person)
    if json_:
        show(told, as_json=True)
    elif not told["accepted"]:
        typer.echo(f"nothing was released: {told['reason']}")
    else:
        typer.echo(f"released: {'; '.join(told['released'])}")
        typer.echo(f"still halted: {'; '.join(told['halted'])}" if told["halted"] else "entries are open again")
    raise typer.Exit(0 if told["accepted"] else 1)


def _desk() -> Any:
    from workbench.desk import connect

    return connect()


def _usd(text: str, option: str) -> Decimal:
    try:
        value = Decimal(text.replace(",", ""))
    except InvalidOperation:
        raise InputError(f"{option} must be an amount in dollars, not {text!r}") from None
    if not value.is_finite():
        raise InputError(f"{option} must be an amount in dollars, not {text!r}")
    return value


async def _listed(place: Any, profile: str | None, own: int | None = None) -> list[dict[str, Any]]:
    # `own` is about to be linked: it must be one whose orders can be cancelled from here.
    from workbench.domain.account import kind_from_name
    from workbench.gateway.rest import Rest
    from workbench.gateway.transport import Transport
    from workbench.services.client_tokens import client_tokens
    from workbench.services.linking import require_own
    from workbench.services.settings import load_profile

    transport = Transport(load_profile(profile).rest_url)
    rest = Rest(transport, await client_tokens(place, profile, transport=transport))
    try:
        found = await rest.accounts(only_active=False)
        for listed in found:
            if listed.account == own:
                await require_own(rest, own, listed.name)
    except GatewayError as error:
        raise GatewayError(
            f"the accounts cannot be read from {transport.base_url}: {error}; start a simulator with "
            "`workbench simulator`, or choose a gateway with --profile"
        ) from error
    finally:
        await rest.aclose()
    return [
        {
            "account": a.account,
            "name": a.name,
            "kind": str(kind_from_name(a.name)),
            "balance_usd": str(a.balance),
            "can_trade": a.can_trade,
        }
        for a in found
    ]
