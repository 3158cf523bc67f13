"""What can go wrong on the way to the gateway, by what one may do about it. No text here holds a token or a key."""

from __future__ import annotations

import re

from workbench.domain.errors import GatewayError

# Anything that looks like a token: three base64url parts, or the value behind access_token= and Bearer.
_SECRET = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=access_token=)[^&\s'\"]+|(?<=Bearer )[^\s'\"]+")


def scrub(text: str) -> str:
    """Return `text` without anything that looks like a token.

    >>> scrub("GET /hubs/user?access_token=abc&id=1 failed")
    'GET /hubs/user?access_token=***&id=1 failed'
    """
    return _SECRET.sub("***", text)


class GatewayRefused(GatewayError):
    """The gateway read the request and said no (``success`` false, or HTTP 400).

    Attributes
    ----------
    path : str
    code : int
        The endpoint's own error code; 400 when the body could not be bound.
    name : str
        The endpoint's name of the code.
    reason : str
        The gateway's text, empty when it sent none.
    order_id : int or None
        A refused order is created all the same and has an id.
    """

    def __init__(self, path: str, code: int, name: str, reason: str = "", order_id: int | None = None) -> None:
        self.path, self.code, self.name, self.reason, self.order_id = path, code, name, scrub(reason), order_id
        super().__init__(f"{path} was refused: {name} ({code}){': ' + self.reason if self.reason else ''}")


class GatewayUnavailable(GatewayError):
    """No answer, or none of the gateway's own: time-out, reset, 5xx. A read may be repeated, a mutation is UNKNOWN."""

    def __init__(self, path: str, reason: str, *, status: int = 0) -> None:
        self.path, self.reason, self.status = path, scrub(reason), status
        super().__init__(f"{path}: {self.reason}")


class RateLimited(GatewayUnavailable):
    """HTTP 429; `retry_after_s` is what the gateway asked for, None when it did not say."""

    def __init__(self, path: str, retry_after_s: float | None) -> None:
        self.retry_after_s = retry_after_s
        wait = "did not say how long to wait" if retry_after_s is None else f"asked to wait {retry_after_s:g} s"
        super().__init__(path, f"too many requests; the gateway {wait}", status=429)
