"""The private channel between the desk and its child processes: one WebSocket, requests with answers, pushes.

The child dials with the desk's token, which it has from its environment, and says which program it is (`schema`); a
desk of another program closes the channel with `OTHER_PROGRAM` and the reason. Messages are JSON: desk → child ``{"id",
"verb", "body"}``, child → desk ``{"id", "ok", "body" | "error", "kind"}`` and ``{"push", "body"}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import websockets
from fastapi import WebSocket, WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, WebSocketException

from workbench.domain.errors import WorkbenchError
from workbench.services.schema import OTHER_PROGRAM
from workbench.services.schema import headers as program_headers

log = logging.getLogger(__name__)
Json = dict[str, Any]
PING_S = 5.0


class ChildLink:
    """The child's end. It reconnects for ever: a desk that dies changes nothing for who trades.

    Parameters
    ----------
    where : callable
        Returns the ``ws://host:port/internal/…`` of the desk and its token (sent as a bearer header); asked at each
        attempt, because a new desk may have another port.
    verbs : mapping
        Coroutine functions that answer the desk's requests.
    on_refused : callable
        Takes the reason for which a desk of another program has closed the channel; "" when a desk has taken it.
    """

    def __init__(
        self,
        where: Callable[[], tuple[str, str]],
        verbs: Mapping[str, Callable[[Json], Awaitable[Json]]],
        on_refused: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._where, self._verbs, self._on_refused = where, verbs, on_refused
        self._outbox: asyncio.Queue[Json] = asyncio.Queue(maxsize=256)
        self.connected = False
        self.lost_at: float | None = time.monotonic()  # since when nobody listens; None while somebody does

    def push(self, kind: str, body: Json) -> None:
        """Tell the desk something; the oldest is dropped when the desk does not listen."""
        if not self.connected:
            return
        while self._outbox.full():
            self._outbox.get_nowait()
        self._outbox.put_nowait({"push": kind, "body": body})

    async def run(self) -> None:
        """Stay connected; never ends by itself."""
        pause = 0.1
        while True:
            try:
                url, token = self._where()
                headers = {"Authorization": f"Bearer {token}", **program_headers()}
                async with websockets.connect(
                    url,
                    additional_headers=headers,
                    max_size=2**24,
                    open_timeout=5,
                    proxy=None,
                    ping_interval=PING_S,  # a desk that hangs is found out, and whoever trades speaks for itself
                    ping_timeout=PING_S,
                ) as socket:
                    self.connected, self.lost_at, pause = True, None, 0.1
                    await self._serve(socket)
            except ConnectionClosed as error:
                received = error.rcvd
                if received is not None and received.code == OTHER_PROGRAM:
                    pause = 3.0
                    self._on_refused(received.reason)
                log.info("the channel to the desk was closed (%s); trying again in %.1f s", error, pause)
            except (OSError, WebSocketException, TimeoutError) as error:
                log.info("the desk cannot be reached (%s); trying again in %.1f s", error, pause)
            except Exception:  # a message nobody can read must not end who trades
                log.exception("the channel to the desk broke; trying again in %.1f s", pause)
            finally:
                self.connected = False
                self.lost_at = time.monotonic() if self.lost_at is None else self.lost_at
            await asyncio.sleep(pause)
            pause = min(pause * 2, 3.0)

    async def _serve(self, socket: websockets.ClientConnection) -> None:
        async def write() -> None:
            while True:
                await socket.send(json.dumps(await self._outbox.get()))

        async def read() -> None:
            while True:
                message = json.loads(await socket.recv())
                if "hello" in message:
                    self._on_refused("")
                else:  # each for itself, begun in the order of their coming: a slow one must hold up no cancel
                    answering.add(task := asyncio.ensure_future(answer(message)))
                    task.add_done_callback(answering.discard)

        async def answer(message: Json) -> None:
            text = json.dumps(await self._answer(message))
            with contextlib.suppress(ConnectionClosed):  # who reads finds that out, too
                await socket.send(text)

        answering: set[asyncio.Future[None]] = set()
        writer, reader = asyncio.ensure_future(write()), asyncio.ensure_future(read())
        try:
            done, _ = await asyncio.wait({writer, reader}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            left = [writer, reader, *answering]
            for each in left:
                each.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _answer(self, message: Json) -> Json:
        verb = self._verbs.get(str(message.get("verb")))
        if verb is None:
            return _no(message, f"there is no verb {message.get('verb')!r}", "InputError")
        try:
            return {"id": message.get("id"), "ok": True, "body": await verb(message.get("body") or {})}
        except WorkbenchError as error:
            return _no(message, str(error), type(error).__name__)
        except Exception as error:  # what one command does must not end the process that trades
            log.exception("the command %r failed", message.get("verb"))
            text = f"the command {message.get('verb')!r} failed: {type(error).__name__} {error}; see the log"
            return _no(message, text, "WorkbenchError")


def channel_at(name: str, desk: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    """Where the child `name` dials, and with which token."""
    url, token = desk()
    return f"{url.replace('http', 'ws', 1)}/internal/child/{name}/{os.getpid()}", token


def _no(message: Json, error: str, kind: str) -> Json:
    return {"id": message.get("id"), "ok": False, "error": error, "kind": kind}


async def ask_for_all(channel: ChildChannel, name: str) -> None:
    """Ask the child for its whole state after a gap; what does not answer is asked again by the next gap."""
    try:
        await channel.request("whole", {}, 2.0)
    except WorkbenchError as error:
        log.info("%s was not asked for its whole state: %s", name, error)


class ChildRefused(WorkbenchError):
    """A child answered that it will not do what was asked."""


class ChildSilent(WorkbenchError):
    """A child did not answer in time or is not connected."""


class ChildChannel:
    """The desk's end of one child's link."""

    def __init__(self, socket: WebSocket, on_push: Callable[[str, Json], None]) -> None:
        self._socket, self._on_push = socket, on_push
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self._next = 0

    async def request(self, verb: str, body: Json | None = None, timeout_s: float = 5.0) -> Json:
        """Ask the child.

        Raises
        ------
        ChildRefused
            It said no, with the reason.
        ChildSilent
            It did not answer within `timeout_s` or has gone.
        """
        self._next += 1
        number, answer = self._next, asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(timeout_s):  # of the sending, too: who reads nothing lets nothing be sent
                await self._socket.send_text(json.dumps({"id": number, "verb": verb, "body": body or {}}))
                message = await answer
        except TimeoutError as error:
            raise ChildSilent(f"no answer to {verb!r} within {timeout_s:g} s") from error
        except (RuntimeError, WebSocketDisconnect) as error:
            raise ChildSilent(f"{verb!r} could not be sent: the child process has gone") from error
        finally:
            self._waiting.pop(number, None)
        if not message.get("ok"):
            raise ChildRefused(str(message.get("error")))
        body_back = message.get("body")
        return body_back if isinstance(body_back, dict) else {}

    async def listen(self) -> None:
        """Read until the child goes."""
        try:
            while True:
                self._take(json.loads(await self._socket.receive_text()))
        except (WebSocketDisconnect, RuntimeError):
            return
        except Exception:
            log.exception("a child process said what nobody can read; its channel is closed")
        finally:
            for waiting in self._waiting.values():
                if not waiting.done():
                    gone = "the child process went before it answered; look at what it has done before asking again"
                    waiting.set_exception(ChildSilent(gone))

    def _take(self, message: Json) -> None:
        if "push" in message:
            self._on_push(str(message["push"]), message.get("body") or {})
        elif (waiting := self._waiting.get(message.get("id", 0))) is not None and not waiting.done():
            waiting.set_result(message)
