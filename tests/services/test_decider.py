"""State and journal together: durable before visible, and the same again after a restart."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.execution.fake_broker import ACCOUNT, MES, MORNING, FakeBroker, Script, bar_closed, enter
from workbench.domain import events as e
from workbench.domain.clock import MINUTE
from workbench.domain.commands import CancelOrder, ClosePosition, PlaceOrder
from workbench.domain.errors import StorageError
from workbench.domain.order import OrderType, Side, Status
from workbench.execution.state import AccountState
from workbench.risk.gate import Approved
from workbench.risk.limits import Limits
from workbench.rules.signal import Signal
from workbench.services.decider import JOURNAL_BROKEN, Decider
from workbench.storage.journal import Journal, read_journal


class Disk(Journal):
    """A journal that notes the order of things and can be broken."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.calls: list[str] = []

    def append(self, event: e.AnyEvent, commands: list) -> None:
        self.calls.append("append")
        super().append(event, commands)

    def sync(self) -> None:
        if hasattr(self, "calls"):
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
        self.decider = Decider(state, Disk(self.path))

    def start(self) -> None:
        self.decide(e.RunnerStarted(at=self.now, epoch=1, uid="abc"))
        self.decide(self.broker.read())
        self.decide(
            e.SessionStarted(at=self.now, session="s1", strategy="v1", contract=MES, timeframe="1m", parameters={})
        )

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
