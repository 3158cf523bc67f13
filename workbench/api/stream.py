"""The snapshot, pushed: at most twenty times a second, the newest only, one snapshot for any number of viewers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from workbench.api.security import Tokens
from workbench.domain.errors import WorkbenchError
from workbench.services.desk_service import DeskService

PERIOD_S = 0.05
HEARTBEAT_S = 1.0  # an unchanged snapshot goes out all the same, so that silence means a dead desk and nothing else
TOKEN_WAIT_S = 3.0
ENCODER = msgspec.json.Encoder(decimal_format="number")


class SharedSnapshot:
    """One snapshot for all readers, not older than `max_age_s`; a newer one is asked for once, not once per reader."""

    def __init__(self, service: DeskService, *, max_age_s: float = PERIOD_S / 2) -> None:
        self._service, self._max_age_s = service, max_age_s
        self._lock = asyncio.Lock()
        self._taken = float("-inf")
        self._value: dict[str, Any] = {}

    async def get(self) -> dict[str, Any]:
        """Return the current snapshot."""
        async with self._lock:
            if time.monotonic() - self._taken > self._max_age_s:
                self._value = await self._service.snapshot()
                self._taken = time.monotonic()
            return self._value


def fingerprint(snapshot: dict[str, Any]) -> bytes:
    """Return what makes two snapshots the same to a viewer: all but the clocks of wall and process."""
    desk = {key: value for key, value in snapshot.get("desk", {}).items() if key != "uptime_s"}
    return ENCODER.encode({**snapshot, "wall": None, "desk": desk})


async def stream(socket: WebSocket, tokens: Tokens, shared: SharedSnapshot) -> None:
    """Serve one viewer until it goes away. A slow viewer skips snapshots; it is never sent a queue of old ones."""
    await socket.accept()
    try:
        if not await _authenticated(socket, tokens):
            await socket.close(code=4401, reason="token missing or wrong")
            return
        await _push(socket, shared)
    except WebSocketDisconnect:
        return


async def _authenticated(socket: WebSocket, tokens: Tokens) -> bool:
    try:
        async with asyncio.timeout(TOKEN_WAIT_S):
            text = await socket.receive_text()
        first = msgspec.json.decode(text)
    except (TimeoutError, msgspec.DecodeError, UnicodeError, KeyError):
        return False
    token = first.get("token") if isinstance(first, dict) else None
    found = tokens.principal(token) if isinstance(token, str) else None
    return found is not None and "read" in found.scopes


async def _push(socket: WebSocket, shared: SharedSnapshot) -> None:
    seq, last, sent_at = 0, b"", float("-inf")
    while True:
        try:
            snapshot = await shared.get()
        except WorkbenchError as error:
            snapshot = {"error": str(error), "kind": type(error).__name__}
        mark, now = fingerprint(snapshot), time.monotonic()
        if mark != last or now - sent_at >= HEARTBEAT_S:
            seq, last, sent_at = seq + 1, mark, now
            await socket.send_text(ENCODER.encode({"seq": seq, **snapshot}).decode())
        await asyncio.sleep(PERIOD_S)
