"""Keep the computer from sleeping while a position is open: a machine that sleeps does not cancel anything."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

log = logging.getLogger(__name__)
CANNOT = "the computer cannot be kept from sleeping while a position is open"


def wakepy_mode() -> AbstractContextManager[Any]:
    """Return wakepy's mode that keeps programs running; it asks the desktop, so it may block and fail."""
    from wakepy import keep

    logging.getLogger("wakepy").setLevel(logging.WARNING)  # a failure is told by us, in one sentence
    return keep.running(on_fail="pass")


class Awake:
    """Holds the machine awake on demand, in a thread of its own that nobody waits for.

    Parameters
    ----------
    tell : callable
        Takes (level, text), from the loop's thread; a failure is told once.
    mode : callable
        Makes the context manager that keeps it awake; for tests.
    """

    def __init__(
        self, tell: Callable[[str, str], None], mode: Callable[[], AbstractContextManager[Any]] = wakepy_mode
    ) -> None:
        self._tell, self._mode = tell, mode
        self._wishes: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._wanted = False
        self._failure = ""
        self._told = False
        self.held = False

    def want(self, wanted: bool) -> None:
        """Say whether it must stay awake now; cheap, call it often."""
        if self._failure and not self._told:
            self._told = True
            self._tell("warning", f"{CANNOT} ({self._failure}): switch sleep off in its settings")
        if wanted == self._wanted:
            return
        self._wanted = wanted
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="awake", daemon=True)
            self._thread.start()
        self._wishes.put(wanted)

    def _work(self) -> None:
        with ExitStack() as held:
            while True:
                if not self._wishes.get():
                    held.close()
                    self.held = False
                    continue
                try:
                    mode = held.enter_context(self._mode())
                    self.held = bool(getattr(mode, "active", True))
                    self._failure = "" if self.held else "no way to ask the system for it was found"
                except Exception as error:
                    log.info("keeping the machine awake failed: %s", error)
                    self._failure = f"{type(error).__name__} {error}"[:200]
