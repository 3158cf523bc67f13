"""Hand-made scenes on the in-process kit: a calm world that a test moves, and as many lives in it as it wants."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable
from typing import Any

from tests.chaos import oracle
from tests.chaos.disk import on, scratch
from tests.chaos.life import ACCOUNT, Life
from tests.chaos.market import FRAME, MES
from tests.chaos.story import Plan, Run, patched
from tests.chaos.virtual import play
from workbench.gateway.messages import BracketModel, PlaceOrderRequest
from workbench.services import crash
from workbench.simulator import requests

SEED = 424_242


class Scene(Run):
    """A run without a story: the test tells it."""

    async def start(self, *, session: bool = False) -> Life:
        life = self.begin()
        assert life is not None
        await asyncio.sleep(1.5)
        if session:
            life.start_session(FRAME)
            await asyncio.sleep(0.5)
        return life

    async def restart(self, *, power: bool = False, down_s: float = 1.0) -> Life:
        """Kill the runner as it is and start the next one."""
        self.plan.power = power
        self.die("kill")
        self.crashed.clear()
        await asyncio.sleep(down_s)
        return await self.start()

    def somebody_places(self, *, kind: int, side: int = 0, size: int = 1, **levels: Any) -> requests.Answer:
        """An order of another program on the same account."""
        stop, target = levels.pop("sl", None), levels.pop("tp", None)
        return requests.place(
            self.world.exchange,
            PlaceOrderRequest(
                account_id=ACCOUNT, contract_id=MES.id, type=kind, side=side, size=size,
                stop_loss_bracket=None if stop is None else BracketModel(ticks=stop, type=4),
                take_profit_bracket=None if target is None else BracketModel(ticks=target, type=1), **levels,
            ),
        )  # fmt: skip

    def problems(self) -> list[str]:
        """What the oracle says about the living runner now."""
        assert self.life is not None
        state = self.life.runner.state
        return oracle.equal_to_broker(self.world, state, "the runner") + oracle.surface(self.world, state)


def act(story: Callable[[Scene], Awaitable[None]], *, mode: str = "auto_oco") -> None:
    """Play a scene in a calm world."""
    plan = Plan(SEED, "none", "none")
    plan.mode, plan.noise, plan.blind_s, plan.order = mode, False, 0.0, -1
    root = scratch(random.randrange(10**9))

    async def told() -> None:
        scene = Scene(plan, root)
        scene.script.signals.clear()
        pump = asyncio.ensure_future(scene.world.run())
        crash.hook = scene.hook
        try:
            with on(scene.disk), patched(scene):
                await story(scene)
        finally:
            crash.hook = None
            pump.cancel()

    try:
        play(told(), plan.start)
    finally:
        shutil.rmtree(root, ignore_errors=True)
