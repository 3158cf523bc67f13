"""Child processes of the desk: started, watched, started again with growing pauses, ended with the desk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.services.clock import wall_ns
from workbench.services.link import ChildChannel, ChildSilent

LONGEST_PAUSE_S = 5.0


class Child:
    """One child process and its channel.

    Parameters
    ----------
    name : str
        For the log file and the screens.
    module : str
        What ``python -m`` runs.
    arguments : list of str
        Its command line.
    environment : dict
        Added to ours: secrets travel here, never on the command line.
    log : Path
        Where its output goes.
    """

    def __init__(self, name: str, module: str, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self.name, self._module, self._arguments = name, module, arguments
        self._environment, self._log = environment, log
        self._process: asyncio.subprocess.Process | None = None
        self.channel: ChildChannel | None = None
        self.state, self.since, self.pid = "down", wall_ns(), 0
        self.exit_code: int | None = None
        self.wanted = False
        self.restarts = 0
        self.last: dict[str, dict[str, Any]] = {}
        self._pause, self._not_before = 0.2, 0.0
        self.connected = asyncio.Event()

    def _become(self, state: str) -> None:
        if state != self.state:
            self.state, self.since = state, wall_ns()

    async def start(self) -> None:
        """Start the process unless it runs already."""
        self.wanted = True
        if self._process is not None and self._process.returncode is None:
            return
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with open(self._log, "ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                *self._arguments,
                env={**os.environ, **self._environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C in the terminal is the desk's business
            )
        self.pid, self.exit_code = self._process.pid, None
        self._become("starting")

    def attach(self, channel: ChildChannel, pid: int) -> None:
        """The child has dialled in (perhaps one that an earlier desk started)."""
        self.channel, self.pid, self._pause = channel, pid, 0.2
        self._become("running")
        self.connected.set()

    def detach(self, channel: ChildChannel) -> None:
        """The channel is gone; the process may be, too."""
        if self.channel is channel:
            self.channel = None
            self.connected.clear()
            self._become("lost")

    async def request(self, verb: str, body: dict[str, Any] | None = None, timeout_s: float = 5.0) -> dict[str, Any]:
        """Ask the child; wait up to `timeout_s` for it to be there first.

        Raises
        ------
        ChildSilent, ChildRefused
            No answer, or a no.
        """
        try:
            await asyncio.wait_for(self.connected.wait(), timeout_s)
        except TimeoutError:
            raise ChildSilent(f"{self.name} is not running ({self.state}); see {self._log}") from None
        if self.channel is None:
            raise ChildSilent(f"{self.name} has just gone")
        return await self.channel.request(verb, body, timeout_s)

    async def watch(self, may_start: Callable[[], bool]) -> None:
        """Start it again when it has died although it is wanted; for ever."""
        while True:
            await asyncio.sleep(0.1)
            process = self._process
            if process is not None and process.returncode is not None and self.exit_code is None:
                self.exit_code = process.returncode
                self._become("stopped" if process.returncode == 0 else "down")
                self._not_before = time.monotonic() + self._pause
                self._pause = min(self._pause * 2, LONGEST_PAUSE_S)
            gone = process is None or process.returncode is not None
            if self.wanted and gone and self.channel is None and may_start() and time.monotonic() >= self._not_before:
                self.restarts += process is not None
                await self.start()

    async def end(self, wait_s: float = 3.0) -> None:
        """Ask the process to end, then make it."""
        self.wanted = False
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), wait_s)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
