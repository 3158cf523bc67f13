"""Schedules and their runs in the database; the row of a run is the lease that decides who makes the report.

Due times are market time; a lease ends by wall time, so that a report goes on being ours while a replayed market runs
through a day in a minute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.domain.clock import SECOND
from workbench.domain.errors import InputError, UnknownName
from workbench.services.schedule_times import parse_due
from workbench.storage.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection

Json = dict[str, Any]
RUNS_KEPT = 50  # of each schedule
RUNNING, WAITING, OK, FAILED = "running", "waiting", "ok", "failed"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A report that is made by the clock.

    Attributes
    ----------
    name, template : str
    due : str
        As `schedule_times.parse_due` takes it.
    parameters : dict
        For the template.
    keep : int
        Reports of this schedule that are kept; older ones are removed.
    tries : int
        How often one due report is tried.
    retry_s : int
        Seconds between two tries.
    since, next_due : int, optional
        Market time from which it counts, and when it is due next, as a scheduler last told (UTC ns).
    """

    name: str
    template: str
    due: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    keep: int = 30
    tries: int = 2
    retry_s: int = 60
    person: str = ""
    since: int | None = None
    next_due: int | None = None

    def require_sound(self) -> None:
        """Raise InputError for what cannot be kept or can never be due."""
        if not _NAME.fullmatch(self.name):
            raise InputError(f"{self.name!r} is no name for a schedule; use letters, digits, - and _, at most 64")
        for what, value, low, high in (("keep", self.keep, 1, 10_000), ("tries", self.tries, 1, 10),
                                       ("retry_s", self.retry_s, 1, 86_400)):  # fmt: skip
            if not low <= value <= high:
                raise InputError(f"{what} = {value} of schedule {self.name} must be from {low} to {high}")
        parse_due(self.due)

    def as_row(self) -> Json:
        """Return plain values."""
        return {**asdict(self), "parameters": dict(self.parameters)}


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to make one due report."""

    schedule: str
    due: int
    holder: str
    attempt: int


class Schedules:
    """The schedules of one database.

    Parameters
    ----------
    database : Database
        SQLite, or PostgreSQL by ``WORKBENCH_DATABASE_URL``.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    # --- what people keep ---

    def add(self, schedule: Schedule) -> None:
        """Keep a schedule; it counts from the moment at which a scheduler sees it.

        Raises
        ------
        InputError
            It is not sound, or its name is taken.
        """
        from workbench.storage.tables import schedules

        schedule.require_sound()
        with self.database.writing() as connection:
            if connection.execute(schedules.select().where(schedules.c.name == schedule.name)).first() is not None:
                raise InputError(
                    f"there is a schedule {schedule.name} already; remove it first, or choose another name"
                )
            connection.execute(schedules.insert().values(**schedule.as_row()))

    def remove(self, name: str) -> None:
        """Remove a schedule with its runs; its reports stay."""
        from workbench.storage.tables import report_runs, schedules

        with self.database.writing() as connection:
            known = [row.name for row in connection.execute(schedules.select())]
            if name not in known:
                raise UnknownName("schedule", name, known)
            connection.execute(schedules.delete().where(schedules.c.name == name))
            connection.execute(report_runs.delete().where(report_runs.c.schedule == name))

    def all(self) -> list[Schedule]:
        """Return all schedules by name."""
        from workbench.storage.tables import schedules

        if not self.database.exists:
            return []
        with self.database.reading() as connection:
            rows = connection.execute(schedules.select().order_by(schedules.c.name)).mappings().all()
        return [Schedule(**row) for row in rows]

    def last_runs(self) -> dict[str, Json]:
        """Return the latest run of each schedule: ``due, status, holder, until, tries, report, error``."""
        from workbench.storage.tables import report_runs

        if not self.database.exists:
            return {}
        with self.database.reading() as connection:
            rows = connection.execute(report_runs.select().order_by(report_runs.c.due)).mappings().all()
        return {row["schedule"]: dict(row) for row in rows}

    def note(self, name: str, *, since: int, next_due: int | None) -> None:
        """Keep from when a schedule counts and when it is due next."""
        from workbench.storage.tables import schedules

        with self.database.writing() as connection:
            connection.execute(
                schedules.update().where(schedules.c.name == name).values(since=since, next_due=next_due)
            )

    # --- who makes a report ---

    def claim(self, schedule: Schedule, due: int, holder: str, now: int, lease_s: float) -> Lease | None:
        """Take the right to make a due report; None when somebody else has it, or it is made, or another is not over.

        Parameters
        ----------
        schedule : Schedule
        due : int
            Market time, UTC ns.
        holder : str
            Who asks; no two schedulers have the same.
        now : int
            Wall time, UTC ns.
        lease_s : float
            Seconds after which others may take it, unless it is renewed.
        """
        from workbench.storage.tables import report_runs as runs

        with self.database.writing() as connection:
            mine = runs.c.schedule == schedule.name
            newest = connection.execute(runs.select().where(mine).order_by(runs.c.due.desc()).limit(1)).first()
            values = {"status": RUNNING, "holder": holder, "until": now + int(lease_s * SECOND)}
            if newest is None or newest.due < due:
                if newest is not None and newest.status == RUNNING and newest.until > now:
                    return None
                if newest is not None and newest.status in (RUNNING, WAITING):
                    over = {"status": FAILED, "error": newest.error or "it was not over when the next one was due"}
                    connection.execute(runs.update().where(mine & (runs.c.due == newest.due)).values(**over))
                row = {"schedule": schedule.name, "due": due, "tries": 1, "report": "", "error": "", **values}
                connection.execute(runs.insert().values(**row))
                self._forget(connection, schedule.name)
                return Lease(schedule.name, due, holder, 1)
            if newest.due > due or newest.status in (OK, FAILED) or newest.until > now:
                return None
            # Its time to try again has come, or whoever had it is gone: that may happen once more than it is tried.
            if newest.tries >= schedule.tries + (newest.status == RUNNING):
                over = {"status": FAILED, "error": newest.error or "whoever made it was gone each time"}
                connection.execute(runs.update().where(mine & (runs.c.due == due)).values(**over))
                return None
            attempt = newest.tries + 1
            connection.execute(runs.update().where(mine & (runs.c.due == due)).values(tries=attempt, **values))
            return Lease(schedule.name, due, holder, attempt)

    def _forget(self, connection: Connection, name: str) -> None:
        # The newest one decides; all are read at every look, so they must not grow for ever.
        from workbench.storage.tables import report_runs as runs

        mine = runs.c.schedule == name
        newest = runs.select().with_only_columns(runs.c.due).where(mine).order_by(runs.c.due.desc())
        old = connection.execute(newest.offset(RUNS_KEPT).limit(1)).scalar()
        if old is not None:
            connection.execute(runs.delete().where(mine & (runs.c.due <= old)))

    def renew(self, lease: Lease, now: int, lease_s: float) -> bool:
        """Hold a lease longer; False when it is no longer ours."""
        return self._change(lease, until=now + int(lease_s * SECOND))

    def finish(self, lease: Lease, *, report: str, error: str = "", again_at: int | None = None) -> bool:
        """Say how it went: `error` "" is success, `again_at` (wall time) asks for another try. False: no more ours."""
        status = OK if not error else FAILED if again_at is None else WAITING
        return self._change(lease, status=status, report=report, error=error[:1_000], until=again_at or 0)

    def give_back(self, lease: Lease) -> bool:
        """Let another scheduler go on at once, as if this try had not been."""
        return self._change(lease, status=WAITING, until=0, tries=lease.attempt - 1)

    def _change(self, lease: Lease, **values: Any) -> bool:
        from workbench.storage.tables import report_runs as runs

        ours = (
            (runs.c.schedule == lease.schedule)
            & (runs.c.due == lease.due)
            & (runs.c.holder == lease.holder)
            & (runs.c.tries == lease.attempt)
            & (runs.c.status == RUNNING)
        )
        with self.database.writing() as connection:
            return connection.execute(runs.update().where(ours).values(**values)).rowcount == 1
