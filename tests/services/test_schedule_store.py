"""Who makes a due report: one lease, on SQLite and on PostgreSQL, with many schedulers and with dead ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.services.test_reports import notebook
from workbench.domain.clock import SECOND
from workbench.domain.errors import InputError, UnknownName, WorkbenchError
from workbench.services.clock import MarketClock
from workbench.services.jobs import Jobs
from workbench.services.report_index import list_reports
from workbench.services.schedule_runner import Scheduler, follow_schedules
from workbench.services.schedule_store import RUNS_KEPT, Schedule, Schedules
from workbench.storage.database import Database
from workbench.storage.home import Home

DAILY = Schedule(name="close", template="session", due="close + 10 min of MES", tries=2, retry_s=60)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/Chicago")).timestamp()) * SECOND


def store(home: Path) -> Schedules:
    return Schedules(Database(Home(home)))


# --- the lease ---


def test_of_eight_schedulers_exactly_one_gets_a_due_report(each_database: str, tmp_path: Path) -> None:
    store(tmp_path).add(DAILY)
    stores = [store(tmp_path) for _ in range(8)]

    def take(n: int) -> bool:
        return stores[n].claim(DAILY, 1_000, f"holder-{n}", now=0, lease_s=60) is not None

    with ThreadPoolExecutor(8) as pool:
        for due in (1_000, 2_000, 3_000):
            taken = list(pool.map(lambda n, due=due: stores[n].claim(DAILY, due, f"h{n}", 0, 60), range(8)))
            winners = [lease for lease in taken if lease is not None]
            assert len(winners) == 1, each_database
            assert stores[0].finish(winners[0], report="r")
            assert not take(0)


def test_a_lease_that_runs_out_goes_to_the_next_and_its_old_holder_can_change_nothing(
    each_database: str, tmp_path: Path
) -> None:
    schedules = store(tmp_path)
    schedules.add(DAILY)
    first = schedules.claim(DAILY, 5, "a", now=0, lease_s=60)
    assert first is not None
    assert schedules.claim(DAILY, 5, "b", now=59 * SECOND, lease_s=60) is None
    assert schedules.renew(first, 59 * SECOND, 60)
    assert schedules.claim(DAILY, 5, "b", now=100 * SECOND, lease_s=60) is None  # renewed until 119 s
    second = schedules.claim(DAILY, 5, "b", now=120 * SECOND, lease_s=60)
    assert second is not None and second.attempt == 2
    assert not schedules.renew(first, 121 * SECOND, 60) and not schedules.finish(first, report="late")
    assert schedules.finish(second, report="mine")
    assert schedules.last_runs()["close"]["report"] == "mine"


def test_a_report_whose_makers_always_die_is_given_up(tmp_path: Path) -> None:
    schedules = store(tmp_path)
    schedules.add(DAILY)
    attempts = [schedules.claim(DAILY, 5, "a", now=n * 61 * SECOND, lease_s=60) for n in range(6)]
    assert [a.attempt for a in attempts if a is not None] == [1, 2, 3]  # two tries, and one for a restart
    assert schedules.last_runs()["close"]["status"] == "failed"


def test_while_one_report_is_made_the_next_one_waits_and_a_clock_that_goes_back_makes_none_again(
    tmp_path: Path,
) -> None:
    schedules = store(tmp_path)
    schedules.add(DAILY)
    first = schedules.claim(DAILY, 10, "a", now=0, lease_s=60)
    assert first is not None and schedules.claim(DAILY, 20, "b", now=1, lease_s=60) is None
    schedules.finish(first, report="r")
    assert schedules.claim(DAILY, 20, "b", now=2, lease_s=60) is not None
    assert schedules.claim(DAILY, 10, "b", now=3, lease_s=60) is None


def test_schedules_are_kept_listed_and_removed_and_wrong_ones_refused(each_database: str, tmp_path: Path) -> None:
    schedules = store(tmp_path)
    assert schedules.all() == []
    schedules.add(Schedule(name="b", template="week", due="0 9 * * sat", parameters={"days": 7}))
    schedules.add(DAILY)
    assert [(s.name, dict(s.parameters)) for s in schedules.all()] == [("b", {"days": 7}), ("close", {})]
    with pytest.raises(InputError, match="a schedule close already"):
        schedules.add(DAILY)
    with pytest.raises(UnknownName, match="did you mean close"):
        schedules.remove("clos")
    schedules.remove("close")
    assert [s.name for s in schedules.all()] == ["b"]
    for wrong, said in (({"name": "a b"}, "no name"), ({"keep": 0}, "keep = 0"), ({"due": "now"}, "says not when")):
        with pytest.raises(InputError, match=said):
            schedules.add(Schedule(**({"name": "x", "template": "t", "due": "@daily"} | wrong)))  # type: ignore[arg-type]


# --- the loop, on a clock of the test ---


class Line:
    """Jobs that end at once, as `ends` says: (state, status, error)."""

    def __init__(self, home: Path, ends: Callable[[int], tuple[str, str]]) -> None:
        self.home, self.ends, self.asked = home, ends, list[dict[str, Any]]()
        self.cancelled = list[str]()

    def start(self, kind: str, asked: dict[str, Any], *, by: str) -> dict[str, Any]:
        self.asked.append(asked)
        return {"id": str(len(self.asked) - 1)}

    def get(self, job: str) -> dict[str, Any]:
        status, error = self.ends(int(job))
        result = {"name": f"report-{job}", "status": status, "error": error}
        return {"state": "done", "error": None, "result": result}

    def cancel(self, job: str) -> dict[str, Any]:
        self.cancelled.append(job)
        return {}


class Bench:
    """Schedulers over one database, a market clock and a wall clock that the test sets."""

    def __init__(self, home: Path, ends: Callable[[int], tuple[str, str]] = lambda n: ("ok", "")) -> None:
        self.home, self.market, self.wall = home, 0, 0
        self.line, self.alerts = Line(home, ends), list[tuple[str, str]]()
        self.schedules = store(home)

    def scheduler(self) -> Scheduler:
        tell = lambda level, text: self.alerts.append((level, text))  # noqa: E731 - one expression
        place = Home(self.home)
        return Scheduler(place, self.line, lambda: self.market, tell, wall=lambda: self.wall, follow_s=0.001)

    def at(self, text: str, *schedulers: Scheduler) -> int:
        """Look at this market time with all of them at once; return how many reports were begun."""
        self.market = ns(text)
        self.wall += SECOND

        async def look() -> int:
            begun = await asyncio.gather(*(s.look() for s in schedulers))
            await asyncio.gather(*(s.settle() for s in schedulers))
            return sum(map(len, begun))

        return asyncio.run(look())


def test_a_report_fires_after_each_close_on_early_closes_too_and_never_twice(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    one, two = bench.scheduler(), bench.scheduler()
    bench.schedules.add(DAILY)
    # Thanksgiving 2026: Wednesday closes at 16:00, Thursday halts at 12:00, Friday closes at 12:15
    looks = {
        "2026-11-25 09:00": 0, "2026-11-25 16:09": 0, "2026-11-25 16:10": 1, "2026-11-25 16:30": 0,
        "2026-11-26 12:09": 0, "2026-11-26 12:11": 1, "2026-11-27 12:24": 0, "2026-11-27 12:26": 1,
        "2026-11-27 18:00": 0, "2026-11-28 18:00": 0, "2026-11-30 16:10": 1,
    }  # fmt: skip
    assert {text: bench.at(text, one, two) for text in looks} == looks
    assert bench.line.asked[0] == {"template": "session", "parameters": {}, "schedule": "close"}
    assert bench.alerts == [] and bench.schedules.all()[0].next_due == ns("2026-12-01 16:10")


def test_what_was_missed_is_caught_up_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.schedules.add(DAILY)
    assert bench.at("2026-11-16 09:00", bench.scheduler()) == 0
    later = bench.scheduler()  # nothing looked for a week
    assert bench.at("2026-11-24 09:00", later) == 1 and bench.at("2026-11-24 09:01", later) == 0
    assert bench.schedules.last_runs()["close"]["due"] == ns("2026-11-23 16:10")


def test_a_schedule_counts_from_when_it_was_first_seen(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.schedules.add(DAILY)
    assert bench.at("2026-11-24 09:00", bench.scheduler()) == 0  # yesterday's close is none of its business
    assert bench.schedules.all()[0].since == ns("2026-11-24 09:00")


def test_a_failed_report_is_tried_again_after_its_pause_and_then_an_alert_is_raised(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda n: ("failed", "ValueError: no (cell 3)"))
    bench.schedules.add(DAILY)
    scheduler = bench.scheduler()
    bench.at("2026-11-23 09:00", scheduler)
    assert bench.at("2026-11-23 16:10", scheduler) == 1 and bench.alerts == []
    assert bench.at("2026-11-23 16:10", scheduler) == 0  # the pause is not over
    bench.wall += 60 * SECOND
    assert bench.at("2026-11-23 16:10", scheduler) == 1
    assert len(bench.alerts) == 1 and bench.alerts[0][0] == "warning"
    assert "close failed: ValueError: no (cell 3); see report-1" in bench.alerts[0][1]
    bench.wall += 600 * SECOND
    assert bench.at("2026-11-23 16:20", scheduler) == 0
    assert bench.at("2026-11-24 16:10", scheduler) == 1  # the next day is another report


def test_a_second_try_that_succeeds_raises_no_alert(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda n: ("ok", "") if n else ("failed", "no"))
    bench.schedules.add(DAILY)
    scheduler = bench.scheduler()
    bench.at("2026-11-23 09:00", scheduler)
    bench.at("2026-11-23 16:10", scheduler)
    bench.wall += 61 * SECOND
    assert bench.at("2026-11-23 16:11", scheduler) == 1 and bench.alerts == []
    assert bench.schedules.last_runs()["close"]["status"] == "ok"


def test_a_full_line_of_jobs_is_a_failed_try_and_not_the_end_of_the_loop(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.schedules.add(Schedule(name="close", template="session", due="close + 10 min of MES", tries=1))
    scheduler = bench.scheduler()
    bench.at("2026-11-23 09:00", scheduler)

    def full(kind: str, asked: dict[str, Any], *, by: str) -> dict[str, Any]:
        raise WorkbenchError("50 jobs are waiting already")

    bench.line.start = full  # type: ignore[method-assign]
    assert bench.at("2026-11-23 16:10", scheduler) == 1
    assert "50 jobs are waiting" in bench.alerts[0][1]


def test_what_is_being_made_at_the_end_of_a_desk_is_made_by_the_next_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.schedules.add(DAILY)
    bench.at("2026-11-23 09:00", bench.scheduler())
    running = {"state": "running", "error": None, "result": None}
    ended, bench.line.get = bench.line.get, lambda job: running  # type: ignore[method-assign]
    bench.market = ns("2026-11-23 16:10")

    async def end_in_the_middle() -> None:
        scheduler = bench.scheduler()
        following = asyncio.create_task(scheduler.follow())
        while not scheduler.making:
            await asyncio.sleep(0.001)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    asyncio.run(end_in_the_middle())
    bench.line.get = ended  # type: ignore[method-assign]
    assert bench.at("2026-11-23 16:11", bench.scheduler()) == 1
    assert bench.schedules.last_runs()["close"]["tries"] == 1


def test_a_database_that_is_away_is_told_once_and_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    scheduler, looks = bench.scheduler(), list[int]()
    monkeypatch.setattr("workbench.services.schedule_runner.TRY_AGAIN_S", 0.001)

    def away() -> list[Schedule]:
        looks.append(1)
        raise WorkbenchError("the database is away")

    scheduler.store.all = away  # type: ignore[method-assign]

    async def follow() -> None:
        following = asyncio.create_task(scheduler.follow())
        while len(looks) < 3:
            await asyncio.sleep(0.001)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    asyncio.run(follow())
    assert len(bench.alerts) == 1 and "the database is away" in bench.alerts[0][1]


def test_old_reports_of_a_schedule_are_removed_and_those_of_others_stay(tmp_path: Path) -> None:
    import json

    def made(n: int) -> tuple[str, str]:
        folder = tmp_path / "reports" / f"2026112{n}T000000Z_session_000{n}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "meta.json").write_text(json.dumps({"status": "ok", "schedule": "close"}))
        return "ok", ""

    bench = Bench(tmp_path, made)
    (tmp_path / "reports" / "20200101T000000Z_mine").mkdir(parents=True)
    (tmp_path / "reports" / "20200101T000000Z_mine" / "meta.json").write_text('{"schedule": ""}')
    bench.schedules.add(Schedule(name="close", template="session", due="close of MES", keep=2))
    scheduler = bench.scheduler()
    for day in (20, 23, 24, 25, 27):
        bench.at(f"2026-11-{day} 16:30", scheduler)
    kept = [row["name"] for row in list_reports(tmp_path / "reports")]
    assert kept == ["20261123T000000Z_session_0003", "20261122T000000Z_session_0002", "20200101T000000Z_mine"]


@pytest.mark.slow
def test_a_broken_template_gives_a_failed_report_and_an_alert(tmp_path: Path) -> None:
    broken = notebook(tmp_path / "broken.ipynb", "1 / 0")
    place, alerts, now = Home(tmp_path / "home"), list[str](), [ns("2026-11-23 09:00")]
    schedules = Schedules(Database(place))
    schedules.add(Schedule(name="b", template=str(broken), due="close of MES", tries=1))

    async def run() -> None:
        jobs = Jobs(place)
        scheduler = Scheduler(place, jobs, lambda: now[0], lambda level, text: alerts.append(text))
        await scheduler.look()
        now[0] = ns("2026-11-23 16:00")
        assert await scheduler.look() == ["b"]
        await scheduler.settle()
        await jobs.close()

    asyncio.run(run())
    assert list_reports(place.reports), alerts
    row = list_reports(place.reports)[0]
    assert (row["status"], row["schedule"]) == ("failed", "b") and "ZeroDivisionError" in row["error"]
    page = (place.reports / row["name"] / "report.html").read_text()
    assert "This report failed" in page and "1 / 0" in page
    assert len(alerts) == 1 and "ZeroDivisionError" in alerts[0] and row["name"] in alerts[0]


def test_a_desk_makes_a_report_when_the_simulators_clock_passes_the_early_close(tmp_path: Path) -> None:
    bench, clock = Bench(tmp_path), MarketClock()
    bench.schedules.add(DAILY)
    # the Friday after Thanksgiving closes at 12:15; the simulated market runs 10 minutes in a second
    clock.announce(ns("2026-11-27 12:24"), rate=600.0, seq=1, lockstep=False)
    state = SimpleNamespace(jobs=bench.line)
    alert = lambda level, text: bench.alerts.append((level, text))  # noqa: E731 - one expression
    desk = SimpleNamespace(home=Home(tmp_path), app=SimpleNamespace(state=state), clock=clock, alert=alert)

    async def run() -> None:
        following = asyncio.create_task(follow_schedules(desk))
        async with asyncio.timeout(30):
            while not bench.line.asked:
                await asyncio.sleep(0.01)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    asyncio.run(run())
    assert bench.schedules.last_runs()["close"]["due"] == ns("2026-11-27 12:25")
    assert [asked["schedule"] for asked in bench.line.asked] == ["close"]


def test_a_schedule_that_can_never_be_due_again_keeps_no_other_waiting_and_is_told_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.schedules.add(Schedule(name="a-first", template="session", due="close of MES"))
    bench.schedules.add(DAILY)
    scheduler = bench.scheduler()
    bench.at("2026-11-23 09:00", scheduler)
    with bench.schedules.database.writing() as connection:  # as an older program, or another hand, has left it
        connection.exec_driver_sql("UPDATE schedules SET due = 'close of NOSUCH' WHERE name = 'a-first'")
    assert bench.at("2026-11-23 16:10", scheduler) == 1
    assert bench.line.asked[0]["schedule"] == "close"
    bench.at("2026-11-23 16:11", scheduler)
    assert len(bench.alerts) == 1 and "a-first is never due" in bench.alerts[0][1]


def test_a_scheduler_that_has_lost_its_lease_ends_its_own_making(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.schedules.add(DAILY)
    scheduler = bench.scheduler()
    bench.at("2026-11-23 09:00", scheduler)
    ended = bench.line.get

    def running(job: str) -> dict[str, Any]:
        bench.wall += 61 * SECOND  # the machine slept
        return {"state": "running", "error": None, "result": None}

    bench.line.get = running  # type: ignore[method-assign]
    scheduler.store.renew = lambda *_: False  # type: ignore[method-assign]
    assert bench.at("2026-11-23 16:10", scheduler) == 1
    assert bench.line.cancelled == ["0"], "two of them would make it"
    bench.line.get = ended  # type: ignore[method-assign]


def test_runs_of_long_ago_are_forgotten_and_the_newest_stays(tmp_path: Path) -> None:
    schedules = store(tmp_path)
    schedules.add(DAILY)
    for due in range(RUNS_KEPT + 20):
        lease = schedules.claim(DAILY, due, "a", now=0, lease_s=60)
        assert lease is not None and schedules.finish(lease, report=f"r{due}")
    with schedules.database.reading() as connection:
        (count,) = connection.exec_driver_sql("SELECT COUNT(*) FROM report_runs").one()
    assert count == RUNS_KEPT
    assert schedules.last_runs()["close"]["report"] == f"r{RUNS_KEPT + 19}"
    assert schedules.claim(DAILY, 3, "b", now=10**12, lease_s=60) is None, "what is forgotten is not made again"
