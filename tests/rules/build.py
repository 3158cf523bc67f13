"""Bars and strategies for the tests of the rules: real instants, made-up prices."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.domain.clock import MINUTE
from workbench.domain.events import BarClosed

# Tuesday 2 September 2025, 08:30 Chicago (13:30 UTC): the trading date began on Monday at 17:00.
DAY_OPEN = 1_756_819_800_000_000_000
MES = "CON.F.US.MES.U25"


def bar(
    at: int, close: float, *, open: float | None = None, high: float | None = None, low: float | None = None
) -> BarClosed:
    """A one-minute bar that starts at `at`; high and low hug open and close unless given."""
    first = close if open is None else open
    return BarClosed(
        at=at + MINUTE,
        contract=MES,
        timeframe="1m",
        start=at,
        end=at + MINUTE,
        open=first,
        high=max(first, close) if high is None else high,
        low=min(first, close) if low is None else low,
        close=close,
        volume=10,
    )


def bars(closes: Iterable[float], *, start: int = DAY_OPEN) -> list[BarClosed]:
    """One-minute bars with these closes, each opening at the close before."""
    made, before = [], None
    for i, close in enumerate(closes):
        made.append(bar(start + i * MINUTE, close, open=before))
        before = close
    return made


def strategy_text(**sections: str) -> str:
    """A small valid strategy with sections replaced or added (`entry="long: close > 1"`)."""
    body = {
        "name": "probe",
        "roots": "[MES]",
        "timeframe": "1m",
        "entry": "{long: 'close > open'}",
    }
    body.update(sections)
    return "\n".join(f"{key}: {value}" for key, value in body.items()) + "\n"
