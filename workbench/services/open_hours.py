"""Whether contracts trade now, by the trading-hours calendar and the market clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from workbench.domain.contract import spec
from workbench.domain.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.domain.hours import TradingHours


class OpenHours:
    """The calendar at the hands of a clock.

    Parameters
    ----------
    now : callable
        Market time, UTC ns.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now

    def is_open(self, contract: str) -> bool:
        """Say whether `contract` trades now; a product that the calendar does not know counts as open."""
        hours = _hours(contract)
        try:
            return hours is None or hours.is_open(self._now())
        except WorkbenchError:  # outside the calendar
            return True

    def next_open(self, contracts: Iterable[str]) -> int:
        """Return when the first of `contracts` trades (UTC ns): now where one trades already or is not known."""
        now, opens = self._now(), []
        for contract in contracts:
            hours = _hours(contract)
            if hours is None or self.is_open(contract):
                return now
            opens.append(hours.next_open(now))
        return min(opens, default=now)

    def has_come(self, at: int) -> bool:
        """Say whether the market clock has reached `at` (UTC ns)."""
        return self._now() >= at


def _hours(contract: str) -> TradingHours | None:
    from workbench.domain.hours import trading_hours  # numpy: `workbench stop` waits for it only where a market refuses

    try:
        return trading_hours(spec(contract))
    except WorkbenchError:
        return None
