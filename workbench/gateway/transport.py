"""One HTTP exchange with the gateway: encode, send once, read the envelope, name what went wrong."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from workbench.domain.errors import AuthenticationError, RemoteProtocolError
from workbench.gateway.budget import Budgets, Priority
from workbench.gateway.endpoints import PLACE_ORDER, Endpoint
from workbench.gateway.faults import GatewayRefused, GatewayUnavailable, RateLimited, scrub
from workbench.gateway.messages import decode, encode
from workbench.gateway.wire_rest import EmptyRequest, Reply

TIMEOUT_S = 15.0
URGENT_TIMEOUT_S = 5.0  # to the whole answer: who cancels, closes or verifies reads again rather than waits
LONGEST_PAUSE_S = 60.0
SHORTEST_PAUSE_S = 5.0


class Transport:
    """Sends one request and returns one reply; never sends twice.

    Parameters
    ----------
    base_url : str
        Scheme and host, such as ``https://api.topstepx.com``.
    transport : httpx.AsyncBaseTransport, optional
        For tests: `httpx.MockTransport` or `httpx.ASGITransport`.
    budgets : Budgets, optional
        Shared by all clients of one user.
    timeout_s : float
        For connecting, and for waiting for the answer.
    """

    def __init__(
        self,
        base_url: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        budgets: Budgets | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.base_url, self.timeout_s = base_url.rstrip("/"), timeout_s
        self.budgets = budgets or Budgets()
        # trust_env off: a proxy from the environment must not see a token
        plain = self.base_url.lower().startswith("http://")  # reading certificates takes 40 ms, and a stop waits for it
        self._http = httpx.AsyncClient(
            base_url=self.base_url,
            timeout=timeout_s,
            transport=transport,
            verify=not plain,
            trust_env=False,
            follow_redirects=False,
        )

    def __repr__(self) -> str:
        return f"Transport({self.base_url!r})"

    async def exchange(
        self,
        endpoint: Endpoint,
        request: Any = None,
        *,
        token: str | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> Any:
        """Send `request` once; return the endpoint's reply, which succeeded.

        Raises
        ------
        GatewayRefused
            ``success`` false, or HTTP 400.
        AuthenticationError
            HTTP 401.
        RateLimited, GatewayUnavailable
            HTTP 429; a time-out, a reset, any other status.
        RemoteProtocolError
            A body that cannot be read.
        """
        budget = self.budgets.of(endpoint.history)
        left_at = await budget.acquire(priority)
        response = await self._send(endpoint, request, token, self._answers_within_s(endpoint, priority))
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            limited = RateLimited(endpoint.path, retry_after_s(response.headers.get("retry-after")))
            wanted = limited.retry_after_s
            budget.pause(SHORTEST_PAUSE_S if wanted is None else min(wanted, LONGEST_PAUSE_S), priority, left_at)
            raise limited
        budget.passed(priority, left_at)
        return read_reply(endpoint, response)

    def _answers_within_s(self, endpoint: Endpoint, priority: Priority) -> float:
        # An order keeps the long time: what became of one that hangs is asked with more care. A login may be slow.
        if priority is Priority.NORMAL or endpoint is PLACE_ORDER or not endpoint.authenticated:
            return self.timeout_s
        return min(self.timeout_s, URGENT_TIMEOUT_S)

    async def _send(self, endpoint: Endpoint, request: Any, token: str | None, timeout_s: float) -> httpx.Response:
        headers = {"accept": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        content = None
        if request is not None and not isinstance(request, EmptyRequest):
            headers["content-type"] = "application/json"
            content = encode(request)
        try:
            # httpx counts the time of connecting and each wait for bytes by itself
            async with asyncio.timeout(timeout_s if timeout_s < self.timeout_s else None):
                return await self._http.request(
                    endpoint.method, endpoint.path, content=content, headers=headers, timeout=timeout_s
                )
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            what = scrub(f"{type(error).__name__} {error}".strip())
            raise GatewayUnavailable(endpoint.path, f"no answer: {what}") from None

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def read_reply(endpoint: Endpoint, response: httpx.Response) -> Any:
    """Return the reply in `response`; raise what its status or envelope says."""
    status = response.status_code
    if status == httpx.codes.UNAUTHORIZED:
        raise AuthenticationError(f"{endpoint.path}: the gateway did not accept the token (401)")
    if status == httpx.codes.BAD_REQUEST:
        raise GatewayRefused(endpoint.path, status, "BadRequest", response.text[:300])
    if status != httpx.codes.OK:
        raise GatewayUnavailable(endpoint.path, f"HTTP {status}", status=status)
    try:
        reply = decode(response.content, endpoint.reply)
    except RemoteProtocolError as error:
        raise RemoteProtocolError(f"{endpoint.path}: {error}") from error
    if isinstance(reply, Reply) and (not reply.success or reply.error_code != 0):
        code = reply.error_code
        raise GatewayRefused(
            endpoint.path, code, endpoint.code_name(code), reply.error_message or "", getattr(reply, "order_id", None)
        )
    return reply


def retry_after_s(header: str | None) -> float | None:
    """Return the seconds a Retry-After header asks for: a number, or an HTTP date; None when it says nothing usable.

    >>> retry_after_s("7"), retry_after_s("soon"), retry_after_s(None)
    (7.0, None, None)
    """
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
