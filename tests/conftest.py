"""Fixtures for every test: real data beside the repository, and a home of one's own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, settings

ROOT = Path(__file__).resolve().parents[1]

# Set before numba is imported anywhere: compiled kernels go to one folder, not beside the sources.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"workbench-numba-{os.getuid()}"))

# A busy machine is no failure; in CI (hypothesis sees it by itself) the examples are the same in every run.
settings.register_profile("workbench", deadline=None, print_blob=True)
# Where only "does it fail?" counts, the smallest example is not looked for.
settings.register_profile("first-failure", deadline=None, phases=[Phase.explicit, Phase.generate], database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "workbench"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with recorded market data: WORKBENCH_SHARED_DATA, or ../shared/data beside the repository."""
    named = os.environ.get("WORKBENCH_SHARED_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs recorded market data: {folder} is missing (set WORKBENCH_SHARED_DATA)")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty WORKBENCH_HOME for one test."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("WORKBENCH_HOME", str(folder))
    return folder
