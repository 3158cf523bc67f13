"""`workbench reconcile`: what the journal believes, what the broker has, and how they differ; changes nothing."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from workbench.commands.output import show

HELP = "Compare journal and broker: orders, fills, positions, balance. Exit code 1 when they differ."
SETTLES_S = 1.0  # what a live runner has just been told is in its journal by then


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command("reconcile", help=HELP)
    def reconcile(
        account: Annotated[int | None, typer.Option(help="One account instead of all that were traded.")] = None,
        projections: Annotated[
            bool, typer.Option("--projections", help="Make the history tables again from the journals instead.")
        ] = False,
        home: Annotated[str | None, typer.Option(help="Folder of state and data (WORKBENCH_HOME).")] = None,
        profile: Annotated[str | None, typer.Option(help="sim or topstepx (WORKBENCH_PROFILE).")] = None,
        json_: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        from workbench.storage.home import home as home_of

        place = home_of(home)
        accounts = _accounts(place, account)
        if projections:
            _rebuild(place, accounts, json_)
            return
        found = asyncio.run(_compared(place, accounts, profile))
        if json_:
            show(found, as_json=True)
        else:
            for each in found:
                _tell(each)
        raise typer.Exit(0 if all(each["equal"] for each in found) else 1)


def _accounts(place: Any, account: int | None) -> list[int]:
    from workbench.domain.errors import InputError, UnknownName
    from workbench.storage.records import files_of

    traded = [each for each in place.accounts() if files_of(place.account(each))]
    if account is not None and account not in traded:
        raise UnknownName("account", str(account), map(str, traded), where=f"traded from {place.path}")
    if not traded:
        raise InputError(f"no account was traded from {place.path}; name the right folder with --home")
    return traded if account is None else [account]


def _rebuild(place: Any, accounts: list[int], json_: bool) -> None:
    from workbench.services.projections import Projections
    from workbench.storage.database import Database

    database = Database(place)
    done = Projections(database).rebuild(place, accounts)
    text = f"history of {', '.join(map(str, done))} was made again from the journals, in {database.where}"
    show({"accounts": done, "database": database.where} if json_ else text, as_json=json_)


async def _compared(place: Any, accounts: list[int], profile: str | None) -> list[dict[str, Any]]:
    from workbench.gateway.rest import Rest
    from workbench.gateway.transport import Transport
    from workbench.services.broker import RestBroker
    from workbench.services.client_tokens import client_tokens
    from workbench.services.market_time import market_now
    from workbench.services.reconciling import reconcile_account
    from workbench.services.settings import load_profile

    chosen = load_profile(profile)
    transport = Transport(chosen.rest_url)
    rest = Rest(transport, await client_tokens(place, profile, transport=transport))
    broker, out = RestBroker(rest), []
    try:
        for account in accounts:
            for last in (False, True):
                now = await market_now(chosen.rest_url if chosen.is_simulator else None)
                found = await reconcile_account(place, account, broker, now)
                if found["equal"] or last:
                    break
                await asyncio.sleep(SETTLES_S)
            out.append(found)
    finally:
        await rest.aclose()
    return out


def _tell(found: dict[str, Any]) -> None:
    journal, broker = found["journal"], found["broker"]
    typer.echo(f"account {found['account']}")
    rows = (
        ("orders that may still fill", len(journal["orders"]), len(broker["orders"])),
        ("fills (known, since the day's open)", journal["fills"], broker["fills"]),
        ("positions", _positions(journal["positions"]), _positions(broker["positions"])),
        ("balance, USD", journal["balance_usd"], broker["balance_usd"]),
    )
    typer.echo(f"  {'':36}{'journal':>20}{'broker':>20}")
    for name, ours, theirs in rows:
        typer.echo(f"  {name:36}{ours!s:>20}{theirs!s:>20}")
    for text in found["differences"]:
        typer.echo(f"  differs: {text}")
    if found["equal"]:
        typer.echo("  equal")


def _positions(held: dict[str, int]) -> str:
    return ", ".join(f"{qty:+d} {contract.split('.')[-2]}" for contract, qty in held.items()) or "flat"
