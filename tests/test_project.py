"""The repository itself: layout, pins, environment, README, and what an import costs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TOP_LEVEL = {
    *("workbench", "notebooks", "strategies", "data", "tests"),
    *(
        "environment.yml",
        "pyproject.toml",
        "requirements.lock",
        "README.md",
        "Makefile",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
    ),
    *("LICENSE", ".gitignore", ".ci"),
}
ROOMS = ("domain", "ingestion", "rules", "risk", "execution", "backtest", "storage", "gateway", "simulator", "services")


def tracked() -> list[str]:
    """Return the files that git tracks."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a clone")
    return subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")


def test_the_top_level_holds_only_what_the_design_lists() -> None:
    assert {path.split("/")[0] for path in tracked() if path} <= TOP_LEVEL


def test_every_room_exists_and_its_tests_mirror_it() -> None:
    for room in ROOMS:
        assert (ROOT / "workbench" / room / "__init__.py").is_file(), room
        assert any((ROOT / "tests" / room).rglob("test_*.py")), room


def test_environment_yml_is_in_step_with_pyproject() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, nested = environment["dependencies"]
    assert python == "python" + PYPROJECT["project"]["requires-python"]
    assert pip.startswith("pip")
    assert nested["pip"] == ["-e .[dev]", "-c requirements.lock"]
    assert set(PYPROJECT["project"]["optional-dependencies"]) >= {"cluster", "postgres", "redis", "dev", "bench"}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", each, maxsplit=1)[0].lower().replace("_", "-") for each in requirements}


def test_the_lock_pins_every_dependency_and_names_no_host() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE), "options such as --index-url do not belong into the lock"
    pinned = names(text.splitlines())
    asked = names(PYPROJECT["project"]["dependencies"])
    for extra in PYPROJECT["project"]["optional-dependencies"].values():
        asked |= names(extra)
    assert asked <= pinned


def test_the_readme_starts_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first_block = re.search(r"```console\n(.*?)```", text, re.DOTALL)
    assert first_block is not None
    assert first_block[1].split("\n")[:-1] == ["make demo", "make test"]


def test_relative_links_of_the_documents_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md"):
        path = ROOT / name
        for target in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
            assert "://" in target or (path.parent / target).exists(), f"{name} → {target}"


def test_every_target_that_people_are_told_of_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert targets >= {"demo", "test", "test-full", "lint", "types", "notebooks", "bench", "clean"}
    told = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    assert told - {"sure"} <= targets


def test_make_refuses_an_old_python_with_a_clear_message(tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("needs make")
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("make", "sh"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    old = tools / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    answer = subprocess.run(
        [str(tools / "make"), "venv"], cwd=tmp_path, env={"PATH": str(tools)}, capture_output=True, text=True
    )
    assert answer.returncode != 0
    assert "needs Python 3.11 to 3.14" in answer.stdout
    assert "Python 3.9.2" in answer.stdout
    assert not (tmp_path / ".venv").exists()


def test_make_names_the_package_that_is_missing_for_a_venv(tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("needs make")
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("make", "sh", "rm"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    bare = tools / "python3"  # right version, but no ensurepip
    bare.write_text('#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; *--version*) echo "Python 3.11.2";; esac\nexit 0\n')
    bare.chmod(0o755)
    answer = subprocess.run(
        [str(tools / "make"), "venv"], cwd=tmp_path, env={"PATH": str(tools)}, capture_output=True, text=True
    )
    assert answer.returncode != 0
    assert "python3-venv" in answer.stdout


def test_the_ci_script_is_sound_shell() -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    assert subprocess.run([bash, "-n", str(ROOT / ".ci" / "run")], capture_output=True, text=True).stderr == ""


def test_importing_workbench_loads_nothing_heavy_and_starts_nothing() -> None:
    code = (
        "import sys, threading, workbench\n"
        "heavy = {'numba', 'pandas', 'panel', 'polars', 'vectorbt', 'plotly', 'pandas_market_calendars', 'deltalake'}\n"
        "print(sorted(heavy & set(sys.modules)), threading.active_count())"
    )
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ)
    assert answer.stdout.strip() == "[] 1"


def test_notebooks_hold_no_outputs() -> None:
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
        assert cells, path
        assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells), path


def test_the_package_exports_at_most_twenty_names() -> None:
    import workbench

    assert len(getattr(workbench, "__all__", [])) <= 20
