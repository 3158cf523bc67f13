"""The workers of a runner: real processes, answers as events, faults that stay with their session."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from tests.execution.fake_broker import ACCOUNT, MES, MORNING, bar_closed
from tests.rules.python_build import probe
from workbench.domain import events as e
from workbench.domain.clock import MINUTE
from workbench.execution.state import AccountState
from workbench.risk.gate import Approved
from workbench.risk.limits import Limits
from workbench.rules.python import StrategyFault
from workbench.rules.python.asked import AskedRule
from workbench.services import strategy_hosts
from workbench.services.decider import Decider
from workbench.services.strategy_hosts import StrategyHosts, warmup_of
from workbench.storage.journal import Journal

ALWAYS = "self.enter_long(stop=5.0)"
SECOND_BAR = "self.n += 1\nif self.n == 2: "
COUNTS = {"start": "self.n = 0"}


class Bench:
    """A decider with its journal and hosts; a strategy may be exchanged by session name."""

    def __init__(self, folder: Path, **strategies: dict[str, str]) -> None:
        self.folder, self.strategies = folder, {name: probe(**parts) for name, parts in strategies.items()}
        self.now = MORNING
        self.open()

    def open(self) -> None:
        state = AccountState(ACCOUNT, Limits(), lambda version, *_: AskedRule(self.strategies[version]))
        self.decider = Decider(state, Journal(self.folder / "journal.wbj"))
        self.told: list[e.Event] = []
        self.out: list = []
        self.hosts = StrategyHosts(self.state.sessions.values, self.told.append, lambda: self.now)

    @property
    def state(self) -> AccountState:
        return self.decider.state

    def take(self, event: e.Event) -> list:
        out = self.decider.decide(event)
        self.out += out
        self.hosts.look()
        return out

    def begin(self, contracts: tuple[str, ...] = (MES,)) -> None:
        for name, contract in zip(self.strategies, contracts, strict=False):
            self.take(
                e.SessionStarted(
                    at=self.now, session=name, strategy=name, contract=contract, timeframe="1m", parameters={}
                )
            )

    async def bar(self, contract: str = MES) -> list[e.Event]:
        """Close a bar, wait for the workers, and decide what they say."""
        self.now += MINUTE
        self.take(bar_closed(self.now, 6000.0, contract=contract))
        return await self.settle()

    async def settle(self) -> list[e.Event]:
        heard: list[e.Event] = []
        async with asyncio.timeout(60):
            while self.told or not self.hosts.idle:
                while self.told:
                    heard.append(self.told.pop(0))
                    self.take(heard[-1])
                await asyncio.sleep(0.005)
        return heard


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Callable]:
    running: list[asyncio.Task] = []

    def make(**strategies: dict[str, str]) -> Bench:
        bench = Bench(tmp_path, **strategies)
        running.append(asyncio.create_task(bench.hosts.run()))
        return bench

    yield make
    for task in running:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def workers() -> list[psutil.Process]:
    made = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it may end while we look
            if child.status() != psutil.STATUS_ZOMBIE and any("strategy_worker_main" in p for p in child.cmdline()):
                made.append(child)
    return made


async def test_a_live_strategy_answers_each_bar_and_the_answer_is_an_order(serve: Callable) -> None:
    bench = serve(a={**COUNTS, "on_bar": SECOND_BAR + ALWAYS})
    bench.take(e.RunnerStarted(at=bench.now, epoch=1, uid="abc"))
    bench.begin()
    assert await bench.bar() == []
    (answer,) = await bench.bar()
    assert (answer.session, answer.bar_end, answer.entry, answer.stop_ticks) == ("a", bench.now, 1, -20)
    assert len(workers()) == 1


@pytest.mark.parametrize(
    ("on_bar", "said"),
    [
        ("while True: pass", "line 14, in on_bar: no answer within 0.4 s"),
        ("1 / 0", "probe.py, line 14, in on_bar: ZeroDivisionError: division by zero"),
        ("import os; os._exit(3)", "its worker process died (exit code 3)"),
    ],
)
async def test_a_fault_pauses_its_own_session_and_the_other_one_trades_on(
    serve: Callable, monkeypatch: pytest.MonkeyPatch, on_bar: str, said: str
) -> None:
    monkeypatch.setattr(strategy_hosts, "LIMIT_S", 0.4)
    other = "CON.F.US.MNQ.Z26"
    bench = serve(bad={"on_bar": on_bar}, good={"body": 'roots = ("MES", "MNQ")', "on_bar": ALWAYS})
    bench.begin((MES, other))
    (failed,) = await bench.bar()
    assert isinstance(failed, e.StrategyFailed) and said in failed.reason
    assert bench.state.sessions["bad"].status == "paused" and said in bench.state.sessions["bad"].reason
    (answer,) = await bench.bar(other)
    assert (answer.session, answer.entry) == ("good", 1)
    assert len(workers()) == 1


async def test_only_a_person_starts_a_failed_strategy_again_and_it_stands_where_it_would(serve: Callable) -> None:
    bench = serve(a={**COUNTS, "on_bar": "self.n += 1\nself.enter_long(stop=float(self.n), tag=str(self.n))"})
    bench.begin()
    (first,) = await bench.bar()
    (process,) = workers()
    os.kill(process.pid, signal.SIGKILL)
    (failed,) = await bench.bar()
    assert isinstance(failed, e.StrategyFailed) and first.rule == "1"
    assert await bench.bar() == [] and not workers()
    person = e.SessionStarted(at=bench.now, session="a", strategy="a", contract=MES, timeframe="1m", parameters={})
    bench.take(person)
    assert await bench.settle() == []  # what was asked meanwhile is told again, not decided again
    (answer,) = await bench.bar()
    assert answer.rule == "4"  # the fourth bar of the session


async def test_a_restart_of_the_runner_replays_the_journal_without_a_worker_and_goes_on(
    serve: Callable, tmp_path: Path
) -> None:
    bench = serve(a={**COUNTS, "on_bar": "self.n += 1\nself.enter_long(stop=float(self.n), tag=str(self.n))"})
    bench.begin()
    await bench.bar()
    await bench.bar()
    sent = [c for c in bench.out if isinstance(c, Approved)]
    bench.decider.journal.sync()
    bench.decider.journal.close()
    again = Bench(tmp_path, a={**COUNTS, "on_bar": "self.n += 1\nself.enter_long(stop=float(self.n), tag=str(self.n))"})
    assert again.decider.damage == "" and list(again.state.orders) == list(bench.state.orders)
    assert len(again.state.sessions["a"].rule.asked) == 2 and sent is not None
    again.now = bench.now
    task = asyncio.create_task(again.hosts.run())
    again.hosts.look()
    assert await again.settle() == []
    (answer,) = await again.bar()
    assert answer.rule == "3"
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_an_ended_session_and_a_cancelled_runner_leave_no_process(serve: Callable) -> None:
    bench = serve(a={"on_bar": ALWAYS})
    bench.begin()
    await bench.bar()
    assert len(workers()) == 1
    bench.take(e.SessionEnded(at=bench.now, session="a", reason="over"))
    async with asyncio.timeout(10):
        while workers():
            await asyncio.sleep(0.01)
    await bench.settle()


async def test_the_warm_up_is_asked_of_a_worker_and_a_bad_start_is_refused() -> None:
    assert await warmup_of(probe("history = 3", start="self.x = self.indicator('sma', 20)"), MES) == 23
    with pytest.raises(StrategyFault, match=r"probe.py, line 11, in start: Zero"):
        await warmup_of(probe(start="1 / 0"), MES)
    assert not workers()
