"""Consistent readings of the broker, asked for by the decision, after each reconnect and on a slow timer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from workbench.domain import events as e
from workbench.domain.errors import GatewayError
from workbench.domain.order import Order
from workbench.domain.position import Fill

log = logging.getLogger(__name__)
EVERY_S = 15.0
APART_S = 0.5  # requests that come closer than this are one reading
RETRY_MOST_S = 10.0


class ReadableBroker(Protocol):
    """The reading half of the gateway, in domain words."""

    async def account(self, account: int) -> tuple[Decimal, bool]: ...
    async def orders(self, account: int, since: int) -> list[Order]: ...
    async def working(self, account: int) -> list[Order]: ...
    async def fills(self, account: int, since: int) -> list[Fill]: ...
    async def positions(self, account: int) -> list[e.PositionReported]: ...


async def read_broker(broker: ReadableBroker, account: int, since: int, until: int) -> e.BrokerRead:
    """Read everything of one account; positions are read before and after, so that they fit the fills."""
    for _ in range(4):
        before = await broker.positions(account)
        orders = {o.order_id: o for o in await broker.orders(account, since)}
        orders.update({o.order_id: o for o in await broker.working(account)})
        fills = await broker.fills(account, since)
        balance, can_trade = await broker.account(account)
        positions = await broker.positions(account)
        if _same(before, positions):
            break
    return e.BrokerRead(
        at=until,
        account=account,
        since=since,
        until=until,
        balance=balance,
        can_trade=can_trade,
        orders=list(orders.values()),
        fills=fills,
        positions=positions,
    )


def _same(before: list[e.PositionReported], after: list[e.PositionReported]) -> bool:
    return {p.contract: p.qty for p in before} == {p.contract: p.qty for p in after}


class Reader:
    """Runs `read_broker` when asked; many requests are one reading."""

    def __init__(
        self,
        broker: ReadableBroker,
        account: int,
        put: Callable[[e.Event], None],
        now: Callable[[], int],
        since: Callable[[], int],
        on_failure: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._broker, self._account, self._put, self._now, self._since = broker, account, put, now, since
        self._on_failure = on_failure
        self._wanted = asyncio.Event()
        self._reading = False
        self.readings = 0
        self._begun = self._came = 0  # numbers of the newest reading that was begun, and of the newest that came
        self.patient = True  # False in lockstep: no timer, no spacing

    @property
    def idle(self) -> bool:
        return not (self._wanted.is_set() or self._reading)

    def request(self, reason: str) -> int:
        """Ask for a reading that begins from now on; return its number for `has_come`."""
        log.debug("reading of account %s asked for: %s", self._account, reason)
        self._wanted.set()
        return self._begun + 1

    def has_come(self, number: int) -> bool:
        """Say whether a reading has come that was begun no earlier than the one of this number."""
        return self._came >= number

    async def run(self) -> None:
        """Read for ever; a failed reading is tried again with a growing pause and is never taken as "flat"."""
        pause = APART_S
        while True:
            with contextlib.suppress(TimeoutError):  # not wait_for: on 3.11 it may swallow a cancellation
                async with asyncio.timeout(EVERY_S if self.patient else None):
                    await self._wanted.wait()
            self._reading = True
            self._wanted.clear()
            self._begun += 1
            try:
                event = await read_broker(self._broker, self._account, self._since(), self._now())
            except Exception as error:  # whatever the broker sent: the runner lives on, and enters nothing until read
                if isinstance(error, GatewayError):
                    log.warning("account %s cannot be read: %s", self._account, error)
                else:
                    log.exception("account %s cannot be read", self._account)
                self._on_failure(str(error))
                self._wanted.set()
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_MOST_S)
                continue
            finally:
                self._reading = False
            pause = APART_S
            self.readings, self._came = self.readings + 1, self._begun
            self._put(event)
            if self.patient:
                await asyncio.sleep(APART_S)
