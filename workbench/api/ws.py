"""`/ws`: topics over one socket. The first message is the token; then subscriptions; then snapshots and deltas.

Client → desk: ``{"token": …}``, ``{"op": "subscribe", "topics": ["orders", {"topic": "pnl", "since": 12, "epoch":
"…"}]}``, ``{"op": "unsubscribe", "topics": […]}``, ``{"op": "ping"}``. Desk → client: ``welcome``, ``snapshot``,
``resumed``, ``delta``, ``heartbeat``, ``pong``, ``error``; each is an object with a `type`.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from workbench.api.security import Tokens
from workbench.domain.errors import WorkbenchError
from workbench.services.topics import ENCODER, TOPICS, Subscriber, Topics

TOKEN_WAIT_S, HEARTBEAT_S, CLOSE_S = 3.0, 5.0, 1.0
LONGEST_MESSAGE = 65_536
MOST_TOPICS = 64
WRONG_TOKEN, TOO_SLOW, TOO_LONG = 4401, 4408, 4413


async def serve(socket: WebSocket, tokens: Tokens, topics: Topics) -> None:
    """Serve one client until it goes, is too slow, or its token ends."""
    await socket.accept()
    client = Subscriber()
    try:
        token = await _token(socket)
        if token is None or not _may_read(tokens, token):
            await socket.close(code=WRONG_TOKEN, reason="token missing, wrong, or without the scope read")
            return
        await topics.join(client)
        client.put(
            ENCODER.encode({"type": "welcome", "topics": TOPICS, "epoch": topics.epoch, "heartbeat_s": HEARTBEAT_S})
        )
        code, reason = await _talk(socket, client, tokens, token, topics)
        if code:
            async with asyncio.timeout(CLOSE_S):
                await socket.close(code=code, reason=reason)
    except (WebSocketDisconnect, TimeoutError, RuntimeError):
        return
    finally:
        topics.leave(client)


async def _talk(socket: WebSocket, client: Subscriber, tokens: Tokens, token: str, topics: Topics) -> tuple[int, str]:
    # Whichever of these ends first ends the connection; a writer that waits for a slow client keeps nobody.
    parts = (_read(socket, client, topics), _write(socket, client), _beat(client, tokens, token), client.gone.wait())
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        reading, _, beating, gone = tasks
        if gone.done():
            return TOO_SLOW, "too slow; connect again and resume with since"
        if beating.done():
            return WRONG_TOKEN, "the token has ended"
        if reading.done() and reading.exception() is None:
            return TOO_LONG, "a message was too long"
        return 0, ""
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _token(socket: WebSocket) -> str | None:
    try:
        async with asyncio.timeout(TOKEN_WAIT_S):
            first = msgspec.json.decode(await socket.receive_text())
    except (TimeoutError, msgspec.DecodeError, UnicodeError, KeyError):
        return None
    token = first.get("token") if isinstance(first, dict) else None
    return token if isinstance(token, str) else None


def _may_read(tokens: Tokens, token: str) -> bool:
    found = tokens.principal(token)
    return found is not None and "read" in found.scopes


async def _write(socket: WebSocket, client: Subscriber) -> None:
    while True:
        await socket.send_text((await client.queue.get()).decode())


async def _beat(client: Subscriber, tokens: Tokens, token: str) -> None:
    number = 0
    while _may_read(tokens, token):  # a token that is revoked or has expired ends what it opened
        await asyncio.sleep(HEARTBEAT_S)
        number += 1
        client.put(ENCODER.encode({"type": "heartbeat", "seq": number}))


async def _read(socket: WebSocket, client: Subscriber, topics: Topics) -> None:
    while True:
        try:
            text = await socket.receive_text()
        except KeyError:  # bytes where text was expected
            _error(client, "send JSON as text")
            continue
        if len(text) > LONGEST_MESSAGE:
            return
        try:
            message = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            _error(client, "this is not JSON")
            continue
        await _obey(message if isinstance(message, dict) else {}, client, topics)


async def _obey(message: dict[str, Any], client: Subscriber, topics: Topics) -> None:
    verb, wanted = message.get("op"), message.get("topics", [])
    if verb == "ping":
        client.put(ENCODER.encode({"type": "pong"}))
        return
    if verb not in ("subscribe", "unsubscribe") or not isinstance(wanted, list) or len(wanted) > MOST_TOPICS:
        _error(client, 'send {"op": "subscribe" | "unsubscribe", "topics": […]} or {"op": "ping"}')
        return
    for each in wanted:
        asked = each if isinstance(each, dict) else {"topic": each}
        name, since, epoch = asked.get("topic"), asked.get("since"), asked.get("epoch")
        if not isinstance(name, str) or isinstance(since, bool) or not isinstance(since, int | None):
            _error(client, "a topic is a name, or {topic, since, epoch}")
            continue
        if verb == "unsubscribe":
            topics.unsubscribe(client, name)
            continue
        try:
            await topics.subscribe(client, name, since, epoch if isinstance(epoch, str) else "")
        except WorkbenchError as error:
            _error(client, str(error), name)


def _error(client: Subscriber, text: str, topic: str | None = None) -> None:
    with contextlib.suppress(UnicodeEncodeError):
        client.put(ENCODER.encode({"type": "error", "text": text, "topic": topic}))
