"""State and journal together: durable before visible, and the same again after a restart."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tests.execution.fake_broker import ACCOUNT, MES, MORNING, FakeBroker, Script, bar_closed, enter
from workbench.domain import events as e
from workbench.domain.clock import MINUTE
from workbench.domain.commands import Alert, CancelOrder, ClosePosition, PlaceOrder
from workbench.domain.errors import StorageError
from workbench.domain.order import OrderType, Side, Status
from workbench.execution.state import AccountState
from workbench.risk.gate import Approved
from workbench.risk.limits import Limits
from workbench.rules.signal import Signal
from workbench.services.decider import JOURNAL_BROKEN, Decider
from workbench.storage import lock
from workbench.storage.journal import MAGIC, Journal, read_journal
from workbench.storage.lease import Lease


class Disk(Journal):
    """A journal that notes the order of things and can be broken."""

    def _begin(self, path: Path) -> None:
        super()._begin(path)
        self.calls: list[str] = []

    def append(self, event: e.AnyEvent, commands: list) -> None:
        self.calls.append("append")
        super().append(event, commands)

    def sync(self) -> None:
        self.calls.append("sync")
        super().sync()


class Desk:
    """A decider over a journal in a folder, and a broker beside it."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self.path, self.limits = folder / "journal.wbj", limits or Limits()
        self.signals: dict[int, Signal] = {}
        self.broker = FakeBroker()
        self.now = MORNING
        self.open()

    def open(self, limits: Limits | None = None) -> None:
        state = AccountState(ACCOUNT, limits or self.limits, lambda *_: Script(self.signals))
        self.decider = Decider(state, Disk.or_blocked(self.path))

    def start(self) -> None:
        self.decide(e.RunnerStarted(at=self.now, epoch=1, uid="abc"))
        self.decide(self.broker.read())
        self.decide(
            e.SessionStarted(at=self.now, session="s1", strategy="v1", contract=MES, timeframe="1m", parameters={})
        )

    def hold(self, qty: int) -> None:
        """Enter, and let the broker fill it."""
        (approved,) = self.enter(qty)
        self.broker.fill(self.broker.place(approved.command))
        self.hear()

    def hear(self) -> list:
        """Take in what the broker's hub says; return what follows."""
        told, self.broker.events = self.broker.events, []
        return [c for event in told for c in self.decide(event)]

    def flatten(self, reason: str) -> None:
        """Ask for it, and let the broker do what comes back until nothing more does."""
        waiting = self.decide(e.FlattenRequested(at=self.now, contract=MES, reason=reason))
        while waiting:
            command = waiting.pop(0)
            if isinstance(command, CancelOrder):
                self.broker.cancel(command.order_id)
            elif isinstance(command, ClosePosition):
                self.broker.close(command.contract)
                self.broker.fill_markets()
            waiting += self.hear()

    def decide(self, event: e.Event) -> list:
        return self.decider.decide(event)

    def enter(self, qty: int = 1) -> list:
        self.now += MINUTE
        self.signals[self.now] = msgspec.structs.replace(enter(1, qty), at=self.now)
        return self.decide(bar_closed(self.now, 6000.0))

    def manual(self, request: str, side: Side = Side.BUY) -> e.ManualOrderRequested:
        return e.ManualOrderRequested(
            at=self.now, request=request, contract=MES, side=side, type=OrderType.MARKET, qty=1
        )


def broken(*args: object, **kw: object) -> None:
    raise StorageError("cannot write the journal: No space left on device")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.start()
    return made


def test_an_order_is_on_the_disk_before_anybody_can_send_it(desk: Desk) -> None:
    desk.decider.journal.calls.clear()
    (approved,) = desk.enter()
    assert isinstance(approved, Approved)
    assert desk.decider.journal.calls == ["append", "sync"]
    assert read_journal(desk.path)[-1].commands == [approved.command]


def test_an_event_that_sends_nothing_is_written_without_waiting_for_the_disk(desk: Desk) -> None:
    desk.decider.journal.calls.clear()
    desk.decide(e.PriceSeen(at=desk.now, contract=MES, price=6000.0))
    assert desk.decider.journal.calls == ["append"]


def test_what_a_person_orders_is_durable_even_when_nothing_is_sent(desk: Desk) -> None:
    desk.decider.journal.calls.clear()
    desk.decide(e.SessionPaused(at=desk.now, session="s1", reason="lunch"))
    assert desk.decider.journal.calls == ["append", "sync"]
    desk.open()
    assert desk.decider.state.sessions["s1"].status == "paused"


def test_replay_gives_an_equal_state(desk: Desk) -> None:
    (approved,) = desk.enter(2)
    number = desk.broker.place(approved.command)
    desk.broker.fill(number)
    for event in desk.broker.events:
        desk.decide(event)
    desk.decide(e.PlaceAnswered(at=desk.now, tag=approved.command.tag, outcome="accepted", order_id=number))
    desk.decide(e.FlattenRequested(at=desk.now, contract=MES, reason="enough"))
    before = desk.decider.state
    desk.open()
    after = desk.decider.state
    assert desk.decider.damage == ""
    assert dict(after.orders) == dict(before.orders) and list(after.orders) == list(before.orders)
    assert after.books == before.books and after.trades == before.trades
    for name in ("now", "seq", "halted", "known_tags", "key_of_id", "trading_date", "day_baseline", "counted"):
        assert getattr(after, name) == getattr(before, name), name


@pytest.mark.statement(12)
@pytest.mark.parametrize("call", ["append", "sync"])
def test_when_the_journal_fails_no_order_leaves_and_cancels_and_closes_do(
    desk: Desk, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (approved,) = desk.enter(2)
    number = desk.broker.place(approved.command)
    desk.broker.fill(number)
    for event in desk.broker.events:
        desk.decide(event)
    monkeypatch.setattr(desk.decider.journal, call, broken)
    assert not [c for c in desk.decide(desk.manual("r1")) if isinstance(c, Approved)]
    assert JOURNAL_BROKEN in desk.decider.state.halted
    assert not [c for c in desk.decide(desk.manual("r2", Side.SELL)) if isinstance(c, Approved)]
    assert all(o.status is not Status.SENT for o in desk.decider.state.orders.values())
    out = desk.decide(e.FlattenRequested(at=desk.now, contract=MES, reason="full disk"))
    assert [type(c) for c in out] == [CancelOrder, CancelOrder]
    desk.broker.events.clear()
    for command in out:
        desk.broker.cancel(command.order_id)
    sent = [c for event in desk.broker.events for c in desk.decide(event)]
    assert [c for c in sent if isinstance(c, ClosePosition)]


@pytest.mark.statement(12)
def test_an_order_whose_record_did_not_reach_the_disk_was_never_sent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.decider.journal, "append", broken)
    assert not [c for c in desk.enter() if isinstance(c, Approved)]
    assert [o.status for o in desk.decider.state.orders.values()] == [Status.REJECTED]
    desk.open()
    assert not desk.decider.state.orders


def test_a_replay_that_decides_otherwise_believes_what_was_written_and_halts(desk: Desk) -> None:
    (approved,) = desk.enter(2)
    desk.open(Limits(max_order_qty=1))  # today's program would refuse what was sent
    state = desk.decider.state
    assert "decides differently" in desk.decider.damage and desk.decider.damage in state.halted
    assert state.orders[approved.command.tag].qty == 2
    desk.decide(e.RunnerStarted(at=desk.now, epoch=2, uid="def"))
    assert state.orders[approved.command.tag].status is Status.UNKNOWN  # it will be asked for, not forgotten


def test_a_replay_does_not_invent_orders_that_were_never_sent(desk: Desk) -> None:
    assert not [c for c in desk.enter(7) if isinstance(c, Approved)]  # above the limit of its day
    desk.open(Limits(max_order_qty=10, max_position=10))
    assert desk.decider.damage and not desk.decider.state.orders
    written = [c for record in read_journal(desk.path) for c in record.commands if isinstance(c, PlaceOrder)]
    assert written == []


@pytest.mark.parametrize(
    ("written", "blocks"),
    [
        (Alert(account=ACCOUNT, contract="", level="critical", text="what another program said of it"), False),
        (Alert(account=ACCOUNT, contract="", level="info", text="what another program said of it"), True),
        (None, True),  # an alarm more than was written: what it tells of was not decided then
    ],
)
def test_an_alarm_in_other_words_is_the_same_decision_and_one_more_is_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, written: Alert | None, blocks: bool
) -> None:
    event = e.AccountReported(at=desk.now, account=ACCOUNT, name="a", balance=Decimal(50_000), can_trade=False)
    append, kept = desk.decider.journal.append, [] if written is None else [written]
    monkeypatch.setattr(desk.decider.journal, "append", lambda event, commands: append(event, kept))
    (said,) = desk.decide(event)
    assert (said.level, said.contract) == ("critical", "")
    desk.open()
    assert bool(desk.decider.damage) is blocks


# --- a disk that refuses, a file that is damaged: nothing is entered, and a person can still get out ---


@pytest.mark.statement(12)
@pytest.mark.statement(53)
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError(30, "Read-only file system")])
def test_with_a_disk_that_refuses_a_position_can_still_be_closed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    desk.hold(2)

    def refuse(*_: object) -> int:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        said = desk.decide(desk.manual("r1"))
        assert not [c for c in said if isinstance(c, Approved)]
        (alarm,) = (c for c in said if isinstance(c, Alert) and c.level == "critical")
        assert error.strerror in alarm.text and "cancels and closes still leave" in alarm.text
        desk.flatten("the disk is full")
    assert desk.broker.qty() == 0 and not desk.broker.working()
    desk.open()
    assert desk.decider.damage == "", "what is on the disk is whole"
    desk.decide(e.RunnerStarted(at=desk.now, epoch=2, uid="def"))
    desk.decide(desk.broker.read())
    assert desk.decider.state.book(MES).qty == 0 and not desk.decider.state.halted


def damage_the_middle(path: Path) -> None:
    data, at = bytearray(path.read_bytes()), len(MAGIC)
    for _ in range(4):
        at += 8 + int.from_bytes(data[at : at + 4], "little")
    data[at + 12] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.statement(11)
@pytest.mark.statement(21)
def test_with_a_journal_that_is_damaged_in_the_middle_the_account_is_read_and_can_be_closed(desk: Desk) -> None:
    desk.hold(1)
    desk.decide(e.PriceSeen(at=desk.now, contract=MES, price=6000.0))
    damage_the_middle(desk.path)
    written = desk.path.read_bytes()
    desk.open()
    state = desk.decider.state
    assert "is damaged and good records follow it" in desk.decider.damage and desk.decider.damage in state.halted
    assert [s.status for s in state.sessions.values()] == ["paused"]
    desk.decide(e.RunnerStarted(at=desk.now, epoch=2, uid="def"))
    desk.decide(desk.broker.read())
    assert state.book(MES).qty == 1, "what exists is the broker's to say"
    assert not [c for c in desk.decide(desk.manual("r1")) if isinstance(c, Approved)]
    assert not [c for c in desk.enter() if isinstance(c, Approved)]
    desk.flatten("get me out")
    assert desk.broker.qty() == 0 and not desk.broker.working()
    assert desk.path.read_bytes() == written, "the file is left for a person to look at"
    desk.open()
    assert desk.decider.damage, "and the next start is blocked as well"


@pytest.mark.statement(11)
def test_a_close_under_way_before_the_damage_is_not_gone_on_with(desk: Desk) -> None:
    desk.hold(1)
    desk.decide(e.FlattenRequested(at=desk.now, contract=MES, reason="then"))
    for _ in range(3):
        desk.decide(e.TimerFired(at=desk.now))
    data = bytearray(desk.path.read_bytes())
    data[data.rindex(b"timer_fired", 0, data.rindex(b"timer_fired"))] ^= 1
    desk.path.write_bytes(data)
    desk.open()
    assert desk.decider.damage and desk.decider.state.book(MES).flatten is None


@pytest.mark.statement(12)
def test_a_lease_that_cannot_be_written_blocks_entries_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)
    monkeypatch.setattr(lock, "write_durably", broken)
    desk.decider.opened(Lease(tmp_path))
    desk.start()
    assert not [c for c in desk.enter() if isinstance(c, Approved)]
    assert any("No space left" in text for text in desk.decider.notes)


def test_what_was_read_at_the_opening_is_let_go_of_once_it_is_in_the_state(tmp_path: Path) -> None:
    first = Decider(AccountState(ACCOUNT, Limits(), lambda *_: Script({})), Journal(tmp_path / "journal.wbj"))
    first.decide(e.TimerFired(at=MORNING))
    first.journal.close()
    again = Decider(AccountState(ACCOUNT, Limits(), lambda *_: Script({})), Journal(tmp_path / "journal.wbj"))
    assert len(again.journal.records) == 1
    again.opened(Lease(tmp_path))
    assert again.journal.records == [] and again.journal.snapshot is None, "a journal may hold a year of them"
