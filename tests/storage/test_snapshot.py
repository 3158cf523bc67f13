"""Snapshot and the events since = the whole history: the same state, the same decisions, whatever has happened."""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.execution.fake_broker import ACCOUNT, MES, Ride, bar_closed
from tests.execution.scenes import manual
from tests.rules.build import strategy_text
from workbench.domain import events as e
from workbench.domain.clock import HOUR
from workbench.domain.errors import JournalDamaged
from workbench.domain.order import Side
from workbench.execution.state import AccountState
from workbench.execution.step import journal_form, step
from workbench.risk.limits import Limits
from workbench.rules import parse_strategy
from workbench.rules.strategy import Strategy
from workbench.services.decider import Decider
from workbench.storage import rotation
from workbench.storage.journal import Journal, Snapshot
from workbench.storage.records import files_of, read_contents, read_from, read_history, read_journal, read_snapshot
from workbench.storage.snapshot import SnapshotUnknown, dump, load


@functools.cache
def crossing() -> Strategy:
    """Two averages, one of them of a higher timeframe, a stop that follows, a day's end: everything that remembers."""
    return parse_strategy(
        strategy_text(
            entry="{long: 'cross_above(close, ema(close, 3))', short: 'cross_below(close, ema(close, 3))'}",
            exit="{long: 'close < tf(\"5m\").sma(close, 2) - 3', short: 'close > tf(\"5m\").sma(close, 2) + 3'}",
            stop="{ticks: 12}",
            trail="{ticks: 10}",
        )
    )


class Trip(Ride):
    """A ride whose session follows a real rule."""

    def fresh(self) -> AccountState:
        return AccountState(ACCOUNT, self.limits, lambda *_: crossing().start())

    def happen(self, what: str, number: int) -> None:
        """Let one thing happen; numbers choose prices, quantities and times."""
        working = self.broker.working()
        if what == "bar":
            self.bar(close=24_000 + number)
        elif what == "fill" and working:
            order = working[number % len(working)]
            self.broker.fill(order.order_id or 0, 1 + number % 2)
        elif what == "hear":
            self.hear()
        elif what == "send":
            self.send()
        elif what == "read":
            self.feed(self.broker.read())
        elif what == "wait":
            self.wait(number % 40)
        elif what == "day":
            self.wait(7 * HOUR / 1e9)
        elif what == "restart":
            self.outgoing.clear()
            self.feed(e.RunnerStarted(at=self.now, epoch=len(self.log), uid=f"u{number}"))
        elif what == "manual":
            self.feed(manual(self, f"r{number}", Side(number % 2)))
        elif what == "flatten":
            self.feed(e.FlattenRequested(at=self.now, contract=MES, reason="enough"))
        elif what == "stream":
            self.feed(e.StreamChanged(at=self.now, hub="user", up=bool(number % 2)))
        elif what == "pause":
            self.feed(e.SessionPaused(at=self.now, session="s1", reason="lunch"))
        elif what == "resume":
            self.feed(
                e.SessionStarted(at=self.now, session="s1", strategy="v", contract=MES, timeframe="1m", parameters={})
            )


THINGS = ("bar", "bar", "bar", "fill", "fill", "hear", "send", "read", "wait", "day", "restart", "manual", "flatten")
things = st.lists(
    st.tuples(st.sampled_from((*THINGS, "stream", "pause", "resume")), st.integers(-30, 30)), min_size=5, max_size=60
)


def lived(history: list[tuple[str, int]]) -> Trip:
    trip = Trip(Limits(max_order_qty=3))
    trip.start()
    for number in range(32):  # the slowest memory is full
        trip.bar(close=24_000 + number % 2)
    for close in (24_010, 23_990, 24_020):
        trip.bar(close=close)
        trip.settle()
    for what, number in history:
        trip.happen(what, number)
    return trip


@pytest.mark.statement(9)
@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(history=things, cut=st.floats(0, 1))
def test_snapshot_and_suffix_are_the_whole_journal(history: list[tuple[str, int]], cut: float) -> None:
    log = lived(history).log
    at = int(cut * len(log))
    whole, part = Trip().fresh(), Trip().fresh()
    for event, _ in log[:at]:
        step(whole, event)
    kept = dump(whole)
    load(kept, part)
    assert dump(part) == kept, "and a snapshot of what was restored is the snapshot"
    for event, _ in log[at:]:
        assert step(part, event) == step(whole, event)
    assert dump(part) == dump(whole)


def test_the_histories_trade() -> None:
    trip = lived([("bar", n) for n in (40, -40, 40, -40, 0, 40)])
    assert trip.placed and trip.state.book(MES).position.fees > 0


# --- the file ---


def open_decider(folder: Path) -> Decider:
    return Decider(Trip().fresh(), Journal.or_blocked(folder / "journal.wbj"))


def live(folder: Path, count: int = 12) -> tuple[Decider, Trip]:
    """A journal with a session that has traded."""
    trip = lived([("bar", (-1) ** n * 30) for n in range(count)])
    decider = open_decider(folder)
    for event, _ in trip.log:
        decider.decide(event)
    return decider, trip


def test_after_a_rotation_the_account_goes_on_as_if_there_had_been_none(tmp_path: Path) -> None:
    decider, trip = live(tmp_path)
    before = dump(decider.state)
    kept = decider.rotate(7)
    assert kept.name == "journal-7.wbj" and read_contents(tmp_path / "journal.wbj").records == []
    later = bar_closed(trip.now + 60_000_000_000, 6010.0)
    expected = decider.decide(later)
    again = open_decider(tmp_path)
    assert again.damage == "" and len(again.journal.records) == 1
    assert dump(again.state) == dump(decider.state) != before
    assert [r.commands for r in again.journal.records] == [[journal_form(c) for c in expected]]
    events = [record.event for record in read_history(tmp_path)]
    assert events == [*(event for event, _ in trip.log), later], "nothing of the history is lost"


def test_a_large_journal_is_rotated_at_a_start_and_a_small_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.services import decider as module
    from workbench.storage.lease import Lease

    first, trip = live(tmp_path)
    first.opened(Lease(tmp_path))
    assert files_of(tmp_path) == [tmp_path / "journal.wbj"]
    monkeypatch.setattr(module, "LARGE", 1000)
    second = open_decider(tmp_path)
    fills = second.opened(Lease(tmp_path))
    assert [p.name for p in files_of(tmp_path)] == ["journal-2.wbj", "journal.wbj"]
    assert sorted(fills) == sorted(f.trade_id for f in trip.broker.fills)
    third = open_decider(tmp_path)
    assert third.opened(Lease(tmp_path)) == fills, "people still see the fills from before the snapshot"
    assert dump(third.state) == dump(second.state)


@pytest.mark.parametrize("call", ["link", "replace"])
def test_a_rotation_that_fails_leaves_the_journal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    decider, trip = live(tmp_path)
    records = read_history(tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(rotation.os, call, refuse)
        with pytest.raises(rotation.StorageError, match="No space left"):
            decider.rotate(3)
    assert read_history(tmp_path) == records, "one file under two names is one file"
    decider.decide(bar_closed(trip.now + 60_000_000_000, 6010.0))
    assert len(read_history(tmp_path)) == len(records) + 1


@pytest.mark.statement(11)
def test_a_damaged_snapshot_blocks_entries_and_leaves_the_files(tmp_path: Path) -> None:
    decider, _ = live(tmp_path)
    decider.rotate(3)
    decider.journal.close()
    data = bytearray((tmp_path / "journal.wbj").read_bytes())
    data[400] ^= 1
    (tmp_path / "journal.wbj").write_bytes(data)
    again = open_decider(tmp_path)
    assert "the snapshot at its beginning fails its checksum" in again.damage and again.state.halted
    assert (tmp_path / "journal.wbj").read_bytes() == bytes(data)


def test_a_snapshot_of_another_program_blocks_entries_and_says_what_to_do(tmp_path: Path) -> None:
    decider, _ = live(tmp_path)
    decider.rotate(3)
    decider.journal.close()
    found = read_contents(tmp_path / "journal.wbj").snapshot
    assert found is not None
    fields = msgspec.msgpack.decode(found.state)
    fields["of_tomorrow"] = 1
    newer = msgspec.structs.replace(found, state=msgspec.msgpack.encode(fields))
    (tmp_path / "journal.wbj").write_bytes(rotation.snapshot_file(newer))
    again = open_decider(tmp_path)
    assert again.state.halted and "of_tomorrow" in again.notes[0] and "workbench account link" in again.notes[0]
    assert not again.state.sessions, "nothing that was only half understood is believed"


def test_a_value_without_a_form_is_an_error_and_not_left_out() -> None:
    state = Trip().fresh()
    state.now = object()  # type: ignore[assignment]
    with pytest.raises(SnapshotUnknown, match="now is a object"):
        dump(state)


def test_a_snapshot_of_another_account_is_refused() -> None:
    with pytest.raises(SnapshotUnknown, match="of account 1001, not of 7"):
        load(dump(Trip().fresh()), AccountState(7, Limits(), lambda *_: crossing().start()))


def test_a_snapshot_names_the_file_that_it_follows(tmp_path: Path) -> None:
    decider, trip = live(tmp_path)
    decider.rotate(5, trip.broker.fills)
    found = read_contents(tmp_path / "journal.wbj").snapshot
    assert isinstance(found, Snapshot) and (found.before, found.epoch) == ("journal-5.wbj", 5)
    assert len(found.fills) == len(trip.broker.fills)


def test_the_snapshot_alone_can_be_read_and_is_nothing_where_there_is_none(tmp_path: Path) -> None:
    decider, _ = live(tmp_path)
    decider.rotate(5)
    decider.journal.close()
    path = tmp_path / "journal.wbj"
    assert read_snapshot(path) == read_contents(path).snapshot is not None
    assert read_snapshot(tmp_path / "journal-5.wbj") is None, "the first file of an account begins with an event"
    data = bytearray(path.read_bytes())
    data[400] ^= 1
    path.write_bytes(data)
    assert read_snapshot(path) is None


def test_who_follows_a_journal_begins_behind_its_snapshot(tmp_path: Path) -> None:
    decider, trip = live(tmp_path)
    decider.rotate(5)
    path = tmp_path / "journal.wbj"
    nothing, at = read_from(path, 0)
    assert nothing == [] and at == path.stat().st_size
    later = bar_closed(trip.now + 60_000_000_000, 6010.0)
    decider.decide(later)
    decider.journal.close()
    for begin in (0, at):
        records, end = read_from(path, begin)
        assert [r.event for r in records] == [later] and end == path.stat().st_size


@pytest.mark.statement(11)
def test_a_reader_of_a_damaged_file_is_told_and_gets_no_part_of_it(tmp_path: Path) -> None:
    decider, _ = live(tmp_path)
    decider.journal.close()
    path = tmp_path / "journal.wbj"
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    for read in (lambda: read_journal(path), lambda: read_history(tmp_path)):
        with pytest.raises(JournalDamaged, match="is damaged and good records follow it"):
            read()
