"""Child processes of the desk: started, watched, started again with growing pauses, ended with the desk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.services.clock import wall_ns
from workbench.services.link import ChildChannel, ChildSilent
from workbench.services.pulse import Pulse
from workbench.storage.lock import AccountLock, kill_process

log = logging.getLogger(__name__)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
LONG_LIFE_S = 10.0  # who lived that long starts again without a pause that grew
SILENT_AFTER_S = 5.0  # children push twice a second and more
HUNG_AFTER_S = 30.0  # without a sign of life although it was heard before: it is killed and started again
MAY_START_WITHIN_S = 120.0  # a long journal is read before the first word
KILLED_WHEN_HUNG = ("runner", "ingest")  # roles of locks
ACCOUNT_TAKEN, CANNOT_RUN = 3, 4  # exit codes: it may be tried again; a person must act first
ONLY_FOR_THE_DESK = ("PROJECTX_USERNAME", "PROJECTX_API_KEY")  # one login per user: children get a token, never the key
TOLD_AGAIN_S = 60.0
DEGRADED_AFTER = 5  # short lives in a row: it is tried on, but seldom, and a person must know
DEGRADED_PAUSE_S = 60.0


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
    is_taken : callable
        Says whether a process already does this work, such as one that an earlier desk started.
    lock : AccountLock, optional
        The one that the process holds while it works: it names the process, and its date shows that it gets on.
    tell : callable
        Takes (level, text) when it ends unwanted.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: list[str],
        environment: dict[str, str],
        log: Path,
        *,
        is_taken: Callable[[], bool] = lambda: False,
        lock: AccountLock | None = None,
        tell: Callable[[str, str], None] = lambda level, text: None,
    ) -> None:
        self.name, self._module, self._arguments = name, module, arguments
        self._environment, self._log = environment, log
        self._is_taken, self._lock, self._tell = is_taken, lock, tell
        self._pulse = Pulse()
        self._signs = 0
        self._process: asyncio.subprocess.Process | None = None
        self.channel: ChildChannel | None = None
        self._state, self.since, self.pid = "down", wall_ns(), 0
        self.exit_code: int | None = None
        self.reason = ""
        self.wanted = self.given_up = self._is_beginning = False
        self.restarts = 0
        self.last: dict[str, dict[str, Any]] = {}
        self.heard_at = 0.0
        self._pause, self._not_before, self._begun = FIRST_PAUSE_S, 0.0, 0.0
        self._output_from = 0
        self._told = ("", 0.0)
        self._short_lives = 0

    @property
    def state(self) -> str:
        """down, starting, running, stopped (by itself), lost (it says nothing), degraded (it dies again and again)."""
        if self._short_lives >= DEGRADED_AFTER and self.is_gone and self.channel is None and self.wanted:
            return "degraded"
        return "lost" if self._state == "running" and self.is_silent else self._state

    @property
    def is_silent(self) -> bool:
        """Say whether what it told last is not the present."""
        return self.channel is None or time.monotonic() - self.heard_at > SILENT_AFTER_S

    @property
    def is_gone(self) -> bool:
        """Say whether no process of ours runs."""
        return self._process is None or self._process.returncode is not None

    def _become(self, state: str) -> None:
        if state != self._state:
            self._state, self.since = state, wall_ns()

    async def start(self) -> None:
        """Want the process, and start it unless it runs already, here or from an earlier desk."""
        if not self.wanted:
            self._short_lives = 0  # a person asks for it: it is tried at once
        self.wanted, self.given_up = True, False
        if self.is_gone and self.channel is None and not self._is_taken():
            await self._spawn()

    async def _spawn(self) -> None:
        if self._is_beginning:  # a second process would have nothing to do, and nobody would end it
            return
        self._is_beginning = True
        try:
            await self._begin()
        finally:
            self._is_beginning = False

    async def _begin(self) -> None:
        self._reap()
        with self._output() as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                *self._arguments,
                env={**{k: v for k, v in os.environ.items() if k not in ONLY_FOR_THE_DESK}, **self._environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C in the terminal is the desk's business
            )
        self.pid, self.exit_code, self._begun = self._process.pid, None, time.monotonic()
        self._become("starting")

    def _output(self) -> Any:
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            output = open(self._log, "ab")  # noqa: SIM115 - the caller closes it
        except OSError as error:  # a full disk must not keep a runner from coming back
            log.warning("the output of %s cannot be kept: %s", self.name, error)
            return open(os.devnull, "ab")
        self._output_from = output.tell()
        return output

    def attach(self, channel: ChildChannel, pid: int) -> None:
        """The child has dialled in (perhaps one that an earlier desk started)."""
        self.channel, self.pid, self.heard_at = channel, pid, time.monotonic()
        self.reason = ""
        self._become("running")

    def detach(self, channel: ChildChannel) -> None:
        """The channel is gone; the process may be, too."""
        if self.channel is channel:
            self.channel = None
            self._become("lost")

    def heard(self, kind: str, body: dict[str, Any]) -> None:
        """Keep what the child has told."""
        self.heard_at = time.monotonic()
        self.last[kind] = body

    def signed(self) -> None:
        """It has shown that it lives, although what it says is not taken: a desk of another program refuses it."""
        self._signs += 1

    async def request(self, verb: str, body: dict[str, Any] | None = None, timeout_s: float = 5.0) -> dict[str, Any]:
        """Ask the child; wait up to `timeout_s` for it to be there first.

        Raises
        ------
        ChildSilent, ChildRefused
            No answer, or a no.
        """
        deadline = time.monotonic() + timeout_s
        while self.channel is None:
            if self.given_up:
                raise ChildSilent(f"{self.name} cannot run: {self.reason}")
            if time.monotonic() > deadline:
                why = f": {self.reason}" if self.reason else ""
                raise ChildSilent(f"{self.name} is not running ({self.state}){why}; see {self._log}")
            await asyncio.sleep(0.01)
        return await self.channel.request(verb, body, timeout_s)

    async def watch(self, may_start: Callable[[], bool]) -> None:
        """Start it again when it has died although it is wanted; for ever."""
        while True:
            await asyncio.sleep(0.1)
            try:
                self._reap()
                await self._end_hung(may_start)
                if self._is_due() and may_start() and not self._is_taken():
                    self.restarts += self._process is not None
                    await self._spawn()
            except Exception:
                log.exception("%s could not be started; trying again", self.name)
                self._not_before = time.monotonic() + LONGEST_PAUSE_S

    async def _end_hung(self, may_start: Callable[[], bool]) -> None:
        # Neither a word nor a sign on the disk: it would go on holding the account, and nobody would look after it.
        shown = self._lock.shown_at() if self._lock is not None and self.is_silent else 0
        silent_s = self._pulse.silent_s((self.pid, self.heard_at, self._signs, shown))
        heard = self.heard_at > self._begun
        patience = HUNG_AFTER_S if heard else MAY_START_WITHIN_S
        if not self.wanted or silent_s < patience or not may_start():
            return
        self._pulse.forget()
        pid = await self._kill_hung()
        if pid:
            text = f"{self.name} (process {pid}) gave no sign of life for {patience:g} s: it was killed"
            self._tell("critical", f"{text} and is started again; what is open keeps its stops at the broker")

    async def _kill_hung(self) -> int:
        holder = self._lock.holder() if self._lock is not None else None
        if holder is not None and holder.get("pid") and holder.get("role") in KILLED_WHEN_HUNG:
            await asyncio.to_thread(kill_process, holder)
            return int(holder["pid"])
        if holder is not None or self.is_gone or self._process is None:
            return 0  # somebody else has the account, such as an emergency stop
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        return self._process.pid

    def _is_due(self) -> bool:
        may_begin = self.is_gone and not self._is_beginning and time.monotonic() >= self._not_before
        return self.wanted and may_begin and self.channel is None

    def _reap(self) -> None:
        # Takes note of an end, once.
        process, now = self._process, time.monotonic()
        if process is None or process.returncode is None or self.exit_code is not None:
            return
        code = self.exit_code = process.returncode
        if now - self._begun > LONG_LIFE_S:
            self._pause, self._short_lives = FIRST_PAUSE_S, 0
        elif code != 0 and code != ACCOUNT_TAKEN:
            self._short_lives += 1
        degraded = self._short_lives >= DEGRADED_AFTER
        self._not_before = now + (DEGRADED_PAUSE_S if degraded else self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE_S)
        if self.channel is None:
            self._become("stopped" if code == 0 else "down")
        if code == 0 or not self.wanted:
            return
        self.reason = f"{self.name} ended with code {code}: {self.last_words()}"
        if code == CANNOT_RUN:
            self.wanted, self.given_up = False, True
        if self._short_lives == DEGRADED_AFTER and not self.given_up:
            self._tell(
                "critical",
                f"{self.name} is degraded: it has died {DEGRADED_AFTER} times in a row and is now tried once in "
                f"{DEGRADED_PAUSE_S:g} s; positions keep their stops at the broker. {self.reason}",
            )
        elif self._told[0] != self.reason or now - self._told[1] > TOLD_AGAIN_S:
            self._told = (self.reason, now)
            then = "it is not started again until somebody asks for it" if self.given_up else "it is started again"
            self._tell("critical" if self.given_up else "warning", f"{self.reason}; {then}")

    def last_words(self) -> str:
        """The end of what it has written since its start, on one line."""
        try:
            with open(self._log, "rb") as output:
                output.seek(self._output_from)
                text = output.read().decode(errors="replace")
        except OSError:
            text = ""
        lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
        return (lines[-1] if lines else "it said nothing")[:500]

    async def end(self, wait_s: float = 3.0) -> None:
        """Ask the process to end, then make it; one of an earlier desk that has dialled in, too."""
        self.wanted = False
        if not self.is_gone:
            await self._end_own(wait_s)
        elif self.channel is not None and self.pid:
            await self._end_adopted(wait_s)

    async def _end_own(self, wait_s: float) -> None:
        process = self._process
        assert process is not None  # noqa: S101 - for the type checker: it is not gone
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(wait_s):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _end_adopted(self, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
            while self.channel is not None:
                if time.monotonic() > deadline:
                    os.kill(self.pid, signal.SIGKILL)
                    return
                await asyncio.sleep(0.02)
