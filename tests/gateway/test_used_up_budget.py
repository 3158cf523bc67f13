"""A stop from a second process, when somebody else of the same user has just used up the gateway's 200 requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chaos.virtual import play
from tests.gateway.live import ACCOUNT, MES, MORNING, approved
from workbench.domain.commands import Accepted, CancelOrder, Unknown
from workbench.domain.order import OrderType
from workbench.gateway.budget import Budgets, SlidingBudget
from workbench.gateway.rest import MAY_STILL_FILL, Rest
from workbench.gateway.tokens import FixedToken
from workbench.gateway.transport import Transport
from workbench.services.broker import RestBroker
from workbench.services.sender import Sender
from workbench.services.stop import emergency_stop
from workbench.simulator.config import SimulatorSettings
from workbench.simulator.server import Simulator, build
from workbench.storage.home import Home

PATIENT_S = 20.0  # as long as a stop tries without a 429


class Case:
    """A simulator without sockets, and as many processes of one user as are wanted: each counts for itself."""

    def __init__(self, home: Path) -> None:
        self.loop, self.home = asyncio.get_running_loop(), Home(home)
        self.simulator: Simulator = build(SimulatorSettings(start=MORNING, rate=1))
        self.token = self.simulator.tokens.issue("sim")

    def process(self) -> Rest:
        budgets = Budgets(other=SlidingBudget(200, 60.0, clock=self.loop.time))
        transport = Transport("http://gateway", transport=httpx.ASGITransport(self.simulator.app), budgets=budgets)
        return Rest(transport, FixedToken(self.token), now=lambda: self.simulator.exchange.now)

    async def hold(self) -> None:
        """Two contracts with bracket legs, and an order that waits far away."""
        rest = self.process()
        assert isinstance(
            await rest.place(approved("in", qty=2, stop_loss_ticks=-400, take_profit_ticks=400)), Accepted
        )
        far = approved("far", type=OrderType.LIMIT, limit_ticks=20_000)
        assert isinstance(await rest.place(far), Accepted)
        await asyncio.sleep(1)
        assert (await self.left()) == (2, 3)

    async def left(self) -> tuple[int, int]:
        """Contracts held and orders that may still fill, in the simulator's own books."""
        self.simulator.sync()
        position = self.simulator.exchange.accounts[ACCOUNT].positions.get(MES)
        return (position.qty if position else 0), len(self.working())

    def working(self) -> list[int]:
        """Ids of the orders that may still fill."""
        return [o.id for o in self.simulator.exchange.orders.values() if o.status in MAY_STILL_FILL]

    async def use_up(self, over_s: float) -> None:
        """Ask for accounts until the gateway says 429, as another process does that plans badly."""
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(self.simulator.app), base_url="http://gateway"
        ) as client:
            for _ in range(400):
                reply = await client.post(
                    "/api/Account/search",
                    json={"onlyActiveAccounts": True},
                    headers={"authorization": f"Bearer {self.token}"},
                )
                if reply.status_code == 429:
                    return
                await asyncio.sleep(over_s / 200)
        raise AssertionError("the gateway never said 429")


def run(home: Path, story: Callable[[Case], Any]) -> Any:
    async def whole() -> Any:
        return await story(Case(home))

    return play(whole(), MORNING)


@pytest.mark.statement(31)
@pytest.mark.statement(36)
@pytest.mark.parametrize(("over_s", "least_s", "most_s"), [(0.0, 50.0, 64.0), (50.0, 4.0, 14.0)])
def test_a_stop_gets_through_as_soon_as_the_gateway_has_room_again(
    tmp_path: Path, over_s: float, least_s: float, most_s: float
) -> None:
    # The window is 60 s: used up in a few seconds it is free after 60 s, used up over 50 s and the time of the answers
    # it has room within 10 s.
    async def story(case: Case) -> None:
        await case.hold()
        await case.use_up(over_s)
        began = case.loop.time()
        stopper = RestBroker(case.process(), urgent_reads=True)
        answer = await emergency_stop(case.home, [ACCOUNT], stopper, reason="test", by="person")
        assert answer["result"] == "FLAT", answer
        assert await case.left() == (0, 0)
        assert least_s < case.loop.time() - began < most_s

    run(tmp_path, story)


def test_who_comes_back_by_itself_is_told_after_the_usual_time(tmp_path: Path) -> None:
    async def story(case: Case) -> None:
        await case.hold()
        await case.use_up(0.0)
        began = case.loop.time()
        stopper = RestBroker(case.process(), urgent_reads=True)
        answer = await emergency_stop(case.home, [ACCOUNT], stopper, reason="test", by="desk", limited_s=0.0)
        assert answer["result"] == "NOT_FLAT"
        assert "too many requests" in str(answer["remaining"])
        assert case.loop.time() - began < PATIENT_S + 12.0  # a reading under way: two requests, twice, 3 s each
        asked = [entry for entry in case.simulator.requests.entries if entry["status"] == 429]
        assert len(asked) < 20, "it asks every few seconds: refusals may count, too"

    run(tmp_path, story)


@pytest.mark.statement(31)
def test_the_cancels_of_a_runner_get_through_within_seconds_of_the_room(tmp_path: Path) -> None:
    async def story(case: Case) -> None:
        await case.hold()
        await case.use_up(48.0)  # room again a few seconds later
        told: list[Any] = []
        sender = Sender(RestBroker(case.process()), told.append, lambda: 0)
        task = asyncio.create_task(sender.run())
        began = case.loop.time()
        for order_id in case.working():
            sender.submit(CancelOrder(account=ACCOUNT, contract=MES, order_id=order_id))
        while not sender.idle:
            await asyncio.sleep(0.05)
        task.cancel()
        assert [answer.outcome for answer in told] == ["accepted"] * 3
        assert (await case.left())[1] == 0
        assert 1.0 < case.loop.time() - began < 10.0

    run(tmp_path, story)


def test_a_place_that_was_not_let_in_is_not_sent_again(tmp_path: Path) -> None:
    async def story(case: Case) -> None:
        await case.use_up(0.0)
        outcome = await case.process().place(approved("once"))
        assert isinstance(outcome, Unknown) and outcome.code == 429
        await asyncio.sleep(90)
        assert [e["path"] for e in case.simulator.requests.entries].count("/api/Order/place") == 1

    run(tmp_path, story)
