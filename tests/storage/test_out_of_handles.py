"""A process that has no file handle left: nothing is stopped that nobody has stopped, and nothing that is goes on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from workbench.domain.errors import StorageError
from workbench.storage.home import Home, read_json
from workbench.storage.latch import read_latch, set_latch


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home with account 1."""
    made = Home(tmp_path)
    made.account(1).mkdir(parents=True)
    return made


def no_handle(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(path: Path) -> bytes:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_latch_that_is_not_there_is_none_though_no_file_can_be_opened(
    home: Home, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    no_handle(monkeypatch, number)
    assert read_latch(home, 1) is None, "every account would be closed at the market"
    assert read_json(home.path / "operator.json") is None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("account", [None, 1])
def test_a_latch_that_is_there_holds_though_it_cannot_be_read(
    home: Home, monkeypatch: pytest.MonkeyPatch, number: int, account: int | None
) -> None:
    set_latch(home, reason="enough", by="ann", at=7, account=account)
    no_handle(monkeypatch, number)
    held = read_latch(home, 1)
    assert held is not None and "damaged" in held.reason


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_disk_that_does_not_say_whether_there_is_a_latch_stops(
    home: Home, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    no_handle(monkeypatch, number)
    assert read_latch(home, 1) is not None
    with pytest.raises(StorageError):
        read_json(home.path / "operator.json")
