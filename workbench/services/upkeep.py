"""The journal of a runner that never ends: cut when a trading date begins and when it is large, in a quiet moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from workbench.domain.errors import StorageError
from workbench.domain.position import Fill
from workbench.services.decider import MOST_FILLS, Decider
from workbench.storage.rotation import LARGE

log = logging.getLogger(__name__)
SMALL = 256 * 1024  # bytes; of a day that wrote less nothing is cut
MOST = 4 * LARGE  # from here on it is cut whatever is held
TRY_AGAIN_S = 600.0


class Upkeep:
    """Cuts one journal while it is written.

    Parameters
    ----------
    decider : Decider
        Asked between two of its decisions: then file and state tell the same.
    epoch : int
        Of this runner's lease; names the files.
    fills : dict
        Those that people are shown, by trade id; the oldest are let go of when the journal is cut.
    tell : callable
        Takes (level, text) when it cannot be done.
    """

    def __init__(self, decider: Decider, epoch: int, fills: dict[int, Fill], tell: Callable[[str, str], None]) -> None:
        self._decider, self._epoch, self._fills, self._tell = decider, epoch, fills, tell
        self._date = decider.state.trading_date
        self._not_before, self._told = 0.0, ""

    def look(self) -> Path | None:
        """Cut the journal when it is time; return where the part until now lies (when it is not: None)."""
        self._date = self._date or self._decider.state.trading_date  # an account's first date follows no other
        if not self._is_due() or time.monotonic() < self._not_before:
            return None
        try:
            kept = self._decider.rotate(self._epoch, self._fills.values())
        except StorageError as error:
            self._not_before = time.monotonic() + TRY_AGAIN_S
            if str(error) != self._told:
                self._told = str(error)
                self._tell("warning", f"the journal stays large and a start takes longer: {error}")
            return None
        self._date, self._told = self._decider.state.trading_date, ""
        for trade in sorted(self._fills)[:-MOST_FILLS]:
            del self._fills[trade]
        log.info("the journal was cut; what was written until now is %s", kept)
        return kept

    def _is_due(self) -> bool:
        journal, state = self._decider.journal, self._decider.state
        if journal.size < SMALL or journal.broken or self._decider.damage:
            return False
        if journal.size > MOST:
            return True
        return (journal.size > LARGE or state.trading_date != self._date) and self._is_quiet()

    def _is_quiet(self) -> bool:
        # It takes some ten milliseconds, which no order on the wire and no position should wait for.
        state = self._decider.state
        return not state.orders.open_items() and not any(book.qty for book in state.books.values())
