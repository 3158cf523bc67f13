"""`workbench stop`: the red button from a terminal, with the desk alive, hung or dead."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
import time
from typing import TYPE_CHECKING, Any

from workbench.commands.output import show

if TYPE_CHECKING:
    import typer

DESK_MAY_TAKE_S = 1.0
DISK_MAY_TAKE_S = 1.0
SHORTEST_REASON = 3  # letters; as the desk has it
HELP = "Stop everything: latch, cancel, close, verify. Clear it with --clear --reason."


def register(app: typer.Typer) -> None:
    """Add the command to `app`: its help, and the words that `typed` does not take."""
    import typer

    @app.command("stop", help=HELP)
    def stop(
        reason: str = typer.Option("", help="Why; kept with the latch."),
        account: int | None = typer.Option(None, help="One account instead of everything."),
        clear: bool = typer.Option(False, "--clear", help="Release the latch; needs --reason."),
        home: str | None = typer.Option(None, help="Folder of state and data (WORKBENCH_HOME)."),
        profile: str | None = typer.Option(None, help="sim or topstepx (WORKBENCH_PROFILE)."),
        json: bool = typer.Option(False, "--json", help="Answer as JSON."),
    ) -> None:
        code = run(reason=reason, account=account, clear=clear, home=home, profile=profile, as_json=json)
        raise typer.Exit(code)


def typed(words: list[str]) -> int | None:
    """Run the command from its words without typer, which takes 0.3 s to load; None where typer must look at them."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--reason", default="")
    parser.add_argument("--account", type=int)
    parser.add_argument("--clear", action="store_true")
    parser.add_argument("--home")
    parser.add_argument("--profile")
    parser.add_argument("--json", action="store_true", dest="as_json")
    try:
        options, unknown = parser.parse_known_args(words)
    except argparse.ArgumentError:
        return None
    return None if unknown else run(**vars(options))


def run(*, reason: str, account: int | None, clear: bool, home: str | None, profile: str | None, as_json: bool) -> int:
    """Stop or clear, show what became of it, and return the exit code."""
    person = getpass.getuser()
    if clear:
        cleared = clear_now(home, profile, reason=reason, person=person, account=account)
        whose = "everything" if account is None else f"account {account}"
        was = f"stopped by {cleared['latched_by']}: {cleared['latched_for']}"
        show(cleared if as_json else f"cleared: {whose} may enter again (was {was})", as_json=as_json)
        return 0
    result = stop_now(home, profile, reason=reason or "workbench stop", person=person, account=account)
    if as_json:
        show(result, as_json=True)
    else:
        _say(result)
    alert(result, person=person, reason=reason)
    return 0 if result["result"] == "FLAT" else 1


def _say(result: dict[str, Any]) -> None:
    latched = "latched until cleared" if result["latched"] else "NOT LATCHED: the disk refused"
    print(f"{result['result']} after {result['ms']:.0f} ms; {latched}")
    for text in result["remaining"]:
        print(f"  remains: {text}")
    if result["result"] != "FLAT" and result["remaining"]:
        print("a running desk tries again by itself (workbench desk starts one); or run workbench stop again")


def stop_now(home: str | None, profile: str | None, *, reason: str, person: str, account: int | None) -> dict[str, Any]:
    """Latch at once; let the desk close if it answers within a second, else close here."""
    from workbench.domain.errors import InputError, StorageError, UnknownName
    from workbench.services.clock import wall_ns
    from workbench.storage.home import home as home_of
    from workbench.storage.latch import set_latch
    from workbench.storage.links import known_accounts
    from workbench.storage.patience import in_time

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
        in_time(lambda: set_latch(place, reason=reason, by=person, at=wall_ns(), account=account), DISK_MAY_TAKE_S)
    except TimeoutError:
        text = f"the disk has not latched the stop within {DISK_MAY_TAKE_S:g} s; closing all the same"
        print(f"workbench: {text}", file=sys.stderr)
    except StorageError as error:  # closing counts more than the latch; the answer says that nothing is latched
        print(f"workbench: {error}; closing all the same", file=sys.stderr)
    else:  # what follows may take half a minute when nobody answers
        print("latched; cancelling, closing, and reading the broker twice …", file=sys.stderr)
    _import_httpx()
    result = _by_desk(place, reason, person, account)
    closed_by = "desk" if result else "command line"
    result = result or asyncio.run(_by_hand(place, profile, reason, person, account))
    return {**result, "closed_by": closed_by, "ms": round((time.monotonic() - begun) * 1e3, 1)}


def alert(result: dict[str, Any], *, person: str, reason: str) -> None:
    """Tell the operator's channels what a stop without a desk has done, once it is done and shown.

    A desk that has closed says so itself. What goes wrong here is printed, and changes nothing.
    """
    try:
        from workbench.services.alerts import channel_urls, send_now

        urls = channel_urls()
        if result["closed_by"] == "desk" or not urls:
            return
        sys.stdout.flush()  # the answer is wanted now, whatever the channels take
        level = "warning" if result["result"] == "FLAT" else "critical"
        remaining = "; ".join(result["remaining"])
        latched = "" if result["latched"] else " NOT LATCHED"
        why = f" ({reason})" if reason else ""
        text = f"emergency stop by {person}, without a desk{why}: {result['result']}{latched} {remaining}".strip()
        if send_now("command line", level, text):
            return
        trouble = f"{len(urls)} channels did not take it"
    except (OSError, RuntimeError, ValueError) as error:  # the account is closed or it is not: no channel changes that
        trouble = type(error).__name__  # its text may name the channel's secret
    print(f"workbench: the alert was not sent ({trouble}); look at WORKBENCH_ALERT_URLS", file=sys.stderr)


def _import_httpx() -> None:
    # Its own command line would load rich and pygments, 0.1 to 0.2 s for which an open position would wait.
    if "httpx" not in sys.modules:
        sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # makes that import fail, as it may
        import httpx  # noqa: F401 - loaded for whoever needs it next


def _by_desk(place: Any, reason: str, person: str, account: int | None) -> dict[str, Any] | None:
    import httpx

    from workbench.services.desk_file import desk_now

    url, token = desk_now(place, "", "")
    if not url:
        return None
    headers = {"Authorization": f"Bearer {token}"}
    body = {"reason": reason, "person": person, "account": account}
    try:
        plain = url.lower().startswith("http://")  # reading certificates takes time
        with httpx.Client(base_url=url, headers=headers, trust_env=False, verify=not plain) as client:
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
