"""The gateway's timestamps: ISO-8601 text to UTC nanoseconds and back, exactly."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from workbench.domain.errors import RemoteProtocolError

_CLOCK = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", re.ASCII)
_REST = re.compile(r"(?:\.(\d{1,9})\d*)?\s*(Z|z|[+-]\d\d:?\d\d)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the zone is added by hand, to the nanosecond
_SECOND = timedelta(seconds=1)
_SCALE: list[int] = [10 ** (9 - digits) for digits in range(10)]


@lru_cache(maxsize=4096)
def _seconds(clock: str) -> int:
    """Seconds since 1970 of a date and time without zone; neighbours share it, so it is cached."""
    if _CLOCK.fullmatch(clock) is None:
        raise ValueError("not YYYY-MM-DDThh:mm:ss")
    return (datetime.fromisoformat(clock) - _EPOCH) // _SECOND


def _rest(rest: str) -> tuple[int, int]:
    """Return nanoseconds and the zone's offset (s) of what follows the seconds."""
    match = _REST.fullmatch(rest)
    if match is None:
        raise ValueError("neither a fraction nor a zone")
    fraction, zone = match.groups()
    nanoseconds = int(fraction.ljust(9, "0")) if fraction else 0
    if zone is None or zone in "Zz":
        return nanoseconds, 0  # the gateway means UTC when it says nothing
    offset = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    return nanoseconds, -offset if zone[0] == "-" else offset


def parse_timestamp(text: str) -> int:
    """Return UTC nanoseconds of the gateway's `text`: 0 to 9 fraction digits, ``Z``, an offset, or nothing (UTC).

    Raises
    ------
    RemoteProtocolError
        The text is no timestamp.

    >>> parse_timestamp("2026-11-20T15:09:03.1170421+00:00")
    1795187343117042100
    >>> parse_timestamp("2026-11-20T15:09:03Z") == parse_timestamp("2026-11-20T09:09:03-06:00") == 1795187343 * 10**9
    True
    """
    try:
        seconds, rest = _seconds(text[:19]), text[19:]
        digits = rest[1:-6]
        if rest[-6:] == "+00:00" and rest[0] == "." and len(digits) < 10 and digits.isascii() and digits.isdigit():
            return seconds * 1_000_000_000 + int(digits) * _SCALE[len(digits)]  # the usual form, in a hurry
        nanoseconds, offset = _rest(rest)
    except ValueError as error:
        raise RemoteProtocolError(f"{text[:60]!r} is no ISO-8601 timestamp: {error}") from error
    return (seconds - offset) * 1_000_000_000 + nanoseconds


def format_timestamp(at: int, *, digits: int = 7) -> str:
    """Return `at` (UTC ns) as the gateway writes it; `digits` of the second's fraction are kept, the rest is cut.

    >>> format_timestamp(1795187343117042100)
    '2026-11-20T15:09:03.1170421+00:00'
    >>> format_timestamp(1795187343 * 10**9, digits=0)
    '2026-11-20T15:09:03+00:00'
    """
    seconds, nanoseconds = divmod(at, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if digits:
        text += f".{nanoseconds:09d}"[: digits + 1]
    return f"{text}+00:00"
