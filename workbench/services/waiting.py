"""What a living session waits for, and until when, as a sentence for people. Pure."""

from __future__ import annotations

from typing import Any

from workbench.domain.clock import SECOND
from workbench.domain.contract import spec
from workbench.domain.errors import InputError
from workbench.domain.hours import TradingHours, local, trading_hours
from workbench.domain.timeframe import timeframe

Json = dict[str, Any]
LIVING = ("running", "warming", "waiting")
STANDS = (
    "the market clock of the simulator stands still until somebody lets it go on; "
    'in a notebook: stack.control("clock", {"resume": True})'
)


def waits_for(session: Json, now: int, *, stands: bool = False) -> str | None:
    """Return what keeps a session from its next decision beside its own state, None when nothing does.

    Parameters
    ----------
    session : dict
        Its row.
    now : int
        Market time, UTC ns.
    stands : bool
        Whether the market clock stands still.
    """
    if session.get("state") not in LIVING:
        return None
    if stands:
        return STANDS
    try:
        hours = trading_hours(spec(session["contract"]))
        if not hours.is_open(now):
            return f"the market is closed until {local(hours.next_open(now)):%a %d %b %H:%M} Chicago"
        return _warm_by(session, hours) if session.get("state") == "warming" else None
    except InputError:  # a contract or an instant that the calendar does not know
        return None


def _warm_by(session: Json, hours: TradingHours) -> str | None:
    frame, seen = timeframe(session["timeframe"]), session.get("last_bar_end")
    left = max(1, (session.get("warm_bars") or 0) - (session.get("bars") or 0))
    since = seen or session.get("started_at")
    if frame.daily or not since:
        return None
    at = local(_after(hours, since, left * frame.seconds * SECOND))
    bars = f"{left} more {frame} bar{'' if left == 1 else 's'}"
    by = f"{at:%a %H:%M} Chicago"
    return f"{bars}: {by} at the earliest" if seen else f"{bars}: from history now, else {by} at the earliest"


def _after(hours: TradingHours, at: int, open_ns: int) -> int:
    """Return the instant by which so many ns of open market have gone by after `at`."""
    while True:
        at = at if hours.is_open(at) else hours.next_open(at)
        until = hours.next_close(at)
        if at + open_ns <= until:
            return at + open_ns
        open_ns, at = open_ns - (until - at), until
