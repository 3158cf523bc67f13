"""The folder of compiled kernels is keyed by what they were compiled from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import _numba_cache


def run(code: str, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != _numba_cache.VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_changed_kernel_source_changes_the_key(tmp_path: Path):
    source = tmp_path / "kernels.py"
    source.write_text("import numba\nX = 1\n")
    (tmp_path / "other.py").write_text("Y = 1\n")
    before = _numba_cache.cache_key(tmp_path)
    (tmp_path / "other.py").write_text("Y = 2\n")
    assert _numba_cache.cache_key(tmp_path) == before
    source.write_text("import numba\nX = 2\n")
    assert _numba_cache.cache_key(tmp_path) != before


def test_the_folder_is_set_before_numba_is_imported(tmp_path: Path):
    code = "import workbench.ingestion.kernels, numba; print(numba.config.CACHE_DIR)"
    folder = Path(run(code, XDG_CACHE_HOME=str(tmp_path)))
    assert folder.parent == tmp_path / "workbench" / "numba"
    assert folder.name == _numba_cache.PREFIX + _numba_cache.cache_key()


def test_a_child_process_uses_its_parents_folder(tmp_path: Path):
    code = "from workbench._numba_cache import prepare; print(prepare())"
    parent = run(code, XDG_CACHE_HOME=str(tmp_path))
    assert run(code, **{_numba_cache.VARIABLE: parent}) == parent


def test_an_unwritable_home_falls_back_to_a_temporary_folder(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    code = "from workbench._numba_cache import prepare; print(prepare())"
    folder = Path(run(code, XDG_CACHE_HOME=str(blocked), TMPDIR=str(tmp_path)))
    assert folder.is_dir() and tmp_path in folder.parents


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_a_folder_that_others_may_write_to_is_not_trusted(tmp_path: Path):
    open_to_all = tmp_path / "workbench" / "numba"
    open_to_all.mkdir(parents=True)
    open_to_all.chmod(0o777)
    code = "from workbench._numba_cache import prepare; print(prepare())"
    folder = Path(run(code, XDG_CACHE_HOME=str(tmp_path), TMPDIR=str(tmp_path)))
    assert open_to_all not in folder.parents
