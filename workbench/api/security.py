"""Who may knock: tokens, Host and Origin, for HTTP and WebSocket alike, before any handler runs."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Iterable

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.api.scopes import OPEN, Principal, needed
from workbench.domain.errors import InputError
from workbench.services.issued_tokens import SCOPES, IssuedTokens
from workbench.services.logs import hide

STOP_TOKEN_LIFE_S = 12 * 3600.0
MAX_STOP_TOKENS = 256  # a page that asks in a loop must not fill the memory; the oldest go first
# A browser cannot set headers on a WebSocket, and a URL ends up in logs: these authenticate by their first message.
FIRST_MESSAGE_SOCKETS = {"/api/stream", "/ws"}


class Tokens:
    """The desk's own token, the issued ones with their scopes, and short-lived ones of buttons: stop, or flatten.

    Parameters
    ----------
    full : str
        The desk's own token.
    issued : IssuedTokens, optional
        Those a person issued for other programs.
    clock : callable
        Monotonic seconds; injected in tests.
    """

    def __init__(
        self, full: str, *, issued: IssuedTokens | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if len(full) < 16:
            raise InputError(
                f"the API token has {len(full)} characters, at least 16 are needed; "
                "choose a longer WORKBENCH_API_TOKEN, or unset it and the desk makes one"
            )
        self._full = full.encode()
        self._clock = clock
        self.issued = issued
        self._stop: dict[bytes, float] = {}

    def issue_stop(self) -> tuple[str, float]:
        """Return a new token of a stop button and its life in seconds."""
        now = self._clock()
        self._stop = {token: until for token, until in self._stop.items() if until > now}
        while len(self._stop) >= MAX_STOP_TOKENS:
            del self._stop[min(self._stop, key=self._stop.__getitem__)]
        token = secrets.token_urlsafe(24)
        self._stop[token.encode()] = now + STOP_TOKEN_LIFE_S
        hide(token)
        return token, STOP_TOKEN_LIFE_S

    def scope_of(self, presented: str | bytes) -> str | None:
        """Return ``"full"`` for the desk's own token, ``"stop"`` for a button's, else None."""
        found = self.principal(presented)
        return None if found is None else {"desk": "full", "button": "stop"}.get(found.kind)

    def principal(self, presented: str | bytes) -> Principal | None:
        """Return whose token this is, None for nobody's. Compared as bytes: `compare_digest` refuses other text."""
        given = presented.encode("utf-8", "surrogatepass") if isinstance(presented, str) else presented
        found = Principal("desk", frozenset(SCOPES), "desk") if hmac.compare_digest(given, self._full) else None
        now = self._clock()
        for token, until in self._stop.items():
            if hmac.compare_digest(given, token) and until > now and found is None:
                found = Principal("stop button", frozenset({"stop"}), "button")
        if found is None and self.issued is not None and (entry := self.issued.find(given)) is not None:
            found = Principal(entry.name, frozenset(entry.scopes), "issued")
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
        return [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", b"x-total-count, x-next-before, retry-after, idempotency-replayed"),
            (b"vary", b"Origin"),
        ]


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
    """ASGI layer around the whole API: Host, then Origin, then token and scope. A refused request reaches no handler.

    Whose token it was is left in ``scope["state"]["principal"]``.
    """

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
            await refuse(send, refusal[0], refusal[1], extra)
        elif scope["method"] == "OPTIONS" and origin is not None:
            await send({"type": "http.response.start", "status": 204, "headers": extra + _preflight(headers)})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self.app(scope, receive, _with_headers(send, extra))

    def _refuse(self, scope: Scope, headers: Headers, origin: str | None) -> tuple[int, str] | None:
        if host_name(headers.get("host", "")) not in self.hosts:
            return 400, "this Host is not served here; use 127.0.0.1 or localhost"
        if origin is not None and origin not in self.origins:
            return 403, f"origin {origin} may not call the desk"
        principal = self.tokens.principal(bearer(headers) or "")
        scope.setdefault("state", {})["principal"] = principal
        if scope["type"] == "websocket":
            if scope["path"] in FIRST_MESSAGE_SOCKETS or (principal is not None and principal.kind == "desk"):
                return None
            return 401, "token missing or wrong"
        if scope["method"] == "OPTIONS" and origin is not None:
            return None
        return _refuse_request(scope["method"], scope["path"], principal)


def _refuse_request(method: str, path: str, principal: Principal | None) -> tuple[int, str] | None:
    need = needed(method, path)
    if need == OPEN:
        return None
    if principal is None:
        return 401, "token missing or wrong; send Authorization: Bearer <token> (the token is in desk/desk.json)"
    if not principal.may(method, path):
        if principal.kind == "button":
            return 403, "this token is good for the emergency stop and for flattening a session only"
        what = "the desk's own token" if need == "desk" else f"the scope {need}"
        return 403, f"{method} {path} needs {what}; token {principal.name} has {', '.join(sorted(principal.scopes))}"
    return None


def _preflight(headers: Headers) -> list[tuple[bytes, bytes]]:
    answer = [
        (b"access-control-allow-methods", b"GET, POST, PUT"),
        (b"access-control-allow-headers", b"authorization, content-type, idempotency-key"),
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


async def refuse(send: Send, status: int, text: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Answer a request that no handler will see, in the shape of every other refusal."""
    content = msgspec.json.encode({"error": text, "kind": "Refused"})
    start = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode()), *headers]
    start += [(b"www-authenticate", b"Bearer")] if status == 401 else []
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": content})
