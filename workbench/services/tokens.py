"""The gateway token of a child process: asked of the desk, which alone logs in."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import httpx

from workbench.domain.errors import AuthenticationError, GatewayError
from workbench.gateway.tokens import expiry_of
from workbench.services.clock import wall_ns
from workbench.services.logs import hide

ASK_AGAIN_BEFORE_S = 3600.0
ANSWER_S, EARLY_ANSWER_S = 15.0, 1.0  # without a token, and with one that is good for a while yet
REFUSED_REST_S = 60.0  # a desk that did not answer is left alone for so long while the last token serves


class DeskTokens:
    """A `TokenSource` that asks the desk and keeps what it got: with the desk dead the last token still serves.

    Parameters
    ----------
    where : callable
        Returns the desk's origin and its own token; asked each time, because a new desk may have another port.
    """

    def __init__(self, where: Callable[[], tuple[str, str]]) -> None:
        self._where = where
        self._token, self._ends = "", 0.0
        self._not_before = 0.0
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"DeskTokens({self._where()[0]!r})"

    async def get(self) -> str:
        """Return the token, asked anew in its last hour; a hung desk must not hold up a cancel that has one."""
        if self._token and self._lock.locked():  # it is being renewed: in a moment, or a slow login holds it up
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EARLY_ANSWER_S), self._lock:
                    return self._token
            return self._token
        async with self._lock:
            if not self._token:
                await self._ask(None)
            elif wall_ns() / 1e9 > self._ends - ASK_AGAIN_BEFORE_S and time.monotonic() >= self._not_before:
                try:
                    await self._ask(None, EARLY_ANSWER_S)
                except GatewayError:
                    self._not_before = time.monotonic() + REFUSED_REST_S
            return self._token

    async def renew(self, bad: str) -> str:
        """Return another token than `bad`, from a new login of the desk if need be."""
        async with self._lock:
            if self._token == bad or not self._token:
                await self._ask(bad)
            return self._token

    async def _ask(self, stale: str | None, within_s: float = ANSWER_S) -> None:
        url, desk_token = self._where()
        headers = {"Authorization": f"Bearer {desk_token}"}
        try:
            async with httpx.AsyncClient(timeout=within_s, trust_env=False) as client:  # no proxy may see a token
                reply = await client.post(f"{url}/internal/token", json={"stale": stale}, headers=headers)
                body = dict(reply.json())
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError) as error:
            raise GatewayError(f"the desk gives no gateway token: {type(error).__name__}") from None
        if reply.status_code != httpx.codes.OK or not body.get("token"):
            raise AuthenticationError(f"the desk gives no gateway token: {body.get('error', reply.status_code)}")
        self._token = str(body["token"])
        hide(self._token)
        self._ends = expiry_of(self._token) or wall_ns() / 1e9 + 24 * 3600
