"""Posted bodies come in whole, within a size and a time, or the request is refused before any handler sees it."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.api.security import refuse

MOST_BYTES = 1_000_000  # the longest strategy text is a tenth of it
BODY_S = 10.0
CLOSE = [(b"connection", b"close")]


class BodyLimit:
    """ASGI layer that reads the body; it is left in ``scope["state"]["body"]`` and handed on as one piece.

    Parameters
    ----------
    app : ASGIApp
        What is protected.
    most_bytes : int
        Longer bodies are refused with 413, as soon as their length is told or passed.
    body_s : float
        Seconds from the headers to the last byte; slower ones are refused with 408.
    """

    def __init__(self, app: ASGIApp, *, most_bytes: int = MOST_BYTES, body_s: float = BODY_S) -> None:
        self.app, self._most, self._body_s = app, most_bytes, body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if scope["type"] != "http" or not ("content-length" in headers or "transfer-encoding" in headers):
            await self.app(scope, receive, send)
            return
        told = headers.get("content-length", "0")
        too_long = f"the body has more than {self._most:,} bytes"
        if not told.isdecimal() or int(told) > self._most:
            await refuse(send, 413, too_long, CLOSE)
            return
        try:
            async with asyncio.timeout(self._body_s):
                body = await self._read(receive)
        except TimeoutError:
            await refuse(send, 408, f"the body did not arrive within {self._body_s:g} s", CLOSE)
            return
        except _TooLong:
            await refuse(send, 413, too_long, CLOSE)
            return
        except _Gone:
            return
        scope["state"]["body"] = body
        await self.app(scope, _Again(body, receive), send)

    async def _read(self, receive: Receive) -> bytes:
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._most:
                raise _TooLong
            if not message.get("more_body", False):
                return b"".join(parts)


class _TooLong(Exception):
    pass


class _Gone(Exception):
    pass


class _Again:
    # Hands a body that was read once more to whoever reads it next; then what the client does.
    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}
