"""How clients find the desk, and that there is one desk for one home."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from workbench.domain.errors import InputError, LockHeld, StorageError
from workbench.services.desk_file import TOKEN_ENV, desk_now, desk_token, only_desk, remove_desk_file, write_desk_file
from workbench.storage.home import Home


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv(TOKEN_ENV, raising=False)
    return Home(tmp_path)


def test_the_token_is_made_once_and_readable_by_its_owner_only(place: Home) -> None:
    token = desk_token(place)
    assert len(token) >= 32 and desk_token(place) == token
    assert stat.S_IMODE((place.desk / "token").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"\n", b"short"])
def test_a_torn_token_is_no_token(place: Home, content: bytes) -> None:
    place.desk.mkdir()
    (place.desk / "token").write_bytes(content)
    with pytest.raises(StorageError, match="remove it"):
        desk_token(place)


@pytest.mark.parametrize("given", ["short", "long enough but spaces", "sixteen-and-more-ä"])
def test_a_poor_token_in_the_environment_is_refused(place: Home, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(TOKEN_ENV, given)
    with pytest.raises(InputError, match=TOKEN_ENV) as refused:
        desk_token(place)
    assert given not in str(refused.value), "not even a poor one is shown"


def test_the_desk_file_says_where_the_desk_is_now(place: Home) -> None:
    assert desk_now(place, "http://old", "old-token") == ("http://old", "old-token")
    write_desk_file(place, url="http://new", pid=1, token="new-token")
    assert stat.S_IMODE((place.desk / "desk.json").stat().st_mode) == 0o600
    assert desk_now(place, "http://old", "old-token") == ("http://new", "new-token")
    remove_desk_file(place)
    remove_desk_file(place)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"url": 1, "token": null}'])
def test_a_damaged_desk_file_is_as_none(place: Home, content: str) -> None:
    place.desk.mkdir()
    (place.desk / "desk.json").write_text(content)
    assert desk_now(place, "http://old", "t") == ("http://old", "t")


def test_a_second_desk_on_one_home_is_refused_and_says_who_is_there(place: Home) -> None:
    with only_desk(place), pytest.raises(LockHeld, match=r"a desk already serves .* \(process \d+\)"), only_desk(place):
        pass
    with only_desk(place):
        pass


def test_a_home_that_cannot_be_locked_is_a_clear_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot lock"), only_desk(Home(tmp_path / "file")):
        pass
