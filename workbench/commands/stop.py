"""`workbench stop`: the red button from a terminal, with the desk alive, hung or dead."""

from __future__ import annotations

import asyncio
import getpass
import time
from typing import Annotated, Any

import typer

from workbench.commands.output import show

DESK_MAY_TAKE_S = 1.0
SHORTEST_REASON = 3  # letters; as the desk has it
HELP = "Stop everything: latch, cancel, close, verify. Clear it with --clear --reason."


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command("stop", help=HELP)
    def stop(
        reason: Annotated[str, typer.Option(help="Why; kept with the latch.")] = "",
        account: Annotated[int | None, typer.Option(help="One account instead of everything.")] = None,
        clear: Annotated[bool, typer.Option("--clear", help="Release the latch; needs --reason.")] = False,
        home: Annotated[str | None, typer.Option(help="Folder of state and data (WORKBENCH_HOME).")] = None,
        profile: Annotated[str | None, typer.Option(help="sim or topstepx (WORKBENCH_PROFILE).")] = None,
        json_: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        person = getpass.getuser()
        if clear:
            cleared = clear_now(home, profile, reason=reason, person=person, account=account)
            whose = "everything" if account is None else f"account {account}"
            was = f"stopped by {cleared['latched_by']}: {cleared['latched_for']}"
            show(cleared if json_ else f"cleared: {whose} may enter again (was {was})", as_json=json_)
            return
        result = stop_now(home, profile, reason=reason or "workbench stop", person=person, account=account)
        if json_:
            show(result, as_json=True)
        else:
            latched = "latched until cleared" if result["latched"] else "NOT LATCHED: the disk refused"
            typer.echo(f"{result['result']} after {result['ms']:.0f} ms; {latched}")
            for text in result["remaining"]:
                typer.echo(f"  remains: {text}")
            if result["result"] != "FLAT" and result["remaining"]:
                typer.echo(
                    "a running desk tries again by itself (workbench desk starts one); or run workbench stop again"
                )
        raise typer.Exit(0 if result["result"] == "FLAT" else 1)


def stop_now(home: str | None, profile: str | None, *, reason: str, person: str, account: int | None) -> dict[str, Any]:
    """Latch at once; let the desk close if it answers within a second, else close here."""
    from workbench.domain.errors import InputError, StorageError, UnknownName
    from workbench.services.clock import wall_ns
    from workbench.storage.home import home as home_of
    from workbench.storage.latch import set_latch
    from workbench.storage.links import known_accounts

    place, begun = home_of(home), time.monotonic()
    if account is None and not known_accounts(place):
        raise InputError(
            f"nothing was stopped: no account is known in {place.path}; name the right folder with --home or "
            "WORKBENCH_HOME (the demo says its own when it starts)"
        )
    if account is not None and account not in known_accounts(place):
        known = map(str, known_accounts(place))
        raise UnknownName("account", str(account), known, where=f"nothing was stopped; these are known in {place.path}")
    try:
        set_latch(place, reason=reason, by=person, at=wall_ns(), account=account)
    except StorageError as error:  # closing counts more than the latch; the answer says that nothing is latched
        typer.echo(f"workbench: {error}; closing all the same", err=True)
    else:  # what follows may take half a minute when nobody answers
        typer.echo("latched; cancelling, closing, and reading the broker twice …", err=True)
    result = _by_desk(place, reason, person, account) or asyncio.run(_by_hand(place, profile, reason, person, account))
    return {**result, "ms": round((time.monotonic() - begun) * 1e3, 1)}


def _by_desk(place: Any, reason: str, person: str, account: int | None) -> dict[str, Any] | None:
    import httpx

    from workbench.services.desk_file import desk_now

    url, token = desk_now(place, "", "")
    if not url:
        return None
    headers = {"Authorization": f"Bearer {token}"}
    body = {"reason": reason, "person": person, "account": account}
    try:
        with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
            client.get("/api/health", timeout=DESK_MAY_TAKE_S).raise_for_status()
            answer = client.post("/api/stop", json=body, timeout=httpx.Timeout(45, connect=DESK_MAY_TAKE_S))
        found = answer.raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    return found if isinstance(found, dict) and {"result", "remaining"} <= found.keys() else None


async def _by_hand(place: Any, profile: str | None, reason: str, person: str, account: int | None) -> dict[str, Any]:
    from workbench.gateway.rest import Rest
    from workbench.gateway.tokens import LoginTokens
    from workbench.gateway.transport import Transport
    from workbench.services.broker import RestBroker
    from workbench.services.clock import wall_ns
    from workbench.services.open_hours import OpenHours
    from workbench.services.settings import load_profile
    from workbench.services.stop import emergency_stop
    from workbench.storage.links import known_accounts

    chosen = load_profile(profile)
    transport = Transport(chosen.rest_url)
    rest = Rest(transport, LoginTokens(transport, chosen.username, chosen.api_key))
    accounts = [account] if account is not None else known_accounts(place)
    broker = RestBroker(rest, urgent_reads=True)
    ahead = asyncio.create_task(_ahead_of_the_wall(chosen))  # a stop waits for no clock
    now = lambda: wall_ns() + (ahead.result() if ahead.done() else 0)  # noqa: E731 - one expression
    try:
        return await emergency_stop(
            place,
            accounts,
            broker,
            reason=reason,
            by=person,
            account=account,
            is_open=OpenHours(now).is_open,
        )
    finally:
        ahead.cancel()
        await asyncio.gather(ahead, return_exceptions=True)
        await rest.aclose()


async def _ahead_of_the_wall(profile: Any) -> int:
    # Market time of a simulator minus wall time, ns; it decides only how soon a closed market is left alone.
    from workbench.domain.errors import GatewayError
    from workbench.services.clock import wall_ns
    from workbench.services.market_time import market_now

    if not profile.is_simulator:
        return 0
    try:
        return await market_now(profile.rest_url) - wall_ns()
    except GatewayError:
        return 0


def clear_now(
    home: str | None, profile: str | None, *, reason: str, person: str, account: int | None
) -> dict[str, Any]:
    """Release the latch after the broker has been read and shows nothing."""
    from workbench.desk import Desk, DeskNotReachable, DeskRefused
    from workbench.domain.errors import InputError, StopLatched
    from workbench.services.clock import wall_ns
    from workbench.services.stop import accounts_behind
    from workbench.storage.home import home as home_of
    from workbench.storage.latch import clear_latch

    if len(reason.strip()) < SHORTEST_REASON:
        raise InputError("say why the stop may be cleared, in a word or more: workbench stop --clear --reason …")
    place = home_of(home)
    accounts_behind(place, account)  # says what is stopped instead, when this is not
    try:
        return Desk(at=place).clear_stop(reason, person, account=account)  # it knows its gateway, and reads it too
    except (DeskNotReachable, DeskRefused) as error:
        if isinstance(error, DeskRefused) and error.status:
            raise
    remaining = asyncio.run(_what_works(place, profile, account))
    if remaining:
        raise StopLatched(f"not cleared: the broker still shows {'; '.join(remaining)}; run workbench stop again")
    return clear_latch(place, reason=reason, person=person, account=account, at=wall_ns())


async def _what_works(place: Any, profile: str | None, account: int | None) -> list[str]:
    from workbench.domain.errors import GatewayError
    from workbench.gateway.rest import Rest
    from workbench.gateway.transport import Transport
    from workbench.services.broker import RestBroker
    from workbench.services.client_tokens import client_tokens
    from workbench.services.settings import load_profile
    from workbench.services.stop import accounts_behind

    accounts = accounts_behind(place, account)
    transport = Transport(load_profile(profile).rest_url)
    rest = Rest(transport, await client_tokens(place, profile, transport=transport))
    broker, out = RestBroker(rest, urgent_reads=True), []
    try:
        for each in accounts:
            out += [f"order {o.order_id} of account {each}" for o in await broker.working(each)]
            out += [f"{p.qty:+d} {p.contract} in account {each}" for p in await broker.positions(each) if p.qty]
    except GatewayError as error:
        raise GatewayError(f"not cleared: {transport.base_url} cannot be read, so nobody knows: {error}") from error
    finally:
        await rest.aclose()
    return out
