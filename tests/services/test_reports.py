"""Reports from notebook templates."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import nbformat
import pytest

from tests.services.test_session_replay import recorded
from tests.test_research import CONTRACT, walk
from workbench.domain.errors import InputError, StorageError, UnknownName
from workbench.services.report_index import list_reports, rebuild_index, remove_report
from workbench.services.reports import find_template, run_report
from workbench.storage.bars import BarStore
from workbench.storage.home import Home

__all__ = ["recorded"]


def notebook(path: Path, *sources: str) -> Path:
    """A template: a parameters cell `number = 1`, then these cells."""
    made = nbformat.v4.new_notebook()
    made.cells = [nbformat.v4.new_code_cell("number = 1", metadata={"tags": ["parameters"]})]
    made.cells += [nbformat.v4.new_code_cell(source) for source in sources]
    made.metadata["kernelspec"] = {"name": "a-kernel-nobody-has", "display_name": "x", "language": "python"}
    nbformat.write(made, path)
    return path


def test_a_report_holds_outputs_without_code_and_says_how_it_was_made(tmp_path: Path) -> None:
    template = notebook(tmp_path / "small.ipynb", "print('answer', number * 2)  # secret recipe")
    report = run_report(template, {"number": 21}, tmp_path / "out")
    page = report.html.read_text(encoding="utf-8")
    assert report.ok and "answer 42" in page
    assert "secret recipe" not in page
    assert not re.search(r"""(<script[^>]+src|<link[^>]+href)=["']https?://""", page)
    meta = json.loads((report.folder / "meta.json").read_text())
    assert (meta["status"], meta["parameters"]) == ("ok", {"number": 21})
    assert {p.name for p in (tmp_path / "out").iterdir()} == {report.folder.name, "index.html"}
    assert "template" in page and "number = 21" in page and "created" in page  # its provenance


def test_a_cell_that_raises_makes_a_failed_report_that_names_it(tmp_path: Path) -> None:
    cells = "print('came here')", "# why\nraise ValueError('no luck')", "print('never')"
    template = notebook(tmp_path / "small.ipynb", *cells)
    report = run_report(template, {}, tmp_path / "out")
    page = report.html.read_text(encoding="utf-8")
    assert report.status == "failed"
    assert "ValueError: no luck" in report.error and "cell 3" in report.error
    assert "came here" in page and "no luck" in page and "never" not in page
    assert json.loads((report.folder / "meta.json").read_text())["error"] == report.error


def test_without_its_kernel_a_report_is_an_error(tmp_path: Path) -> None:
    template = notebook(tmp_path / "small.ipynb", "1")
    report = run_report(template, {}, tmp_path / "out", kernel_name="a-kernel-nobody-has")
    assert report.status == "error" and "NoSuchKernel" in report.error
    assert "This report failed:" in report.html.read_text()


def test_wrong_names_are_refused_before_anything_runs(tmp_path: Path) -> None:
    template = notebook(tmp_path / "small.ipynb", "1")
    with pytest.raises(UnknownName, match="did you mean number"):
        run_report(template, {"numbr": 2}, tmp_path / "out")
    with pytest.raises(UnknownName, match="did you mean backtest"):
        find_template("bakctest")
    (tmp_path / "torn.ipynb").write_text("{")
    with pytest.raises(InputError, match="not a notebook"):
        run_report(tmp_path / "torn.ipynb", {}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    template = notebook(tmp_path / "small.ipynb", "1")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write reports"):
        run_report(template, {}, tmp_path / "file" / "out")


@pytest.mark.slow
def test_the_backtest_report_runs_offline_from_the_store(tmp_path: Path) -> None:
    place = Home(tmp_path)
    BarStore(place.market).write(CONTRACT, "1m", walk(300), source="test")
    report = run_report("backtest", {"overrides": '{"fast": 4}', "slippage_ticks": 2}, place.reports, home=place)
    assert report.ok, report.error
    page = report.html.read_text(encoding="utf-8")
    assert "What would this strategy have done?" in page and "drawdown, USD" in page  # a picture without a script
    assert "fast = 4" in page and "slippage_ticks = 2" in page and "<script" not in page
    assert len(page) < 400_000
    assert not re.search(r"""(<script[^>]+src|<link[^>]+href)=["']https?://""", page)


def test_the_index_names_every_report_and_follows_what_is_there(tmp_path: Path) -> None:
    for name, status, error in (("20261101T000000Z_a_00aa", "ok", ""), ("20261102T000000Z_b_00bb", "failed", "<boom>")):
        (tmp_path / name).mkdir()
        meta = {"template": "x/a.ipynb", "title": "Was it?", "status": status, "error": error, "seconds": 3.2}
        (tmp_path / name / "meta.json").write_text(json.dumps(meta))
    (tmp_path / "20261103T000000Z_c_00cc").mkdir()
    (tmp_path / "20261103T000000Z_c_00cc" / "meta.json").write_text("{")
    (tmp_path / ".20261104T000000Z_d_00dd.x").mkdir()
    rows = list_reports(tmp_path)
    assert [row["name"][-4:] for row in rows] == ["00cc", "00bb", "00aa"]
    assert "not readable JSON" in rows[0]["error"] and rows[1]["template"] == "a"
    text = rebuild_index(tmp_path).read_text()
    assert text.count("✕") == 2 and text.count("✓ complete") == 1 and "&lt;boom&gt;" in text
    assert "href='20261101T000000Z_a_00aa/report.html'" in text
    remove_report(tmp_path, "20261102T000000Z_b_00bb")
    assert "00bb" not in rebuild_index(tmp_path).read_text()
    with pytest.raises(UnknownName, match="unknown report"):
        remove_report(tmp_path, "../outside")
    assert list_reports(tmp_path / "none") == []


@pytest.mark.slow
@pytest.mark.parametrize("template", ["session", "week", "data"])
def test_the_shipped_templates_run_on_what_was_recorded(recorded: Home, template: str) -> None:
    report = run_report(template, {}, recorded.reports, home=recorded)
    assert report.ok, report.error
    page = report.html.read_text(encoding="utf-8")
    assert report.title in page and report.about and report.about in page
    assert "data" in report.provenance and "<script" not in page
    assert not re.search(r"https?:", page.replace("http://www.w3.org", ""))
    assert report.seconds < 30


def test_a_page_opened_from_the_disk_may_run_nothing_and_ask_nobody(tmp_path: Path) -> None:
    cells = "from IPython.display import HTML; HTML('<script>steal()</script><img src=http://evil.example/x>')"
    report = run_report(notebook(tmp_path / "small.ipynb", cells), {}, tmp_path / "out")
    page = report.html.read_text(encoding="utf-8")
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', page)
    assert policy is not None and page.index(policy[0]) < page.index("<script>steal")
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    assert rules["default-src"] == "'none'" and "script-src" not in rules and rules["img-src"] == "data:"


def test_what_a_killed_run_left_is_removed_a_day_later(tmp_path: Path) -> None:
    out = tmp_path / "out"
    old, young = out / ".20260101T000000Z_session_ab12.x", out / ".20260102T000000Z_session_cd34.y"
    for half in (old, young):
        half.mkdir(parents=True)
        (half / "run.ipynb").write_text("{")
    os.utime(old, (0, 0))
    run_report(notebook(tmp_path / "small.ipynb", "1"), {}, out, kernel_name="a-kernel-nobody-has")
    assert not old.exists() and young.exists()
