"""`workbench report`: list and index of what was run."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from workbench.commands.report import app
from workbench.domain.errors import WorkbenchError

RUN = CliRunner()


def told(*words: str) -> str:
    done = RUN.invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.stdout


def test_reports_are_listed_and_indexed_from_what_lies_in_the_home(tmp_path: Path) -> None:
    assert "no reports; run one" in told("list", "--home", str(tmp_path))
    folder = tmp_path / "reports" / "20261101T000000Z_data_00aa"
    folder.mkdir(parents=True)
    meta = {"template": "data.ipynb", "status": "ok", "about": "MES Z26", "seconds": 3.2, "schedule": "close"}
    (folder / "meta.json").write_text(json.dumps(meta))
    assert "MES Z26" in told("list", "--home", str(tmp_path))
    rows = json.loads(told("list", "--json", "--home", str(tmp_path)))
    assert (rows[0]["name"], rows[0]["schedule"]) == (folder.name, "close")
    page = Path(told("index", "--home", str(tmp_path)).strip())
    assert page == tmp_path / "reports" / "index.html" and folder.name in page.read_text()


def test_a_schedule_is_added_listed_run_and_removed(tmp_path: Path) -> None:
    home = ("--home", str(tmp_path))
    assert "no schedules; add one" in told("schedule", "list", *home)
    told("schedule", "add", "evening", "session", "--due", "close + 10 min of MES", "--keep", "5", *home)
    assert "no scheduler has seen it yet" in told("schedule", "list", *home)
    assert told("schedule", "run", "--once", *home) == ""  # nothing is due: it counts from now
    row = json.loads(told("schedule", "list", "--json", *home))[0]
    assert (row["name"], row["template"], row["keep"]) == ("evening", "session", 5) and row["next_due"] > row["since"]
    told("schedule", "remove", "evening", *home)
    assert "no schedules" in told("schedule", "list", *home)


def test_a_schedule_of_what_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    for words, said in (
        (("x", "sesion", "--due", "@daily"), "session"),
        (("x", "session", "--due", "@daily", "-p", "sesion=a"), "session"),
        (("x", "session", "--due", "at five"), "says not when"),
    ):
        done = RUN.invoke(app, ["schedule", "add", *words, "--home", str(tmp_path)])
        assert isinstance(done.exception, WorkbenchError) and said in str(done.exception)
