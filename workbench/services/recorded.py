"""Which contracts ingest records: what is asked for and what is traded, told again to one that was started anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from workbench.domain.errors import WorkbenchError
from workbench.services.children import Child

LOOK_S = 0.5
AGAIN_S = 2.0  # after a refusal


class Recorded:
    """The contracts that a desk has recorded.

    Parameters
    ----------
    ingest : callable
        Returns the ingest child.
    runners : mapping
        Account -> runner; what their sessions trade is recorded, too.
    tell : callable
        Takes (level, text).
    """

    def __init__(
        self, ingest: Callable[[], Child], runners: Mapping[int, Child], tell: Callable[[str, str], None]
    ) -> None:
        self._ingest, self._runners, self._tell = ingest, runners, tell
        self._contracts: set[str] = set()
        self._said = ""  # of what could not be recorded
        self._told: tuple[int, set[str]] = (0, set())  # the ingest that was told, and what

    async def want(self, contracts: list[str]) -> None:
        """Have these recorded, now and after every restart of ingest."""
        self._contracts |= set(contracts)
        try:
            await self._tell_ingest(10.0)
        except WorkbenchError as error:
            self._tell("warning", f"market data of {', '.join(contracts)} is not recorded: {error}")

    async def _tell_ingest(self, timeout_s: float) -> None:
        wanted, ingest = sorted(self._contracts), self._ingest()
        await ingest.request("watch", {"contracts": wanted}, timeout_s)
        self._told = (ingest.pid, set(wanted))

    async def follow(self) -> None:
        """Tell an ingest that knows nothing, for ever: one that was started anew, or that of a new desk."""
        while True:
            await asyncio.sleep(LOOK_S)
            for runner in self._runners.values():
                sessions = runner.last.get("snapshot", {}).get("sessions", [])
                self._contracts |= {s["contract"] for s in sessions if s["state"] != "ended"}
            told, contracts = self._told
            ingest = self._ingest()
            if ingest.channel is None or (told == ingest.pid and self._contracts <= contracts):
                continue
            try:
                await self._tell_ingest(10.0)
            except WorkbenchError as error:
                text = f"market data of {', '.join(sorted(self._contracts))} is not recorded yet: {error}; asked again"
                if text != self._said:
                    self._said = text
                    self._tell("warning", text)
                await asyncio.sleep(AGAIN_S)
            else:
                self._said = ""
