"""The sender: in order, once, urgent first; whatever goes wrong on the way is "unknown", never "refused"."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from tests.execution.fake_broker import ACCOUNT, MES
from tests.risk.test_gate import place, view
from workbench.domain import events as e
from workbench.domain.commands import (
    Accepted,
    CancelOrder,
    ClosePosition,
    ModifyOrder,
    Outcome,
    PlaceOrder,
    Rejected,
    Unknown,
)
from workbench.domain.order import Side
from workbench.risk.gate import Approved, check
from workbench.risk.limits import Limits
from workbench.services import sender as module
from workbench.services.sender import Sender


@dataclass
class Wire:
    """A broker that writes down what reaches it and answers when the gate is open."""

    outcome: Outcome | Exception = field(default_factory=lambda: Accepted(order_id=5))
    reached: list[str] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def _answer(self, what: str) -> Outcome:
        self.reached.append(what)
        await self.open.wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def place(self, approved: Approved) -> Outcome:
        return await self._answer(f"place {approved.command.tag}")

    async def cancel(self, account_id: int, order_id: int) -> Outcome:
        return await self._answer(f"cancel {order_id}")

    async def close(self, account_id: int, contract_id: str) -> Outcome:
        return await self._answer("close")

    async def modify(self, command: ModifyOrder) -> Outcome:
        return await self._answer(f"modify {command.order_id}")


def approve(command: PlaceOrder, position: int = 0) -> Approved:
    verdict = check(command, view(position=position), Limits())
    assert isinstance(verdict, Approved)
    return verdict


ENTRY = approve(place(1, tag="entry"))
REDUCTION = approve(place(1, Side.SELL, tag="reduce"), position=2)
CANCEL = CancelOrder(account=ACCOUNT, contract=MES, order_id=3)
CLOSE = ClosePosition(account=ACCOUNT, contract=MES)
MODIFY = ModifyOrder(account=ACCOUNT, contract=MES, order_id=4, qty=1)


@contextlib.asynccontextmanager
async def sending(wire: Wire) -> AsyncIterator[tuple[Sender, list[e.Event]]]:
    answers: list[e.Event] = []
    sender = Sender(wire, answers.append, lambda: 77)
    task = asyncio.create_task(sender.run())
    try:
        yield sender, answers
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def rest(sender: Sender) -> None:
    for _ in range(100):
        await asyncio.sleep(0)
        if sender.idle:
            return
    raise AssertionError("the sender never comes to rest")


async def test_what_cancels_and_closes_overtakes_entries_in_its_own_order() -> None:
    wire = Wire()
    async with sending(wire) as (sender, answers):
        for command in (ENTRY, CANCEL, REDUCTION, CLOSE, MODIFY):
            sender.submit(command)
        wire.open.set()
        await rest(sender)
    assert wire.reached == ["cancel 3", "place reduce", "close", "modify 4", "place entry"]
    assert [a.at for a in answers] == [77] * 5 and sender.sent == 5


async def test_one_request_is_on_the_wire_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 60.0)
    wire = Wire()
    async with sending(wire) as (sender, _):
        sender.submit(ENTRY)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        sender.submit(CLOSE)
        await soon()
        assert wire.reached == ["place entry"] and not sender.idle
        wire.open.set()
        await rest(sender)
    assert wire.reached == ["place entry", "close"]


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Accepted(order_id=5), "accepted"),
        (Rejected(code=2, name="OrderRejected", reason="no"), "rejected"),
        (Unknown(reason="time-out"), "unknown"),
        (RuntimeError("a mistake in the client"), "unknown"),
        (TimeoutError(), "unknown"),
    ],
)
async def test_each_outcome_comes_back_as_an_event_and_an_error_is_unknown(outcome: Outcome, word: str) -> None:
    wire = Wire(outcome)
    wire.open.set()
    async with sending(wire) as (sender, answers):
        for command in (ENTRY, CANCEL, CLOSE, MODIFY):
            sender.submit(command)
        await rest(sender)
    assert [a.outcome for a in answers] == [word] * 4
    assert [getattr(a, "command", "place") for a in answers] == ["cancel", "close", "modify", "place"]
    assert len(wire.reached) == 4  # sent once each, whatever became of it


async def test_a_stopped_sender_lets_nothing_more_leave_and_says_so() -> None:
    wire = Wire()
    async with sending(wire) as (sender, answers):
        sender.submit(ENTRY)
        sender.stop()
        sender.submit(approve(place(1, tag="late")))
        sender.submit(CLOSE)
        wire.open.set()
        await rest(sender)
    assert wire.reached == []
    assert [(a.tag, a.outcome) for a in answers] == [("entry", "rejected"), ("late", "rejected")]


async def test_waiting_entries_can_be_dropped_and_closes_stay() -> None:
    wire = Wire()
    async with sending(wire) as (sender, answers):
        sender.submit(ENTRY)
        sender.submit(CLOSE)
        sender.drop_entries("flattened", "CON.F.US.EP.Z26")  # another contract
        assert answers == []
        sender.drop_entries("halted", MES)
        wire.open.set()
        await rest(sender)
    assert wire.reached == ["close"]
    assert "not sent: halted" in answers[0].reason


@pytest.mark.statement(31)
async def test_an_entry_whose_answer_does_not_come_holds_up_no_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    wire = Wire()
    async with sending(wire) as (sender, _):
        sender.submit(ENTRY)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        sender.submit(CLOSE)
        await asyncio.sleep(0.1)
        assert wire.reached == ["place entry", "close"], "the entry hangs, the close has left"
        wire.open.set()
        await rest(sender)


@pytest.mark.statement(31)
async def test_an_entry_waits_for_the_request_budget_and_nothing_waits_for_the_entry() -> None:
    wire, room = Wire(), [60.0]
    wire.open.set()
    answers: list[e.Event] = []
    sender = Sender(wire, answers.append, lambda: 77, entry_wait_s=lambda: room[0])
    task = asyncio.create_task(sender.run())
    sender.submit(ENTRY)
    sender.submit(CANCEL)
    await asyncio.sleep(0.05)
    assert wire.reached == ["cancel 3"]
    sender.drop_entries("halted")
    room[0] = 0.0
    await asyncio.sleep(0.05)
    assert wire.reached == ["cancel 3"], "what was dropped while it waited for room does not leave when there is some"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.statement(53)
async def test_an_entry_that_slept_with_the_machine_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    wire.open.set()
    async with sending(wire) as (sender, answers):
        monkeypatch.setattr(module, "TOO_OLD_S", -1.0)
        sender.submit(ENTRY)
        await rest(sender)
    assert wire.reached == [] and "stood still" in answers[0].reason


@pytest.mark.statement(36)
async def test_the_last_look_is_right_before_the_wire() -> None:
    wire, ours = Wire(), [True]
    answers: list[e.Event] = []
    sender = Sender(wire, answers.append, lambda: 77, lambda: ours[0])
    sender.submit(ENTRY)
    sender.submit(CLOSE)
    ours[0] = False  # the latch fell after they were decided and queued
    task = asyncio.create_task(sender.run())
    await rest(sender)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert wire.reached == []


@pytest.mark.statement(16)
@pytest.mark.statement(20)
async def test_no_more_than_its_intent_is_for_reaches_the_wire_whatever_the_decision_says() -> None:
    wire = Wire()
    wire.open.set()
    intent = {"intent": "s1@900", "intent_qty": 2}
    orders = [place(tag="w1", qty=1, **intent), place(tag="w2", qty=1, **intent), place(tag="w3", qty=1, **intent)]
    async with sending(wire) as (sender, answers):
        for order in (*orders, orders[0]):
            sender.submit(approve(order))
        await rest(sender)
    assert wire.reached == ["place w1", "place w2"]
    told = [answer.reason for answer in answers if answer.outcome == "rejected"]
    assert told == [
        "not sent: 3 contracts would be sent for the intent s1@900, which is for 2",
        "not sent: tag w1 was sent before",
    ]


# --- several at once --------------------------------------------------------------------------------------------------

MNQ = "CON.F.US.MNQ.Z26"


class Hanging(Wire):
    """A broker that answers at once, but for what hangs until it is let go."""

    def __init__(self, *hangs: str) -> None:
        super().__init__()
        self.open.set()
        self.hangs = set(hangs)
        self.released = asyncio.Event()

    async def _answer(self, what: str) -> Outcome:
        outcome = await super()._answer(what)
        if what in self.hangs:
            await self.released.wait()
        return outcome

    async def close(self, account_id: int, contract_id: str) -> Outcome:
        return await self._answer(f"close {contract_id}")


def cancel(number: int, contract: str = MES) -> CancelOrder:
    return CancelOrder(account=ACCOUNT, contract=contract, order_id=number)


async def soon() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.statement(31)
async def test_a_cancel_that_hangs_holds_up_no_other_cancel_and_no_close_of_another_contract() -> None:
    wire = Hanging("cancel 1")
    async with sending(wire) as (sender, answers):
        for command in (cancel(1), cancel(2), ClosePosition(account=ACCOUNT, contract=MNQ), cancel(3, MNQ)):
            sender.submit(command)
        await soon()
        assert wire.reached == ["cancel 1", "cancel 2", f"close {MNQ}", "cancel 3"]
        assert [(a.command, a.contract, a.order_id) for a in answers] == [
            ("cancel", MES, 2),
            ("close", MNQ, None),
            ("cancel", MNQ, 3),
        ]
        assert not sender.idle
        wire.released.set()
        await rest(sender)
    assert [(a.outcome, a.order_id) for a in answers][-1] == ("accepted", 1)


async def test_commands_of_one_order_stay_in_order_and_a_close_waits_for_the_cancels_before_it() -> None:
    wire = Hanging("cancel 1", f"close {MES}")
    async with sending(wire) as (sender, _):
        again = ModifyOrder(account=ACCOUNT, contract=MES, order_id=1, qty=2)
        for command in (cancel(1), again, cancel(2), CLOSE, cancel(7)):
            sender.submit(command)
        await soon()
        assert wire.reached == ["cancel 1", "cancel 2"], "what comes after the close was decided after it"
        wire.released.set()
        await rest(sender)
    assert wire.reached == ["cancel 1", "cancel 2", "modify 1", f"close {MES}", "cancel 7"]


async def test_no_more_than_eight_are_on_the_wire_and_an_entry_waits_for_all_of_them() -> None:
    wire = Hanging(*(f"cancel {n}" for n in range(1, 20)))
    async with sending(wire) as (sender, _):
        sender.submit(ENTRY)
        for number in range(1, 20):
            sender.submit(cancel(number))
        await soon()
        assert wire.reached == [f"cancel {n}" for n in range(1, 9)]
        wire.released.set()
        await rest(sender)
    assert wire.reached == [f"cancel {n}" for n in range(1, 20)] + ["place entry"]


async def test_in_lockstep_one_is_on_the_wire_at_a_time() -> None:
    wire = Hanging("cancel 1")
    async with sending(wire) as (sender, _):
        sender.patient = False
        sender.submit(cancel(1))
        sender.submit(cancel(2))
        await soon()
        assert wire.reached == ["cancel 1"]
        wire.released.set()
        await rest(sender)


async def test_an_entry_that_hangs_is_waited_for_once_not_by_each_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    wire = Hanging("place entry")
    async with sending(wire) as (sender, _):
        sender.submit(ENTRY)
        await soon()
        await asyncio.sleep(0.02)
        for number in range(1, 6):
            sender.submit(cancel(number))
        await soon()  # no time passes here
        assert wire.reached[1:] == [f"cancel {n}" for n in range(1, 6)]
        wire.released.set()
        await rest(sender)


@pytest.mark.statement(31)
@pytest.mark.parametrize(("command", "times"), [(CANCEL, 5), (CLOSE, 24), (MODIFY, 1), (REDUCTION, 1)])
async def test_a_cancel_or_close_that_was_not_let_in_is_asked_again_and_nothing_else_is(
    command: CancelOrder, times: int
) -> None:
    wire = Wire(Unknown(reason="too many requests", code=429))
    wire.open.set()
    async with sending(wire) as (sender, answers):
        sender.submit(command)
        await rest(sender)
    assert len(wire.reached) == times
    assert [a.outcome for a in answers] == ["unknown"], "one answer, and it is not believed to be a no"


async def test_what_was_not_let_in_is_not_asked_again_once_the_account_is_somebody_elses() -> None:
    wire, ours = Wire(Unknown(reason="too many requests", code=429)), [True]
    sender = Sender(wire, lambda event: None, lambda: 77, lambda: ours[0])
    task = asyncio.create_task(sender.run())
    sender.submit(CLOSE)
    await soon()
    ours[0] = False
    wire.open.set()
    await rest(sender)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert wire.reached == ["close"]
