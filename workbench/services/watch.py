"""What a runner watches beside its market: the clock, the silence of the data, and the sleep of the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from workbench.domain import events as e
from workbench.services.awake import Awake
from workbench.services.clock_watch import EVERY_S, ClockWatch
from workbench.services.data_watch import SILENT_S, DataWatch
from workbench.services.runner import Runner
from workbench.storage.presence import read_presence


class Watch:
    """The watches of one runner; what they see becomes an event of its journal.

    Parameters
    ----------
    runner : Runner
    is_open : callable
        Whether a contract trades now, False while a replay stands still.
    """

    def __init__(self, runner: Runner, is_open: Callable[[str], bool]) -> None:
        self._runner = runner
        self.clock = ClockWatch(self._jumped)
        self.data = DataWatch(
            runner.watched_contracts, is_open, stale=self._stale, fresh=self._fresh, silent_s=self._silent_s
        )
        self.awake = Awake(runner.alert)
        self._attended = read_presence(runner.home)

    def _now(self) -> int:
        return self._runner.clock.now()

    def _jumped(self, by_s: float) -> None:
        self._runner.sender.drop_entries("the clock has jumped")
        self._runner.lanes.put(e.ClockJumped(at=self._now(), by_s=round(by_s, 3)))

    def _stale(self, contract: str, age_s: float) -> None:
        self._runner.lanes.put(e.DataStale(at=self._now(), contract=contract, age_s=round(age_s, 3)))

    def _fresh(self, contract: str) -> None:
        self._runner.lanes.put(e.DataFresh(at=self._now(), contract=contract))

    def _silent_s(self) -> float:
        return self._runner.state.limits.stale_after_s or SILENT_S

    def look(self) -> None:
        """Look at everything once."""
        self.clock.look()
        self.data.look()
        self._look_for_operator()
        self.awake.want(any(book.qty for book in self._runner.state.books.values()))

    def _look_for_operator(self) -> None:
        seen = read_presence(self._runner.home)
        if seen is not None and seen != self._attended:
            self._attended = seen
            self._runner.lanes.put(e.OperatorSeen(at=self._now(), person=seen[1]))

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.look()
