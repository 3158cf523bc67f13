"""Cancel what works, close what is open, prove it by reading: the closing half of an emergency stop, one account.

What a stop may not do decides what it does:

- It never turns a position round. Nothing is closed while an order of the contract works on the position's other side:
  were the position closed first, that order would open a new one. A refused cancel of such an order keeps the position
  (which the order can only reduce) and both are listed as remaining. An order on the position's own side can only add;
  when its cancel keeps being refused the position is closed all the same after `ADDING_HOLDS_S`.
- It never asks a closed market twice. When the calendar says that nothing of what remains trades now, one refused round
  ends the sweep; whoever follows the latch comes back at the open.
- It never uses up the request budget. The first cancel of each order goes out at once, `AT_ONCE` at a time; what was
  refused is asked again a few at a time with growing pauses.
- It outlasts a budget that others have used up: while the gateway says 429 it goes on, `LIMITED_S` beyond its deadline.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from workbench.domain.commands import Accepted, Outcome, Rejected, Unknown
from workbench.domain.events import PositionReported
from workbench.domain.order import Order, OrderType
from workbench.gateway.faults import GatewayRefused, RateLimited
from workbench.services.crash import crash_point

BETWEEN_CLEAN_READS_S = 1.0
CLOSELY_S, FILLS_WITHIN_S = 0.025, 0.3  # so often, and so long after a close, it is read without waiting for answers
CLOSE_SETTLES_S = 1.5  # after a close nobody closes again before the broker was read this much later
ADDING_HOLDS_S = 3.0
AT_ONCE = 16  # cancels on the wire at a time
HEAD_START = 3  # turns of the loop that a cancel has before the next one is begun
AGAIN_AT_ONCE = 2  # of refused cancels
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 3.0
CONFIRM_EVERY_S = 0.25  # between the first clean reading and the one that proves it
ASK_CANCEL_AGAIN_S = 1.0  # an accepted cancel may take as long to show
TOO_MANY = 429
LIMITED_S = 65.0  # the gateway counts requests in windows of 60 s
LIMITED_LASTS_S = 10.0  # after the last 429

IsOpen = Callable[[str], bool]
"""Contract id -> whether it trades now, by the calendar and the market clock."""


class StopBroker(Protocol):
    """What a stop needs of the gateway; every call draws on the reserved request budget."""

    async def working(self, account: int) -> list[Order]: ...
    async def positions(self, account: int) -> list[PositionReported]: ...
    async def cancel(self, account: int, order_id: int) -> Outcome: ...
    async def close(self, account: int, contract: str) -> Outcome: ...


@dataclass(slots=True)
class AccountStop:
    """What the stop did to one account. `clean_ms` is the time to the first clean reading, `ms` to the proof."""

    account: int
    result: str = "NOT_FLAT"
    cancelled: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    remaining: list[str] = field(default_factory=list)
    contracts: list[str] = field(default_factory=list)  # of what remains
    killed_runner: bool = False
    market_closed: bool = False
    clean_ms: float | None = None
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """Orders that may still fill, and positions that are not flat."""

    working: list[Order]
    positions: list[PositionReported]

    @property
    def is_clean(self) -> bool:
        return not self.working and not self.positions


async def read_account(broker: StopBroker, account: int) -> Reading:
    """Read orders and positions side by side; raises when either cannot be read."""
    working, positions = await asyncio.gather(broker.working(account), broker.positions(account))
    return Reading(working, [p for p in positions if p.qty])


class Sweep:
    """One closing of one account.

    Parameters
    ----------
    stop : AccountStop
        Filled in as things happen.
    broker : StopBroker
    begun : float
        When the button was pressed (monotonic seconds), for `clean_ms`.
    is_open : callable
        Whether a contract trades now.
    share : int
        How many accounts are closed at the same time: they share one request budget.
    limited_s : float
        How long beyond the deadline the gateway's 429 are waited out.
    """

    def __init__(
        self,
        stop: AccountStop,
        broker: StopBroker,
        *,
        begun: float,
        is_open: IsOpen = lambda _: True,
        share: int = 1,
        limited_s: float = LIMITED_S,
    ) -> None:
        self.stop, self._broker, self._begun, self._is_open, self._share = stop, broker, begun, is_open, max(1, share)
        self._limited_s, self._limited_at = limited_s, float("-inf")
        self._asked: dict[int, float] = {}  # order id -> when it was asked last
        self._refused: dict[int, float] = {}  # order id -> since when
        self._accepted: dict[int, float] = {}  # order id -> when its cancel was accepted
        self._closed_at: dict[str, float] = {}
        self._closely_until = 0.0
        self._pause = SHORTEST_PAUSE_S
        self._clean_since: float | None = None

    async def run(self, deadline: float, first: Awaitable[Reading] | None = None) -> None:
        """Sweep until it is proved flat, until nothing more can be done now, or until `deadline` (monotonic seconds).

        `first` is a reading that was begun while the runner was still letting go: what it shows may be cancelled, but
        it proves nothing.
        """
        if first is not None and not await self._begin(first):
            return
        while True:
            try:
                reading = await self._read()
            except Exception as error:  # a reading that nobody can make sense of is no reading
                if self._gives_up_reading(error, deadline):
                    return
                await self._wait_longer()
                continue
            self._list(reading)
            if reading.is_clean:
                if await self._is_proved():
                    return
            elif self._is_over(deadline) or not await self._act(reading):
                return

    def _is_over(self, deadline: float) -> bool:
        now = time.monotonic()
        is_limited = now - self._limited_at <= LIMITED_LASTS_S and now <= deadline + self._limited_s
        return now > deadline and not is_limited

    async def _begin(self, first: Awaitable[Reading]) -> bool:
        try:
            early = await first
        except Exception as error:  # the reading that counts tells what is wrong, where asking again is of use
            return not self._gives_up_reading(error, float("inf"))
        if early.working:
            await self._cancel(early.working)
        return True

    async def _read(self) -> Reading:
        if time.monotonic() < self._closely_until:
            return await self._read_closely()
        return await read_account(self._broker, self.stop.account)

    async def _read_closely(self) -> Reading:
        """Read every few milliseconds without waiting for the answers: a close fills at an instant that nobody tells.

        The first clean reading is returned at once, else the one that was begun last.
        """
        apart = CLOSELY_S * self._share
        tasks: list[asyncio.Task[Reading]] = []
        try:
            while time.monotonic() < self._closely_until:
                tasks.append(asyncio.ensure_future(read_account(self._broker, self.stop.account)))
                tick = time.monotonic() + apart
                while (left := tick - time.monotonic()) > 0:
                    running = [t for t in tasks if not t.done()]
                    if running:
                        await asyncio.wait(running, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                    else:
                        await asyncio.sleep(left)
                    for task in tasks:
                        if task.done() and task.exception() is None and task.result().is_clean:
                            return task.result()
            last = tasks.pop()
            await _drop(tasks)  # held back by the budget, they would all leave at once when it lets them
            return await last
        finally:
            await _drop(tasks)

    def _gives_up_reading(self, error: Exception, deadline: float) -> bool:
        self.stop.remaining = [f"account {self.stop.account} cannot be read: {error}"]
        self._clean_since = None
        if isinstance(error, GatewayRefused) and error.name == "AccountNotFound":
            return True  # asking again will not bring it into being, and the requests are wanted elsewhere
        if isinstance(error, RateLimited):
            self._limited_at = time.monotonic()
        return self._is_over(deadline)

    def elapsed_ms(self) -> float:
        """Milliseconds since the button was pressed."""
        return round((time.monotonic() - self._begun) * 1e3, 1)

    def _list(self, reading: Reading) -> None:
        self.stop.remaining = [order_text(o) for o in reading.working]
        self.stop.remaining += [f"{p.qty:+d} {p.contract}" for p in reading.positions]
        self.stop.contracts = sorted({x.contract for x in (*reading.working, *reading.positions)})

    async def _is_proved(self) -> bool:
        now = time.monotonic()
        if self._clean_since is None:
            self._clean_since = now
        if self.stop.clean_ms is None:
            self.stop.clean_ms = self.elapsed_ms()
        left = BETWEEN_CLEAN_READS_S - (now - self._clean_since)
        if left <= 0:
            self.stop.result = "FLAT"
            return True
        self._closely_until = 0.0
        await asyncio.sleep(min(CONFIRM_EVERY_S, left) + 0.001)
        return False

    async def _act(self, reading: Reading) -> bool:
        # Returns whether to go on: what a closed market has refused is left to whoever comes back at the open.
        self._clean_since = None
        now = time.monotonic()
        closing = {c for c, at in self._closed_at.items() if now - at < CLOSE_SETTLES_S}
        # The market order of our own close is on its way: cancelling it would undo the close.
        to_cancel = [o for o in reading.working if o.type is not OrderType.MARKET or o.contract not in closing]
        took, refused = await self._cancel(to_cancel)
        closed, unclosed = await self._close(reading)
        nothing_moves = (refused or unclosed) and not (took or closed) and self._limited_at < now
        if nothing_moves and not any(map(self._is_open, self.stop.contracts)):
            self.stop.market_closed = True
            self.stop.remaining.append("the market is closed; it is tried again at the open")
            return False
        if took or closed:
            self._pause = SHORTEST_PAUSE_S
        else:
            await self._wait_longer()
        return True

    async def _wait_longer(self) -> None:
        # Where nothing moves it is asked more and more slowly: the requests are wanted elsewhere.
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE_S * self._share)

    async def _cancel(self, working: list[Order]) -> tuple[int, int]:
        """Cancel what was not asked for yet, and some of what was refused; return how many were accepted and refused.

        A leg whose parent works, too, goes with its parent; if it does not, the next reading shows it.
        """
        now, here = time.monotonic(), {o.order_id for o in working}
        left = [
            o
            for o in working
            if o.order_id is not None
            and o.parent_id not in here
            and now - self._accepted.get(o.order_id, -1e9) > ASK_CANCEL_AGAIN_S
        ]
        new = [o for o in left if o.order_id not in self._asked]
        again = sorted((o for o in left if o.order_id in self._asked), key=self._asked_at)
        if self._pause > SHORTEST_PAUSE_S:
            again = again[:AGAIN_AT_ONCE]
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(order: Order) -> bool:
            async with gate:
                return await self._cancel_one(order)

        async with asyncio.TaskGroup() as group:
            asked = []
            for order in (*new, *again):
                asked.append(group.create_task(one(order)))
                for _ in range(HEAD_START):  # made in step, the first would leave only when the last is ready
                    await asyncio.sleep(0)
        took = sum(task.result() for task in asked)
        return took, len(asked) - took

    def _asked_at(self, order: Order) -> float:
        return self._asked.get(order.order_id or 0, 0.0)

    async def _cancel_one(self, order: Order) -> bool:
        number, now = order.order_id or 0, time.monotonic()
        self._asked[number] = now
        outcome = await self._ask(self._broker.cancel(self.stop.account, number))
        took = isinstance(outcome, Accepted)
        if took:
            self._accepted[number] = time.monotonic()
            self._refused.pop(number, None)
        else:
            self._refused.setdefault(number, now)
        note(self.stop.cancelled, order_text(order), outcome)
        return took

    async def _close(self, reading: Reading) -> tuple[int, int]:
        # Returns how many closes were accepted and refused.
        now = time.monotonic()
        due = [
            p
            for p in reading.positions
            if now - self._closed_at.get(p.contract, -1e9) >= CLOSE_SETTLES_S and not self._is_held_up(p, reading, now)
        ]
        done = await asyncio.gather(*(self._close_one(p) for p in due))
        return sum(done), len(done) - sum(done)

    async def _close_one(self, position: PositionReported) -> bool:
        contract = position.contract
        crash_point("K10")
        self._closed_at[contract] = time.monotonic()
        outcome = await self._ask(self._broker.close(self.stop.account, contract))
        self._closed_at[contract] = time.monotonic()  # it may have waited for the budget before it left
        note(self.stop.closed, f"{position.qty:+d} {contract}", outcome)
        if not (isinstance(outcome, Rejected) or is_limited(outcome)):  # else nothing fills
            self._closely_until = time.monotonic() + FILLS_WITHIN_S
        return isinstance(outcome, Accepted)

    async def _ask(self, call: Awaitable[Outcome]) -> Outcome:
        # What raises may have got through, so the next reading tells.
        try:
            outcome = await call
        except Exception as error:
            return Unknown(reason=f"{type(error).__name__} {error}")
        if is_limited(outcome):
            self._limited_at = time.monotonic()
        return outcome

    def _is_held_up(self, position: PositionReported, reading: Reading, now: float) -> bool:
        for order in reading.working:
            if order.contract != position.contract:
                continue
            since = self._refused.get(order.order_id or 0)
            adds = order.side.sign * position.qty > 0
            if not adds or since is None or now - since < ADDING_HOLDS_S:
                return True
        return False


async def _drop(tasks: list[asyncio.Task[Reading]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def is_limited(outcome: Outcome) -> bool:
    """Say whether the gateway turned a command away for the number of requests, unread."""
    return isinstance(outcome, Unknown) and outcome.code == TOO_MANY


def note(done: list[str], text: str, outcome: Outcome) -> None:
    """Keep what was done, once, with the reason where it was refused."""
    said = text if isinstance(outcome, Accepted) else f"{text} refused: {outcome.reason}"
    if said not in done:
        done.append(said)


def order_text(order: Order) -> str:
    """One order in the words of the stop's answer."""
    return f"order {order.order_id} {order.side.name} {order.remaining} {order.contract} {order.type.name.lower()}"
