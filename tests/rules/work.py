"""Work counted in calls, which a busy machine does not change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def at_most_calls(limit: int) -> Iterator[None]:
    """Fail when the block makes more than `limit` calls of Python or built-in functions."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)
    assert calls <= limit, f"{calls:,} calls, at most {limit:,}"
