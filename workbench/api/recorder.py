"""The outermost layer: every act and every refusal goes to the audit log before the caller has its answer."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.api.scopes import SAFE_METHODS, Principal, is_stop
from workbench.domain.errors import StorageError
from workbench.services.audit import Audit

log = logging.getLogger(__name__)
REFUSED = {400, 401, 403, 408, 413, 429}
REFUSALS_A_MINUTE = 120  # a stranger who knocks in a loop must fill neither disk nor queue; the rest is counted
AUDIT_MAY_TAKE_S = 5.0


class ClosedConnections:
    """Connections that were closed because they dawdled: a line a second at most, the rest is counted in the next."""

    def __init__(self, audit: Audit, clock: Callable[[], float] = time.monotonic) -> None:
        self._audit, self._clock = audit, clock
        self._writer = ThreadPoolExecutor(1, "audit-closed")
        self._next, self._more = float("-inf"), 0

    def __call__(self, client: str, why: str) -> None:
        if self._clock() < self._next:
            self._more += 1
            return
        details, self._more, self._next = {"why": why, "more": self._more}, 0, self._clock() + 1.0
        self._writer.submit(note_or_log, self._audit, "?", "connection closed", client, details)


class Recorder:
    """ASGI layer that writes the audit log.

    What changes something is written with its outcome before the answer leaves; a stop does not wait for the disk.

    Parameters
    ----------
    app : ASGIApp
        What is recorded.
    audit : Audit
        Where.
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, app: ASGIApp, *, audit: Audit, clock: Callable[[], float] = time.monotonic) -> None:
        self.app, self.audit, self._clock = app, audit, clock
        self._writer = ThreadPoolExecutor(1, "audit")  # one thread: the lines keep the order of the acts
        self._minute, self._refused, self._untold = 0, 0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})
        sent = _Sent(send, partial(self._record, scope))
        try:
            await self.app(scope, receive, sent)
        except Exception:  # answered with 500 further out; what was tried is recorded all the same
            await self._record(scope, 500)
            raise

    async def _record(self, scope: Scope, status: int) -> None:
        method = scope.get("method", "WEBSOCKET")
        refused = status in REFUSED
        acts = method not in SAFE_METHODS and method != "WEBSOCKET" and scope["path"] != "/internal/token"
        if not (acts or refused):
            return
        if refused and not self._may_tell():
            return
        principal: Principal | None = scope["state"].get("principal")
        body = _parsed(scope["state"].get("body", b""))
        person = body.get("person") if isinstance(body, dict) else None
        token = principal.name if principal else "?"
        who = f"{person} ({token})" if isinstance(person, str) and person and principal else token
        details = {"status": status, "query": _query(scope), "body": body}
        if scope["state"].get("replayed"):
            details["replayed"] = True
        note = partial(self._note, who, f"{method} {scope['path']}"[:300], source_of(scope), details)
        writing = asyncio.get_running_loop().run_in_executor(self._writer, note)
        if refused or not is_stop(method, scope["path"]):
            await asyncio.wait({writing}, timeout=AUDIT_MAY_TAKE_S)

    def _note(self, who: str, what: str, source: str, details: dict[str, Any]) -> None:
        note_or_log(self.audit, who, what, source, details)

    def _may_tell(self) -> bool:
        minute = int(self._clock() // 60)
        if minute != self._minute:
            untold, self._minute, self._refused, self._untold = self._untold, minute, 0, 0
            if untold:
                details = {"more": untold}
                self._writer.submit(self._note, "?", "refusals that were only counted", "desk", details)
        self._refused += 1
        if self._refused > REFUSALS_A_MINUTE:
            self._untold += 1
            return False
        return True


class _Sent:
    # Passes an answer on, and has it recorded when its status is known.
    def __init__(self, send: Send, record: Callable[[int], Any]) -> None:
        self._send, self._record = send, record

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._record(message["status"])
        elif message["type"] == "websocket.close" and message.get("code") == 1008:
            await self._record(403)
        await self._send(message)


def note_or_log(audit: Audit, who: str, what: str, source: str, details: dict[str, Any]) -> None:
    """Write a line; when the disk refuses, the log of the desk says what the audit log cannot."""
    try:
        audit.note(who=who, what=what, source=source, details=details)
    except StorageError as error:
        log.critical("the audit log cannot be written: %s; %s by %s: %s", error, what, who, details.get("status"))


def source_of(scope: Scope) -> str:
    """Return the client's address, as far as the transport tells."""
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else "?"


def _query(scope: Scope) -> dict[str, str]:
    # By name, so that what is named like a secret is blotted out.
    return dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))


def _parsed(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return {"unreadable": len(body)}
