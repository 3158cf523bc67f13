"""The dashboard's own door: a token or ticket in the link once, then a cookie for this dashboard alone."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from html import escape
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost"})
LOOPBACK = "http://127.0.0.1:* http://localhost:* ws://127.0.0.1:* ws://localhost:*"
TICKET_S = 60.0
OPEN_PATHS = frozenset({"/health"})  # for whoever started us
# The browser itself refuses what would leave the machine; bokeh compiles components, hence the unsafe-eval.
POLICY = (
    f"default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data: {LOOPBACK}; "
    "frame-ancestors 'self' http://127.0.0.1:* http://localhost:*; form-action 'none'; base-uri 'none'"
)
HELP = (
    "This page needs its link with the token. It was printed by <code>workbench demo</code>; "
    "<code>workbench dashboard</code> prints a new one."
)


class Tickets:
    """Keys that open a page once and soon: what stands in a notebook's output must be worth nothing afterwards."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._until = clock, dict[str, float]()

    def issue(self) -> str:
        """Return a new ticket, good for a minute and one page."""
        now = self._clock()
        self._until = {ticket: until for ticket, until in self._until.items() if until > now}
        ticket = secrets.token_urlsafe(18)
        self._until[ticket] = now + TICKET_S
        return ticket

    def take(self, ticket: str) -> bool:
        """Say whether a ticket is good, and use it up."""
        return self._until.pop(ticket, float("-inf")) > self._clock()


class PageGuard:
    """ASGI layer: Host, Origin, then cookie, token or ticket. What fails reaches neither Panel nor its WebSocket.

    Parameters
    ----------
    app : ASGI application
    token : str
        The token of the page's link.
    tickets : Tickets, optional
        What else opens a page, once.
    """

    def __init__(self, app: ASGIApp, *, token: str, tickets: Tickets | None = None) -> None:
        self.app, self._token, self._tickets = app, token.encode(), tickets or Tickets()
        self._cookie = secrets.token_urlsafe(24)  # new with each process: an old cookie is worth nothing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refuse(scope, headers)
        if scope["type"] == "websocket":
            if refused or not self._knows(headers):
                await send({"type": "websocket.close", "code": 1008, "reason": refused or "no cookie"})
            else:
                await self.app(scope, receive, send)
        elif refused:
            await _page(send, 403, escape(refused))
        elif (rest := self._link(scope)) is not None:
            await self._enter(send, scope["path"], rest, headers)
        elif scope["path"] in OPEN_PATHS or self._knows(headers):
            await self.app(scope, receive, _hardened(send))
        else:
            await _page(send, 403, HELP)

    def _refuse(self, scope: Scope, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if host.partition(":")[0].lower() not in HOSTS:
            return "this Host is not served here; use 127.0.0.1 or localhost"
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            return f"origin {origin} may not use this page"
        # A page on another port of this machine is "same-site" and would send our cookie along.
        if headers.get("sec-fetch-site") in ("same-site", "cross-site") and headers.get("sec-fetch-mode") != "navigate":
            return "another page may not read this one"
        return None

    def _cookie_name(self, headers: Headers) -> str:
        return f"workbench_{headers.get('host', '').partition(':')[2] or '80'}"  # cookies do not know ports

    def _knows(self, headers: Headers) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(bearer.encode("utf-8", "surrogatepass"), self._token):
            return True
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._cookie_name(headers))
        except CookieError:
            return False
        value = "" if found is None else found.value
        return hmac.compare_digest(value.encode("utf-8", "surrogatepass"), self._cookie.encode())

    def _link(self, scope: Scope) -> list[tuple[str, str]] | None:
        """Return the query without its token when the right one is there, else None."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if scope["method"] != "GET":
            return None
        good = [v for k, v in query if k == "token" and hmac.compare_digest(v.encode("utf-8", "replace"), self._token)]
        good = good or [v for k, v in query if k == "ticket" and self._tickets.take(v)]
        return [(k, v) for k, v in query if k not in ("token", "ticket")] if good else None

    async def _enter(self, send: Send, path: str, rest: list[tuple[str, str]], headers: Headers) -> None:
        # Not a redirect: a Strict cookie is not sent along one that began at another site, such as a notebook's link.
        target = escape(path + (f"?{urlencode(rest)}" if rest else ""), quote=True)
        cookie = f"{self._cookie_name(headers)}={self._cookie}; Path=/; HttpOnly; SameSite=Strict"
        body = f'<meta http-equiv="refresh" content="0;url={target}"><a href="{target}">Open the desk</a>'
        await _page(send, 200, body, [(b"set-cookie", cookie.encode())])


def _hardened(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *_HARDENING]}
        await send(message)

    return wrapped


_HARDENING = [
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


async def _page(send: Send, status: int, text: str, extra: list[tuple[bytes, bytes]] | None = None) -> None:
    head = "<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>Workbench</title>"
    body = f"{head}<p>{text}</p>".encode()
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store"), *_HARDENING]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *(extra or [])]})
    await send({"type": "http.response.body", "body": body})
