"""From the version that a journal names to the rule that decides; a version that can no longer run gets a stand-in.

A journal may name versions that this program cannot run as what they were: the meaning of the rule language has changed
since, or the stored copy is gone or was changed. The account must open all the same: its orders are managed, its limits
hold, and a person is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workbench.domain.contract import spec
from workbench.domain.errors import InputError, StorageError
from workbench.domain.events import BarClosed
from workbench.domain.hours import trading_hours
from workbench.execution.state import Rule
from workbench.rules.daytime import DayClock, day_second
from workbench.rules.load import parse_strategy
from workbench.rules.python import PythonStrategy
from workbench.rules.python.asked import AskedRule
from workbench.rules.signal import Signal
from workbench.storage.registry import Registry

LATEST = "15:05"  # when nothing says when to be flat: before the firm's own time


class StandIn:
    """Enters nothing, and leaves by the flat-by time of the lost version's text.

    Parameters
    ----------
    flat_by : str
        Chicago time.
    """

    def __init__(self, flat_by: str = LATEST) -> None:
        self.flat_by = flat_by
        self._day: DayClock | None = None
        self._last_start = -1

    def warm(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> bool:
        """Note a closed bar of history; False if it is not newer than the last one."""
        is_new = bar.start > self._last_start
        self._last_start = max(self._last_start, bar.start)
        return is_new

    def save(self) -> dict[str, Any]:
        """Return the last bar it has seen."""
        return {"last_start": self._last_start}

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over from itself, or from the rule whose place it takes: the last bar is all that it needs."""
        self._last_start = int(saved.get("last_start", -1))

    def on_bar(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> Signal | None:
        """Return the exit at the end of the day; never an entry."""
        if not self.warm(bar) or not position:
            return None
        if self._day is None:
            self._day = DayClock(trading_hours(spec(bar.contract)), day_second(self.flat_by))
        self._day.enter(bar.start)
        flat_at = self._day.flat_at
        is_last = flat_at is not None and bar.end + (bar.end - bar.start) > flat_at
        return Signal(at=bar.end, exit=True, rule="flat_by") if is_last else None


def session_rule(registry: Registry, version: str, parameters: Mapping[str, Any], tell: Callable[[str], None]) -> Rule:
    """Return the rule of a stored version; a stand-in, and a word to `tell`, where it cannot run as what it was."""
    try:
        strategy = registry.get(version).with_parameters(**parameters)
    except (StorageError, InputError) as error:
        stand_in = StandIn(_flat_by(registry, version))
        tell(
            f"version {version} cannot run any more; its sessions enter nothing and leave at {stand_in.flat_by} Chicago"
            f" time. End them and start a version that can run: {error}"
        )
        return stand_in
    return AskedRule(strategy) if isinstance(strategy, PythonStrategy) else strategy.start()


def name_of(registry: Registry, version: str) -> str:
    """Return the name of a stored version, and the version itself where nobody knows it any more."""
    try:
        return registry.find(version).name
    except (StorageError, InputError):
        return version


def _flat_by(registry: Registry, version: str) -> str:
    try:
        text, _ = registry.content(registry.find(version))
        return min(parse_strategy(text, where=version).flat_by or LATEST, LATEST, key=day_second)
    except (StorageError, InputError):
        return LATEST
