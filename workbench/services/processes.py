"""Programs of ours started beside this one, for the demo and the tests: ready when they say so, gone when we go."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from workbench.domain.errors import WorkbenchError


class NotStarted(WorkbenchError):
    """A program did not come up; its last words are in the message."""


def _for_me_alone(path: str, flags: int) -> int:
    # Programs that are not ours may print a link with a token, as JupyterLab does.
    handle = os.open(path, flags, 0o600)
    os.fchmod(handle, 0o600)
    return handle


class Program:
    """One program: a Python module or command with its output in a file."""

    def __init__(self, name: str, command: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name, self.log = name, log
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab", opener=_for_me_alone) as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    def wait_for(self, is_ready: Callable[[], bool], within_s: float) -> None:
        """Wait until it is ready.

        Raises
        ------
        NotStarted
            It ended, or took too long.
        """
        deadline = time.monotonic() + within_s
        while not is_ready():
            if self.process.poll() is not None:
                raise NotStarted(f"{self.name} ended with code {self.process.returncode}: {self.last_words()}")
            if time.monotonic() > deadline:
                raise NotStarted(f"{self.name} was not ready within {within_s:g} s: {self.last_words()}")
            time.sleep(0.03)

    def last_words(self) -> str:
        """The end of its output, on one line."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"{' | '.join(lines[-4:]) or 'no output'} ({self.log})"

    def end(self, wait_s: float = 8.0) -> int | None:
        """Ask it to end, then make it and its children; return its exit code."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(wait_s)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(5)
        return self.process.returncode


def python_module(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module with our own interpreter."""
    return [sys.executable, "-m", module, *arguments]


def answers(url: str) -> bool:
    """Say whether an HTTP server gives any answer below 500 at `url`."""
    try:
        with httpx.Client(timeout=1.0, trust_env=False) as client:  # loopback: no proxy has a say
            return client.get(url).status_code < httpx.codes.INTERNAL_SERVER_ERROR
    except httpx.HTTPError:
        return False


def free_port(wanted: int = 0) -> int:
    """Return a port that is free now; `wanted` 0 takes any.

    Raises
    ------
    WorkbenchError
        `wanted` is taken.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OverflowError as error:
            raise NotStarted(f"there is no port {wanted}; ports go from 1 to 65535 (0 picks a free one)") from error
        except OSError as error:
            raise NotStarted(
                f"port {wanted} on 127.0.0.1 is taken ({error.strerror}): end the other program or choose another port "
                "(0 picks a free one)"
            ) from error
        port: int = probe.getsockname()[1]
        return port
