"""So many requests a second for each token, and no more; what stops is never counted and never refused."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from workbench.api.scopes import OPEN, Principal, is_stop, needed
from workbench.api.security import refuse


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a second in the long run, and how many at once."""

    per_second: float
    burst: int


DESK_RATE = Rate(200.0, 400)  # notebooks, widgets, dashboard and CLI share the desk's own token
ISSUED_RATE = Rate(20.0, 60)
MOST_KNOWN = 1_000


class RateLimit:
    """ASGI layer with a bucket of tokens for each principal.

    Parameters
    ----------
    app : ASGIApp
        What is protected.
    desk, issued : Rate
        Of the desk's own token, and of each issued one.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        desk: Rate = DESK_RATE,
        issued: Rate = ISSUED_RATE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app, self._desk, self._issued, self._clock = app, desk, issued, clock
        self._buckets: dict[str, tuple[float, float]] = {}  # name → what is left, as of when

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        principal: Principal | None = scope["state"].get("principal")
        method, path = scope["method"], scope["path"]
        if principal is None or is_stop(method, path) or needed(method, path) == OPEN or path.startswith("/internal"):
            await self.app(scope, receive, send)
            return
        wait_s = self._take(principal)
        if wait_s <= 0:
            await self.app(scope, receive, send)
            return
        again = math.ceil(wait_s)
        text = f"too many requests with token {principal.name}; try again in {again} s (a stop is never refused)"
        await refuse(send, 429, text, [(b"retry-after", str(again).encode())])

    def _take(self, principal: Principal) -> float:
        # Seconds until there is a token again; 0 when one was taken.
        rate = self._desk if principal.kind == "desk" else self._issued
        key, now = f"{principal.kind}:{principal.name}", self._clock()
        left, at = self._buckets.get(key, (float(rate.burst), now))
        left = min(rate.burst, left + (now - at) * rate.per_second)
        if len(self._buckets) > MOST_KNOWN:
            self._buckets.clear()
        if left < 1:
            self._buckets[key] = (left, now)
            return (1 - left) / rate.per_second
        self._buckets[key] = (left - 1, now)
        return 0.0
