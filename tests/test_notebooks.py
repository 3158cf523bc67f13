"""The tutorials as files: nothing in them was run, each says what it does, and one begins where another ends."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

import workbench

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
TUTORIALS = sorted(FOLDER.glob("*.ipynb"))
WANTED = [
    *("00_start_here", "10_data", "20_rules", "30_backtest", "40_sweep", "50_promote_and_trade", "60_post_mortem"),
    *("70_prop_account", "80_published_result", "90_cluster"),
]
MOST_LINES, MOST_OF_ONE_TEXT = 10, 18
OUTSIDE = {"pandas", "numpy", "plotly", "time"}  # besides workbench; cluster and momentum say so themselves
ALSO = {"90_cluster": {"distributed"}, "80_published_result": {"os", "workbench.backtest.momentum"}}
READS = ("*Reads*", "*Writes*", "*Runs*", "**The answer so far:**")

each = pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)


def cells(path: Path, kind: str | None = None) -> list[dict[str, Any]]:
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if kind in (None, cell["cell_type"])]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_the_tutorials_are_those_that_are_numbered() -> None:
    assert [path.stem for path in TUTORIALS] == WANTED


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.ipynb")), ids=lambda path: path.stem)
def test_nothing_that_was_run_is_kept(path: Path) -> None:
    for cell in cells(path, "code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None, source(cell)
        assert set(cell["metadata"]) <= {"tags"}, source(cell)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert set(notebook["metadata"]["language_info"]) == {"name"}  # no version of somebody's interpreter


@each
def test_the_first_cell_asks_answers_and_says_what_it_takes(path: Path) -> None:
    first = cells(path)[0]
    assert first["cell_type"] == "markdown"
    title, rest = source(first).split("\n", 1)
    assert re.fullmatch(r"# .+\?", title), title
    assert all(word in rest for word in READS)


@each
def test_the_second_cell_holds_the_parameters_one_a_line(path: Path) -> None:
    second = cells(path)[1]
    assert second["metadata"].get("tags") == ["parameters"]
    lines = source(second).split("\n")
    assert all(isinstance(node, ast.Assign) for node in ast.parse(source(second)).body)
    assert len(lines) == len(ast.parse(source(second)).body)
    assert sum(cell["metadata"].get("tags") == ["parameters"] for cell in cells(path, "code")) == 1


@each
def test_cells_are_short_enough_to_be_read(path: Path) -> None:
    for cell in cells(path, "code"):
        lines = source(cell).split("\n")
        body = ast.parse(source(cell)).body
        one_text = isinstance(body[0], ast.ClassDef) or '"""' in lines[0]  # a strategy, in Python or as YAML
        assert len(lines) <= (MOST_OF_ONE_TEXT if one_text else MOST_LINES), source(cell)
        assert max(map(len, lines)) <= 120, source(cell)


@each
def test_words_come_before_code_and_cells_have_a_name_of_their_own(path: Path) -> None:
    ids = [cell["id"] for cell in cells(path)]
    assert len(set(ids)) == len(ids)
    assert len({name.partition("-")[0] for name in ids}) == 1
    kinds = [cell["cell_type"] for cell in cells(path)]
    assert "code code code code" not in " ".join(kinds), "say it, define it, show it"


@each
def test_it_imports_only_what_people_are_told_of(path: Path) -> None:
    allowed = OUTSIDE | ALSO.get(path.stem, set())
    for cell in cells(path, "code"):
        for node in ast.walk(ast.parse(source(cell))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name == "workbench" or name in allowed or name.partition(".")[0] in allowed, name


@each
def test_it_calls_public_names_only(path: Path) -> None:
    known = set(workbench.__all__)
    for cell in cells(path, "code"):
        for node in ast.walk(ast.parse(source(cell))):
            if not isinstance(node, ast.Attribute):
                continue
            if isinstance(node.value, ast.Name) and node.value.id == "wb":
                assert node.attr in known, node.attr
            assert not node.attr.startswith("_"), node.attr


@each
def test_it_names_no_machine_and_ends_what_it_starts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|Users|work|tmp)/|https?://(?!doi\.org)", text)
    code = "\n".join(source(cell) for cell in cells(path, "code"))
    if "demo_stack(" in code:
        assert source(cells(path, "code")[-1]).rstrip().endswith("stack.close()")


@each
def test_what_joins_a_running_demo_says_that_it_writes_there_and_lets_its_market_go_on(path: Path) -> None:
    code = "\n".join(source(cell) for cell in cells(path, "code"))
    said = re.sub(r"\s+", " ", source(cells(path)[0]))
    assert ("`make demo`" in said) == ("demo_stack(" in code), said
    clock = re.findall(r'control\("clock", \{"(pause|resume)": True\}\)', code)
    assert clock[-1:] in ([], ["resume"]), "a demo that others look at stands still"
