"""A desk runs for weeks: its jobs take a bounded place, in memory and on the disk."""

from __future__ import annotations

from pathlib import Path

from workbench.services.jobs import MOST_KEPT, Jobs
from workbench.storage.home import Home


def test_of_jobs_that_are_over_the_newest_are_kept_and_the_files_of_the_others_go(tmp_path: Path) -> None:
    jobs = Jobs(Home(tmp_path), at_once=0)  # nothing is run
    folder = tmp_path / "jobs"
    folder.mkdir()
    for n in range(MOST_KEPT + 5):
        name = f"{n:012x}"
        for file in (folder / f"{name}.json", jobs.trades_of(name)):
            file.write_text("{}")
        jobs._known()[name] = {"id": name, "kind": "backtest", "state": "done", "created_at": n, "result": None}
    jobs._known()["waits"] = {"id": "waits", "kind": "sweep", "state": "queued", "created_at": -1, "result": None}
    made = jobs.start("report", {}, by="ann")
    rows = [row["id"] for row in jobs.rows()]
    assert made["id"] in rows and "waits" in rows, "what is not over stays, however old"
    assert len(rows) == MOST_KEPT + 1 and f"{5:012x}" not in rows and f"{6:012x}" in rows
    assert sorted(p.name for p in folder.glob("*.json"))[0] == f"{6:012x}.json"
    assert len(list(folder.glob("*.trades.parquet"))) == MOST_KEPT - 1
