"""What the demo's terminal says of its market: when it closes, until when by the market's clock, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench.domain.contract import spec
from workbench.domain.errors import InputError
from workbench.domain.hours import local, trading_hours

LONG_S = 120.0  # of this machine's time: a shorter break is waited for


class MarketWatch:
    """Says once that the market has closed, and once that it is open again.

    Parameters
    ----------
    contract : str
        Whose hours.
    say : callable
        Takes lines.
    """

    def __init__(self, contract: str, say: Callable[[str], object]) -> None:
        self._hours, self._say = trading_hours(spec(contract)), say
        self._was_open = True

    def ended(self, status: dict[str, Any]) -> bool:
        """Take the simulator's status; return whether its recording is over."""
        self._see(status)
        return bool(status["ended"])

    def _see(self, status: dict[str, Any]) -> None:
        now = int(status["now"])
        try:
            is_open = self._hours.is_open(now)
        except InputError:  # a recording of a time that the calendar does not know
            return
        if is_open == self._was_open:
            return
        self._was_open = is_open
        if is_open:
            self._say(f"market     open again, {_shown(now)} in market time")
            return
        opens = self._hours.next_open(now)
        rate = 0.0 if status.get("lockstep") else float(status.get("rate") or 0.0)
        wait_s = (opens - now) / 1e9 / rate if rate > 0 else 0.0
        here = f", in about {_long(wait_s)} here" if wait_s else ""
        self._say(f"market     closed until {_shown(opens)} in market time{here}; until then nothing moves or trades")
        if wait_s > LONG_S:
            self._say("           Ctrl-C ends the demo with its summary; started again, it begins its day anew")


def _shown(at: int) -> str:
    return f"{local(at):%a %d %b %Y %H:%M} Chicago"


def _long(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= LONG_S else f"{seconds:.0f} s"
