"""Bars for the decision: history from REST, then live prints, joined without a gap and without a repeat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from workbench.domain.contract import spec
from workbench.domain.events import BarClosed
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import Timeframe, timeframe
from workbench.ingestion.bar_builder import BarBuilder

AHEAD_NS = 86_400_000_000_000  # a print from further ahead has a garbled stamp: it would close every bar until then

FetchBars = Callable[[str, Timeframe, int, int], Awaitable[list[BarClosed]]]
"""(contract, timeframe, start ns, end ns) -> closed bars, ascending; `at` is filled in by the feed."""


@dataclass(slots=True)
class Line:
    """One contract in one timeframe: what was handed on, and from where the live prints are complete."""

    contract: str
    timeframe: Timeframe
    last_end: int
    whole_from: int = 0
    filling: bool = False
    waiting: list[BarClosed] = field(default_factory=list)


class Feed:
    """Closed bars of every line, each exactly once and in order.

    A bar that the stream has not seen from its first instant (the one during which we subscribed, or during which the
    hub was away) is taken from REST, never from the half of it that we saw.

    Parameters
    ----------
    fetch : coroutine function
        Reads closed bars over REST.
    emit : callable
        Takes each closed bar.
    now : callable
        Market time, UTC ns.
    """

    def __init__(self, fetch: FetchBars, emit: Callable[[BarClosed], None], now: Callable[[], int]) -> None:
        self._fetch, self._emit, self._now = fetch, emit, now
        self._lines: dict[tuple[str, str], Line] = {}
        self._builders: dict[str, BarBuilder] = {}
        self._to_fill: list[Line] = []
        self.odd = 0  # prints that were left out

    @property
    def idle(self) -> bool:
        return not self._to_fill

    @property
    def contracts(self) -> list[str]:
        return list(self._builders)

    def open(self, contract: str, frame: str, since: int) -> None:
        """Add a line; bars that end after `since` (ns) will come, older ones not.

        A line that is there already goes back to `since`: a session that begins where another one has ended needs its
        history, too. Whoever has had a bar knows it by its end.
        """
        key = (contract, frame)
        known = self._lines.get(key)
        if known is not None:
            if since < known.last_end:
                known.last_end = since
                self._ask(known)
            return
        line = Line(contract, timeframe(frame), since)
        self._lines[key] = line
        frames = [line.timeframe for (c, _), line in self._lines.items() if c == contract]
        self._builders[contract] = BarBuilder(frames, trading_hours(spec(contract)), contract)
        for other in self._lines.values():
            if other.contract == contract:
                self._ask(other)

    def stream_ready(self, contract: str | None = None) -> None:
        """Prints (of `contract`, or of all) are complete from now on; what was missed comes from REST."""
        for line in self._lines.values():
            if contract in (None, line.contract):
                self._ask(line)

    def _ask(self, line: Line) -> None:
        hours = trading_hours(spec(line.contract))
        now = self._now()
        line.whole_from = line.timeframe.bar_end(line.timeframe.bar_start(now, hours), hours)
        self._fill_later(line)

    def _fill_later(self, line: Line) -> None:
        line.filling = True
        if line not in self._to_fill:
            self._to_fill.append(line)

    def on_print(self, contract: str, ts: int, price: float, size: int) -> None:
        """Take one print (exchange time ns, points, contracts)."""
        builder = self._builders.get(contract)
        if ts > self._now() + AHEAD_NS:
            self.odd += 1
        elif builder is not None:
            for bar in builder.add(ts, price, size):
                self._built(bar)

    def advance(self, now: int) -> None:
        """Close the bars whose end the market clock has passed."""
        for builder in self._builders.values():
            for bar in builder.advance(now):
                self._built(bar)

    def _built(self, bar: BarClosed) -> None:
        line = self._lines[bar.contract, bar.timeframe]
        if bar.start < line.whole_from and not line.filling:
            self._fill_later(line)
        if line.filling:
            line.waiting.append(bar)
        else:
            self._hand_on(line, bar)

    def _hand_on(self, line: Line, bar: BarClosed) -> None:
        if bar.end > line.last_end:
            line.last_end = bar.end
            self._emit(bar)

    async def fill(self) -> None:
        """Read what the lines miss from REST, hand on what waited behind it; after an error they stay asked for."""
        while self._to_fill:
            line = self._to_fill[0]
            since = line.last_end
            now = self._now()  # where time stands still (lockstep), nothing can have closed since: none is asked for
            bars = await self._fetch(line.contract, line.timeframe, since, now) if now > since else []
            if line.last_end < since:
                continue  # it was opened again for older bars meanwhile
            for bar in sorted([*bars, *line.waiting], key=lambda b: b.end):  # stable: REST first where both have a bar
                self._hand_on(line, bar)
            line.waiting.clear()
            line.filling = False
            self._to_fill.pop(0)
