"""Wall time in a named zone, for single instants and for arrays of them, without asking the zone for every bar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import numpy.typing as npt

from workbench.domain.clock import SECOND
from workbench.domain.errors import UnknownName

Int64Array = npt.NDArray[np.int64]

CHICAGO = "America/Chicago"
DAY_S = 86_400
_DAY = DAY_S * SECOND
_STEP = 900 * SECOND  # clocks change on quarters of an hour
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def zone(name: str, *, where: str = "") -> ZoneInfo:
    """Return the zone of an IANA name, such as ``America/New_York``; raise UnknownName with the closest ones."""
    if name not in available_timezones():
        short = {known.rsplit("/", 1)[-1]: known for known in available_timezones()}
        near = short.get(name.strip().replace(" ", "_"))
        raise UnknownName("time zone", name, [near] if near else sorted(available_timezones()), where=where)
    return ZoneInfo(name)


def offset(name: str, at: int) -> int:
    """Return what must be added to an instant (UTC ns) to read a zone's wall clock, in ns.

    >>> offset("America/New_York", 1_756_819_800 * SECOND) // SECOND  # September: four hours behind
    -14400
    """
    day = at // _DAY
    first, last = _edge(name, day), _edge(name, day + 1)
    return first if first == last else _ask(name, at // _STEP * _STEP)


def offsets(name: str, at: Int64Array) -> Int64Array:
    """Return `offset` of each instant of an array (UTC ns)."""
    if not at.size:
        return at
    days = at // _DAY
    begin = int(days.min())
    edges = np.array([_edge(name, day) for day in range(begin, int(days.max()) + 2)], dtype=np.int64)
    made: Int64Array = edges[days - begin]
    for row in np.flatnonzero(made != edges[days - begin + 1]).tolist():  # the day on which the clocks change
        made[row] = offset(name, int(at[row]))
    return made


def local_second(name: str, at: int) -> float:
    """Return the second of a zone's day at an instant (UTC ns): 09:30 is 34,200."""
    return (at + offset(name, at)) % _DAY / SECOND


def local_seconds(name: str, at: Int64Array) -> npt.NDArray[np.float64]:
    """Return `local_second` of each instant of an array (UTC ns)."""
    made: npt.NDArray[np.float64] = (at + offsets(name, at)) % _DAY / SECOND
    return made


@cache
def _edge(name: str, day: int) -> int:
    return _ask(name, day * _DAY)


def _ask(name: str, at: int) -> int:
    moment = (_EPOCH + timedelta(microseconds=at // 1000)).astimezone(zone(name))
    behind = moment.utcoffset()
    return (behind or timedelta()) // timedelta(seconds=1) * SECOND
