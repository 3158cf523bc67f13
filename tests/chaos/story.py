"""One seeded run: trade, die at a point, come back, reconcile, go on, end; and what the oracle says about it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from tests.chaos import oracle
from tests.chaos.disk import FakeDisk, on, scratch
from tests.chaos.life import ACCOUNT, Life, may_start
from tests.chaos.market import BAR, FRAME, MES, PRICE, SECOND, Script, Tape, script
from tests.chaos.virtual import play
from tests.chaos.wire import FATES, Died, Noise, World, client_of
from workbench.domain import events as e
from workbench.domain.hours import at_local
from workbench.gateway.client import Handlers
from workbench.risk.limits import Limits
from workbench.services import crash, runner, stop
from workbench.services.broker import RestBroker
from workbench.simulator.config import AccountSettings, Latency, Matching, SimulatorSettings
from workbench.simulator.server import Simulator
from workbench.storage.home import Home
from workbench.storage.latch import clear_latch, read_latch

POINTS = ("K0", "K1", "K2", "K3", "K4", "K5", "K6", "K7", "K8", "K9", "K10", "K11", "K12.1", "K12.2", "kill")
ELSEWHERE = {  # a runner neither writes market data nor promotes: who does is killed for real, in a process of its own
    "K13": "tests/storage/test_crash.py",
    "K14": "tests/services/test_promotion.py",
}
CELLS = [(point, fate) for point in POINTS for fate in FATES]
DAY = date(2026, 11, 18)  # a Wednesday
LIMITS = Limits(
    protect_within_s=3.0, max_orders_per_minute=60, max_position=5, max_order_qty=5, daily_loss_usd=Decimal(100_000)
)
KILLS = True  # whether a closer's kill works
FAR = PRICE - 390  # ticks; a limit order there rests
OF_THE_STOP = ("K9", "K10")


@dataclass
class Plan:
    """What happens in one run, all of it drawn from `seed`."""

    seed: int
    point: str = ""
    fate: str = ""

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        point, fate = CELLS[self.seed % len(CELLS)]
        self.point, self.fate = self.point or point, self.fate or fate
        rng = self.rng
        self.mode = "position" if self.point == "K7" or rng.random() < 0.2 else "auto_oco"
        self.rolls = self.point.startswith("K12")
        self.start = at_local(DAY, "15:57" if self.rolls else "09:00") + rng.randrange(0, 5) * SECOND
        self.power = rng.random() < 0.5
        self.down_s = rng.uniform(0.3, 4.0) if rng.random() < 0.8 else rng.uniform(4.0, 12.0)
        self.order = rng.randrange(0, 2)  # the place request that the run is about
        self.ends_by_stop = self.point in OF_THE_STOP or rng.random() < 0.25
        self.again_after_s = rng.uniform(0.05, 6.0) if rng.random() < 0.25 else None  # a second death, at any moment
        self.drop_at_s = rng.uniform(5, 60) if rng.random() < 0.3 else None
        self.manual_at_s = rng.uniform(5, 60) if rng.random() < 0.25 else None
        self.late_s = rng.uniform(0.5, 4.0)
        self.blind_s = rng.uniform(1.0, 5.0) if rng.random() < 0.35 else 0.0
        self.trade_s = rng.randrange(30, 60) if self.ends_by_stop and not self.rolls else 75
        self.noise = rng.random() < 0.6


@dataclass
class Result:
    """What became of a run."""

    seed: int
    point: str
    fate: str
    reached: bool = False
    fated: bool = False
    problems: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.problems


class Run:
    """Everything of one run while it goes on."""

    def __init__(self, plan: Plan, root: Path) -> None:
        self.plan = plan
        self.disk = FakeDisk(root, random.Random(plan.seed + 1))
        rng = random.Random(plan.seed + 2)
        closed = (at_local(DAY, "16:00"), at_local(DAY, "17:00")) if plan.rolls else (0, 0)
        part = plan.fate == "part_filled"
        seconds = 240
        tape = Tape(rng, plan.start, seconds, size=1 if part else 10, closed=closed)
        if plan.rolls:
            tape = _with_evening(tape, rng, closed[1], 1 if part else 10)
        self.script = script(rng, plan.start, (75 if plan.rolls else 120) * SECOND // BAR, first=2 + rng.randrange(2))
        account = AccountSettings(
            id=ACCOUNT, name="PRAC-V2-10001-1", programme="topstep-150k", rules=False, bracket_mode=plan.mode
        )
        config = SimulatorSettings(
            start=plan.start, lockstep=True, accounts=(account,), latency=Latency(transport_ms=0),
            matching=Matching(part_fills=part, market_on="print" if part else "quote"), rate_limits=False,
        )  # fmt: skip
        noise = Noise(random.Random(plan.seed + 3))
        if plan.noise:
            noise.repeat, noise.late, noise.garble = rng.uniform(0, 0.3), rng.uniform(0, 0.3), rng.uniform(0, 0.01)
            noise.read_fails = rng.uniform(0, 0.03)
        self.noise = noise
        self.loop = asyncio.get_running_loop()
        self.world = World(Simulator(config, tape), noise, ACCOUNT)
        self.world.now = lambda: plan.start + int(self.loop.time() * SECOND)
        self.world.late_s = plan.late_s
        self.world.reading = lambda: self.life is not None and self.life.runner.state.synced
        self.world.fates[plan.order] = plan.fate
        self.guard = oracle.Guard(self.world)
        self.world.watchers.append(self.guard.look)
        self.world.on_request = self._on_request
        self.life: Life | None = None
        self.deaths: list[str] = []
        self.armed = plan.point
        self.on_the_wire = False
        self.crashed = asyncio.Event()
        self.latched_at: int | None = None
        self.reached = False
        self.lives = 0
        self.closer_lives = False

    @property
    def home(self) -> Home:
        return Home(self.disk.path)

    # --- deaths -------------------------------------------------------------------------------------------------------

    def hook(self, name: str) -> None:
        """A crash point was reached."""
        if name != self.armed or not self._is_time(name):
            return
        if name == "K2":
            self.on_the_wire = True  # it dies when the request has arrived, or not
            return
        self.armed, self.reached = "", True
        self.die(name)
        raise Died

    def _is_time(self, name: str) -> bool:
        sent = len(self.world.placed)
        if name == "K11":
            return self.lives > 1
        if name in ("K12.1", "K12.2", *OF_THE_STOP):
            return True
        if name == "K0":
            return sent >= self.plan.order
        return sent >= self.plan.order + (0 if name in ("K1", "K2") else 1)

    def _on_request(self, endpoint: Any) -> None:
        if self.on_the_wire and endpoint.path.endswith("Order/place"):
            self.on_the_wire, self.armed, self.reached = False, "", True
            self.die("K2")

    def die(self, why: str) -> None:
        """The process (or, with a power cut, everything of ours) is gone from this instant on."""
        self.deaths.append(f"{why}@{self.loop.time():.2f}")
        if self.life is not None and (self.plan.power or why not in OF_THE_STOP):
            self.life.kill()
        if self.plan.power or why not in OF_THE_STOP:
            self.disk.crash(power=self.plan.power)
        self.crashed.set()

    def begin(self) -> Life | None:
        """Start a runner, unless the account is latched."""
        if not may_start(self.home):
            return None
        self.lives += 1
        self.life = life = Life(self.world, self.home, self.script, LIMITS)
        self.guard.life = life
        life.begin()
        return life


def _with_evening(tape: Tape, rng: random.Random, opened: int, size: int) -> Tape:
    import numpy as np

    from workbench.simulator.market import Prints

    evening = Tape(rng, opened, 400, size=size)
    parts = zip(tape._prints, evening._prints.cut(1, len(evening._prints.ts)), strict=True)
    tape._prints = Prints(*(np.concatenate(pair) for pair in parts))
    return tape


async def tell(plan: Plan, root: Path) -> Result:
    """Play the whole run and judge it."""
    run = Run(plan, root)
    crash.hook = run.hook
    pump = asyncio.ensure_future(run.world.run())
    result = Result(plan.seed, plan.point, plan.fate)
    try:
        with on(run.disk), patched(run):
            await _trade(run)
            await _end(run)
            result.problems = run.guard.problems + await _judge(run)
    finally:
        crash.hook = None
        pump.cancel()
    result.reached = run.reached
    result.fated = len(run.world.placed) > plan.order
    result.facts = {
        "point": plan.point, "fate": plan.fate, "mode": plan.mode, "power": plan.power, "deaths": run.deaths,
        "orders": len(run.world.placed), "fills": len(run.world.exchange.accounts[ACCOUNT].trades),
        "bare_s": round(run.guard.longest_bare_s, 2), "virtual_s": round(run.loop.time(), 1),
    }  # fmt: skip
    return result


@contextlib.contextmanager
def patched(run: Run) -> Iterator[None]:
    async def inline(function: Any, *arguments: Any, **names: Any) -> Any:
        return function(*arguments, **names)

    def kill_process(identity: dict[str, Any], wait_s: float = 5.0) -> bool:
        if KILLS and run.life is not None:
            run.life.kill()
        return True

    tokens = random.Random(run.plan.seed + 4)
    with (
        mock.patch.object(asyncio, "to_thread", inline),
        mock.patch.object(stop, "kill_process", kill_process),
        mock.patch.object(runner, "LATCH_EVERY_S", 0.15),
        mock.patch("secrets.token_hex", lambda n=4: tokens.randbytes(n).hex()),
    ):
        yield


async def _until_s(run: Run, seconds: float) -> None:
    """Wait for this moment of the run, or for a death before it."""
    left = seconds - run.loop.time()
    if left > 0:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                await run.crashed.wait()


async def _revive(run: Run) -> None:
    """After a death: the machine is down for a while, then the supervisor starts the next runner."""
    while run.crashed.is_set():
        await asyncio.sleep(run.plan.down_s)
        run.crashed.clear()
        run.world.blind_until = run.loop.time() + run.plan.blind_s
        run.begin()
        if run.plan.again_after_s is not None and run.armed == "":
            after, run.plan.again_after_s = run.plan.again_after_s, None
            await _until_s(run, run.loop.time() + after)
            if not run.crashed.is_set():
                run.die("again")


async def _trade(run: Run) -> None:
    plan = run.plan
    life = run.begin()
    assert life is not None
    await asyncio.sleep(1.0)
    life.start_session(FRAME)
    happens = [(plan.drop_at_s, _drop), (plan.manual_at_s, _manual), (float(plan.trade_s), None)]
    if plan.point == "kill" or plan.point == "K11" or plan.rolls:
        happens.append((plan.rng.uniform(18, 60), _kill))
    for at, what in sorted(((a, w) for a, w in happens if a is not None), key=lambda pair: pair[0]):
        while run.loop.time() < at:
            await _until_s(run, at)
            await _revive(run)
        if what is not None:
            what(run)
            await _revive(run)
    if run.armed and run.armed not in OF_THE_STOP and not plan.rolls:
        await _until_s(run, 120)
        await _revive(run)
    if run.armed and run.armed not in OF_THE_STOP and not plan.rolls:
        run.armed = ""
        run.die("late")  # the point was not met: it dies all the same
        await _revive(run)
    if plan.rolls:
        await _night(run)


async def _night(run: Run) -> None:
    """Flat into the close, the machine off, and on again before the evening's open."""
    run.noise.calm = True
    assert run.life is not None
    run.life.put(e.FlattenRequested(at=run.world.now(), contract=MES.id, reason="the day ends", person="ann"))
    await asyncio.sleep(12)
    run.life.kill()
    run.disk.crash(power=run.plan.power)
    open_s = (at_local(DAY, "17:00") - run.plan.start) / SECOND
    await asyncio.sleep(open_s - 8 - run.loop.time())
    run.begin()
    run.noise.calm = False
    await _until_s(run, open_s + 10)
    await _revive(run)
    assert run.life is not None
    name = f"s{len(run.deaths) + 1}"
    run.life.put(e.SessionEnded(at=run.world.now(), session="s1", reason="a new day"))
    evening = script(random.Random(run.plan.seed + 5), run.world.now(), 4, first=1)
    run.script.signals |= {
        end: msgspec.structs.replace(s, rule=f"{s.rule}.evening") for end, s in evening.signals.items()
    }
    run.life.start_session(FRAME, name)
    await asyncio.sleep(45)


def _drop(run: Run) -> None:
    if run.life is not None and run.life.alive and run.life.line.up:
        run.life.line.drop(run.plan.rng.uniform(0.3, 6.0))


def _manual(run: Run) -> None:
    if run.life is not None and run.life.alive:
        event = e.ManualOrderRequested(
            at=run.world.now(), request="m1", contract=MES.id, side=0, type=1, qty=1, limit_ticks=FAR, person="ann"
        )
        run.life.put(event)
        run.life.put(event)  # a double click


def _kill(run: Run) -> None:
    if run.plan.point == "kill":
        run.armed, run.reached = "", True
    run.die("kill")


async def _end(run: Run) -> None:
    run.noise.calm = True
    run.plan.again_after_s = None
    if run.plan.ends_by_stop:
        await _press(run)
    _rest(run)
    await asyncio.sleep(32)
    await _revive(run)
    _rest(run)
    for _ in range(240):  # until nothing is on its way, and what had to be asked for three times has been
        quiet = run.loop.time() - run.world.said_at > 2.5
        if quiet and run.life is not None and not oracle.unresolved(run.life.runner.state):
            return
        await asyncio.sleep(0.25)


def _rest(run: Run) -> None:
    """No new entries: what is compared at the end must not be on its way."""
    if run.life is not None and run.life.alive:
        for session in run.life.runner.state.sessions:
            run.life.put(e.SessionPaused(at=run.world.now(), session=session, reason="the run ends"))


async def _press(run: Run) -> None:
    """The red button, by a closer of its own; when it dies, the next one goes on by the latch."""
    if run.life is not None and run.life.alive and (run.armed == "K10" or run.plan.rng.random() < 0.6):
        await _until_held(run)
    run.latched_at = run.world.now()
    run.guard.closing_by_person = True
    for _ in range(4):
        run.closer_lives = True
        closer = RestBroker(client_of(run.world, lambda: run.closer_lives, Handlers()).rest, urgent_reads=True)
        try:
            answer = await stop.emergency_stop(run.home, [ACCOUNT], closer, reason="the button", by="ann")
        except Died:
            run.closer_lives = False
            await asyncio.sleep(1.0)
            run.crashed.clear()
            if read_latch(run.home, ACCOUNT) is None:
                run.guard.say("the latch did not survive the death of the closer")
            continue
        if answer["result"] == "FLAT":
            break
    else:
        run.guard.say("not flat after four stops")
    if oracle.broker_qty(run.world) or oracle.working(run.world):
        run.guard.say("the stop said FLAT and the broker is not")
    if read_latch(run.home, ACCOUNT) is None:
        run.guard.say("the latch does not hold after the stop")
    await asyncio.sleep(2)
    late = [p["tag"] for p in run.world.placed if p["at"] > run.latched_at + SECOND // 5]
    if late:
        run.guard.say(f"orders left after the stop: {late}")
    run.guard.closing_by_person = False
    if run.life is not None:
        run.life.kill()
    clear_latch(run.home, reason="looked at everything", person="ann", at=run.world.now())
    run.begin()


async def _until_held(run: Run) -> None:
    for _ in range(120):
        if oracle.broker_qty(run.world):
            return
        await asyncio.sleep(0.25)


async def _judge(run: Run) -> list[str]:
    world, life = run.world, run.life
    if life is None or not life.alive:
        return [f"no runner lives at the end: {life and life.died!r}"]
    world.advance()
    state = life.runner.state
    await life.stop("end of the run")
    out = oracle.equal_to_broker(world, state, "the runner") + oracle.surface(world, state)
    out += oracle.no_orphans(world)
    again, journal, damage = oracle.replayed(run.home.account(ACCOUNT) / "journal.wbj", run.script, LIMITS)
    if damage:
        out.append(damage)
    out += oracle.same(state, again) + oracle.orders_once(world, journal)
    if run.latched_at is not None:
        late = [p["tag"] for p in world.placed if p["at"] > run.latched_at + SECOND // 5]
        if late:
            out.append(f"orders left after the stop: {late}")
    return out


def run_seed(seed: int, *, point: str = "", fate: str = "") -> Result:
    """Play the run of `seed`; an exception that escapes is a problem, too."""
    plan = Plan(seed, point, fate)
    root = scratch(seed)
    gc.disable()  # a run is short and makes little that has to be looked for
    try:
        return play(tell(plan, root), plan.start)
    except Exception as error:
        crash.hook = None
        return Result(seed, plan.point, plan.fate, problems=[f"{type(error).__name__}: {error}"])
    finally:
        gc.enable()
        shutil.rmtree(root, ignore_errors=True)


__all__ = ["CELLS", "POINTS", "Plan", "Result", "Script", "run_seed"]
