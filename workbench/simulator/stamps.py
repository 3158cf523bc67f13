"""Timestamps as the gateway writes them, fast: neighbours share their second."""

from __future__ import annotations

from functools import lru_cache

from workbench.gateway.times import format_timestamp


@lru_cache(maxsize=8192)
def _second(seconds: int) -> str:
    return format_timestamp(seconds * 1_000_000_000, digits=0)[:-6]


def stamp(at: int, digits: int = 7) -> str:
    """Return `at` (UTC ns) as text; the hubs write 7 fraction digits, REST 6.

    >>> stamp(1795187343117042100), stamp(1795187343117042100, 6)
    ('2026-11-20T15:09:03.1170421+00:00', '2026-11-20T15:09:03.117042+00:00')
    """
    seconds, nanoseconds = divmod(at, 1_000_000_000)
    if not digits:
        return f"{_second(seconds)}+00:00"
    return f"{_second(seconds)}.{nanoseconds // 10 ** (9 - digits):0{digits}d}+00:00"
