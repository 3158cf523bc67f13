"""Who may knock: tokens, Host and Origin, for HTTP and WebSocket alike, before any handler runs."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.domain.errors import InputError

STOP_TOKEN_LIFE_S = 12 * 3600.0
MAX_STOP_TOKENS = 256  # a page that asks in a loop must not fill the memory; the oldest go first
STOP_ONLY = {("POST", "/api/stop"), ("GET", "/api/health")}
OPEN_PATHS = {"/api/health"}
# A browser cannot set headers on a WebSocket, and a URL ends up in logs: the stream authenticates by its first message.
FIRST_MESSAGE_SOCKETS = {"/api/stream"}


class Tokens:
    """The full token, and short-lived ones that can do nothing but stop.

    Parameters
    ----------
    full : str
        The desk's own token.
    clock : callable
        Monotonic seconds; injected in tests.
    """

    def __init__(self, full: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        if len(full) < 16:
            raise InputError(
                f"the API token has {len(full)} characters, at least 16 are needed; "
                "choose a longer WORKBENCH_API_TOKEN, or unset it and the desk makes one"
            )
        self._full = full.encode()
        self._clock = clock
        self._stop: dict[bytes, float] = {}

    def issue_stop(self) -> tuple[str, float]:
        """Return a new stop-only token and its life in seconds."""
        now = self._clock()
        self._stop = {token: until for token, until in self._stop.items() if until > now}
        while len(self._stop) >= MAX_STOP_TOKENS:
            del self._stop[min(self._stop, key=self._stop.__getitem__)]
        token = secrets.token_urlsafe(24)
        self._stop[token.encode()] = now + STOP_TOKEN_LIFE_S
        return token, STOP_TOKEN_LIFE_S

    def scope_of(self, presented: str | bytes) -> str | None:
        """Return ``"full"``, ``"stop"`` or None. Compared as bytes: `compare_digest` raises on non-ASCII text."""
        given = presented.encode("utf-8", "surrogatepass") if isinstance(presented, str) else presented
        found = "full" if hmac.compare_digest(given, self._full) else None
        now = self._clock()
        for token, until in self._stop.items():
            if hmac.compare_digest(given, token) and until > now and found is None:
                found = "stop"
        return found


class Origins:
    """The web origins that may call the desk; the dashboard's and the lab's ports become known only when they run."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = {_plain(origin) for origin in allowed}

    def allow(self, origin: str) -> None:
        """Allow one more exact origin, such as ``http://127.0.0.1:8421``."""
        self._allowed.add(_plain(origin))

    def __contains__(self, origin: str) -> bool:
        return _plain(origin) in self._allowed

    def cors_headers(self, origin: str | None) -> list[tuple[bytes, bytes]]:
        """Return the headers that let exactly this origin read an answer; none for a stranger. Never credentials."""
        if origin is None or origin not in self:
            return []
        return [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin")]


def _plain(origin: str) -> str:
    return origin.strip().rstrip("/").lower()


def host_name(host: str) -> str:
    """Return the name in a Host header without its port.

    >>> host_name("127.0.0.1:8420"), host_name("LOCALHOST"), host_name("[::1]:8420")
    ('127.0.0.1', 'localhost', '::1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def bearer(headers: Headers) -> str | None:
    """Return the Bearer token of a request, None when there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


class Guard:
    """ASGI layer around the whole API: Host, then Origin, then token. A refused request reaches no handler."""

    def __init__(self, app: ASGIApp, *, tokens: Tokens, origins: Origins, hosts: Iterable[str]) -> None:
        self.app, self.tokens, self.origins = app, tokens, origins
        self.hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        refusal = self._refuse(scope, headers, origin)
        if scope["type"] == "websocket":
            if refusal is not None:
                await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
            else:
                await self.app(scope, receive, send)
            return
        extra = self.origins.cors_headers(origin)
        if refusal is not None:
            await _answer(send, refusal[0], {"error": refusal[1], "kind": "Refused"}, extra)
        elif scope["method"] == "OPTIONS" and origin is not None:
            await _answer(send, 204, None, extra + _preflight(headers))
        else:
            await self.app(scope, receive, _with_headers(send, extra))

    def _refuse(self, scope: Scope, headers: Headers, origin: str | None) -> tuple[int, str] | None:
        if host_name(headers.get("host", "")) not in self.hosts:
            return 400, "this Host is not served here; use 127.0.0.1 or localhost"
        if origin is not None and origin not in self.origins:
            return 403, f"origin {origin} may not call the desk"
        if scope["type"] == "websocket":
            return self._refuse_socket(scope, headers)
        if scope["method"] == "OPTIONS" and origin is not None:
            return None
        return self._refuse_request(scope, headers)

    def _refuse_socket(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        if scope["path"] in FIRST_MESSAGE_SOCKETS or self.tokens.scope_of(bearer(headers) or "") == "full":
            return None
        return 401, "token missing or wrong"

    def _refuse_request(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        if scope["path"] in OPEN_PATHS:
            return None
        kind = self.tokens.scope_of(bearer(headers) or "")
        if kind is None:
            return 401, "token missing or wrong; send Authorization: Bearer <token> (the token is in desk/desk.json)"
        if kind == "stop" and (scope["method"], scope["path"]) not in STOP_ONLY:
            return 403, "this token is good for the emergency stop only"
        return None


def _preflight(headers: Headers) -> list[tuple[bytes, bytes]]:
    answer = [
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", b"authorization, content-type"),
        (b"access-control-max-age", b"600"),
    ]
    if headers.get("access-control-request-private-network") == "true":
        answer.append((b"access-control-allow-private-network", b"true"))
    return answer


def _with_headers(send: Send, extra: list[tuple[bytes, bytes]]) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *extra, (b"cache-control", b"no-store")]}
        await send(message)

    return wrapped


async def _answer(send: Send, status: int, body: Any, headers: list[tuple[bytes, bytes]]) -> None:
    content = b"" if body is None else msgspec.json.encode(body)
    start = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode()), *headers]
    if status == 204:
        start = headers
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": content})
