"""`desk.controls()`: the control panel of a notebook, one widget with local JavaScript."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import anywidget

from workbench.domain.errors import InputError, WorkbenchError
from workbench.storage.home import home, read_json
from workbench.widgets.offers import chosen, declaration, offers
from workbench.widgets.scripts import script

PUSH_S = 0.5
BLOTTER_S = 2.0
BLOTTER_ROWS = 8
SHOWN_FOR_S = 15 * 60.0  # a view silent for so long is gone (a busy kernel cannot hear it, so this is long)
POLICIES = ("start_policy", "disconnect_policy", "disconnect_after_s")
TOKEN_RENEW_S = 6 * 3600.0  # half a stop token's life


class DeskClient(Protocol):
    """What the panel asks of a desk client; `workbench.desk.Desk` is the real one."""

    url: str

    def snapshot(self) -> dict[str, Any]: ...

    def stop_token(self) -> str: ...

    def ask(self, method: str, path: str, **options: Any) -> Any: ...

    def start(self, strategy: Any, *, account: int | None, contract: str | None, **parameters: Any) -> Any: ...

    def command(self, session: str, verb: str) -> Any: ...

    def emergency_stop(self, reason: str = ...) -> Any: ...


class Controls(anywidget.AnyWidget):
    """Session cards, a start form, the blotter, and the emergency stop.

    The kernel pushes snapshots from a thread, two a second, as long as a view is shown. Stop and flatten are posted
    from the browser straight to the desk. Their token can do nothing else and travels in a message: traits are saved
    in the notebook.
    """

    _esm = script("stop.js", "parts.js", "start_form.js", "blotter.js", "controls.js")
    _css = script("controls.css")

    def __init__(self, desk: DeskClient) -> None:
        super().__init__()
        self._desk = desk
        self._wake, self._closed = threading.Event(), threading.Event()
        self._heard_at = self._granted_at = self._blotter_at = float("-inf")
        self._desk_pid: int | None = None
        self._thread: threading.Thread | None = None
        self._starting: threading.Thread | None = None
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
            self._granted_at = self._blotter_at = float("-inf")  # every new view needs the access message
            self._push()
            self._start()
        elif op == "command":
            self._answer(lambda: self._desk.command(str(message["session"]), str(message["verb"])))
        elif op == "stop_by_file":
            self._answer(lambda: self._desk.emergency_stop(str(message.get("reason") or "stop button in the notebook")))
        elif op == "offers":
            self._form(lambda: {"op": "offers", **offers(self._desk, self._desk.snapshot())})
        elif op == "declare":
            self._form(lambda: self._declared(str(message["what"])))
        elif op == "start":
            self._begin(message)

    def _answer(self, act: Callable[[], Any]) -> None:
        try:
            text = repr(act())
        except WorkbenchError as error:
            text = f"✖ {error}"
        self.send({"op": "answer", "text": text})
        self._push()

    def _form(self, made: Callable[[], dict[str, Any]]) -> None:
        try:
            self.send(made())
        except WorkbenchError as error:
            self.send({"op": "form_error", "text": str(error)})

    def _declared(self, what: str) -> dict[str, Any]:
        return {"op": "declared", **declaration(what, chosen(self._desk, what), self._desk.snapshot())}

    def _begin(self, wish: dict[str, Any]) -> None:
        # A new runner takes seconds: the kernel is not kept from its cells for that.
        if self._starting is not None and self._starting.is_alive():
            self.send({"op": "form_error", "text": "a start is on its way already; wait for its answer"})
            return
        self._starting = threading.Thread(target=self._begun, args=(wish,), name="workbench-start", daemon=True)
        self._starting.start()

    def _begun(self, wish: dict[str, Any]) -> None:
        def started() -> dict[str, Any]:
            what, values = str(wish["what"]), dict(wish.get("values") or {})
            strategy = chosen(self._desk, what).with_parameters(**values)  # what it refuses never reaches the desk
            if wish.get("account") is None:
                raise InputError("no account is chosen; link one with workbench account link")
            contract = str(wish["contract"]) if wish.get("contract") else None
            told = wish.get("policies") or {}  # a view of an older kernel has none
            policies = {name: told.get(name) for name in POLICIES}
            session = self._desk.start(
                strategy, account=int(wish["account"]), contract=contract, **policies, **strategy.values
            )
            return {"op": "started", "session": session.session, "text": repr(session)}

        self._form(started)
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
        with contextlib.suppress(WorkbenchError):  # a slow blotter does not make the desk dead
            self._push_blotter()

    def _push_blotter(self) -> None:
        if time.monotonic() - self._blotter_at < BLOTTER_S:
            return
        self._blotter_at = time.monotonic()
        parts = {name: self._desk.ask("GET", f"/api/{name}", params={"limit": 1000}) for name in ("orders", "fills")}
        self.send({"op": "blotter", **{name: newest(rows) for name, rows in parts.items()}})

    def _grant(self, pid: int | None) -> None:
        """Send url and stop token to new views, after a restart of the desk, and before the old token dies."""
        if pid == self._desk_pid and time.monotonic() - self._granted_at < TOKEN_RENEW_S:
            return
        page = (read_json(home().desk / "dashboard.json") or {}).get("link")
        self.send({"op": "access", "url": self._desk.url, "token": self._desk.stop_token(), "page": page})
        self._desk_pid, self._granted_at = pid, time.monotonic()


def newest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the newest rows, the newest first.

    >>> newest([{"at": 1}, {"at": 3}, {"at": None}])
    [{'at': 3}, {'at': 1}, {'at': None}]
    """
    return sorted(rows, key=lambda row: row.get("at") or 0, reverse=True)[:BLOTTER_ROWS]
