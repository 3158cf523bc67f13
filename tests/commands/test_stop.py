"""`workbench stop` where something is missing: one clear message, exit code 1, and nothing that only looks stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest

from workbench.commands import stop as module
from workbench.desk import DeskRefused
from workbench.domain.errors import InputError, StorageError, UnknownName
from workbench.services import stop as engine
from workbench.services.linking import make_link
from workbench.storage.home import Home
from workbench.storage.latch import read_latch, set_latch
from workbench.storage.links import save_link


def workbench(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WORKBENCH_")}
    environment |= {"WORKBENCH_HOME": str(place), "WORKBENCH_SIMULATOR_URL": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "workbench.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_home_that_is_not_there_stops_nothing_and_says_so(tmp_path: Path) -> None:
    done = workbench(tmp_path / "nowhere", "stop")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing was stopped: no account is known in" in done.stderr
    assert "--home" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "nowhere").exists(), "and no folder is made by the way"


def test_nothing_to_clear_is_said(tmp_path: Path) -> None:
    done = workbench(tmp_path, "stop", "--clear", "--reason", "looked at it", "--json")
    assert done.returncode == 1
    assert "nothing is stopped" in json.loads(done.stdout)["error"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("WORKBENCH_SIMULATOR_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WORKBENCH_PROFILE", "sim")
    monkeypatch.setattr(engine, "GIVE_UP_S", 0.3)
    home = Home(tmp_path)
    save_link(home, make_link(account=7, name="PRAC-V2-1-1", balance=Decimal(1), by="me"))
    return home


def press(place: Home, account: int | None = None) -> dict[str, object]:
    return module.stop_now(str(place.path), None, reason="test", person="me", account=account)


@pytest.mark.parametrize(
    "desk", [None, "{", "{}", '{"url": "http://127.0.0.1:9", "token": "t"}', '{"url": "nonsense://", "token": "t"}']
)
def test_whatever_the_desk_file_says_it_latches_and_acts_itself(place: Home, desk: str | None) -> None:
    if desk is not None:
        place.desk.mkdir()
        (place.desk / "desk.json").write_text(desk)
    result = press(place)
    assert result["result"] == "NOT_FLAT", "nobody could read the broker"
    assert "cannot be read" in str(result["remaining"])
    assert read_latch(place, 7) is not None


def test_a_disk_that_takes_no_latch_does_not_keep_it_from_closing(
    place: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*args: object, **kw: object) -> None:
        raise StorageError("cannot write: No space left on device")

    monkeypatch.setattr("workbench.storage.latch.write_durably", full)
    result = press(place)
    assert result["latched"] is False
    assert "cannot be read" in str(result["remaining"]), "the broker was asked"
    assert "closing all the same" in capsys.readouterr().err


def test_a_stop_of_everything_is_not_cleared_for_one_account_unseen(place: Home) -> None:
    set_latch(place, reason="all", by="me", at=1)
    assert engine.accounts_behind(place, 7) == [7]
    (place.account(8)).mkdir()
    (place.account(8) / "journal.wbj").write_bytes(b"")
    assert engine.accounts_behind(place, 7) == [7, 8]


@pytest.mark.parametrize("reason", ["", " ", "ok"])
def test_no_reason_no_clearing(place: Home, reason: str) -> None:
    with pytest.raises(InputError, match="say why the stop may be cleared"):
        module.clear_now(str(place.path), None, reason=reason, person="me", account=None)


def test_a_gateway_that_cannot_be_read_clears_nothing_and_is_named(place: Home) -> None:
    set_latch(place, reason="all", by="me", at=1)
    done = workbench(place.path, "stop", "--clear", "--reason", "looked at it")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "not cleared: http://127.0.0.1:9 cannot be read" in done.stderr
    assert read_latch(place) is not None


class TheDesk:
    """A desk that answers: it notes who asked, or refuses."""

    asked: ClassVar[list[object]] = []
    refuses = False

    def __init__(self, *, at: Home) -> None:
        self.home = at

    def clear_stop(self, reason: str, person: str, *, account: int | None) -> dict[str, object]:
        if self.refuses:
            raise DeskRefused("not cleared: +1 MESM25", "StopLatched", 409)
        self.asked.append((reason, person, account))
        return {"latched_by": "me", "latched_for": "all"}


def test_clearing_goes_through_the_desk_that_knows_its_gateway(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    set_latch(place, reason="all", by="me", at=1)
    monkeypatch.setattr("workbench.desk.Desk", TheDesk)
    module.clear_now(str(place.path), None, reason="looked at it", person="you", account=None)
    assert TheDesk.asked == [("looked at it", "you", None)]
    monkeypatch.setattr(TheDesk, "refuses", True)
    with pytest.raises(DeskRefused, match="not cleared"):
        module.clear_now(str(place.path), None, reason="looked at it", person="you", account=None)


def test_that_it_is_latched_is_said_at_once(place: Home, capsys: pytest.CaptureFixture[str]) -> None:
    press(place)
    assert capsys.readouterr().err.startswith("latched; cancelling, closing")


def test_an_account_that_is_not_known_here_is_named_before_anything_is_latched(place: Home) -> None:
    with pytest.raises(UnknownName, match="4242"):
        module.stop_now(str(place.path), None, reason="typo", person="me", account=4242)
    assert read_latch(place, 4242) is None
