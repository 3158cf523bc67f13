"""The worker of one Python strategy: `python -m workbench.services.strategy_worker_main`; bars in, intents out.

It holds no key, token or socket. When a bar takes too long it says at which line it hangs and ends; when its parent is
gone it ends. What the strategy prints goes to the log, never into the answers.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
from typing import BinaryIO

from workbench.domain.hours import give_hours
from workbench.rules.python import StrategyFault, read_python
from workbench.rules.python.errors import line_of
from workbench.rules.python.running import PythonRule
from workbench.services.strategy_frames import (
    HEADER,
    Answered,
    Begin,
    Failed,
    Feed,
    FromWorker,
    Ready,
    decode_order,
    framed,
)

LOOK_EVERY_S = 0.02


class Worker:
    """One strategy between two pipes."""

    def __init__(self, orders: BinaryIO, answers: BinaryIO) -> None:
        self._orders, self._answers = orders, answers
        self._speaks = threading.Lock()
        self._since: float | None = None
        self._limit_s = 0.0
        self._files: dict[str, str] = {}
        self._main = threading.get_ident()
        self._parent = os.getppid()

    def run(self) -> None:
        """Answer until the other side closes the pipe."""
        threading.Thread(target=self._watch, daemon=True).start()
        begin = decode_order(self._read())
        if not isinstance(begin, Begin):
            raise TypeError("the first message must begin a strategy")
        try:
            rule = self._begin(begin)
            while body := self._read():
                feed = decode_order(body)
                if isinstance(feed, Feed):
                    self._say(self._answer(rule, feed, begin))
        except StrategyFault as fault:
            self._say(Failed(fault.reason, fault.where, fault.code))
        except Exception as error:  # ours, or something that the strategy broke: said, not swallowed
            self._say(Failed(f"{type(error).__name__}: {error}"))

    def _begin(self, begin: Begin) -> PythonRule:
        give_hours(pickle.loads(begin.hours))  # noqa: S301  our parent made it
        strategy = read_python(begin.source, begin.where).with_parameters(**begin.values)
        self._files = {begin.where: strategy.bundle.text}
        self._limit_s = max(begin.limit_s, 20.0)  # importing pandas on a busy machine is no endless loop
        self._since = time.monotonic()
        rule = strategy.start()
        self._limit_s = begin.limit_s
        self._say(Ready(rule.warmup))
        return rule

    def _answer(self, rule: PythonRule, feed: Feed, begin: Begin) -> Answered:
        for done, ask in enumerate(feed.asks, 1):
            bar = ask.bar(begin.contract, begin.timeframe)
            self._since = time.monotonic()
            if not ask.decide:
                rule.warm(bar, ask.position, ask.entry_ticks)
                continue
            signal = rule.on_bar(bar, ask.position, ask.entry_ticks)
            if signal is not None:
                return Answered(done, signal)
        return Answered(len(feed.asks))

    def _read(self) -> bytes:
        header = self._orders.read(HEADER.size)
        return self._orders.read(HEADER.unpack(header)[0]) if len(header) == HEADER.size else b""

    def _say(self, message: FromWorker) -> None:
        with self._speaks:
            self._since = None
            self._answers.write(framed(message))
            self._answers.flush()

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            if os.getppid() != self._parent:
                os._exit(0)
            with self._speaks:
                since = self._since
                if since is not None and time.monotonic() - since > self._limit_s:
                    self._answers.write(framed(self._late()))
                    self._answers.flush()
                    os._exit(1)

    def _late(self) -> Failed:
        frame = sys._current_frames().get(self._main)
        reason = f"no answer within {self._limit_s:g} s (an endless loop?)"
        while frame is not None:
            name = frame.f_code.co_filename
            if name in self._files:
                where = f"{name}, line {frame.f_lineno}, in {frame.f_code.co_name}"
                return Failed(reason, where, line_of(self._files[name], frame.f_lineno))
            frame = frame.f_back
        return Failed(reason)


def main() -> None:
    """Take the pipes away from whatever the strategy prints or reads, and run."""
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    Worker(orders, answers).run()


if __name__ == "__main__":
    main()
