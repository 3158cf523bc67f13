"""The red button inside the desk: stops when asked and on sight of a latch, again and again until nothing is left."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from workbench.domain.commands import Outcome
from workbench.domain.errors import InputError
from workbench.domain.events import PositionReported
from workbench.domain.order import Order
from workbench.services.clock import wall_ns
from workbench.services.open_hours import OpenHours
from workbench.services.stop import accounts_behind, as_dict, emergency_stop, latch_in_time
from workbench.services.stop_results import StopResults
from workbench.services.sweep import AccountStop, StopBroker
from workbench.storage.home import Home
from workbench.storage.latch import Latch, clear_latch, read_latch
from workbench.storage.links import known_accounts

log = logging.getLogger(__name__)
Json = dict[str, Any]
LOOK_EVERY_S = 0.05
RETRY_STOP_S, LONGEST_RETRY_S = 5.0, 30.0
RETRY_CLOSED_S = 900.0  # a calendar may be wrong: a market that is called closed is tried so often all the same


class _Closing:
    """A stop under way; the broker it is given notes when each account was asked for the last time.

    A proof is as old as the question of its reading: what opens while the answer is on its way is not in it.
    """

    task: asyncio.Future[Json]

    def __init__(self, broker: StopBroker, accounts: list[int]) -> None:
        self._broker, self._asked_at = broker, dict[int, float]()
        loop = asyncio.get_running_loop()
        self.ended: dict[int, asyncio.Future[AccountStop]] = {a: loop.create_future() for a in accounts}

    async def working(self, account: int) -> list[Order]:
        self._asked_at[account] = time.monotonic()
        return await self._broker.working(account)

    async def positions(self, account: int) -> list[PositionReported]:
        return await self._broker.positions(account)

    async def cancel(self, account: int, order_id: int) -> Outcome:
        return await self._broker.cancel(account, order_id)

    async def close(self, account: int, contract: str) -> Outcome:
        return await self._broker.close(account, contract)

    def is_open(self, account: int) -> bool:
        """Whether this one is still at the account."""
        return account in self.ended and not self.ended[account].done()

    def was_flat_before(self, account: int, pressed: float) -> bool:
        """Whether it ended FLAT by a reading that was asked for before `pressed` (monotonic seconds)."""
        return self.ended[account].result().result == "FLAT" and self._asked_at.get(account, -1e9) < pressed

    def account_ended(self, stop: AccountStop) -> None:
        self.ended[stop.account].set_result(stop)

    def end(self, task: asyncio.Future[Json]) -> None:
        """Let nobody wait on when the stop has failed."""
        error = None if task.cancelled() else task.exception()
        for each in self.ended.values():
            if not each.done() and error is not None:
                each.set_exception(error)
                each.exception()  # there may be nobody who waits
            elif not each.done():
                each.cancel()


class RedButton:
    """Every account for itself: one that cannot be closed keeps no other from being closed.

    Parameters
    ----------
    home : Home
        Latches, locks, results.
    broker : StopBroker
        Reads, cancels and closes on the reserved budget.
    tell_runner : coroutine function
        Tells the runner of an account to let go.
    tell : callable
        Takes (level, text).
    on_flat : callable
        Takes an account that the broker has shown to be flat.
    hours : OpenHours
        What a closed market has refused is tried again at its open, not before; a new desk tries once and waits then.
    """

    def __init__(
        self,
        home: Home,
        broker: StopBroker,
        *,
        tell_runner: Callable[[int], Awaitable[None]],
        tell: Callable[[str, str], None],
        on_flat: Callable[[int], None] = lambda account: None,
        hours: OpenHours | None = None,
    ) -> None:
        self._home, self._broker = home, broker
        self._tell_runner, self._tell, self._on_flat = tell_runner, tell, on_flat
        self._results = StopResults()
        self._done: set[tuple[int, str, int]] = set()
        self._busy: Counter[int] = Counter()
        self._hours = hours or OpenHours(wall_ns)
        self._not_before: dict[int, float] = {}
        self._retry_s: dict[int, float] = {}
        self._opens: dict[int, int] = {}  # account -> when its market opens (UTC ns of market time)
        self._told = ""
        self._announced: tuple[str, int | None] | None = None
        self._running: list[_Closing] = []
        self._newest: dict[int, _Closing] = {}

    @property
    def result(self) -> Json | None:
        """What the stops came to, each account by its newest: FLAT when all that are stopped are flat.

        What remains is told also while it is tried again. None when nothing remains and a stop is under way: an earlier
        FLAT says nothing about this one.
        """
        return self._results.told(under_way=bool(self._running))

    async def stop(self, reason: str, account: int | None, person: str, accounts: list[int]) -> Json:
        """Latch `account` (None: everything), close `accounts`, and return what became of each.

        What is being closed when it comes is waited for: the command line latches by itself and then asks, and every
        request of a second closing would come out of the same budget. An account that was shown to be flat by a reading
        from before the press is closed and read again.
        """
        joined = {a: closing for closing in self._running for a in accounts if closing.is_open(a)}
        task: asyncio.Future[Json]
        if joined:
            task = asyncio.ensure_future(self._join(reason, account, person, accounts, joined))
        else:
            task = self._begin(reason, account, person, accounts).task
        return await asyncio.shield(task)  # who asked may go; the closing goes on

    def _begin(self, reason: str, account: int | None, person: str, accounts: list[int]) -> _Closing:
        closing = _Closing(self._broker, accounts)
        closing.task = asyncio.ensure_future(self._stop(reason, account, person, closing))
        self._running.append(closing)
        self._newest |= dict.fromkeys(accounts, closing)
        self._done = {key for key in self._done if key[0] not in closing.ended}  # what was flat then may not be now
        closing.task.add_done_callback(closing.end)
        closing.task.add_done_callback(lambda _: self._running.remove(closing))
        return closing

    async def _join(
        self, reason: str, account: int | None, person: str, accounts: list[int], joined: dict[int, _Closing]
    ) -> Json:
        # What is being closed is waited for, the rest is closed; a proof from before the press is none for this press.
        pressed = time.monotonic()
        more: list[Awaitable[Json]] = []
        latched = True
        if fresh := [a for a in accounts if a not in joined]:
            more.append(self._begin(reason, account, person, fresh).task)  # it latches
        else:
            latched = await latch_in_time(self._home, reason, person, account)
        await asyncio.wait([closing.ended[a] for a, closing in joined.items()])
        stops = {a: closing.ended[a].result() for a, closing in joined.items()}
        if late := [a for a, closing in joined.items() if closing.was_flat_before(a, pressed)]:
            more.append(self.stop(reason, account, person, late))
        for answer in await asyncio.gather(*more):
            stops |= {row["account"]: AccountStop(**row) for row in answer["accounts"]}
            latched = latched and answer["latched"]
        return as_dict([stops[a] for a in accounts], latched=latched, ms=(time.monotonic() - pressed) * 1e3)

    async def _stop(self, reason: str, account: int | None, person: str, closing: _Closing) -> Json:
        accounts = list(closing.ended)
        self._results.begin(accounts, lambda a: self._busy[a] > 0)
        self._busy.update(accounts)
        if (reason, account) != self._announced:  # the alarm goes out now, the result follows
            self._announced = (reason, account)
            whose = "everything" if account is None else f"account {account}"
            self._tell("critical", f"emergency stop of {whose} by {person}: {reason}")
        try:
            result = await emergency_stop(
                self._home,
                accounts,
                closing,
                reason=reason,
                by=person,
                account=account,
                order_runner=self._tell_runner,
                is_open=self._hours.is_open,
                limited_s=0.0,  # `follow` comes back
                on_end=closing.account_ended,
            )
        finally:
            self._busy.subtract(accounts)
        self._results.keep(result, lambda a: self._newest[a] is closing)  # else a later press knows better
        for stopped in result["accounts"]:
            if self._newest[stopped["account"]] is closing:
                self._settle(stopped)
        self._say(result, person)
        return result

    def _settle(self, stopped: Json) -> None:
        account = stopped["account"]
        latch = read_latch(self._home, account)
        if stopped["result"] == "FLAT":
            self._retry_s.pop(account, None)
            self._opens.pop(account, None)
            self._on_flat(account)
            if latch is not None:
                self._done.add(_key(account, latch))
        elif stopped.get("market_closed"):
            self._opens[account] = self._hours.next_open(stopped["contracts"])
            self._not_before[account] = time.monotonic() + RETRY_CLOSED_S
        else:
            self._opens.pop(account, None)
            self._retry_later(account)

    def _retry_later(self, account: int) -> None:
        pause = self._retry_s.get(account, RETRY_STOP_S)
        self._retry_s[account] = min(pause * 1.5, LONGEST_RETRY_S)
        self._not_before[account] = time.monotonic() + pause

    def _waits(self, account: int) -> bool:
        if self._busy[account] > 0:
            return True
        opens = self._opens.get(account)
        if opens is not None and self._hours.has_come(opens):
            return False
        return time.monotonic() < self._not_before.get(account, 0.0)

    def _say(self, result: Json, person: str) -> None:
        remaining = "; ".join(result["remaining"])
        text = f"emergency stop by {person}: {result['result']} {remaining}".strip()
        if text != self._told or result["result"] == "FLAT":  # what is tried again every few seconds is said once
            self._tell("warning" if result["result"] == "FLAT" else "critical", text)
        self._told = text

    async def follow(self) -> None:
        """Act on latches that somebody else set (a dropped file, the command line); for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                try:
                    for latch, accounts in self._due():
                        self._busy.update(accounts)  # from here on, not from the task's first step
                        tasks.create_task(self._stop_safely(latch, accounts))
                except Exception:  # an unreadable folder must not end the desk
                    log.exception("the latches could not be looked at")

    def _due(self) -> list[tuple[Latch, list[int]]]:
        found: dict[tuple[str, int, int | None], tuple[Latch, list[int]]] = {}
        held = set()
        for account in self._results:
            self._results.look(account, read_latch(self._home, account) is not None)
        for account in known_accounts(self._home):
            latch = read_latch(self._home, account)
            if latch is None:
                for kept in (self._not_before, self._retry_s, self._opens):
                    kept.pop(account, None)
                continue
            held.add(_key(account, latch))
            if not self._waits(account) and _key(account, latch) not in self._done:
                found.setdefault((latch.reason, latch.at, latch.account), (latch, []))[1].append(account)
        self._done &= held
        return list(found.values())

    async def _stop_safely(self, latch: Latch, accounts: list[int]) -> None:
        try:
            await self.stop(latch.reason, latch.account, latch.by, accounts)
        except Exception as error:
            log.exception("the stop of accounts %s failed", accounts)
            self._tell("critical", f"the stop of accounts {accounts} failed and is tried again: {error}")
            for account in accounts:
                self._retry_later(account)
        finally:
            self._busy.subtract(accounts)

    async def clear(self, reason: str, person: str, account: int | None) -> Json:
        """Release the latch, after a clean reading of every account that it stops.

        Raises
        ------
        InputError
            Something still works or is open, or nothing is latched there.
        """
        for each in accounts_behind(self._home, account):
            working = await self._broker.working(each)
            positions = [p for p in await self._broker.positions(each) if p.qty]
            if working or positions:
                raise InputError(
                    f"account {each} still has {len(working)} working orders and {len(positions)} positions; "
                    "a stop is cleared only when the broker shows nothing"
                )
        record = clear_latch(self._home, reason=reason, person=person, account=account, at=wall_ns())
        self._tell("info", f"stop cleared by {person}: {reason}")
        self._results.forget(account)
        self._told, self._announced = "", None
        return record


def _key(account: int, latch: Latch) -> tuple[int, str, int]:
    return account, latch.reason, latch.at
