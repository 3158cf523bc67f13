"""A closed bar as a Python strategy sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from workbench.domain.hours import local


@dataclass(frozen=True, slots=True)
class Bar:
    """A closed bar; prices in points, `start` and `end` in UTC ns."""

    contract: str
    timeframe: str
    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: int
    day: int  # proleptic ordinal of the trading date

    @property
    def at(self) -> datetime:
        """When it closed, Chicago time."""
        return local(self.end)

    @property
    def time(self) -> str:
        """When it closed, Chicago time, such as ``"08:35"``: times compare as texts within one calendar day."""
        return f"{local(self.end):%H:%M}"

    @property
    def trading_date(self) -> date:
        """The exchange's day it belongs to (17:00 to 16:00 Chicago)."""
        return date.fromordinal(self.day)
