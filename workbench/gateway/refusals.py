"""Contracts that the gateway will not serve: told once, and asked for again with growing pauses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from workbench.gateway.faults import GatewayRefused

log = logging.getLogger(__name__)

Key = tuple[str, tuple[Any, ...]]
FIRST_ASK_S: Final = 5.0  # after a refusal; doubles with each further one
LONGEST_ASK_S: Final = 300.0


@dataclass(slots=True)
class Refusal:
    """Why a subscription was refused, how often, and when it is asked for again."""

    error: GatewayRefused
    times: int
    due: float
    answer: asyncio.Future[Any] | None = None


class Refusals:
    """The refused subscriptions of one hub.

    Parameters
    ----------
    monotonic : callable
        Seconds.
    tell : callable
        Takes a subscription (method, arguments) and why it is refused, once; and "" when it is accepted after all.
    """

    def __init__(self, monotonic: Callable[[], float], tell: Callable[[Key, str], None]) -> None:
        self._monotonic, self._tell = monotonic, tell
        self._kept: dict[Key, Refusal] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._kept

    def __iter__(self) -> Any:
        return iter(list(self._kept))

    def error(self, key: Key) -> GatewayRefused:
        """Return why `key` was refused last."""
        return self._kept[key].error

    def note(self, key: Key, error: GatewayRefused) -> None:
        """Keep a refusal, and when to ask again; told when `key` was not refused before."""
        known = self._kept.get(key)
        times = known.times if known is not None else 0
        pause = min(LONGEST_ASK_S, FIRST_ASK_S * 2.0 ** min(times, 16))
        self._kept[key] = Refusal(error, times + 1, self._monotonic() + pause)
        if known is None:
            log.warning("%s%s is refused: %s", *key, error)
            self._tell(key, error.reason or str(error))

    def accepted(self, key: Key) -> None:
        """Take `key` as served from now on."""
        if self._kept.pop(key, None) is not None:
            self._tell(key, "")

    def forget(self, key: Key) -> None:
        """Ask for `key` no more."""
        self._kept.pop(key, None)

    def due(self) -> list[Key]:
        """Return what is to be asked for now."""
        now = self._monotonic()
        return [key for key, refusal in self._kept.items() if now >= refusal.due]

    def asked(self, key: Key, answer: asyncio.Future[Any]) -> None:
        """Wait for `answer`; where none comes, `key` is due again after the longest pause."""
        refusal = self._kept[key]
        refusal.answer, refusal.due = answer, self._monotonic() + LONGEST_ASK_S

    def heard(self) -> list[Key]:
        """Look at the answers that have come; return what was accepted, which the caller hands to `accepted`."""
        served = []
        for key, refusal in list(self._kept.items()):
            answer = refusal.answer
            if answer is None or not answer.done():
                continue
            refusal.answer, error = None, answer.exception()
            if error is None:
                served.append(key)
            elif isinstance(error, GatewayRefused):
                self.note(key, error)
            else:
                refusal.due = self._monotonic()  # the connection ended: the next one is asked
        return served
