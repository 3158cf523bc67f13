"""Restarts in every state an account can be in, and starts that die in the middle."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.chaos import oracle
from tests.chaos.life import ACCOUNT, Life
from tests.chaos.market import MES, PRICE, SECOND
from tests.chaos.scenes import Scene, act
from workbench.domain.commands import ReadBroker
from workbench.domain.errors import LockHeld
from workbench.domain.events import FlattenRequested
from workbench.domain.order import Status
from workbench.rules.signal import Signal
from workbench.storage.lock import next_epoch

pytestmark = pytest.mark.chaos
price = MES.spec.price
KINDS: dict[str, dict[str, Any]] = {
    "limit": {"kind": 1, "limit_price": price(PRICE - 300)},
    "stop": {"kind": 4, "stop_price": price(PRICE + 300)},
    "trailing stop": {"kind": 5, "side": 1, "trail_price": price(PRICE - 300)},
    "limit with brackets": {"kind": 1, "limit_price": price(PRICE - 300), "sl": -20, "tp": 20},
    "position with brackets": {"kind": 2, "sl": -200, "tp": 200},
}


@pytest.mark.statement(13)
@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_restart_with_working_orders_of_each_kind(kind: str, count: int, power: bool) -> None:
    async def story(scene: Scene) -> None:
        await scene.start(session=True)
        for _ in range(count):
            assert scene.somebody_places(**KINDS[kind]).code == 0
        await asyncio.sleep(3)
        before = oracle.working(scene.world)
        assert len(before) >= count
        life = await scene.restart(power=power)
        await asyncio.sleep(3)
        assert scene.problems() == []
        assert oracle.working(scene.world) == before, "a restart cancels nothing of somebody else's"
        assert {o.order_id for o in life.runner.state.orders.values() if o.is_open} == set(before)
        again = await scene.restart(power=power)
        assert scene.problems() == []
        assert again.runner.state.synced

    act(story)


def entry(scene: Scene, *, stop: int = 60, target: int = 60, qty: int = 2) -> None:
    """Have the strategy enter at the end of the next bar."""
    length = 5 * SECOND
    end = (scene.world.now() // length + 1) * length
    scene.script.signals[end] = Signal(at=end, entry=1, rule="entry.x", qty=qty, stop_ticks=-stop, target_ticks=target)


@pytest.mark.statement(13)
@pytest.mark.statement(4)
@pytest.mark.parametrize("mode", ["auto_oco", "position"])
def test_our_own_legs_are_ours_after_a_restart(mode: str) -> None:
    async def story(scene: Scene) -> None:
        await scene.start(session=True)
        entry(scene)
        await asyncio.sleep(9)
        if mode == "position":  # the first bracketed entry was refused, the mode is known now
            entry(scene)
            await asyncio.sleep(9)
        assert oracle.broker_qty(scene.world) == 2
        life = await scene.restart(power=True)
        assert scene.problems() == []
        mine = [o for o in life.runner.state.orders.values() if o.is_open]
        assert {o.strategy for o in mine} == {"v1"}, "not shown as foreign"
        assert sum(o.remaining for o in mine if o.stop_ticks is not None) == 2

    act(story, mode=mode)


@pytest.mark.statement(9)
@pytest.mark.parametrize("power", [False, True])
def test_a_start_that_dies_in_reconcile_is_followed_by_the_same_state_as_one_that_does_not(power: bool) -> None:
    def story(dies: bool, found: list[Any]) -> Any:
        async def told(scene: Scene) -> None:
            await scene.start(session=True)
            entry(scene)
            await asyncio.sleep(9)
            scene.somebody_places(**KINDS["limit"])
            await asyncio.sleep(1)
            began = scene.loop.time()
            scene.plan.power = power
            scene.die("kill")
            scene.crashed.clear()
            await asyncio.sleep(1)
            if dies:
                scene.armed = "K11"
                scene.begin()
                await scene.crashed.wait()
                scene.crashed.clear()
                assert scene.reached
            await asyncio.sleep(began + 4 - scene.loop.time())
            life = await scene.start()
            await asyncio.sleep(2)
            state = life.runner.state
            found.append((
                {k: (o.status, o.filled, o.strategy) for k, o in state.orders.items()}, state.book(MES.id).position,
                state.trades, state.cash_usd(), state.halted,
            ))  # fmt: skip
            # Reconcile twice = once: the second reading of an unchanged broker decides nothing.
            sent: list[Any] = []
            decide = life.runner.decider.decide
            life.runner.decider.decide = lambda event: sent.extend(made := decide(event)) or made  # type: ignore[method-assign]
            life.runner.reader.request("again")
            await asyncio.sleep(2)
            assert [c for c in sent if not isinstance(c, ReadBroker)] == []

        return told

    found: list[Any] = []
    act(story(False, found))
    act(story(True, found))
    assert found[0] == found[1]


@pytest.mark.statement(14)
def test_the_second_runner_of_an_account_does_not_start() -> None:
    async def story(scene: Scene) -> None:
        await scene.start(session=True)
        with pytest.raises(LockHeld):
            Life(scene.world, scene.home, scene.script, scene.life.runner.limits)  # type: ignore[union-attr]

    act(story)


@pytest.mark.statement(14)
def test_a_runner_whose_lease_was_taken_sends_nothing_more() -> None:
    async def story(scene: Scene) -> None:
        await scene.start(session=True)
        next_epoch(scene.home.account(ACCOUNT))
        entry(scene)
        await asyncio.sleep(12)
        assert scene.world.placed == []

    act(story)


@pytest.mark.statement(8)
def test_killed_between_a_legs_fill_and_its_siblings_cancel_no_exit_outlives_the_position() -> None:
    async def story(scene: Scene) -> None:
        await scene.start(session=True)
        entry(scene)  # refused: the account is in Position-Brackets mode
        await asyncio.sleep(9)
        entry(scene, stop=4, target=4)
        scene.armed, scene.plan.order = "K8", -9
        await asyncio.wait_for(scene.crashed.wait(), 90)
        scene.crashed.clear()
        assert oracle.broker_qty(scene.world) == 0
        assert oracle.working(scene.world), "the sibling works: it could open a position"
        await asyncio.sleep(1)
        await scene.start()
        await asyncio.sleep(4)
        assert oracle.no_orphans(scene.world) == []
        assert oracle.working(scene.world) == {}
        assert scene.problems() == []

    act(story, mode="position")


@pytest.mark.statement(7)
@pytest.mark.statement(6)
def test_killed_between_the_two_legs_the_missing_one_is_added_and_never_two_stops() -> None:
    async def story(scene: Scene) -> None:
        await scene.start(session=True)
        entry(scene)
        await asyncio.sleep(9)
        entry(scene)
        scene.armed, scene.plan.order = "K7", -9
        await asyncio.wait_for(scene.crashed.wait(), 30)
        scene.crashed.clear()
        assert oracle.broker_qty(scene.world) == 2
        await asyncio.sleep(1)
        life = await scene.start()
        assert oracle.covered(scene.world) == 2
        await asyncio.sleep(25)  # the target never left: it is asked for three times before it is sent anew
        assert oracle.covered(scene.world) == 2
        assert oracle.no_orphans(scene.world) == []
        legs = [o for o in life.runner.state.orders.values() if o.is_open]
        assert sorted(o.type.name for o in legs) == ["LIMIT", "STOP"]
        assert [o.status for o in legs] == [Status.WORKING] * 2
        assert scene.guard.problems == []

    act(story, mode="position")


@pytest.mark.statement(41)
@pytest.mark.statement(42)
def test_a_close_does_not_wait_for_a_user_hub_that_is_down() -> None:
    async def story(scene: Scene) -> None:
        life = await scene.start(session=True)
        entry(scene)
        await asyncio.sleep(9)
        assert oracle.broker_qty(scene.world) == 2
        life.line.drop(30.0)
        life.put(FlattenRequested(at=scene.world.now(), contract=MES.id, reason="enough", person="ann"))
        await asyncio.sleep(3)  # the cancels are answered, and no hub tells that they are done
        assert oracle.broker_qty(scene.world) == 0
        assert oracle.working(scene.world) == {}

    act(story)
