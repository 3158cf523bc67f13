"""Which scope a request needs: one table, read by the guard and written into the OpenAPI file."""

from __future__ import annotations

import re
from dataclasses import dataclass

OPEN, READ, TRADE, STOP, DESK = "open", "read", "trade", "stop", "desk"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
BUTTON_ONLY = {("POST", "/api/stop"), ("GET", "/api/health")}
_FLATTEN = re.compile(r"/api/sessions/[^/]+/flatten")
_DESKS_OWN = ("/internal", "/api/tokens", "/api/origins")
_PART_STOP = re.compile(r"/api/(strategies|sessions)/[^/]+/emergency-stop")
_READING_POSTS = {"/api/strategies/check", "/api/strategies/explain"}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who knocks: the desk's own token, an issued one, or the short-lived one of a stop button."""

    name: str
    scopes: frozenset[str]
    kind: str  # desk, issued, button

    def may(self, method: str, path: str) -> bool:
        """Whether this token is good for the request."""
        if self.kind == "desk":
            return True
        if self.kind == "button":  # it makes flat: everything, or one session; it never opens, resumes or clears
            return (method, path) in BUTTON_ONLY or (method == "POST" and _FLATTEN.fullmatch(path) is not None)
        return needed(method, path) in (OPEN, *self.scopes)


def needed(method: str, path: str) -> str:
    """Return the scope that a request needs.

    >>> needed("GET", "/api/state"), needed("POST", "/api/orders"), needed("POST", "/api/stop")
    ('read', 'trade', 'stop')
    >>> needed("GET", "/api/tokens"), needed("GET", "/api/health"), needed("POST", "/api/stop/clear")
    ('desk', 'open', 'trade')
    """
    if path == "/api/health":
        return OPEN
    if any(path == own or path.startswith(own + "/") for own in _DESKS_OWN):
        return DESK
    if method == "POST" and (path == "/api/stop" or _PART_STOP.fullmatch(path)):
        return STOP
    return READ if method in SAFE_METHODS or path in _READING_POSTS else TRADE


def is_stop(method: str, path: str) -> bool:
    """Whether a request stops something: such a one is never limited and never waits."""
    return needed(method, path) == STOP
