"""Stopping one strategy: a command to its runner, and the whole account when the runner does not confirm in time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from workbench.domain.errors import InputError, WorkbenchError

if TYPE_CHECKING:
    from workbench.services.supervisor import Desk

Json = dict[str, Any]
CONFIRM_WITHIN_S = 2.0
LOOK_S = 0.02


async def stop_session(desk: Desk, session: str, reason: str, person: str) -> Json:
    """End `session`, cancel and close what it holds; escalate to its account when that is not confirmed in 2 s.

    Confirmed is: the runner shows the session ended, and its contract without position and without working orders. In
    a closed market nothing can be closed: there the ended session alone is confirmation, and what remains is listed.

    Returns
    -------
    dict
        ``session``, ``account``, ``result`` (FLAT or NOT_FLAT), ``escalated``, ``remaining``, ``ms``; after an
        escalation also ``stop``, the answer of the account's emergency stop.

    Raises
    ------
    UnknownName, InputError
        No such session, or it is over and holds nothing.
    """
    began = time.monotonic()
    account, found = desk.find_session(session)
    if found["state"] == "ended":
        raise InputError(f"session {session} is over; to close what is open stop its account: {account}")
    why = ""
    try:
        async with asyncio.timeout(CONFIRM_WITHIN_S):
            remaining = await _ended(desk, account, session, found["contract"], f"{reason} ({person})")
    except TimeoutError:
        why = f"the runner has not confirmed it within {CONFIRM_WITHIN_S:g} s"
    except WorkbenchError as error:
        why = str(error)
    answer: Json = {"session": session, "account": account, "escalated": bool(why), "reason": reason}
    if not why:
        answer |= {"result": "NOT_FLAT" if remaining else "FLAT", "remaining": remaining}
        desk.alert("warning", f"session {session} stopped by {person}: {reason}", account)
    else:
        desk.alert(
            "critical", f"session {session} could not be stopped alone ({why}): stopping account {account}", account
        )
        stopped = await desk.stop(f"{reason} (session {session}: {why})", account, person)
        answer |= {"result": stopped["result"], "remaining": stopped["remaining"], "stop": stopped}
    return answer | {"ms": round((time.monotonic() - began) * 1e3, 1)}


async def _ended(desk: Desk, account: int, session: str, contract: str, person: str) -> list[str]:
    runner = desk.runners[account]
    asked_at = time.monotonic()
    await runner.request("end", {"session": session, "contract": contract, "person": person}, CONFIRM_WITHIN_S)
    while True:
        snapshot = runner.last.get("snapshot", {})
        rows = [s for s in snapshot.get("sessions", []) if s["session"] == session]
        if runner.heard_at > asked_at and rows and rows[0]["state"] == "ended":
            left = _left(snapshot.get("account", {}), contract)
            if not left or not desk.hours.is_open(contract):
                return left
        await asyncio.sleep(LOOK_S)


def _left(account: Json, contract: str) -> list[str]:
    orders = [o for o in account.get("working", []) if o["contract"] == contract]
    positions = [p for p in account.get("positions", []) if p["contract"] == contract and p["qty"]]
    left = [f"order {o['order_id']} {o['side']} {o['qty'] - o['filled']} {contract}" for o in orders]
    return left + [f"{p['qty']:+d} {contract}" for p in positions]
