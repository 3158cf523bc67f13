"""What the disk may take: a call that does not come back in time is left behind on a thread that nobody waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Answer = TypeVar("Answer")


class _Daemons(Executor):
    """A thread for each call, which no end of the program waits for."""

    def submit(self, fn: Callable[P, Answer], /, *args: P.args, **kwargs: P.kwargs) -> Future[Answer]:
        future: Future[Answer] = Future()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
                future.set_exception(error)

        threading.Thread(target=work, name="disk", daemon=True).start()
        return future


_DAEMONS = _Daemons()


def in_time(function: Callable[[], Answer], seconds: float) -> Answer:
    """Return what `function` does; it goes on alone when it takes longer.

    Raises
    ------
    TimeoutError
        It has not come back within `seconds`; what it does may still happen.
    """
    return _DAEMONS.submit(function).result(seconds)


async def awaited_in_time(function: Callable[[], Answer], seconds: float) -> Answer:
    """Return what `function` does, without holding up the loop; it goes on alone when it takes longer.

    Raises
    ------
    TimeoutError
        It has not come back within `seconds`; what it does may still happen.
    """
    async with asyncio.timeout(seconds):
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(_DAEMONS, function))
