"""Limits that could not be read for a moment hold as soon as they can be, without anybody touching the file again."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from workbench.domain import events as e
from workbench.risk.limits import Limits
from workbench.services import limits_follower
from workbench.services.limits_follower import UNREAD, LimitsFollower
from workbench.storage.home import Home

AT = 1_795_099_500_000_000_000  # 19 November 2026
TIGHT = "- {from: 2026-01-01, by: ann, reason: calm, global: {max_position: 1}}"


class Disk:
    """Reads of ``limits.yaml`` fail while `away`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away, real = False, Path.read_text

        def read_text(path: Path, *args: Any, **options: Any) -> str:
            if self.away and path.name == "limits.yaml":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(path, *args, **options)

        monkeypatch.setattr(Path, "read_text", read_text)


def follower(tmp_path: Path, said: list[str]) -> LimitsFollower:
    return LimitsFollower(Home(tmp_path), 1, Limits(max_position=5), lambda: AT, lambda level, text: said.append(text))


@pytest.mark.statement(35)
def test_limits_that_were_tightened_while_the_disk_was_away_hold_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, said = Disk(monkeypatch), list[str]()
    limits = follower(tmp_path, said)
    assert limits.begin()["max_position"] == 5
    (tmp_path / "limits.yaml").write_text(TIGHT)
    disk.away = True
    assert [limits.look() for _ in range(3)] == [[]] * 3
    assert len(said) == 1 and "what held before holds on" in said[0]
    disk.away = False
    (changed,) = limits.look()
    assert isinstance(changed, e.LimitsChanged) and changed.limits["max_position"] == 1
    assert limits.look() == []


@pytest.mark.statement(21)
def test_a_start_that_could_not_read_the_limits_reads_them_when_the_disk_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, said = Disk(monkeypatch), list[str]()
    (tmp_path / "limits.yaml").write_text(TIGHT)
    disk.away, limits = True, follower(tmp_path, said)
    assert limits.begin() == {} and limits.is_unread
    disk.away = False
    changed, released = limits.look()
    assert isinstance(changed, e.LimitsChanged) and changed.limits["max_position"] == 1
    assert isinstance(released, e.Released) and released.reason == UNREAD


def test_a_mistake_in_the_file_is_told_once_and_read_again_when_it_is_mended(tmp_path: Path) -> None:
    said = list[str]()
    limits = follower(tmp_path, said)
    limits.begin()
    path = tmp_path / "limits.yaml"
    path.write_text(TIGHT.replace("max_position", "max_positon"))
    assert [limits.look() for _ in range(3)] == [[]] * 3 and len(said) == 1
    path.write_text(TIGHT)
    assert [type(found) for found in limits.look()] == [e.LimitsChanged]


def test_a_file_that_breaks_between_two_readings_of_it_is_told_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = list[str]()
    limits, path, real = follower(tmp_path, said), tmp_path / "limits.yaml", limits_follower.limits_body
    limits.begin()

    def body_and_then_a_typo(*given: Any) -> dict[str, Any]:
        body = real(*given)
        path.write_text(TIGHT + "\n- {from: yesterday}")
        return body

    path.write_text(TIGHT)
    with monkeypatch.context() as patched:
        patched.setattr(limits_follower, "limits_body", body_and_then_a_typo)
        assert limits.look() == []
    assert limits.look() == [] and len(said) == 1 and "what held before holds on" in said[0]
    path.write_text(TIGHT)
    (changed,) = limits.look()
    assert isinstance(changed, e.LimitsChanged) and changed.limits["max_position"] == 1
