"""What the disk may take: a call that does not come back in time is left behind on a thread that nobody waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Answer = TypeVar("Answer")


def begun(function: Callable[[], Answer]) -> Future[Answer]:
    """Run `function` on a thread of its own, which no end of the program waits for; return what will be its answer."""
    future: Future[Answer] = Future()

    def work() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
            future.set_exception(error)

    threading.Thread(target=work, name="disk", daemon=True).start()
    return future


def in_time(function: Callable[[], Answer], seconds: float) -> Answer:
    """Return what `function` does; it goes on alone when it takes longer.

    Raises
    ------
    TimeoutError
        It has not come back within `seconds`; what it does may still happen.
    """
    return begun(function).result(seconds)


async def awaited_in_time(function: Callable[[], Answer], seconds: float) -> Answer:
    """Return what `function` does, without holding up the loop; it goes on alone when it takes longer.

    Raises
    ------
    TimeoutError
        It has not come back within `seconds`; what it does may still happen.
    """
    async with asyncio.timeout(seconds):
        return await asyncio.shield(asyncio.wrap_future(begun(function)))
