"""Silence of the market: noticed in session within seconds, and nothing at all while the exchange is closed.

A quiet user hub is no silence: nothing happens there when nothing is traded, so only market data is watched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

SILENT_S = 45.0  # a traded contract that shows neither trade nor quote for so long is not quiet, it is not heard


class DataWatch:
    """When each contract was heard last, on the transport clock.

    Parameters
    ----------
    contracts : callable
        Those that are watched now.
    is_open : callable
        Whether a contract trades now; while it does not, and while the market stands still, silence means nothing.
    stale, fresh : callable
        Take (contract, age in seconds) and (contract).
    silent_s : callable
        How long silence may last.
    mono : callable
        Seconds; injected in tests.
    """

    def __init__(
        self,
        contracts: Callable[[], Iterable[str]],
        is_open: Callable[[str], bool],
        *,
        stale: Callable[[str, float], None],
        fresh: Callable[[str], None],
        silent_s: Callable[[], float] = lambda: SILENT_S,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._contracts, self._is_open, self._stale, self._fresh = contracts, is_open, stale, fresh
        self._silent_s, self._mono = silent_s, mono
        self._heard: dict[str, float] = {}
        self._silent: set[str] = set()

    def heard(self, contract: str) -> None:
        """A trade or a quote of `contract` has come."""
        self._heard[contract] = self._mono()
        if contract in self._silent:
            self._silent.discard(contract)
            self._fresh(contract)

    def look(self) -> None:
        """Look at every contract once."""
        now, watched = self._mono(), set(self._contracts())
        for contract in watched:
            since = self._heard.setdefault(contract, now)
            if not self._is_open(contract):
                self._heard[contract] = now  # the count begins at the open
            elif now - since > self._silent_s() and contract not in self._silent:
                self._silent.add(contract)
                self._stale(contract, now - since)
        for gone in self._heard.keys() - watched:
            del self._heard[gone]
            self._silent.discard(gone)
