"""`desk.controls()`: the control panel of a notebook, one widget with local JavaScript."""

from __future__ import annotations

import threading
import time
from importlib.resources import files
from typing import Any, Protocol

import anywidget

from workbench.domain.errors import WorkbenchError

PUSH_S = 0.5
SHOWN_FOR_S = (
    15 * 60.0
)  # a view that has not spoken for so long is gone (a busy kernel cannot hear it, so this is long)
TOKEN_RENEW_S = 6 * 3600.0  # half a stop token's life


class DeskClient(Protocol):
    """What the panel asks of a desk client; `workbench.desk.Desk` is the real one."""

    url: str

    def snapshot(self) -> dict[str, Any]: ...

    def stop_token(self) -> str: ...

    def command(self, session: str, verb: str) -> Any: ...

    def emergency_stop(self, reason: str = ...) -> Any: ...


def script(*names: str) -> str:
    """Return our own JavaScript files, one after the other, as one module."""
    folder = files("workbench.widgets")
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


class Controls(anywidget.AnyWidget):
    """Session cards and the emergency stop.

    The kernel pushes snapshots from a thread, two a second, as long as a view is shown; the stop button posts from the
    browser to the desk. Its token can do nothing but stop and travels in a message: traits are saved in the notebook.
    """

    _esm = script("stop.js", "controls.js")
    _css = script("controls.css")

    def __init__(self, desk: DeskClient) -> None:
        super().__init__()
        self._desk = desk
        self._wake, self._closed = threading.Event(), threading.Event()
        self._heard_at = self._granted_at = float("-inf")
        self._desk_pid: int | None = None
        self._thread: threading.Thread | None = None
        self.on_msg(self._hear)

    def __repr__(self) -> str:
        return f"Controls({self._desk!r})"

    def close(self) -> None:
        """Stop pushing; what trades goes on trading."""
        self._closed.set()
        self._wake.set()
        super().close()

    # --- from the browser --------------------------------------------------------------------------------------------

    def _hear(self, _: Any, message: dict[str, Any], __: Any) -> None:
        op = message.get("op")
        self._heard_at = float("-inf") if op == "bye" else time.monotonic()
        if op == "hello":
            self._granted_at = float("-inf")  # every new view needs the access message
            self._push()
            self._start()
        elif op == "command":
            self._answer(lambda: self._desk.command(str(message["session"]), str(message["verb"])))
        elif op == "stop_by_file":
            self._answer(lambda: self._desk.emergency_stop(str(message.get("reason") or "stop button in the notebook")))

    def _answer(self, act: Any) -> None:
        try:
            text = repr(act())
        except WorkbenchError as error:
            text = f"✖ {error}"
        self.send({"op": "answer", "text": text})
        self._push()

    # --- to the browser ----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="workbench-controls", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._closed.is_set() and time.monotonic() - self._heard_at < SHOWN_FOR_S:
            self._wake.wait(PUSH_S)
            if not self._closed.is_set():
                self._push()

    def _push(self) -> None:
        try:
            snapshot = self._desk.snapshot()
            self._grant(snapshot.get("desk", {}).get("pid"))
        except WorkbenchError as error:
            self.send({"op": "dead", "text": str(error)})
            return
        self.send({"op": "snapshot", "snapshot": snapshot})

    def _grant(self, pid: int | None) -> None:
        """Send url and stop token to new views, after a restart of the desk, and before the old token dies."""
        if pid == self._desk_pid and time.monotonic() - self._granted_at < TOKEN_RENEW_S:
            return
        self.send({"op": "access", "url": self._desk.url, "token": self._desk.stop_token()})
        self._desk_pid, self._granted_at = pid, time.monotonic()
