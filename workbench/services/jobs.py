"""Backtests, sweeps and reports as jobs: each in a process of its own, one after the other, kept in the home.

The desk's loop never computes: it starts a child, reads its JSON lines, and ends it when a person cancels.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import sys
from collections import deque
from pathlib import Path
from typing import Any

from workbench.domain.errors import InputError, StorageError, UnknownName, WorkbenchError
from workbench.services.clock import wall_ns
from workbench.storage.home import Home, read_json, write_durably

log = logging.getLogger(__name__)
Json = dict[str, Any]
MOST_WAITING = 50
MOST_KEPT = 200
LONGEST_LINE = 32 * 1024 * 1024
OVER = ("done", "failed", "cancelled", "interrupted")
SECRET_ENV = ("WORKBENCH_API_TOKEN", "PROJECTX_API_KEY", "PROJECTX_USERNAME")  # a job needs none of them


class Jobs:
    """The jobs of one home.

    Parameters
    ----------
    home : Home
        Results lie in ``jobs/<id>.json`` there.
    module : str
        What a child runs (``python -m module``): it reads one JSON object, and writes JSON lines.
    at_once : int
        Children at one time; more wait in line.
    """

    def __init__(self, home: Home, module: str = "workbench.api.job_main", *, at_once: int = 1) -> None:
        self._home, self._module, self._at_once = home, module, at_once
        self._folder = home.path / "jobs"
        self._jobs: dict[str, Json] | None = None
        self._line: deque[str] = deque()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._children: dict[str, asyncio.subprocess.Process] = {}

    def rows(self, kind: str | None = None) -> list[Json]:
        """Return all jobs without their results, the newest first."""
        known = [job for job in self._known().values() if kind in (None, job["kind"])]
        return [{**job, "result": None} for job in sorted(known, key=lambda j: -j["created_at"])]

    def get(self, job: str) -> Json:
        """Return one job with its result."""
        if job not in self._known():
            raise UnknownName("job", job, self._known())
        found = {**self._known()[job]}  # as it is now: it may end in another thread before this is sent
        if found["state"] == "done" and found["result"] is None:
            found = {**found, "result": (read_json(self._path(job)) or {}).get("result")}
        return found

    def start(self, kind: str, asked: Json, *, by: str) -> Json:
        """Put a job in line and return it; it runs as soon as one before it is over."""
        if len(self._line) >= MOST_WAITING:
            raise WorkbenchError(f"{MOST_WAITING} jobs are waiting already; cancel some, or come back later")
        job: Json = {
            "id": secrets.token_hex(6),
            "kind": kind,
            "state": "queued",
            "phase": "waiting",
            "progress": None,
            "asked": asked,
            "by": by,
            "created_at": wall_ns(),
            "started_at": None,
            "ended_at": None,
            "error": None,
            "result": None,
        }
        self._forget()
        self._known()[job["id"]] = job
        self._line.append(job["id"])
        self._next()
        return job

    def _forget(self) -> None:
        # A desk runs for weeks: of what is over the newest are kept, as at its start.
        over = sorted((j for j in self._known().values() if j["state"] in OVER), key=lambda j: j["created_at"])
        for old in over[: max(0, len(over) + 1 - MOST_KEPT)]:
            del self._known()[old["id"]]
            self._path(old["id"]).unlink(missing_ok=True)
            self.trades_of(old["id"]).unlink(missing_ok=True)

    def cancel(self, job: str) -> Json:
        """End a job; one that is over is refused."""
        if self.get(job)["state"] in OVER:
            raise InputError(f"job {job} is {self.get(job)['state']}; there is nothing to cancel")
        found = self._known()[job]
        if job in self._line:
            self._line.remove(job)
        self._end(found, "cancelled")
        child = self._children.get(job)
        if child is not None:
            _kill(child)
        return found

    async def close(self) -> None:
        """End all children; what ran is interrupted."""
        self._line.clear()
        for job in list(self._tasks):
            found = self._known()[job]
            if found["state"] not in OVER:
                self._end(found, "interrupted")
            if job in self._children:
                _kill(self._children[job])
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _next(self) -> None:
        while self._line and len(self._tasks) < self._at_once:
            job = self._line.popleft()
            self._tasks[job] = asyncio.get_running_loop().create_task(self._run(self._known()[job]))

    async def _run(self, job: Json) -> None:
        try:
            job.update(state="running", phase="starting", started_at=wall_ns())
            await self._carry_out(job)
        except Exception as error:  # one job must not end the desk
            log.exception("job %s broke", job["id"])
            if job["state"] not in OVER:
                self._end(job, "failed", error=f"{type(error).__name__}: {error}")
        finally:
            self._children.pop(job["id"], None)
            self._tasks.pop(job["id"], None)
            self._next()

    async def _carry_out(self, job: Json) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in SECRET_ENV}
        environment["WORKBENCH_HOME"] = str(self._home.path)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self._module, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=environment, limit=LONGEST_LINE, start_new_session=True,
        )  # fmt: skip
        self._children[job["id"]] = child
        if job["state"] in OVER:  # cancelled while it was started
            _kill(child)
        told = asyncio.ensure_future(_last_words(child))
        try:
            await self._talk(job, child)
            code, words = await child.wait(), await told
        finally:
            _kill(child)
            await child.wait()
            told.cancel()
        if job["state"] not in OVER:
            self._end(job, "failed", error=f"its process ended with code {code}: {words}")

    async def _talk(self, job: Json, child: asyncio.subprocess.Process) -> None:
        if child.stdin is None or child.stdout is None:
            raise WorkbenchError("a job's process has no pipes")
        with contextlib.suppress(ConnectionError):
            words = {"kind": job["kind"], "asked": job["asked"], "trades": str(self.trades_of(job["id"]))}
            child.stdin.write(json.dumps(words).encode() + b"\n")
            await child.stdin.drain()
            child.stdin.close()
        async for line in child.stdout:
            try:
                told = json.loads(line)
            except ValueError:
                continue  # something printed
            if not isinstance(told, dict) or job["state"] in OVER:
                continue
            if "phase" in told:
                job["phase"] = str(told["phase"])
                job["progress"] = told.get("progress")
            elif "result" in told:
                self._end(job, "done", result=told["result"])
            elif "error" in told:
                self._end(job, "failed", error=str(told["error"]))

    def _end(self, job: Json, state: str, *, error: str | None = None, result: Json | None = None) -> None:
        progress = 1.0 if state == "done" else job["progress"]
        ended = {"state": state, "phase": state, "progress": progress, "ended_at": wall_ns(), "error": error}
        try:
            write_durably(self._path(job["id"]), json.dumps({**job, **ended, "result": result}).encode())
        except StorageError as refused:
            ended |= {"error": error or f"the result was not kept: {refused}", "result": result}
        job.update(ended)  # only now: who sees that it is done, in another thread, reads the result from the file

    def trades_of(self, job: str) -> Path:
        """Return where the trades of a backtest lie: too many for its result."""
        return self._folder / f"{job}.trades.parquet"

    def _path(self, job: str) -> Any:
        return self._folder / f"{job}.json"

    def _known(self) -> dict[str, Json]:
        if self._jobs is None:
            self._jobs = {}
            files = (
                sorted(self._folder.glob("*.json"), key=lambda p: p.stat().st_mtime_ns) if self._folder.is_dir() else []
            )
            for old in files[:-MOST_KEPT]:
                old.unlink(missing_ok=True)
                self.trades_of(old.stem).unlink(missing_ok=True)
            for path in files[-MOST_KEPT:]:
                try:
                    body = read_json(path)
                except StorageError:
                    continue
                if body and body.get("id") == path.stem:
                    self._jobs[path.stem] = {**body, "result": None}
        return self._jobs


async def _last_words(child: asyncio.subprocess.Process) -> str:
    words = b""
    while child.stderr is not None and (part := await child.stderr.read(4_096)):
        words = (words + part)[-600:]
    return words.decode("utf-8", "replace").strip()


def _kill(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # its own session: what it started goes with it
