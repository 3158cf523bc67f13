"""The worker processes of a runner's Python strategies: asked bar by bar, answers and faults come back as events.

A worker that raises, dies or is late costs its own session its entries and nothing else: the session is paused, its
protection stays at the broker, its day still ends at the flat-by. Only a person starts it again; it is then told all
bars since the session began, so that it stands where it would stand without the fault.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable, Iterable

from workbench.domain import events as e
from workbench.execution.state import Session
from workbench.rules.python import PythonStrategy, StrategyFault
from workbench.rules.python.asked import AskedRule
from workbench.services.strategy_frames import (
    HEADER,
    WORKER,
    Answered,
    Begin,
    Failed,
    Feed,
    FromWorker,
    Ready,
    ToWorker,
    ask_of,
    begin_of,
    decode_answer,
    framed,
)
from workbench.services.strategy_worker import LARGEST_BATCH, STARTS_WITHIN_S, environment

log = logging.getLogger(__name__)
LIMIT_S = 1.0  # real time for one bar; the worker itself says where it hangs
MARGIN_S = 0.5  # and if it cannot, it is ended this much later
CATCHES_UP_WITHIN_S = 60.0


class LiveProcess:
    """A worker process and its pipes, for one question at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.warmup = 0

    @classmethod
    async def start(cls, begin: Begin) -> LiveProcess:
        """Start a worker; raise StrategyFault if the strategy's `start` fails."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            WORKER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment(),
            start_new_session=True,
        )
        made = cls(process)
        try:
            answer = await made.ask(begin, STARTS_WITHIN_S)
        except BaseException:
            await made.kill()
            raise
        made.warmup = answer.warmup if isinstance(answer, Ready) else 0
        return made

    async def ask(self, message: ToWorker, within_s: float) -> FromWorker:
        """Send `message` and return the answer; raise StrategyFault if there is none, or if it says that it failed."""
        try:
            async with asyncio.timeout(within_s):
                answer = await self._ask(message)
        except TimeoutError:
            raise StrategyFault(f"its worker did not answer within {within_s:g} s and was ended") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await self._process.wait()
            raise StrategyFault(f"its worker process died (exit code {code})") from None
        if isinstance(answer, Failed):
            raise answer.fault()
        return answer

    async def _ask(self, message: ToWorker) -> FromWorker:
        to, back = self._process.stdin, self._process.stdout
        if to is None or back is None:
            raise ConnectionError("the worker has no pipes")
        with contextlib.suppress(ConnectionError):  # a dead worker may have left its last words
            to.write(framed(message))
            await to.drain()
        (length,) = HEADER.unpack(await back.readexactly(HEADER.size))
        return decode_answer(await back.readexactly(length))

    async def kill(self) -> None:
        """End the process, whatever it does."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


async def warmup_of(strategy: PythonStrategy, contract: str) -> int:
    """Return the bars that a strategy needs before its first decision; raise StrategyFault if it cannot start.

    Its code runs in a worker, never in this process.
    """
    process = await LiveProcess.start(begin_of(strategy, contract, LIMIT_S))
    try:
        return process.warmup
    finally:
        await process.kill()


class Host:
    """One session's worker: feeds what its rule has noted, in order; the first `known` bars were decided long ago."""

    def __init__(
        self,
        session: Session,
        rule: AskedRule,
        known: int,
        put: Callable[[e.Event], None],
        now: Callable[[], int],
    ) -> None:
        self.session, self.rule = session, rule
        self._put, self._now = put, now
        self._fed = 0
        self._known = known
        self.wake = asyncio.Event()
        self.is_busy = True
        self.has_failed = False
        self.was_paused = False

    @property
    def is_idle(self) -> bool:
        return self.has_failed or (not self.is_busy and self._fed == len(self.rule.asked))

    async def run(self) -> None:
        """Serve until the strategy fails, or for ever."""
        process: LiveProcess | None = None
        try:
            process = await LiveProcess.start(begin_of(self.rule.strategy, self.session.contract, LIMIT_S))
            while True:
                while self._fed < len(self.rule.asked):
                    await self._next(process)
                self.is_busy = False
                await self.wake.wait()
                self.wake.clear()
                self.is_busy = True
        except StrategyFault as fault:
            self._fail(str(fault))
        except Exception as error:  # ours: the other sessions and the runner must live
            log.exception("the worker of session %s cannot be spoken to", self.session.session)
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            self.is_busy = False
            if process is not None:
                await process.kill()

    async def _next(self, process: LiveProcess) -> None:
        rule, first = self.rule, self._fed
        if first < self._known:  # decided long ago
            asks = rule.asked[first : min(self._known, first + LARGEST_BATCH)]
        else:
            asks = rule.asked[first : first + LARGEST_BATCH]
        within = LIMIT_S + MARGIN_S if len(asks) == 1 else CATCHES_UP_WITHIN_S
        feed = Feed([ask_of(a.bar, a.position, a.entry_ticks, a.decide) for a in asks])
        answer = await process.ask(feed, within)
        if not isinstance(answer, Answered) or answer.done < 1:
            raise StrategyFault(f"its worker gave no sensible answer ({answer!r:.80})")
        self._fed += answer.done
        signal = answer.signal
        if signal is None or self._fed <= self._known:
            return
        fields = {name: getattr(signal, name) for name in signal.__struct_fields__ if name != "at"}
        self._put(e.StrategyAnswered(at=self._now(), session=self.session.session, bar_end=signal.at, **fields))

    def _fail(self, reason: str) -> None:
        self.has_failed = True
        self._put(e.StrategyFailed(at=self._now(), session=self.session.session, reason=reason))


class StrategyHosts:
    """All workers of one runner.

    Parameters
    ----------
    sessions : callable
        The sessions of the account as they are now.
    put : callable
        Takes the events that answers are.
    now : callable
        Market time, UTC ns.
    """

    def __init__(
        self, sessions: Callable[[], Iterable[Session]], put: Callable[[e.Event], None], now: Callable[[], int]
    ) -> None:
        self._sessions, self._put, self._now = sessions, put, now
        self._hosts: dict[str, Host] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        # what a journal brought back was answered then: it is told again, not decided again
        self._known = {s.session: len(s.rule.asked) for s in sessions() if isinstance(s.rule, AskedRule)}

    @property
    def idle(self) -> bool:
        """Say whether nothing is being asked or waits to be."""
        return not self._wake.is_set() and all(host.is_idle for host in self._hosts.values())

    def look(self) -> None:
        """Sessions may have begun, ended, been resumed, or have bars to be asked."""
        if self._hosts or any(isinstance(s.rule, AskedRule) for s in self._sessions()):
            self._wake.set()

    async def run(self) -> None:
        """Keep one worker for each session that needs one."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                for session in list(self._sessions()):
                    if isinstance(session.rule, AskedRule):
                        self._serve(session, session.rule, tasks)
                self._wake.clear()

    def _serve(self, session: Session, rule: AskedRule, tasks: asyncio.TaskGroup) -> None:
        name, host = session.session, self._hosts.get(session.session)
        if session.status == "ended":
            if host is not None:
                self._tasks.pop(name).cancel()
                del self._hosts[name]
            return
        if host is not None and host.has_failed:
            host.was_paused |= session.status != "running"
            if not (host.was_paused and session.status == "running"):
                return
            host, self._known[name] = None, len(rule.asked)  # a person has resumed it
        if host is None:
            host = self._hosts[name] = Host(session, rule, self._known.get(name, 0), self._put, self._now)
            self._tasks[name] = tasks.create_task(host.run())
        host.wake.set()
