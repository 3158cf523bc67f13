"""Stored bars for the API, read by one process beside the desk, so that no read keeps the desk's loop waiting."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from typing import Any

from workbench.domain.errors import InputError, StorageError
from workbench.services.jobs import LONGEST_LINE, SECRET_ENV
from workbench.storage.home import Home

Json = dict[str, Any]
MAY_TAKE_S = 45.0


class History:
    """Asks a child that stays; one that dies or does not answer in time is replaced at the next question.

    Parameters
    ----------
    home : Home
        Whose store is read.
    module : str
        What the child runs: it answers each JSON line with one.
    may_take_s : float
        Seconds that an answer may take.
    """

    def __init__(
        self, home: Home, module: str = "workbench.api.history_main", *, may_take_s: float = MAY_TAKE_S
    ) -> None:
        self._home, self._module, self._may_take_s = home, module, may_take_s
        self._child: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def bars(self, asked: Json, limit: int, offset: int) -> tuple[list[Json], int]:
        """Return a slice of the stored bars that were asked for, and how many there are in all.

        Raises
        ------
        InputError
            An unknown contract, or nothing stored of it.
        StorageError
            The store could not be read in time.
        """
        told = await self._answer({**asked, "limit": limit, "offset": offset})
        return told["rows"], int(told["total"])

    async def read(self, what: str, **asked: Any) -> Any:
        """Return what the child reads under this name, such as ``stored`` or ``quality``; raises as `bars` does."""
        return (await self._answer({**asked, "read": what}))["answer"]

    async def _answer(self, asked: Json) -> Json:
        async with self._turn:
            try:
                async with asyncio.timeout(self._may_take_s):
                    told = await self._ask(asked)
            except (TimeoutError, OSError, ValueError) as error:
                self._end()
                raise StorageError(
                    f"the store was not read within {self._may_take_s:g} s ({error!r}); ask for less"
                ) from error
            except asyncio.CancelledError:
                self._end()  # its answer would be taken for the next one's
                raise
        if "error" in told:
            raise InputError(str(told["error"]))
        return told

    async def _ask(self, asked: Json) -> Json:
        if self._child is None or self._child.returncode is not None:
            self._child = await self._start()
        if self._child.stdin is None or self._child.stdout is None:
            raise OSError("no pipes")
        self._child.stdin.write(json.dumps(asked).encode() + b"\n")
        await self._child.stdin.drain()
        line = await self._child.stdout.readline()
        if not line:
            raise OSError("the reading process has gone")
        told: Json = json.loads(line)
        return told

    async def _start(self) -> asyncio.subprocess.Process:
        environment = {name: value for name, value in os.environ.items() if name not in SECRET_ENV}
        environment["WORKBENCH_HOME"] = str(self._home.path)
        pipe, none = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._module,
            stdin=pipe,
            stdout=pipe,
            stderr=none,
            env=environment,
            limit=LONGEST_LINE,
        )

    def _end(self) -> None:
        if self._child is not None and self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._child.kill()
        self._child = None

    async def close(self) -> None:
        """End the child."""
        child = self._child
        self._end()
        if child is not None:
            await child.wait()
