"""Once by key: a repeated POST with the same key is answered as the first was, and carried out by nobody."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.api.scopes import SAFE_METHODS, Principal, is_stop
from workbench.api.security import refuse
from workbench.domain.errors import StorageError
from workbench.services.kept_answers import Kept, KeptAnswers

log = logging.getLogger(__name__)
LONGEST_KEY = 128
ENTRY_WAITS_S, EXIT_WAITS_S = 5.0, 1.0  # for a disk that hangs
SECRET_ANSWERS = {"/api/tokens", "/api/stop-token"}  # a secret is not kept, so these cannot be answered twice
NOTHING_DONE = {400, 401, 403, 404, 405, 413, 422, 423, 429}  # the same key may be sent again, corrected
REDUCES = re.compile(
    r"/api/(orders/[^/]+/cancel|positions/[^/]+/[^/]+/(part-)?close|sessions/[^/]+/(pause|flatten|end)"
    r"|strategies/[^/]+/deactivate)"
)  # what cancels, closes or stops, and so goes on without a disk


class Idempotency:
    """ASGI layer: ``Idempotency-Key`` on any POST or PUT; an order's own `request` is a key of it, too.

    The key holds for one token and one path, for a day, over restarts of the desk. Two requests with one key at once:
    the second waits for the first one's answer. A stop needs no key and waits for none. Where the disk takes no key
    nothing that may open or grow a position is carried out; what cancels, closes or stops is.

    Parameters
    ----------
    app : ASGIApp
        What carries out.
    kept : KeptAnswers
        Where keys and answers are.
    """

    def __init__(self, app: ASGIApp, *, kept: KeptAnswers) -> None:
        self.app, self._kept = app, kept
        self._under_way: dict[str, asyncio.Future[None]] = {}
        self._writer = ThreadPoolExecutor(1, "answers")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        keys = _keys_of(scope)
        if not keys:
            await self.app(scope, receive, send)
            return
        if any(not 0 < len(key) <= LONGEST_KEY or not key.isprintable() for key in keys):
            await refuse(send, 422, f"Idempotency-Key must have 1 to {LONGEST_KEY} printable characters")
            return
        addresses = [_address(scope, key) for key in keys]
        while under_way := [self._under_way[each] for each in addresses if each in self._under_way]:
            await asyncio.wait(under_way)
        done = asyncio.get_running_loop().create_future()
        self._under_way |= dict.fromkeys(addresses, done)
        try:
            await self._once(addresses, scope, receive, send)
        finally:
            for each in addresses:
                del self._under_way[each]
            done.set_result(None)

    async def _once(self, addresses: list[str], scope: Scope, receive: Receive, send: Send) -> None:
        asked = hashlib.sha256(_canonical(scope["state"].get("body", b"")) + scope["query_string"]).hexdigest()
        for known in filter(None, map(self._kept.get, addresses)):
            await _again(known, asked, scope, send)
            return
        reduces = scope["method"] == "POST" and REDUCES.fullmatch(scope["path"]) is not None
        try:
            within_s = EXIT_WAITS_S if reduces else ENTRY_WAITS_S
            await self._write(self._kept.begin, addresses, asked, within_s=within_s)
        except StorageError as error:
            if not reduces:
                await self._forget(addresses)
                text = "nothing was done: free or unlock the disk (cancelling, closing and stopping go on without it)"
                await refuse(send, 409, f"{error}; {text}")
                return
            # In memory it is known all the same, and after a restart its runner drops a repeated `request` by itself.
            text = "%s; %s %s is carried out all the same: free or unlock the disk"
            log.critical(text, error, scope["method"], scope["path"])
            for each in addresses:
                self._kept.remember(each, asked)
        answer = _Answer(send)
        try:
            await self.app(scope, receive, answer)
        except Exception as error:  # how far it came is not known: a repeat gets the same answer, and does nothing
            answer.status, answer.body = 500, json.dumps({"error": f"it failed: {error!r}", "kind": "Failed"}).encode()
            await self._keep(addresses, answer)
            raise
        await self._keep(addresses, answer)
        await answer.release()

    async def _keep(self, addresses: list[str], answer: _Answer) -> None:
        if answer.status in NOTHING_DONE:
            await self._forget(addresses)
            return
        for each in addresses:
            self._kept.answered(each, answer.status, answer.body)
        with contextlib.suppress(StorageError):  # after a restart a repeat of what was begun on the disk is refused
            await self._write(self._kept.write, addresses, within_s=EXIT_WAITS_S)

    async def _forget(self, addresses: list[str]) -> None:
        for each in addresses:
            self._kept.drop(each)
        with contextlib.suppress(StorageError):
            await self._write(self._kept.forget, addresses, within_s=EXIT_WAITS_S)

    async def _write(self, function: Any, addresses: list[str], *arguments: Any, within_s: float) -> None:
        def all_of_them() -> None:
            refused = None
            for address in addresses:
                try:
                    function(address, *arguments)
                except StorageError as error:  # the other keys are to be known all the same
                    refused = error
            if refused is not None:
                raise refused

        writing = asyncio.get_running_loop().run_in_executor(self._writer, all_of_them)
        writing.add_done_callback(_looked_at)
        try:
            async with asyncio.timeout(within_s):
                await asyncio.shield(writing)
        except TimeoutError:  # what it does is done when the disk comes back, and in this order
            raise StorageError(f"the disk has not taken the request key within {within_s:g} s") from None


def _looked_at(writing: asyncio.Future[None]) -> None:
    if not writing.cancelled():
        writing.exception()  # who waited has it; nobody may have waited so long


async def _again(known: Kept, asked: str, scope: Scope, send: Send) -> None:
    if known.asked != asked:
        await refuse(send, 409, "this Idempotency-Key was used for another request; take a new key")
        return
    if known.status == 0:
        text = "the desk was restarted while this request was under way; see the orders before asking again"
        await refuse(send, 409, text)
        return
    scope["state"]["replayed"] = True
    headers = [(b"content-type", b"application/json"), (b"idempotency-replayed", b"true")]
    await send({"type": "http.response.start", "status": known.status, "headers": headers})
    await send({"type": "http.response.body", "body": known.body})


class _Answer:
    # Holds an answer back until it is kept: who has read it may repeat the request at once.
    def __init__(self, send: Send) -> None:
        self._send = send
        self._messages: list[Message] = []
        self.status, self.body = 500, b""

    async def __call__(self, message: Message) -> None:
        self._messages.append(message)
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    async def release(self) -> None:
        for message in self._messages:
            await self._send(message)


def _keys_of(scope: Scope) -> list[str]:
    # The header's key, and the `request` of the body: a page that was reloaded makes a new header for an old wish.
    if scope["type"] != "http" or scope["method"] in SAFE_METHODS or scope["path"] in SECRET_ANSWERS:
        return []
    if is_stop(scope["method"], scope["path"]) or scope["state"].get("principal") is None:
        return []
    given = Headers(scope=scope).get("idempotency-key")
    keys = [] if given is None else [given]
    body = _parsed(scope["state"].get("body", b""))
    request = body.get("request") if isinstance(body, dict) else None
    if isinstance(request, str) and 0 < len(request) <= LONGEST_KEY and request.isprintable():
        keys += [request] if request != given else []
    return keys


def _address(scope: Scope, key: str) -> str:
    principal: Principal = scope["state"]["principal"]
    return hashlib.sha256(f"{principal.name}\n{scope['method']} {scope['path']}\n{key}".encode()).hexdigest()


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return None


def _canonical(body: bytes) -> bytes:
    # The same values in another order of keys are the same request.
    value = _parsed(body)
    return body if value is None else json.dumps(value, sort_keys=True).encode()
