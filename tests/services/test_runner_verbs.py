"""What the desk may ask of a runner, against a runner in this process with a fake gateway."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.services.test_reader import CONTRACT, FakeGateway
from workbench.domain.commands import Accepted, Outcome
from workbench.domain.errors import InputError, UnknownName
from workbench.risk.limits import Limits
from workbench.services import runner_verbs
from workbench.services.clock import MarketClock
from workbench.services.runner import Runner, end_tasks
from workbench.services.runner_verbs import RunnerVerbs
from workbench.services.strategies import resolve_strategy
from workbench.storage.home import Home
from workbench.storage.latch import set_latch
from workbench.storage.registry import Registry

ACCOUNT = 1
AT = 1_795_099_500_000_000_000  # 19 November 2026, in the trading day


class Gateway(FakeGateway):
    async def watch(self, contract: str) -> None:
        return None

    async def place(self, approved: Any) -> Outcome:
        return Accepted(order_id=1)

    async def cancel(self, account_id: int, order_id: int) -> Outcome:
        return Accepted(order_id=order_id)

    async def close(self, account_id: int, contract_id: str) -> Outcome:
        return Accepted()

    async def modify(self, command: Any) -> Outcome:
        return Accepted()


async def no_history(*_: Any) -> list[Any]:
    return []


class Desk:
    """A runner, its verbs, and a registered version."""

    def __init__(self, folder: Path) -> None:
        self.home, clock = Home(folder), MarketClock()
        clock.announce(AT, 1.0, 1, False)
        self.registry = Registry(self.home)
        strategy = resolve_strategy("sma_cross", self.registry)
        self.version = self.registry.register(strategy, at=AT).version
        self.runner = Runner(
            account=ACCOUNT,
            home=self.home,
            gateway=Gateway(0),
            fetch=no_history,
            clock=clock,
            rules=lambda version, contract, parameters: (
                self.registry.get(version).with_parameters(**parameters).start()
            ),
            limits=Limits(),
        )
        self.verbs = RunnerVerbs(self.runner, self.registry).table()

    async def begin(self, session: str = "one") -> dict[str, Any]:
        body = {"session": session, "version": self.version, "contract": CONTRACT, "timeframe": "1m", "parameters": {}}
        return await self.verbs["start_session"](body)

    async def say(self, verb: str, session: str = "one") -> dict[str, Any]:
        return await self.verbs[verb]({"session": session, "contract": CONTRACT, "person": "me"})


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Desk]:
    desk = Desk(folder)
    task = asyncio.create_task(desk.runner.run())
    desk.runner.start()
    try:
        yield desk
    finally:
        desk.runner.stop("end of test")
        await task


async def test_a_session_is_paused_resumed_and_ended(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        assert (await desk.begin())["state"] == "warming"
        paused = await desk.say("pause")
        assert (paused["state"], paused["reason"]) == ("paused", "paused by me")
        assert (await desk.say("resume"))["state"] == "warming"
        assert (await desk.say("end"))["state"] == "ended"
        with pytest.raises(InputError, match="is over"):
            await desk.say("resume")


async def test_a_session_nobody_knows_is_named(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        for verb in ("pause", "resume", "end", "flatten"):
            with pytest.raises(UnknownName, match="unknown session 'two'"):
                await desk.say(verb, "two")


async def test_a_contract_is_traded_by_one_session(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        await desk.begin()
        with pytest.raises(InputError, match="already traded by session one"):
            await desk.begin("two")


async def test_sessions_go_on_after_a_restart_and_can_be_resumed(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        await desk.begin()
        await desk.say("pause")
    async with running(tmp_path) as desk:
        assert desk.runner.state.sessions["one"].status == "paused"
        assert (await desk.say("resume"))["state"] == "warming"
        assert desk.runner.epoch == 2


async def test_the_same_request_key_is_one_order_and_the_second_is_told(tmp_path: Path) -> None:
    body = {"request": "k1", "contract": CONTRACT, "side": 0, "type": 2, "qty": 1, "limit_ticks": None}
    async with running(tmp_path) as desk:
        await desk.verbs["manual_order"]({**body, "stop_ticks": None, "person": "me"})
        again = await desk.verbs["manual_order"]({**body, "stop_ticks": None, "person": "me"})
        assert again == {"accepted": False, "reason": "this request was taken before"}


async def test_two_orders_at_once_are_each_told_of_their_own(tmp_path: Path) -> None:
    body = {"contract": CONTRACT, "side": 0, "type": 1, "stop_ticks": None, "person": "me"}
    async with running(tmp_path) as desk:
        await asyncio.sleep(0.1)
        desk.runner.state.halted.clear()
        numbers = itertools.count(1)

        async def accept(approved: Any) -> Outcome:
            return Accepted(order_id=next(numbers))

        desk.runner.gateway.place = accept  # type: ignore[method-assign]
        place = desk.verbs["manual_order"]
        wishes = [{**body, "request": f"k{i}", "qty": i, "limit_ticks": 100} for i in (1, 2)]
        answers = await asyncio.gather(*(place(wish) for wish in wishes))
        told = [a["order"]["qty"] if a["accepted"] else a["reason"] for a in answers]
        assert told == [1, 2]


async def test_alerts_are_counted_beyond_those_that_are_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        for number in range(450):
            desk.runner.alert("info", str(number))
        seen = desk.runner.alerted
        desk.runner.alert("warning", "the newest")
        assert [a["text"] for a in desk.runner.alerts_since(seen)] == ["the newest"]
        assert len(desk.runner.alerts_since(0)) == 200


async def test_a_latch_ends_the_runner_and_nothing_leaves_after_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    task = asyncio.create_task(desk.runner.run())
    desk.runner.start()
    set_latch(desk.home, reason="the button", by="me", at=1)
    assert await asyncio.wait_for(task, 2) == "stopped: the button"
    assert desk.runner.sender.closed


async def test_an_unreadable_latch_is_a_latch(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (tmp_path / "stop.json").write_text("{")
    assert "damaged" in await asyncio.wait_for(desk.runner.run(), 2)


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(60)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(2):
        await end_tasks([task])
    assert task.cancelled()


# --- policies, manual actions, reconcile ------------------------------------------------------------------------------


async def test_the_policies_of_a_session_are_shown_and_words_nobody_knows_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        body = {"session": "one", "version": desk.version, "contract": CONTRACT, "timeframe": "1m", "parameters": {}}
        with pytest.raises(UnknownName, match="adopt"):
            await desk.verbs["start_session"]({**body, "start_policy": "adapt"})
        with pytest.raises(UnknownName, match="flatten"):
            await desk.verbs["start_session"]({**body, "disconnect_policy": "flat"})
        with pytest.raises(InputError, match="between 1 and 3600"):
            await desk.verbs["start_session"]({**body, "disconnect_after_s": float("nan")})
        chosen = {"start_policy": "wait_flat", "disconnect_policy": "flatten", "disconnect_after_s": 30}
        shown = await desk.verbs["start_session"]({**body, **chosen})
        assert {name: shown[name] for name in chosen} == chosen
        assert (shown["bars"], shown["pnl_usd"], shown["fees_usd"]) == (0, 0.0, 0.0)


@pytest.mark.statement(26)
async def test_a_session_asks_for_the_warm_up_that_its_strategy_needs(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        shown = await desk.begin()
        needed = resolve_strategy("sma_cross", desk.registry).warmup
        assert shown["warm_bars"] == needed > 1
        assert (shown["state"], shown["reason"]) == ("warming", f"warming up: 0 of {needed} bars")


@pytest.mark.statement(19)
async def test_an_action_is_answered_with_why_it_was_refused_and_twice_the_same(tmp_path: Path) -> None:
    body = {"request": "a1", "kind": "cancel", "contract": CONTRACT, "order_id": 99, "person": "me"}
    async with running(tmp_path) as desk:
        first = await desk.verbs["order_action"](body)
        again = await desk.verbs["order_action"](body)
        assert first == {
            "accepted": False, "reason": f"{CONTRACT} has no order 99 that may still fill", "repeated": False,
        }  # fmt: skip
        assert again == {**first, "repeated": True}


async def test_a_close_of_what_is_not_known_yet_is_accepted(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.runner.gateway.positions = lambda account: asyncio.sleep(60)  # type: ignore[attr-defined, method-assign]
    task = asyncio.create_task(desk.runner.run())
    desk.runner.start()
    try:
        answer = await desk.verbs["order_action"]({"request": "a1", "kind": "close", "contract": CONTRACT})
        assert answer == {"accepted": True, "reason": "", "repeated": False}
    finally:
        desk.runner.stop("end of test")
        await task


async def test_reconcile_reads_the_broker_and_says_whether_all_is_equal(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        await desk.begin()
        before = desk.runner.reader.readings
        answer = await desk.verbs["reconcile"]({"person": "me"})
        assert desk.runner.reader.readings > before
        assert answer["equal"] is True and answer["unknown_orders"] == []
        (row,) = [r for r in answer["positions"] if r["contract"] == CONTRACT]
        assert (row["own"], row["broker"], row["locked"]) == (0, 0, "")


def test_an_order_that_still_works_is_listed_however_many_came_after_it() -> None:
    def order(n: int, *, works: bool) -> Any:
        return SimpleNamespace(n=n, is_open=works)

    orders = [order(n, works=n in (3, 650)) for n in range(1_200)]
    listed = [o.n for o in runner_verbs._newest(orders)]
    assert listed[:2] == [3, 650] and listed[2:] == list(range(1_200 - runner_verbs.MOST_ROWS, 1_200))
