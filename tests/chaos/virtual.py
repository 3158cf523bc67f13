"""An event loop whose time jumps to the next thing that is due: hours of patience pass in milliseconds."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import time
from collections.abc import Coroutine, Iterator
from typing import Any

SECOND = 1_000_000_000


class _Leap(selectors.SelectSelector):
    """A selector that does not wait: it moves the clock of its loop instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen again in this virtual world: a task waits for nobody")
        self.loop.elapsed += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time is virtual seconds since it was made; nothing here waits for a socket, a thread or a process."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        leap = _Leap()
        leap.loop = self
        super().__init__(leap)

    def time(self) -> float:
        return self.elapsed

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        """Work meant for a thread is done at once: no virtual time passes meanwhile."""
        done: asyncio.Future[Any] = self.create_future()
        try:
            done.set_result(func(*args))
        except BaseException as error:
            done.set_exception(error)
        return done


@contextlib.contextmanager
def virtual_time(loop: VirtualLoop, wall: int) -> Iterator[None]:
    """Let `time` tell the loop's time: monotonic from 1000 s, the wall clock from `wall` (UTC ns)."""

    def monotonic() -> float:
        return 1000.0 + loop.elapsed

    def wall_s() -> float:
        return wall / SECOND + loop.elapsed

    virtual = {
        "monotonic": monotonic,
        "monotonic_ns": lambda: int(monotonic() * SECOND),
        "time": wall_s,
        "time_ns": lambda: wall + int(loop.elapsed * SECOND),
        "sleep": lambda seconds: None,
    }
    real = {name: getattr(time, name) for name in virtual}
    for name, function in virtual.items():
        setattr(time, name, function)
    try:
        yield
    finally:
        for name, function in real.items():
            setattr(time, name, function)


def play(story: Coroutine[Any, Any, Any], wall: int, loop: VirtualLoop | None = None) -> Any:
    """Run `story` to its end in a world of its own; what is left running is cancelled."""
    loop = loop or VirtualLoop()
    loop.set_exception_handler(lambda _loop, _context: None)  # a killed process leaves dead tasks behind
    try:
        with virtual_time(loop, wall):
            asyncio.set_event_loop(loop)
            result = loop.run_until_complete(story)
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.wait(left, timeout=5))
            return result
    finally:
        asyncio.set_event_loop(None)
        loop.close()
