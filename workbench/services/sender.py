"""One ordered sender per account: answers come back as events, cancels and closes overtake, nobody else waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from workbench.domain import events as e
from workbench.domain.commands import Accepted, CancelOrder, ClosePosition, ModifyOrder, Outcome, Rejected, Unknown
from workbench.risk.gate import Approved
from workbench.services import crash_points
from workbench.services.crash import crash_point, crash_soon


class Broker(Protocol):
    """The mutating half of the gateway's REST client; each call is sent once."""

    async def place(self, approved: Approved) -> Outcome: ...
    async def cancel(self, account_id: int, order_id: int) -> Outcome: ...
    async def close(self, account_id: int, contract_id: str) -> Outcome: ...
    async def modify(self, command: ModifyOrder) -> Outcome: ...


Send = Approved | CancelOrder | ClosePosition | ModifyOrder


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
    """

    def __init__(
        self,
        broker: Broker,
        answer: Callable[[e.Event], None],
        now: Callable[[], int],
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        self._broker, self._answer, self._now, self._may_send = broker, answer, now, may_send
        self._urgent: deque[Send] = deque()
        self._entries: deque[Send] = deque()
        self._wake = asyncio.Event()
        self._in_flight = False
        self.sent = 0
        self.closed = False

    @property
    def idle(self) -> bool:
        return not (self._urgent or self._entries or self._in_flight)

    def submit(self, command: Send) -> None:
        """Queue a command; entries behind everything that cancels or closes."""
        if self.closed:
            self._drop(command, "the sender has stopped")
            return
        lane = self._entries if isinstance(command, Approved) and not command.reducing else self._urgent
        lane.append(command)
        self._wake.set()

    def stop(self) -> None:
        """Let nothing more leave: what waits is dropped, what is on the wire gets its answer."""
        self.closed = True
        self._urgent.clear()
        self.drop_entries("the sender has stopped")

    def drop_entries(self, reason: str, contract: str | None = None) -> None:
        """Let no waiting entry (of `contract`) leave any more: each is answered as refused, for it was never sent."""
        waiting = list(self._entries)
        self._entries.clear()
        for command in waiting:
            if isinstance(command, Approved) and contract in (None, command.command.contract):
                self._drop(command, reason)
            else:
                self._entries.append(command)

    def _drop(self, command: Send, reason: str) -> None:
        if isinstance(command, Approved):
            outcome = Rejected(code=0, name="NotSent", reason=f"not sent: {reason}")
            self._answer(place_answer(self._now(), command.command.tag, outcome))

    async def run(self) -> None:
        """Send for ever."""
        while True:
            while not (self._urgent or self._entries):
                self._wake.clear()
                await self._wake.wait()
            command = self._urgent.popleft() if self._urgent else self._entries.popleft()
            if not self._may_send():
                self._drop(command, "the account was taken over")
                continue
            self._in_flight = True
            try:
                await self._send(command)
            finally:
                self._in_flight = False

    async def _send(self, command: Send) -> None:
        self.sent += 1
        if isinstance(command, Approved):
            crash_soon("K2")
        try:
            outcome = await self._ask(command)
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

    async def _ask(self, command: Send) -> Outcome:
        if isinstance(command, Approved):
            return await self._broker.place(command)
        if isinstance(command, CancelOrder):
            return await self._broker.cancel(command.account, command.order_id)
        if isinstance(command, ClosePosition):
            return await self._broker.close(command.account, command.contract)
        return await self._broker.modify(command)


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
