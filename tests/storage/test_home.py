"""The home folder, and small files that are whole or not there."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from workbench.domain.errors import StorageError
from workbench.storage.home import Home, home, read_json, remove_leftover, write_durably


def test_the_home_is_what_was_asked_for_then_the_environment_then_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKBENCH_HOME", raising=False)
    assert home().path == tmp_path / "data" / "home"
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "mine"))
    assert home().path == tmp_path / "mine"
    assert home(tmp_path / "other").path == tmp_path / "other"


def test_each_thing_has_its_place(tmp_path: Path) -> None:
    place = Home(tmp_path)
    folders = {place.market, place.versions, place.desk, place.logs, place.reports, place.stop_file, place.account(7)}
    assert len(folders) == 7 and all(f.is_relative_to(tmp_path) for f in folders)


def test_accounts_are_listed_by_number(tmp_path: Path) -> None:
    place = Home(tmp_path)
    assert place.accounts() == []
    for name in ("1003", "17", "notes"):
        (tmp_path / "accounts" / name).mkdir(parents=True)
    assert place.accounts() == [17, 1003]


def test_a_written_file_is_there_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    write_durably(path, b"{}", mode=0o600)
    assert path.read_bytes() == b"{}" and path.stat().st_mode & 0o777 == 0o600
    assert read_json(path) == {}


@pytest.mark.parametrize("call", ["fsync", "replace", "fchmod"])
def test_a_full_disk_leaves_the_old_file_and_no_rubbish(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "latch.json"
    write_durably(path, b"old")

    def full(*args: object, **kw: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(StorageError, match=r"No space left on device.*free or unlock"):
        write_durably(path, b"new")
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["latch.json"]


def test_reading_what_is_not_there_is_none_and_what_is_damaged_is_an_error(tmp_path: Path) -> None:
    assert read_json(tmp_path / "no.json") is None
    for damage in (b"{", b"[1]", b"\xff\xfe", b""):
        (tmp_path / "x.json").write_bytes(damage)
        with pytest.raises(StorageError, match=r"x\.json"):
            read_json(tmp_path / "x.json")


def test_a_folder_that_nobody_needs_goes_and_one_that_cannot_go_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "half"
    (folder / "deep").mkdir(parents=True)
    remove_leftover(folder)
    remove_leftover(folder)
    assert not folder.exists() and caplog.messages == []
    folder.mkdir()

    def refuse(path: Path) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    remove_leftover(folder)
    assert caplog.messages == [f"{folder} is not needed any more and could not be removed: Permission denied"]
