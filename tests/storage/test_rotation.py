"""A journal that is cut while its runner lives: a kill, a full disk and a lost folder in between cost nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.execution.fake_broker import bar_closed
from tests.storage.test_snapshot import Trip, live, open_decider
from workbench.domain import events as e
from workbench.domain.errors import StorageError
from workbench.services import upkeep
from workbench.services.decider import Decider, known_until
from workbench.services.upkeep import Upkeep
from workbench.storage import rotation
from workbench.storage.journal import Journal
from workbench.storage.records import files_of, read_contents, read_history
from workbench.storage.snapshot import dump

pytestmark = pytest.mark.statement(9)
DAY_NS = 86_400_000_000_000
MINUTE_NS = 60_000_000_000


class Killed(BaseException):
    """The process is gone: nothing behind this runs."""


def die(*_: object) -> None:
    raise Killed


def refuse(*_: object) -> None:
    raise OSError(5, "Input/output error")


def names(folder: Path) -> list[str]:
    return [path.name for path in files_of(folder)]


def reads(at: int) -> e.TimerFired:
    return e.TimerFired(at=at)


@pytest.mark.statement(11)
@pytest.mark.parametrize("before", ["write_durably", "os.link", "os.replace", "reopen", "sync_folder"])
def test_a_kill_at_any_step_of_a_cut_leaves_one_whole_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    decider, trip = live(tmp_path)
    state, history = dump(decider.state), read_history(tmp_path)
    with monkeypatch.context() as patch:
        if before == "reopen":
            patch.setattr(Journal, "reopen", die)
        else:
            patch.setattr(f"workbench.storage.rotation.{before}", die)
        with pytest.raises(Killed):
            decider.rotate(2)
    again = open_decider(tmp_path)
    assert again.damage == "" and dump(again.state) == state
    assert read_history(tmp_path) == history
    again.journal.forget()
    again.rotate(3)
    later = bar_closed(trip.now + MINUTE_NS, 6010.0)
    again.decide(later)
    last = open_decider(tmp_path)
    assert dump(last.state) == dump(again.state)
    assert [record.event for record in read_history(tmp_path)] == [*(r.event for r in history), later], (
        "every record is told once, whatever names the files were given before the kill"
    )


def test_a_journal_is_cut_again_and_again_by_the_same_runner(tmp_path: Path) -> None:
    decider, trip = live(tmp_path)
    at, told = trip.now, len(trip.log)
    for number in range(3):
        decider.rotate(2)
        at += MINUTE_NS
        decider.decide(bar_closed(at, 6010.0 + number))
    assert names(tmp_path) == ["journal-2.wbj", "journal-2-2.wbj", "journal-2-3.wbj", "journal.wbj"]
    assert len(read_history(tmp_path)) == told + 3
    assert dump(open_decider(tmp_path).state) == dump(decider.state)


@pytest.mark.statement(11)
def test_a_folder_that_cannot_be_synced_blocks_entries_and_loses_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decider, trip = live(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(rotation, "sync_folder", refuse)
        with pytest.raises(StorageError, match="may not survive a power cut"):
            decider.rotate(2)
    decider.decide(bar_closed(trip.now + MINUTE_NS, 6010.0))
    assert "the decision journal cannot be written" in decider.state.halted
    assert len(read_history(tmp_path)) == len(trip.log), "nothing is written where a start would not look"


def test_a_start_after_a_cut_still_knows_when_the_broker_was_read_last(tmp_path: Path) -> None:
    decider, trip = live(tmp_path)
    last = max(event.until for event, _ in trip.log if isinstance(event, e.BrokerRead))
    decider.rotate(2)
    decider.decide(reads(trip.now + DAY_NS))
    again = open_decider(tmp_path)
    assert again.known_until == last
    assert known_until(again.journal.records) == trip.now + DAY_NS, "which the records alone do not tell any more"


# --- when ---


def kept_up(decider: Decider) -> tuple[Upkeep, list[str]]:
    told: list[str] = []
    return Upkeep(decider, 2, {}, lambda level, text: told.append(f"{level}: {text}")), told


def quiet(folder: Path) -> tuple[Decider, int]:
    """A journal of some kilobytes; nothing is held and nothing works."""
    trip = Trip()
    trip.start()
    for _ in range(30):
        trip.bar(close=24_000)
    decider = open_decider(folder)
    for event, _ in trip.log:
        decider.decide(event)
    assert not decider.state.orders
    return decider, trip.now


def test_a_small_journal_of_a_day_is_left_alone(tmp_path: Path) -> None:
    decider, at = quiet(tmp_path)
    keeper, _ = kept_up(decider)
    decider.decide(reads(at + DAY_NS))
    assert keeper.look() is None and names(tmp_path) == ["journal.wbj"]


def test_a_day_that_has_written_much_is_cut_when_the_next_one_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "SMALL", 1000)
    decider, at = quiet(tmp_path)
    keeper, told = kept_up(decider)
    decider.decide(reads(at + MINUTE_NS))
    assert keeper.look() is None, "the day is not over"
    decider.decide(reads(at + DAY_NS))
    assert keeper.look() == tmp_path / "journal-2.wbj" and told == []
    assert read_contents(tmp_path / "journal.wbj").records == []
    for _ in range(40):
        decider.decide(reads(at + DAY_NS))
    assert decider.journal.size > 1000 and keeper.look() is None, "once a day"


def test_a_large_journal_waits_for_a_moment_without_a_position_and_a_huge_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decider, _ = live(tmp_path, count=11)
    assert any(book.qty for book in decider.state.books.values()), "something is held"
    monkeypatch.setattr(upkeep, "SMALL", 1000)
    monkeypatch.setattr(upkeep, "LARGE", 2000)
    keeper, _ = kept_up(decider)
    assert keeper.look() is None
    monkeypatch.setattr(upkeep, "MOST", 3000)
    assert keeper.look() == tmp_path / "journal-2.wbj"
    assert dump(open_decider(tmp_path).state) == dump(decider.state)


def test_prices_without_end_leave_a_journal_that_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "SMALL", 1000)
    monkeypatch.setattr(upkeep, "LARGE", 20_000)
    decider, at = quiet(tmp_path)
    keeper, _ = kept_up(decider)
    largest = snapshot = 0
    for second in range(3000):
        decider.decide(e.PriceSeen(at=at + second * 1_000_000_000, contract="CON.F.US.MES.Z26", price=6000.0))
        if keeper.look() is not None:
            snapshot = max(snapshot, decider.journal.size)
        largest = max(largest, decider.journal.size)
    assert len(files_of(tmp_path)) > 3
    assert largest <= 20_000 + snapshot
    again = open_decider(tmp_path)
    assert again.damage == "" and dump(again.state) == dump(decider.state)


def test_a_disk_that_refuses_the_cut_is_told_once_and_not_asked_every_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decider, _ = quiet(tmp_path)
    monkeypatch.setattr(upkeep, "SMALL", 1000)
    monkeypatch.setattr(upkeep, "LARGE", 1000)
    keeper, told = kept_up(decider)
    asked: list[int] = []

    def full(*_: object) -> None:
        asked.append(1)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workbench.storage.rotation.os.replace", full)
    for _ in range(5):
        assert keeper.look() is None
    assert len(asked) == 1 and len(told) == 1
    assert told[0].startswith("warning: the journal stays large") and "No space left" in told[0]


def test_fills_that_people_are_shown_are_bounded_by_a_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "SMALL", 1000)
    monkeypatch.setattr(upkeep, "LARGE", 1000)
    decider, trip = live(tmp_path, count=12)
    monkeypatch.setattr(upkeep, "MOST", 1000)
    fill = trip.broker.fills[0]
    fills = dict.fromkeys(range(700), fill)
    Upkeep(decider, 2, fills, lambda *_: None).look()
    assert sorted(fills) == list(range(200, 700)), "the newest 500"
