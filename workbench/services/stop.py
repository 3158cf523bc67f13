"""The emergency stop: latch, take the account over, cancel, sweep, close, and prove it by reading the broker.

One closer per account by the account's own lock. It needs no database, no desk and no runner: the desk, the command
line and a dropped file all end here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from workbench.domain.commands import Accepted, Outcome, Unknown
from workbench.domain.errors import InputError, LockHeld, StorageError
from workbench.domain.events import PositionReported
from workbench.domain.order import Order, OrderType
from workbench.gateway.faults import GatewayRefused
from workbench.services.clock import wall_ns
from workbench.services.crash import crash_point
from workbench.storage.home import Home, write_durably
from workbench.storage.latch import read_latch, set_latch
from workbench.storage.links import known_accounts
from workbench.storage.lock import AccountLock, kill_process

log = logging.getLogger(__name__)
ACKNOWLEDGE_S = 0.2  # a runner that has not let go of the account by then is killed
BETWEEN_CLEAN_READS_S = 1.0
CLOSE_SETTLES_S = 1.5  # after a close nobody closes again before the broker was read this much later
GIVE_UP_S = 20.0
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 1.0


class StopBroker(Protocol):
    """What a stop needs of the gateway; every call draws on the reserved request budget."""

    async def working(self, account: int) -> list[Order]: ...
    async def positions(self, account: int) -> list[PositionReported]: ...
    async def cancel(self, account: int, order_id: int) -> Outcome: ...
    async def close(self, account: int, contract: str) -> Outcome: ...


@dataclass(slots=True)
class AccountStop:
    """What the stop did to one account."""

    account: int
    result: str = "NOT_FLAT"
    cancelled: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    remaining: list[str] = field(default_factory=list)
    killed_runner: bool = False
    ms: float = 0.0


def as_dict(stops: list[AccountStop], *, latched: bool, ms: float) -> dict[str, Any]:
    """The typed result as surfaces show it; FLAT only for what was read, so a stop of no account is not FLAT."""
    flat = bool(stops) and all(s.result == "FLAT" for s in stops)
    nothing = [] if stops else ["no account is known here: nothing was closed and nothing was read"]
    return {
        "result": "FLAT" if flat else "NOT_FLAT",
        "latched": latched,
        "accounts": [{f: getattr(s, f) for f in AccountStop.__slots__} for s in stops],
        "remaining": nothing + [text for s in stops for text in s.remaining],
        "ms": round(ms, 1),
    }


async def emergency_stop(
    home: Home,
    accounts: list[int],
    broker: StopBroker | Callable[[], Awaitable[StopBroker]],
    *,
    reason: str,
    by: str,
    account: int | None = None,
    order_runner: Callable[[int], Awaitable[None]] | None = None,
) -> dict[str, Any]:
    """Stop `accounts` and return what became of each.

    Parameters
    ----------
    home : Home
        Where the latch, the locks and the results lie.
    accounts : list of int
        The accounts to close.
    broker : StopBroker or coroutine function
        The gateway, or how to reach it (called after the latch is on disk).
    reason, by : str
        Kept with the latch.
    account : int or None
        Latch this account alone, or everything.
    order_runner : coroutine function, optional
        Tells a runner to let go; a runner also sees the latch on disk by itself.

    Returns
    -------
    dict
        ``result`` FLAT or NOT_FLAT, ``latched``, ``accounts``, ``remaining``, ``ms``.
    """
    begun = time.monotonic()
    latched = _latch(home, reason, by, account)
    crash_point("K9")
    stops = [AccountStop(a) for a in accounts]
    await asyncio.gather(*(_take_over(home, s, order_runner) for s in stops))
    try:
        ready = broker if not callable(broker) else await broker()
    except Exception as error:  # whatever it is: the latch holds, and the answer says what is not known to be flat
        for stop in stops:
            stop.remaining.append(f"the gateway cannot be reached: {error}")
        return as_dict(stops, latched=latched, ms=(time.monotonic() - begun) * 1e3)
    await asyncio.gather(*(_close_account(home, s, ready, begun) for s in stops))
    return as_dict(stops, latched=latched, ms=(time.monotonic() - begun) * 1e3)


def _latch(home: Home, reason: str, by: str, account: int | None) -> bool:
    try:
        set_latch(home, reason=reason, by=by, at=wall_ns(), account=account)
    except StorageError as error:  # a full disk must not keep us from closing; without a disk no runner starts either
        log.critical("the stop could not be latched on disk, closing all the same: %s", error)
        return False
    return True


async def _take_over(home: Home, stop: AccountStop, order_runner: Callable[[int], Awaitable[None]] | None) -> None:
    lock = AccountLock(home.account(stop.account))
    if order_runner is not None:
        try:
            await asyncio.wait_for(order_runner(stop.account), ACKNOWLEDGE_S)
        except Exception as error:  # whatever it is, it must not keep us from closing: who cannot be told is killed
            log.warning("the runner of account %s could not be told to stop: %s", stop.account, error)
    deadline = time.monotonic() + ACKNOWLEDGE_S
    try:
        while (holder := lock.holder()) is not None and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        await _kill_runner(stop, holder)
    except Exception as error:  # the closing itself waits for the lock, and says who has it
        log.warning("the runner of account %s could not be killed: %s", stop.account, error)


async def _kill_runner(stop: AccountStop, holder: dict[str, Any] | None) -> None:
    if holder is not None and holder.get("role") == "runner":
        stop.killed_runner = await asyncio.to_thread(kill_process, holder)


async def _close_account(home: Home, stop: AccountStop, broker: StopBroker, begun: float) -> None:
    # Whatever goes wrong with one account must not keep the others from being closed, so nothing leaves from here.
    lock = AccountLock(home.account(stop.account))
    deadline = time.monotonic() + GIVE_UP_S
    try:
        if await _own(lock, stop, deadline):
            await _sweep(stop, broker, deadline)
    except Exception as error:
        log.exception("the stop of account %s failed", stop.account)
        stop.result = "NOT_FLAT"
        stop.remaining.append(f"account {stop.account}: the stop failed: {type(error).__name__} {error}")
    finally:
        stop.ms = round((time.monotonic() - begun) * 1e3, 1)
        body = {"at": wall_ns(), **{f: getattr(stop, f) for f in AccountStop.__slots__}}
        try:
            write_durably(home.account(stop.account) / "stop_result.json", json.dumps(body).encode())
        except StorageError as error:
            log.critical("the result of the stop could not be kept: %s", error)
        lock.release()


async def _own(lock: AccountLock, stop: AccountStop, deadline: float) -> bool:
    # One closer at a time. A runner that came up between the latch and now is killed like one that was there before.
    kill_at = time.monotonic() + ACKNOWLEDGE_S
    while True:
        try:
            lock.acquire("closer")
        except LockHeld as error:
            if time.monotonic() > deadline:
                stop.remaining = [f"account {stop.account}: {error}"]
                return False
            if time.monotonic() > kill_at:
                await _kill_runner(stop, lock.holder())
            await asyncio.sleep(0.05)
        except OSError as error:  # no lock can be had on this disk; an open position is worse than a second closer
            log.critical("closing account %s without its lock: %s", stop.account, error)
            return True
        else:
            return True


async def _sweep(stop: AccountStop, broker: StopBroker, deadline: float) -> None:
    # Read, cancel what works; only when nothing works close what is open; flat is two clean readings a second apart.
    clean_since: float | None = None
    closed_at: dict[str, float] = {}
    pause = SHORTEST_PAUSE_S
    while True:
        try:
            working = await broker.working(stop.account)
            positions = [p for p in await broker.positions(stop.account) if p.qty]
        except Exception as error:  # a reading that nobody can make sense of is no reading
            stop.remaining = [f"account {stop.account} cannot be read: {error}"]
            clean_since = None
            if isinstance(error, GatewayRefused) and error.name == "AccountNotFound":
                return  # asking again will not bring it into being, and the requests are wanted elsewhere
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(0.2)
            continue
        stop.remaining = [_order_text(o) for o in working] + [f"{p.qty:+d} {p.contract}" for p in positions]
        now = time.monotonic()
        if not working and not positions:
            clean_since = now if clean_since is None else clean_since
            if now - clean_since >= BETWEEN_CLEAN_READS_S:
                stop.result = "FLAT"
                return
            await asyncio.sleep(min(0.1, BETWEEN_CLEAN_READS_S - (now - clean_since)) + 0.001)
            continue
        clean_since = None
        if now > deadline:
            return
        closing = {c for c, at in closed_at.items() if now - at < CLOSE_SETTLES_S}
        # The market order of our own close is on its way: cancelling it would undo the close.
        to_cancel = [o for o in working if o.type is not OrderType.MARKET or o.contract not in closing]
        if to_cancel:
            refused = await _cancel_all(stop, broker, to_cancel)
            # A closed market refuses every time: asking faster and faster would only use up the request budget.
            pause = min(pause * 2, LONGEST_PAUSE_S) if refused else SHORTEST_PAUSE_S
        elif not working:
            crash_point("K10")
            await _close_all(stop, broker, positions, closed_at)
        await asyncio.sleep(pause)


async def _cancel_all(stop: AccountStop, broker: StopBroker, working: list[Order]) -> bool:
    # Returns whether any was refused.
    refused = False
    for order in sorted(working, key=lambda o: o.parent_id is not None):
        if order.order_id is None:
            continue
        outcome = await _ask(broker.cancel(stop.account, order.order_id))
        refused |= not isinstance(outcome, Accepted)
        _note(stop.cancelled, _order_text(order), outcome)
    return refused


async def _ask(call: Awaitable[Outcome]) -> Outcome:
    try:
        return await call
    except Exception as error:  # it may have got through: the next reading tells
        return Unknown(reason=f"{type(error).__name__} {error}")


def _note(done: list[str], text: str, outcome: Outcome) -> None:
    said = text if isinstance(outcome, Accepted) else f"{text} refused: {outcome.reason}"
    if said not in done:
        done.append(said)


async def _close_all(
    stop: AccountStop, broker: StopBroker, positions: list[PositionReported], closed_at: dict[str, float]
) -> None:
    for position in positions:
        if time.monotonic() - closed_at.get(position.contract, -1e9) < CLOSE_SETTLES_S:
            continue
        closed_at[position.contract] = time.monotonic()
        outcome = await _ask(broker.close(stop.account, position.contract))
        _note(stop.closed, f"{position.qty:+d} {position.contract}", outcome)


def _order_text(order: Order) -> str:
    return f"order {order.order_id} {order.side.name} {order.remaining} {order.contract} {order.type.name.lower()}"


def accounts_behind(home: Home, account: int | None) -> list[int]:
    """Return the accounts whose broker must show nothing before the latch that stops `account` may be cleared.

    A stop of everything is cleared only when everything is flat, also when one account asks.

    Raises
    ------
    InputError
        Nothing is latched there; the message names what is.
    """
    latch, known = read_latch(home, account), known_accounts(home)
    if latch is not None:
        return known if latch.account is None else [latch.account]
    alone = [str(a) for a in known if read_latch(home, a) is not None]
    hint = f"; stopped alone: account {', '.join(alone)} (clear with --account)" if alone else ""
    raise InputError(f"nothing is stopped{' here' if account is None else f' in account {account}'}{hint}")
