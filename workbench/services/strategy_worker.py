"""Python strategies in a process of their own, for backtests: the same worker and the same words as in a live session.

While a strategy is flat nothing but its own signals can change its position, so the bars to come are asked ahead, many
in one message; the worker stops at the first signal. In a position each bar is asked by itself.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import IO, cast

from workbench.domain.errors import WorkbenchError
from workbench.domain.events import BarClosed
from workbench.rules.python import PythonStrategy, StrategyFault
from workbench.rules.signal import Signal
from workbench.services.children import ONLY_FOR_THE_DESK
from workbench.services.strategy_frames import (
    HEADER,
    WORKER,
    Answered,
    Ask,
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

LIMIT_S = 10.0  # for one bar of a backtest; live it is much less
STARTS_WITHIN_S = 60.0
FIRST_BATCH, LARGEST_BATCH = 16, 1024
QUICK_S, SLOW_S = 0.05, 0.5


def environment() -> dict[str, str]:
    """Return our environment without what a strategy has no business to know."""
    secret = ("TOKEN", "SECRET", "PASSW", "_KEY", "CREDENTIAL", "_URL")  # addresses of databases carry passwords
    hidden = {k for k in os.environ if k in ONLY_FOR_THE_DESK or any(s in k.upper() for s in secret)}
    return {k: v for k, v in os.environ.items() if k not in hidden}


class Process:
    """The worker process and its two pipes, spoken to in turn.

    Parameters
    ----------
    begin : Begin
        What it runs.

    Raises
    ------
    StrategyFault
        From any call: the strategy raised, was late, or its process died.
    """

    def __init__(self, begin: Begin) -> None:
        self._child = subprocess.Popen(  # noqa: S603  our own interpreter and module
            [sys.executable, "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            start_new_session=True,  # a Ctrl-C in the terminal is our business
        )
        self._to, self._from = cast(IO[bytes], self._child.stdin), cast(IO[bytes], self._child.stdout)
        self._buffer = b""
        try:
            ready = self.ask(begin, STARTS_WITHIN_S)
        except BaseException:
            self.kill()
            raise
        self.warmup = ready.warmup if isinstance(ready, Ready) else 0

    def ask(self, message: ToWorker, within_s: float) -> FromWorker:
        """Send `message` and return the answer; kill the worker if there is none within `within_s` seconds."""
        with contextlib.suppress(BrokenPipeError):  # a dead worker may have left its last words
            self._to.write(framed(message))
            self._to.flush()
        deadline = time.monotonic() + within_s
        (length,) = HEADER.unpack(self._read(HEADER.size, deadline, within_s))
        answer = decode_answer(self._read(length, deadline, within_s))
        if isinstance(answer, Failed):
            self.kill()
            raise answer.fault()
        return answer

    def _read(self, count: int, deadline: float, within_s: float) -> bytes:
        while len(self._buffer) < count:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self.kill()
                raise StrategyFault(f"its worker did not answer within {within_s:g} s and was ended")
            data = os.read(self._from.fileno(), 1 << 16)
            if not data:
                self.kill()
                raise StrategyFault(f"its worker process died (exit code {self._child.returncode})")
            self._buffer += data
        body, self._buffer = self._buffer[:count], self._buffer[count:]
        return body

    @property
    def pid(self) -> int:
        return self._child.pid

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        for pipe in (self._to, self._from):
            with contextlib.suppress(OSError):
                pipe.close()


class WorkerRule:
    """A rule whose decisions are made in a worker process; fed like any other.

    Parameters
    ----------
    strategy : PythonStrategy
    bars : sequence of BarClosed
        The bars that will come, in order; empty: each is asked when it comes.
    limit_s : float
        Longest time that one bar may take.
    """

    def __init__(self, strategy: PythonStrategy, bars: Sequence[BarClosed] = (), limit_s: float = LIMIT_S) -> None:
        self.strategy, self._bars, self._limit_s = strategy, bars, limit_s
        self._process: Process | None = None
        self._contract = ""
        self._waiting: list[Ask] = []  # seen, not to be decided: sent along with the next question
        self._ahead: deque[tuple[int, Signal | None]] = deque()  # answered already, as long as nothing is held
        self._taken: list[Ask] = []  # what really happened, where it cannot be told from `bars`
        self._next = 0
        self._batch = FIRST_BATCH
        self._last_start = -1

    def warm(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> bool:
        """Take a closed bar without deciding anything."""
        if not self._is_new(bar):
            return False
        self._agree(bar, position)
        self._waiting.append(ask_of(bar, position, entry_ticks, decide=False))
        self._next += 1
        return True

    def on_bar(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> Signal | None:
        """Take a closed bar and return what the strategy wants, or None."""
        if not self._is_new(bar):
            return None
        self._contract = self._contract or bar.contract
        if self._agree(bar, position):
            self._next += 1
            return self._ahead.popleft()[1]
        asks = [*self._waiting, ask_of(bar, position, entry_ticks)]
        known = len(asks)
        asks += self._more(bar) if position == 0 else []
        answer = self._feed(asks)
        self._taken += asks[:known]
        self._waiting.clear()
        self._next += 1
        if answer.done <= known:
            return answer.signal
        for ask in asks[known : answer.done]:
            self._ahead.append((ask.start, None))
        if answer.signal is not None:
            self._ahead[-1] = (self._ahead[-1][0], answer.signal)
        return None

    def _is_new(self, bar: BarClosed) -> bool:
        if bar.timeframe != self.strategy.timeframe or bar.start <= self._last_start:
            return False
        self._last_start = bar.start
        return True

    def _agree(self, bar: BarClosed, position: int) -> bool:
        """Say whether the answer is here already; forget answers that were given for another position."""
        if not self._ahead:
            return False
        if position == 0 and self._ahead[0][0] == bar.start and not self._waiting:
            self._taken.append(ask_of(bar))
            return True
        # Somebody else trades the contract too: the worker has seen bars under a wrong position. Tell it all again.
        self._ahead.clear()
        self.close()
        self._bars = ()
        return False

    def _more(self, bar: BarClosed) -> list[Ask]:
        bars, i = self._bars, self._next
        if i >= len(bars) or bars[i].start != bar.start:
            self._bars = ()
            return []
        return [ask_of(later) for later in bars[i + 1 : i + self._batch]]

    def _feed(self, asks: list[Ask]) -> Answered:
        if self._process is None:
            self._process = self._begin()
            for i in range(0, len(self._taken), LARGEST_BATCH):
                self._replay(self._process, self._taken[i : i + LARGEST_BATCH])
        began = time.monotonic()
        answer = cast(Answered, self._process.ask(Feed(asks), 2 * self._limit_s + 2.0))
        took = time.monotonic() - began
        if took < QUICK_S:
            self._batch = min(self._batch * 2, LARGEST_BATCH)
        elif took > SLOW_S:
            self._batch = max(self._batch // 4, 1)
        return answer

    def _replay(self, process: Process, asks: list[Ask]) -> None:
        while asks:
            answer = cast(Answered, process.ask(Feed(asks), 60.0 + self._limit_s))
            asks = asks[answer.done :]

    def _begin(self) -> Process:
        return Process(begin_of(self.strategy, self._contract or self.strategy.roots[0], self._limit_s))

    def start(self) -> WorkerRule:
        """Start the process now, so that a mistake in `start` is told before the first bar."""
        if self._process is None:
            self._process = self._begin()
        return self

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process = None


@dataclass(frozen=True, kw_only=True)
class WorkedStrategy(PythonStrategy):
    """A Python strategy that starts in a worker process; `bars` are those that it will see."""

    bars: Sequence[BarClosed] = field(default=(), repr=False)
    limit_s: float = LIMIT_S
    rules: list[WorkerRule] = field(default_factory=list, repr=False)

    def start(self) -> WorkerRule:  # type: ignore[override]
        """Return a fresh evaluator whose decisions come from a process of its own."""
        made = WorkerRule(self, self.bars, self.limit_s)
        self.rules.append(made)
        return made


@contextlib.contextmanager
def in_worker(
    strategy: PythonStrategy, bars: Sequence[BarClosed] = (), limit_s: float = LIMIT_S
) -> Iterator[PythonStrategy]:
    """Yield `strategy` so that `start` runs it in a process of its own; the process ends with the block.

    Parameters
    ----------
    bars : sequence of BarClosed
        The bars of the backtest, where they are known.
    limit_s : float
        Longest time that one bar may take, seconds.
    """
    if not isinstance(strategy, PythonStrategy):
        raise WorkbenchError(f"{strategy} is no Python strategy")
    given = {f.name: getattr(strategy, f.name) for f in fields(PythonStrategy)}
    worked = WorkedStrategy(**given, bars=bars, limit_s=limit_s)
    try:
        yield worked
    finally:
        for rule in worked.rules:
            rule.close()
