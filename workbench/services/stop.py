"""The emergency stop: latch, take the account over, cancel, sweep, close, and prove it by reading the broker.

One closer per account by the account's own lock. It needs no database, no desk and no runner: the desk, the command
line and a dropped file all end here. The closing itself is in `sweep`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from workbench.domain.errors import InputError, LockHeld, StorageError
from workbench.services.clock import wall_ns
from workbench.services.crash import crash_point
from workbench.services.pulse import Pulse
from workbench.services.sweep import LIMITED_S, AccountStop, IsOpen, Reading, StopBroker, Sweep, read_account
from workbench.storage.home import Home, write_durably
from workbench.storage.latch import mark_stopped, read_latch, set_latch
from workbench.storage.links import known_accounts
from workbench.storage.lock import AccountLock, kill_process
from workbench.storage.patience import awaited_in_time

log = logging.getLogger(__name__)
ACKNOWLEDGE_S = 0.2  # a runner that has not let go of the account by then is killed
LOOK_S = 0.003  # how often it is looked at meanwhile
DISK_WITHIN_S = 1.0
GIVE_UP_S = 20.0
SHOWS_LIFE_S = 0.5  # how often a closer does
CLOSER_HANGS_S = 5.0  # without a sign of life: another closer kills it and goes on


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
    is_open: IsOpen = lambda contract: True,
    limited_s: float = LIMITED_S,
    on_end: Callable[[AccountStop], None] = lambda stop: None,
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
    is_open : callable
        Whether a contract trades now: a closed market that refuses is not asked for `GIVE_UP_S`.
    limited_s : float
        How long beyond `GIVE_UP_S` the gateway's 429 are waited out; 0 for who comes back by itself.
    on_end : callable
        Told what became of an account once its closing is over, whatever the others still take.

    Returns
    -------
    dict
        ``result`` FLAT or NOT_FLAT, ``latched``, ``accounts``, ``remaining``, ``ms``.
    """
    begun = time.monotonic()
    stops = [AccountStop(a) for a in accounts]
    # Read while the disk latches and the runners are letting go: what works may be cancelled the moment they have.
    early = [] if callable(broker) else _begin_reading(broker, stops)
    latched = await latch_in_time(home, reason, by, account)
    crash_point("K9")
    marked = asyncio.create_task(awaited_in_time(lambda: _mark(home, accounts, reason), GIVE_UP_S))
    taken = asyncio.gather(*(_take_over(home, s, order_runner) for s in stops))
    try:
        ready = broker if not callable(broker) else await broker()
        early = early or _begin_reading(ready, stops)
    except Exception as error:  # whatever it is: the latch holds, and the answer says what is not known to be flat
        await taken
        for stop in stops:
            stop.remaining.append(f"the gateway cannot be reached: {error}")
    else:
        await taken
        sweeps = [Sweep(s, ready, begun=begun, is_open=is_open, share=len(stops), limited_s=limited_s) for s in stops]
        await asyncio.gather(*(_close_account(home, w, f, on_end) for w, f in zip(sweeps, early, strict=True)))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISK_WITHIN_S):
            await marked
    return as_dict(stops, latched=latched, ms=(time.monotonic() - begun) * 1e3)


def _begin_reading(broker: StopBroker, stops: list[AccountStop]) -> list[asyncio.Future[Reading]]:
    return [asyncio.ensure_future(read_account(broker, s.account)) for s in stops]


async def latch_in_time(home: Home, reason: str, by: str, account: int | None) -> bool:
    """Latch, and return whether the disk has taken it; a full disk or one that hangs keeps nobody from closing."""
    try:
        return await awaited_in_time(lambda: _latch(home, reason, by, account), DISK_WITHIN_S)
    except TimeoutError:
        log.critical("the disk has not latched the stop within %g s, closing all the same", DISK_WITHIN_S)
        return False


def _latch(home: Home, reason: str, by: str, account: int | None) -> bool:
    try:
        set_latch(home, reason=reason, by=by, at=wall_ns(), account=account, mark=False)
    except StorageError as error:  # a full disk must not keep us from closing; without a disk no runner starts either
        log.critical("the stop could not be latched on disk, closing all the same: %s", error)
        return False
    return True


def _mark(home: Home, accounts: list[int], reason: str) -> None:
    try:
        mark_stopped(home, accounts, reason)
    except StorageError as error:  # clearing the latch makes them, too
        log.critical("%s", error)


async def _take_over(home: Home, stop: AccountStop, order_runner: Callable[[int], Awaitable[None]] | None) -> None:
    # Told and watched at the same time: 200 ms are all that it gets.
    lock, deadline = AccountLock(home.account(stop.account)), time.monotonic() + ACKNOWLEDGE_S
    telling = asyncio.create_task(_tell(stop.account, order_runner))
    try:
        while (holder := lock.holder()) is not None and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_S)
        await _kill_runner(stop, holder)
    except Exception as error:  # the closing itself waits for the lock, and says who has it
        log.warning("the runner of account %s could not be killed: %s", stop.account, error)
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _tell(account: int, order_runner: Callable[[int], Awaitable[None]] | None) -> None:
    if order_runner is None:
        return
    try:
        async with asyncio.timeout(ACKNOWLEDGE_S):  # in this task: what it raises while it is cancelled stays here
            await order_runner(account)
    except Exception as error:  # whatever it is, it must not keep us from closing: who cannot be told is killed
        log.warning("the runner of account %s could not be told to stop: %s", account, error)


async def _kill_runner(stop: AccountStop, holder: dict[str, Any] | None) -> None:
    if holder is not None and holder.get("role") == "runner":
        stop.killed_runner = await asyncio.to_thread(kill_process, holder)


async def _close_account(
    home: Home, sweep: Sweep, early: asyncio.Future[Reading], on_end: Callable[[AccountStop], None]
) -> None:
    # Whatever goes wrong with one account must not keep the others from being closed, so nothing leaves from here.
    stop = sweep.stop
    lock = AccountLock(home.account(stop.account))
    deadline = time.monotonic() + GIVE_UP_S
    try:
        if await _own(lock, stop, deadline):
            showing = asyncio.create_task(_show_life(lock))
            try:
                await sweep.run(deadline, early)
            finally:
                showing.cancel()
    except Exception as error:
        log.exception("the stop of account %s failed", stop.account)
        stop.result = "NOT_FLAT"
        stop.remaining.append(f"account {stop.account}: the stop failed: {type(error).__name__} {error}")
    finally:
        early.cancel()
        await asyncio.gather(early, return_exceptions=True)
        stop.ms = sweep.elapsed_ms()
        body = {"at": wall_ns(), **{f: getattr(stop, f) for f in AccountStop.__slots__}}
        kept = partial(write_durably, home.account(stop.account) / "stop_result.json", json.dumps(body).encode())
        try:
            await awaited_in_time(kept, DISK_WITHIN_S)
        except (StorageError, TimeoutError) as error:
            log.critical("the result of the stop could not be kept: %s", error or "the disk does not answer")
        lock.release()
        on_end(stop)


async def _own(lock: AccountLock, stop: AccountStop, deadline: float) -> bool:
    # One closer at a time. A runner that came up between the latch and now is killed like one that was there before.
    kill_at, pulse = time.monotonic() + ACKNOWLEDGE_S, Pulse()
    while True:
        try:
            lock.acquire("closer")
        except LockHeld as error:
            if time.monotonic() > deadline:
                stop.remaining = [f"account {stop.account}: {error}"]
                return False
            if time.monotonic() > kill_at:
                await _kill_holder(stop, lock, pulse)
            await asyncio.sleep(0.05)
        except OSError as error:  # no lock can be had on this disk; an open position is worse than a second closer
            log.critical("closing account %s without its lock: %s", stop.account, error)
            return True
        else:
            return True


async def _show_life(lock: AccountLock) -> None:
    while True:
        await asyncio.to_thread(lock.show_life)  # a disk that does not answer must not hold up the closing
        await asyncio.sleep(SHOWS_LIFE_S)


async def _kill_holder(stop: AccountStop, lock: AccountLock, pulse: Pulse) -> None:
    # A closer that works is waited for: two would close twice. One that stands still would keep everybody out.
    holder = lock.holder()
    await _kill_runner(stop, holder)
    if holder is None or holder.get("role") != "closer" or holder.get("pid") == os.getpid():
        return
    if pulse.silent_s((holder.get("pid"), lock.shown_at())) > CLOSER_HANGS_S:
        pulse.forget()
        text = "process %s closes account %s and has stood still for %g s: it is killed, and the closing goes on here"
        log.critical(text, holder.get("pid"), stop.account, CLOSER_HANGS_S)
        await asyncio.to_thread(kill_process, holder)


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
