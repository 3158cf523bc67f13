"""Shares of the limits over all accounts: worked out by the desk, leased to the runners for a short while.

A runner whose lease has run out enters nothing, so a desk that is dead or hung lets nobody trade on an old share.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbench.domain.errors import WorkbenchError
from workbench.services.clock import wall_ns
from workbench.services.limits import trading_date
from workbench.services.monitor import Lease, leases, monitor
from workbench.services.rested import rested
from workbench.storage.limits_file import Values, entry_on, load_limits

if TYPE_CHECKING:
    from workbench.services.supervisor import Desk

log = logging.getLogger(__name__)
EVERY_S = 5.0
LASTS_S = 15.0  # two may be lost
LOCKSTEP_S = 86_400.0  # a market that waits for us may cross hours between two leases


def told_accounts(desk: Desk) -> list[dict[str, Any]]:
    """Return what the runners told of their accounts last, their sessions with them."""
    found = []
    for account, runner in desk.runners.items():
        snapshot = runner.last.get("snapshot", {})
        if snapshot or runner.channel is not None:
            found.append({"account": account, **snapshot.get("account", {}), "sessions": snapshot.get("sessions", [])})
    return found


def _measured(desk: Desk) -> list[dict[str, Any]]:
    # Each account with its loss, None where that may have grown since it was told.
    told = {each["account"]: each for each in told_accounts(desk)}
    for account, runner in desk.runners.items():
        if account not in told:
            if runner.wanted or runner.given_up:  # it was to trade and has not said a word
                told[account] = {"account": account}
            continue
        each = told[account]
        if runner.is_silent and _has_open(each):
            each["day_pnl_usd"] = None
        elif each.get("day_pnl_usd") is None:  # of an account that was stopped: what its runner told last
            each["day_pnl_usd"] = each.get("told_day_pnl_usd")
    return list(told.values())


def _of_today(each: dict[str, Any], today: str) -> dict[str, Any]:
    # What was lost on an earlier trading date is no loss of this one.
    return each | {"day_pnl_usd": 0.0} if each.get("trading_date", today) < today else each


def _has_open(account: dict[str, Any]) -> bool:
    return bool(account.get("working")) or any(held.get("qty") for held in account.get("positions") or [])


def over_all(desk: Desk) -> Values:
    """Return the limits over all accounts; without a second account there is nothing to share."""
    at = max(trading_date(wall_ns()), trading_date(desk.clock.now()))
    limits = entry_on(load_limits(desk.home), at).over_all
    return limits if len(desk.all_accounts()) > 1 else {}


def body_of(lease: Lease, *, rate: float, lockstep: bool) -> dict[str, Any]:
    """Return a lease as a runner is told of it; it lasts in real time, which market time may outrun."""
    return {
        "daily_loss_usd": None if lease.daily_loss_usd is None else str(lease.daily_loss_usd),
        "max_micros": lease.max_micros,
        "seconds": LOCKSTEP_S if lockstep else LASTS_S * max(1.0, rate),
    }


async def lease_once(desk: Desk) -> dict[int, Lease]:
    """Work the shares out and tell every runner that listens; return them."""
    limits = await asyncio.to_thread(over_all, desk)
    if not limits:
        return {}
    told, today = _measured(desk), trading_date(desk.clock.now()).isoformat()
    unheard = await asyncio.to_thread(rested, desk.home, {each["account"] for each in told})
    shares = leases(monitor([*told, *(_of_today(each, today) for each in unheard)]), limits)
    for account, lease in shares.items():
        runner = desk.runners.get(account)
        if runner is None or runner.channel is None:
            continue
        try:
            await runner.channel.request(
                "lease", body_of(lease, rate=desk.clock.rate, lockstep=desk.clock.lockstep), 2.0
            )
        except WorkbenchError as error:
            log.warning("account %s did not take its lease: %s", account, error)
    return shares


async def lease_budgets(desk: Desk, wait: Callable[[float], Any] = asyncio.sleep) -> None:
    """Lease for as long as the desk runs; what cannot be read is told, and leases then run out by themselves."""
    told = ""
    while True:
        try:
            await lease_once(desk)
            told = ""
        except Exception as error:  # the desk must live; entries end with the leases
            if str(error) != told:
                told = str(error)
                log.exception("the shares of the limits over all accounts cannot be worked out")
                desk.alert(
                    "critical", f"no leases of the limits over all accounts, entries end in {LASTS_S:g} s: {error}"
                )
        await wait(EVERY_S)
