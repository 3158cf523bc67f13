"""`workbench report`: list and index of what was run."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from workbench.commands.report import app

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
