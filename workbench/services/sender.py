"""One ordered sender per account: answers come back as events, cancels and closes overtake, nobody else waits.

Two lanes. What cancels, closes or reduces never waits behind an entry: not for the request budget, and no longer than
`PATIENCE_S` for the answer to one that is on the wire. Of those up to `AT_ONCE` are on the wire, so that one that hangs
holds up no other; in order stay those of one order, and what closes or places with everything else of its contract.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

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
from workbench.risk.gate import Approved
from workbench.risk.intent import count_intent
from workbench.services import crash_points
from workbench.services.crash import crash_point, crash_soon


class Broker(Protocol):
    """The mutating half of the gateway's REST client; each call is sent once."""

    async def place(self, approved: Approved) -> Outcome: ...
    async def cancel(self, account_id: int, order_id: int) -> Outcome: ...
    async def close(self, account_id: int, contract_id: str) -> Outcome: ...
    async def modify(self, command: ModifyOrder) -> Outcome: ...


Send = Approved | CancelOrder | ClosePosition | ModifyOrder
PATIENCE_S = 0.1
AT_ONCE = 8  # cancels and closes on the wire at a time
LIMITED = 429
TOO_OLD_S = 5.0  # an entry that could not leave for so long is not wanted any more
LOOK_S = 0.02


class Sender:
    """Queue of what must reach the broker, in order.

    Parameters
    ----------
    broker : Broker
        Sends.
    answer : callable
        Takes the event that each answer is.
    now : callable
        Market time, UTC ns.
    may_send : callable
        Asked before each send; False when the account has gone to somebody else.
    entry_wait_s : callable
        Seconds until the request budget has room for an entry.
    """

    def __init__(
        self,
        broker: Broker,
        answer: Callable[[e.Event], None],
        now: Callable[[], int],
        may_send: Callable[[], bool] = lambda: True,
        entry_wait_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._broker, self._answer, self._now, self._may_send = broker, answer, now, may_send
        self._entry_wait_s = entry_wait_s
        self._urgent: deque[Send] = deque()
        self._entries: deque[tuple[Send, float]] = deque()
        self._urgent_wake, self._entry_wake = asyncio.Event(), asyncio.Event()
        self._free = asyncio.Event()  # no entry is on the wire
        self._free.set()
        self._entry_left_at = float("-inf")
        self._sending: list[Send] = []  # what cancels, closes or reduces and is on the wire
        self._intents: dict[str, int] = {}
        self.patient = True  # False in lockstep, where no time passes while something waits
        self.sent = 0
        self.closed = False

    @property
    def idle(self) -> bool:
        return not (self._urgent or self._entries or self._sending) and self._free.is_set()

    def submit(self, command: Send) -> None:
        """Queue a command; entries behind everything that cancels or closes."""
        if self.closed:
            self._drop(command, "the sender has stopped")
            return
        if isinstance(command, Approved) and not command.reducing:
            self._entries.append((command, time.monotonic()))
            self._entry_wake.set()
        else:
            self._urgent.append(command)
            self._urgent_wake.set()

    def stop(self) -> None:
        """Let nothing more leave: what waits is dropped, what is on the wire gets its answer."""
        self.closed = True
        self._urgent.clear()
        self.drop_entries("the sender has stopped")

    def drop_entries(self, reason: str, contract: str | None = None) -> None:
        """Let no waiting entry (of `contract`) leave any more: each is answered as refused, for it was never sent."""
        self.drop_unwanted(lambda command: reason if contract in (None, command.contract) else "")

    def drop_unwanted(self, why: Callable[[PlaceOrder], str]) -> None:
        """Let no waiting entry leave for which `why` gives a reason: the gate's yes was about an earlier moment."""
        if not self._entries:
            return
        waiting = list(self._entries)
        self._entries.clear()
        for command, since in waiting:
            if isinstance(command, Approved) and (reason := why(command.command)):
                self._drop(command, reason)
            else:
                self._entries.append((command, since))

    def _drop(self, command: Send, reason: str) -> None:
        if isinstance(command, Approved):
            outcome = Rejected(code=0, name="NotSent", reason=f"not sent: {reason}")
            self._answer(place_answer(self._now(), command.command.tag, outcome))

    async def run(self) -> None:
        """Send for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_urgent(tasks))
            tasks.create_task(self._run_entries())

    async def _run_urgent(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            self._urgent_wake.clear()
            if self._urgent:
                await self._let_the_entry_answer()
            while (command := self._next_urgent()) is not None:
                self._sending.append(command)
                tasks.create_task(self._send_urgent(command))
            await self._urgent_wake.wait()

    async def _let_the_entry_answer(self) -> None:
        # In order where that costs nothing: the answer may be here in a moment.
        left = self._entry_left_at + PATIENCE_S - time.monotonic() if self.patient else None
        if not self._free.is_set() and (left is None or left > 0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._free.wait()

    def _next_urgent(self) -> Send | None:
        # The first that need not wait for one before it; the sender may have been stopped meanwhile.
        if len(self._sending) >= (AT_ONCE if self.patient else 1):
            return None
        before = list(self._sending)
        for number, command in enumerate(self._urgent):
            if not any(_keeps_order(command, other) for other in before):
                del self._urgent[number]
                return command
            before.append(command)
        return None

    async def _send_urgent(self, command: Send) -> None:
        try:
            await self._send_if_ours(command)
        finally:
            self._sending = [other for other in self._sending if other is not command]
            self._urgent_wake.set()
            self._entry_wake.set()

    async def _run_entries(self) -> None:
        while True:
            while not self._entries or self._urgent or self._sending:
                self._entry_wake.clear()
                await self._entry_wake.wait()
            command, since = self._entries[0]
            wait = self._entry_wait_s()
            if self.patient and time.monotonic() - since > TOO_OLD_S:
                self._entries.popleft()
                why = "the request budget was used up" if wait else "the process stood still"
                self._drop(command, f"it waited for more than {TOO_OLD_S:g} s: {why}")
            elif wait:
                await asyncio.sleep(min(wait, LOOK_S))
            else:
                self._entries.popleft()
                self._free.clear()
                self._entry_left_at = time.monotonic()
                try:
                    await self._send_if_ours(command)
                finally:
                    self._free.set()

    async def _send_if_ours(self, command: Send) -> None:
        if self._may_send():
            await self._send(command)
        else:
            self._drop(command, "the account was taken over")

    async def _send(self, command: Send) -> None:
        self.sent += 1
        if isinstance(command, Approved):
            crash_soon("K2")
        try:
            outcome = await self._ask_until_let_in(command)
        except Exception as error:  # whatever went wrong, it may have been sent: the loop must live to ask
            outcome = Unknown(reason=f"{type(error).__name__}: {error}")
        if isinstance(command, Approved):
            crash_point("K3")
            self._answer(place_answer(self._now(), command.command.tag, outcome))
            crash_points.sent(command)
            return
        name = NAMES[type(command)]
        order_id = None if isinstance(command, ClosePosition) else command.order_id
        self._answer(_command_answer(self._now(), name, command.contract, order_id, outcome))

    async def _ask_until_let_in(self, command: Send) -> Outcome:
        # What was turned away for its number was not looked at. Asking twice can do nothing twice here: an order that
        # is gone cannot be cancelled, and what is flat cannot be closed.
        for _ in range(LIMITED_TRIES.get(type(command), 1) - 1):
            outcome = await self._ask(command)
            is_limited = isinstance(outcome, Unknown) and outcome.code == LIMITED
            if not is_limited or self.closed or not self._may_send():
                return outcome
        return await self._ask(command)

    async def _ask(self, command: Send) -> Outcome:
        if isinstance(command, Approved):
            if why := count_intent(self._intents, command.command):  # the last point before the wire has its own count
                return Rejected(code=0, name="NotSent", reason=f"not sent: {why}")
            return await self._broker.place(command)
        if isinstance(command, CancelOrder):
            return await self._broker.cancel(command.account, command.order_id)
        if isinstance(command, ClosePosition):
            return await self._broker.close(command.account, command.contract)
        return await self._broker.modify(command)


def _keeps_order(command: Send, other: Send) -> bool:
    # Cancels and changes of different orders may leave in any order.
    if isinstance(command, CancelOrder | ModifyOrder) and isinstance(other, CancelOrder | ModifyOrder):
        return command.order_id == other.order_id
    return _contract_of(command) == _contract_of(other)


def _contract_of(command: Send) -> str:
    return command.command.contract if isinstance(command, Approved) else command.contract


# Each 429 costs up to 3 s. A cancel is decided again after 10 s, but a close only after a reading of the broker, and
# that waits as ordinary requests do: the close goes on for the minute that the gateway counts in.
LIMITED_TRIES: dict[type[Send], int] = {CancelOrder: 5, ClosePosition: 24}
NAMES = {CancelOrder: "cancel", ClosePosition: "close", ModifyOrder: "modify"}


def place_answer(at: int, tag: str, outcome: Outcome) -> e.PlaceAnswered:
    """The event that a place's outcome is."""
    match outcome:
        case Accepted(order_id=order_id):
            return e.PlaceAnswered(at=at, tag=tag, outcome="accepted", order_id=order_id)
        case Rejected(code=code, reason=reason, order_id=order_id, name=name):
            return e.PlaceAnswered(
                at=at, tag=tag, outcome="rejected", order_id=order_id, code=code, reason=reason or name
            )
        case Unknown(reason=reason, code=code, order_id=order_id):
            return e.PlaceAnswered(at=at, tag=tag, outcome="unknown", order_id=order_id, code=code, reason=reason)


def _command_answer(at: int, name: str, contract: str, order_id: int | None, outcome: Outcome) -> e.CommandAnswered:
    match outcome:
        case Accepted():
            return e.CommandAnswered(at=at, command=name, contract=contract, outcome="accepted", order_id=order_id)
        case Rejected(code=code, reason=reason, name=label):
            return e.CommandAnswered(
                at=at,
                command=name,
                contract=contract,
                outcome="rejected",
                order_id=order_id,
                code=code,
                reason=reason or label,
            )
        case Unknown(reason=reason, code=code):
            return e.CommandAnswered(
                at=at, command=name, contract=contract, outcome="unknown", order_id=order_id, code=code, reason=reason
            )
