"""The loop that wakes schedules: it looks at the market clock, takes leases, has reports made, and tells of failures.

A plain loop; what is due is decided by `schedule_times`, and who makes it by the lease in the database. Nothing that
trades depends on it: a report is a job in a process of its own, and a database that is away is told and tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Callable
from typing import Any, Protocol

from workbench.domain.clock import SECOND
from workbench.domain.errors import InputError, UnknownName, WorkbenchError
from workbench.services.clock import wall_ns
from workbench.services.jobs import OVER
from workbench.services.report_index import list_reports, rebuild_index, remove_report
from workbench.services.schedule_store import FAILED, OK, Lease, Schedule, Schedules
from workbench.services.schedule_times import parse_due
from workbench.storage.database import Database
from workbench.storage.home import Home

log = logging.getLogger(__name__)
Json = dict[str, Any]
Tell = Callable[[str, str], None]  # level, text
LOOK_EVERY_S, TRY_AGAIN_S = 1.0, 15.0
LEASE_S = 60.0  # somebody else takes over what a dead scheduler had after this
FOLLOW_S = 0.5


class Line(Protocol):
    """Where a report is made: `services.jobs.Jobs`."""

    def start(self, kind: str, asked: Json, *, by: str) -> Json: ...

    def get(self, job: str) -> Json: ...

    def cancel(self, job: str) -> Json: ...


class Scheduler:
    """What is due, made once.

    Parameters
    ----------
    home : Home
        Its reports and its database.
    jobs : Line
    now : callable
        Market time, UTC ns.
    tell : callable
        Takes level and text of an alert.
    wall : callable
        Wall time, UTC ns.
    """

    def __init__(
        self,
        home: Home,
        jobs: Line,
        now: Callable[[], int],
        tell: Tell,
        *,
        wall: Callable[[], int] = wall_ns,
        store: Schedules | None = None,
        follow_s: float = FOLLOW_S,
    ) -> None:
        self.home, self.store = home, store or Schedules(Database(home))
        self._jobs, self._now, self._tell, self._wall, self._follow_s = jobs, now, tell, wall, follow_s
        self.holder = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._making: dict[asyncio.Task[None], Lease] = {}
        self._told = ""
        self._odd: dict[str, str] = {}  # what was told of schedules that cannot be looked at

    @property
    def making(self) -> list[str]:
        """Names of the schedules whose reports are being made here."""
        return [lease.schedule for lease in self._making.values()]

    async def follow(self) -> None:
        """Look for ever; end with what is being made given back to whoever looks next."""
        try:
            while True:
                pause = LOOK_EVERY_S
                try:
                    await self.look()
                    self._told = ""
                except Exception as error:
                    pause = TRY_AGAIN_S
                    if str(error) != self._told:
                        self._told = str(error)
                        log.exception("schedules cannot be looked at")
                        self._tell("warning", f"scheduled reports wait (nothing that trades depends on it): {error}")
                await asyncio.sleep(pause)
        finally:
            await self.close()

    async def look(self) -> list[str]:
        """Begin what is due and free; return the names of the schedules whose reports were begun."""
        now, begun = self._now(), []
        schedules = await asyncio.to_thread(self.store.all)
        runs = await asyncio.to_thread(self.store.last_runs) if schedules else {}
        for schedule in schedules:
            lease = await self._taken(schedule, now, runs.get(schedule.name))
            if lease is not None:
                begun.append(schedule.name)
                self._making[asyncio.create_task(self._make(schedule, lease))] = lease
        self._making = {task: lease for task, lease in self._making.items() if not task.done()}
        return begun

    async def _taken(self, schedule: Schedule, now: int, run: Json | None) -> Lease | None:
        # One that cannot be due any more, such as behind the end of a calendar, keeps no other waiting.
        try:
            lease = await asyncio.to_thread(self._take, schedule, now, run)
        except (InputError, UnknownName) as error:
            if self._odd.get(schedule.name) != str(error):
                self._odd[schedule.name] = str(error)
                self._tell("warning", f"scheduled report {schedule.name} is never due: {error}; remove it, add another")
            return None
        self._odd.pop(schedule.name, None)
        return lease

    async def settle(self) -> None:
        """Wait until everything begun here is over."""
        while self._making:
            await asyncio.wait(self._making)
            self._making = {task: lease for task, lease in self._making.items() if not task.done()}

    async def close(self) -> None:
        """Give back what is being made."""
        for task in self._making:
            task.cancel()
        await asyncio.gather(*self._making, return_exceptions=True)

    def _take(self, schedule: Schedule, now: int, run: Json | None) -> Lease | None:
        rule, since = parse_due(schedule.due), schedule.since
        next_due = rule.next_after(now)
        if since is None or next_due != schedule.next_due:
            since = now if since is None else since
            self.store.note(schedule.name, since=since, next_due=next_due)
        due = rule.last_until(now, since)  # of many missed ones the latest alone
        if due is None or (run is not None and run["due"] >= due and self._is_taken(run)):
            return None
        return self.store.claim(schedule, due, self.holder, self._wall(), LEASE_S)

    def _is_taken(self, run: Json) -> bool:
        # Only a look, so that nobody need write to find out; the claim decides.
        return run["status"] in (OK, FAILED) or run["until"] > self._wall()

    async def _make(self, schedule: Schedule, lease: Lease) -> None:
        try:
            try:
                done = await self._made(schedule, lease)
            except WorkbenchError as error:  # the line of jobs is full, the lease was lost
                done = {"name": "", "error": str(error)}
            await asyncio.to_thread(self._finish, schedule, lease, done)
        except asyncio.CancelledError:
            with contextlib.suppress(WorkbenchError):
                self.store.give_back(lease)
            raise
        except Exception as error:  # the lease runs out, and it is tried again then
            log.exception("the scheduled report %s broke", schedule.name)
            self._tell("warning", f"scheduled report {schedule.name}: {type(error).__name__}: {error}")

    async def _made(self, schedule: Schedule, lease: Lease) -> Json:
        asked = {"template": schedule.template, "parameters": dict(schedule.parameters), "schedule": schedule.name}
        number = self._jobs.start("report", asked, by=f"schedule {schedule.name}")["id"]
        try:
            job = await self._followed(number, lease)
        except BaseException:
            with contextlib.suppress(WorkbenchError):  # it may be over
                self._jobs.cancel(number)  # who has the lease now makes it: not both
            raise
        result = job["result"] or {}
        error = job["error"] or ("" if job["state"] == "done" else f"the job was {job['state']}")
        return {"name": result.get("name", ""), "error": error or result.get("error", "")}

    async def _followed(self, number: str, lease: Lease) -> Json:
        renewed = self._wall()
        while (job := await asyncio.to_thread(self._jobs.get, number))["state"] not in OVER:
            await asyncio.sleep(self._follow_s)
            if self._wall() - renewed > LEASE_S * SECOND / 4:
                renewed = self._wall()
                if not await asyncio.to_thread(self.store.renew, lease, renewed, LEASE_S):
                    raise WorkbenchError("another scheduler has taken it over")
        return job

    def _finish(self, schedule: Schedule, lease: Lease, done: Json) -> None:
        is_last = lease.attempt >= schedule.tries
        again = None if is_last or not done["error"] else self._wall() + schedule.retry_s * SECOND
        if not self.store.finish(lease, report=done["name"], error=done["error"], again_at=again):
            return
        if done["error"] and is_last:
            where = f"; see {done['name']}" if done["name"] else ""
            self._tell("warning", f"scheduled report {schedule.name} failed: {done['error']}{where}")
        elif done["error"]:
            log.warning("scheduled report %s failed and is tried again: %s", schedule.name, done["error"])
        self._prune(schedule)

    def _prune(self, schedule: Schedule) -> None:
        old = [row["name"] for row in list_reports(self.home.reports) if row["schedule"] == schedule.name]
        for name in old[schedule.keep :]:
            remove_report(self.home.reports, name)
        if old[schedule.keep :]:
            rebuild_index(self.home.reports)


async def follow_schedules(desk: Any) -> None:
    """Follow the schedules of a desk on its market clock, with its jobs and its alerts."""
    jobs = getattr(desk.app.state, "jobs", None)
    if jobs is not None:
        await Scheduler(desk.home, jobs, desk.clock.now, desk.alert).follow()
