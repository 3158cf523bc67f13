"""Bars for the decision: history from REST, then live prints, joined without a gap and without a repeat."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from workbench.domain.contract import spec
from workbench.domain.errors import GatewayError
from workbench.domain.events import BarClosed
from workbench.domain.hours import TradingHours, trading_hours
from workbench.domain.timeframe import Timeframe, timeframe
from workbench.gateway.faults import GatewayRefused
from workbench.ingestion.bar_builder import BarBuilder

log = logging.getLogger(__name__)
# A print from further ahead has a garbled stamp: it would close every bar until then, and all behind it would be late.
AHEAD_NS = 3_600_000_000_000  # a computer's clock may be minutes slow
BEHIND_NS = 86_400_000_000_000  # one from further back is garbled, too: the calendar of long bars may not hold it
NEVER_NS = 2**63 - 1
FIRST_PAUSE_S = 1.0  # after the second failure; the first is tried again at once
LONGEST_PAUSE_S = 10.0  # history is away: what trades needs it soon after it is back
LONGEST_REFUSED_S = 60.0  # the gateway has answered and will not give it
TOLD_TIMES = 6  # as long as the pauses grow; what goes on after that is no news
WAITING_BARS = 500  # behind history; older ones are in it by the time it is read
SPARE = 1.25  # thin contracts have fewer bars than minutes
SETTLES_NS = 5_000_000_000  # market time that history may need to show a bar that has ended

FetchBars = Callable[[str, Timeframe, int, int], Awaitable[list[BarClosed]]]
"""(contract, timeframe, start ns, end ns) -> closed bars, ascending; `at` is filled in by the feed."""


@dataclass(slots=True, eq=False)
class Line:
    """One contract in one timeframe: what was handed on, and from where the live prints are complete."""

    contract: str
    timeframe: Timeframe
    last_end: int
    whole_from: int = 0
    filling: bool = False
    waiting: list[BarClosed] = field(default_factory=list)
    halves: set[int] = field(default_factory=set)  # starts of those that wait and were not seen from their beginning
    failures: int = 0
    due: float = 0.0  # on the transport clock: it is not read before

    def failed(self, error: Exception, mono: float) -> None:
        """Note that history could not be read; it is tried again after a pause that grows with each failure."""
        self.failures += 1
        bound = LONGEST_REFUSED_S if isinstance(error, GatewayRefused) else LONGEST_PAUSE_S
        self.due = mono + (min(bound, FIRST_PAUSE_S * 2.0 ** min(self.failures - 2, 16)) if self.failures > 1 else 0.0)


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
    mono : callable
        Seconds of the transport clock; injected in tests.
    """

    def __init__(
        self,
        fetch: FetchBars,
        emit: Callable[[BarClosed], None],
        now: Callable[[], int],
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch, self._emit, self._now, self._mono = fetch, emit, now, mono
        self._lines: dict[tuple[str, str], Line] = {}
        self._builders: dict[str, BarBuilder] = {}
        self._to_fill: list[Line] = []
        self._unserved: set[str] = set()  # contracts of which no prints come, however well the hub does
        self.odd = 0  # prints that were left out

    @property
    def idle(self) -> bool:
        """Whether nothing is to be read now; what has failed counts again when its pause is over."""
        mono = self._mono()
        return not any(line.due <= mono for line in self._to_fill)

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

    def stream_lost(self, contract: str | None = None) -> None:
        """No prints (of `contract`, or of any) come: bars are half seen until `stream_ready`."""
        for line in self._lines.values():
            if contract in (None, line.contract):
                line.whole_from = NEVER_NS

    def refused(self, contract: str) -> None:
        """The gateway does not serve `contract`: `stream_ready` does not count for it until `served`."""
        self._unserved.add(contract)
        self.stream_lost(contract)

    def served(self, contract: str) -> None:
        """Prints of `contract` are complete from now on, after it was `refused`."""
        self._unserved.discard(contract)
        self.stream_ready(contract)

    def _ask(self, line: Line) -> None:
        hours = trading_hours(spec(line.contract))
        now = self._now()
        is_served = line.contract not in self._unserved
        line.whole_from = line.timeframe.bar_end(line.timeframe.bar_start(now, hours), hours) if is_served else NEVER_NS
        line.due = 0.0
        self._fill_later(line)

    def _fill_later(self, line: Line) -> None:
        line.filling = True
        if line not in self._to_fill:
            self._to_fill.append(line)

    def on_print(self, contract: str, ts: int, price: float, size: int) -> None:
        """Take one print (exchange time ns, points, contracts)."""
        builder, now = self._builders.get(contract), self._now()
        if not now - BEHIND_NS <= ts <= now + AHEAD_NS:
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
        if bar.start < line.whole_from:
            line.halves.add(bar.start)
            if not line.filling:
                self._fill_later(line)
        if line.filling:
            line.waiting.append(bar)
            del line.waiting[:-WAITING_BARS]
        else:
            self._hand_on(line, bar)

    def _hand_on(self, line: Line, bar: BarClosed) -> None:
        if bar.end > line.last_end:
            line.last_end = bar.end
            self._emit(bar)

    async def fill(self) -> None:
        """Read what the lines miss from REST, hand on what waited behind it.

        A line that cannot be read keeps none of the others waiting. It stays asked for, and is read again by a later
        call, when its pause is over.

        Raises
        ------
        Exception
            What such a line met, when all have been tried; not for a line that has failed so often that its pause
            grows no more. GatewayError for several.
        """
        errors: list[Exception] = []
        tried: list[Line] = []
        while (line := self._next(tried)) is not None:
            since = line.last_end
            now = self._now()  # where time stands still (lockstep), nothing can have closed since: none is asked for
            try:
                bars = await self._fetch(line.contract, line.timeframe, since, now) if now > since else []
            except Exception as error:  # its own; the others must not wait for it
                tried.append(line)
                line.failed(error, self._mono())
                log.warning("history of %s %s cannot be read: %s", line.contract, line.timeframe.text, error)
                errors += [_named(line, error)] if line.failures <= TOLD_TIMES else []
                continue
            if line.last_end < since:
                continue  # it was opened again for older bars meanwhile
            self._filled(line, bars)
        if len(errors) > 1:
            raise GatewayError("; ".join(dict.fromkeys(map(str, errors)))) from errors[0]
        if errors:
            raise errors[0]

    def _next(self, tried: list[Line]) -> Line | None:
        mono = self._mono()
        return next((line for line in self._to_fill if line.due <= mono and line not in tried), None)

    def _filled(self, line: Line, bars: list[BarClosed]) -> None:
        line.failures, line.due = 0, 0.0
        missing = self._still_missing(line, bars)
        whole = [b for b in line.waiting if b.start not in line.halves and (missing is None or b.end < missing.end)]
        for bar in sorted([*bars, *whole], key=lambda b: b.end):  # stable: REST first where both have a bar
            self._hand_on(line, bar)
        if missing is not None:  # it holds up what has closed behind it: bars come in order
            line.waiting = [bar for bar in line.waiting if bar.end >= missing.end]
            line.due = self._mono() + FIRST_PAUSE_S
            return
        line.waiting.clear()
        line.halves.clear()
        line.filling = False
        self._to_fill.remove(line)

    def _still_missing(self, line: Line, bars: list[BarClosed]) -> BarClosed | None:
        # The first half of a bar that REST will only have in a moment; of one that it passes over there is none.
        read = max([line.last_end, *(bar.end for bar in bars)])
        young = self._now() - SETTLES_NS
        late = (b for b in line.waiting if b.start in line.halves and b.end > max(read, young))
        return min(late, key=lambda b: b.end, default=None)


def _named(line: Line, error: Exception) -> Exception:
    """Return `error` with the line it belongs to and what to do, where it is the gateway's."""
    if isinstance(error, GatewayRefused):
        text = "choose the contract that trades now, or end what uses it; the others go on, it is asked for again"
        return GatewayError(f"{line.contract} {line.timeframe.text}: {error}; {text}")
    return GatewayError(f"{line.contract} {line.timeframe.text}: {error}") if isinstance(error, GatewayError) else error


def warm_from(hours: TradingHours, frame: Timeframe, bars: int, now: int) -> int:
    """Return the instant (UTC ns) from which history holds `bars` bars before `now`, counted in open hours."""
    needed = int(bars * SPARE + 2) * frame.seconds * 1_000_000_000
    window = hours.window_at(now)
    until = now
    while True:
        needed -= max(0, min(window.close, until) - window.open)
        if needed <= 0:
            return window.open - needed if not frame.daily else window.open
        until = window.open
        window = hours.window_at(window.open - 1)
