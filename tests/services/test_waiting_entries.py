"""An entry that waits for the request budget when something shuts: it does not leave behind the block."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from tests.services.test_reader import CONTRACT
from tests.services.test_runner_verbs import Desk, running
from workbench.domain import events as e
from workbench.domain.commands import PlaceOrder
from workbench.domain.order import OrderType, Side, Status
from workbench.execution.flatten import start_flatten
from workbench.execution.submit import remember
from workbench.risk.gate import Approved, View, check
from workbench.risk.limits import Limits

TAG = "waiting-1"


def wait_for_budget(desk: Desk, session: str) -> None:
    """Let an approved entry of `session` stand in the sender's queue, as a used-up budget makes it."""
    runner = desk.runner
    runner.sender._entry_wait_s = lambda: 1.0
    command = PlaceOrder(
        account=1, contract=CONTRACT, tag=TAG, side=Side.BUY, type=OrderType.MARKET, qty=1, session=session
    )
    view = View(
        root="MES", position=0, working_buy=0, working_sell=0, open_orders=0, day_pnl_usd=Decimal(0), can_trade=True
    )  # fmt: skip
    approved = check(command, view, Limits())
    assert isinstance(approved, Approved)
    remember(runner.state, command)
    runner.sender.submit(approved)


async def left(desk: Desk) -> Status:
    desk.runner.sender._entry_wait_s = lambda: 0.0
    await asyncio.sleep(0.15)
    return desk.runner.state.orders[TAG].status


@pytest.mark.statement(36)
@pytest.mark.parametrize("what", ["nothing", "pause", "end", "limit", "locked"])
async def test_an_entry_that_waits_does_not_leave_behind_a_block(tmp_path: Path, what: str) -> None:
    async with running(tmp_path) as desk:
        await desk.begin()
        state, runner = desk.runner.state, desk.runner
        await asyncio.sleep(0.1)
        state.halted.clear()
        wait_for_budget(desk, "one")
        await asyncio.sleep(0.05)
        if what in ("pause", "end"):
            await desk.say(what)
        elif what == "limit":  # a broken limit, decided by any event, closes the contract
            start_flatten(state, CONTRACT, "daily loss")
        elif what == "locked":
            state.book(CONTRACT).locked = "own +1, broker +2"
        runner.take(e.TimerFired(at=runner.clock.now()))
        sent = runner.sender.sent
        status = await left(desk)
        assert (status is Status.REJECTED) == (what != "nothing")
        if what == "nothing":
            assert runner.sender.sent == sent + 1
