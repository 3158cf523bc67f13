"""The streaming form of the rule in `aggregate`: one print at a time, all timeframes at once, equal to the byte."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.domain.errors import InputError
from workbench.domain.events import BarClosed
from workbench.domain.timeframe import Timeframe
from workbench.domain.timeframe import timeframe as parse_timeframe
from workbench.ingestion.aggregate import anchors_of

if TYPE_CHECKING:
    from workbench.domain.hours import TradingHours

_FAR = 2**62
_NOTHING: tuple[BarClosed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FormingBar:
    """A bar that may still change; stamps in UTC ns, prices in points, volume in contracts."""

    contract: str
    timeframe: str
    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: int


class _Slot:
    """The current bar of one timeframe; no bar while ``end <= start``."""

    __slots__ = (
        "anchors",
        "close",
        "end",
        "high",
        "late",
        "low",
        "open",
        "seconds",
        "start",
        "step",
        "text",
        "volume",
    )

    def __init__(self, timeframe: Timeframe, hours: TradingHours | None) -> None:
        self.text, self.seconds = timeframe.text, timeframe.seconds
        anchors, self.step = anchors_of(timeframe, hours)
        self.anchors: list[int] = anchors.tolist()
        self.start, self.end, self.late = _FAR, -_FAR, 0
        self.open = self.high = self.low = self.close = 0.0
        self.volume = 0

    def bounds(self, ts: int) -> tuple[int, int]:
        if self.start <= ts < self.end:
            return self.start, self.end
        if not self.anchors:
            start = ts - ts % self.step
            return start, start + self.step
        k = bisect_right(self.anchors, ts) - 1
        if not 0 <= k < len(self.anchors) - 1:
            raise InputError(f"stamp {ts} ns leaves the trading calendar; check the unit of the stamps")
        anchor = self.anchors[k]
        start = anchor + (ts - anchor) // self.step * self.step
        return start, min(start + self.step, self.anchors[k + 1])

    def begin(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.volume = -1

    def merge(self, first: float, high: float, low: float, last: float, volume: int) -> None:
        if self.volume < 0:
            self.open, self.high, self.low, self.volume = first, high, low, 0
        else:
            self.high = max(self.high, high)
            self.low = min(self.low, low)
        self.close = last
        self.volume += volume

    def closed(self, contract: str, at: int) -> BarClosed:
        bar = BarClosed(
            at=at,
            contract=contract,
            timeframe=self.text,
            start=self.start,
            end=self.end,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
        )
        self.start, self.end = _FAR, -_FAR
        return bar


class BarBuilder:
    """Build the bars of several timeframes from a stream of prints of one contract.

    Prints between two boundaries of any timeframe are gathered in one *stretch* and folded into all timeframes when it
    ends, so the usual print costs a handful of comparisons however many timeframes are wanted.

    Parameters
    ----------
    timeframes : iterable of Timeframe or str
    hours : TradingHours or None
        Of the contract; only bars longer than one hour need it.
    contract : str
        Contract id, copied into every bar.

    Attributes
    ----------
    late : dict of str to int
        Late prints so far, by timeframe.

    Examples
    --------
    >>> builder = BarBuilder(["1m"], None, "CON.F.US.MES.Z26")
    >>> tuple(builder.add(0, 10.0, 1)), builder.add(30_000_000_000, 12.0, 2)
    ((), ())
    >>> [bar] = builder.advance(60_000_000_000)
    >>> bar.open, bar.high, bar.low, bar.close, bar.volume
    (10.0, 12.0, 10.0, 12.0, 3)
    """

    __slots__ = (
        "_clock",
        "_close",
        "_from",
        "_high",
        "_low",
        "_open",
        "_slots",
        "_until",
        "_volume",
        "contract",
    )

    def __init__(
        self,
        timeframes: Iterable[Timeframe | str],
        hours: TradingHours | None,
        contract: str,
    ) -> None:
        wanted = {str(each): parse_timeframe(str(each)) for each in timeframes}
        if not wanted:
            raise InputError("a bar builder needs at least one timeframe, for example '1m'")
        self.contract = contract
        self._slots = sorted(
            (_Slot(each, hours) for each in wanted.values()),
            key=lambda slot: slot.seconds,
        )
        self._clock = -_FAR
        self._from, self._until = _FAR, -_FAR
        self._open = self._high = self._low = self._close = 0.0
        self._volume = 0

    @property
    def late(self) -> dict[str, int]:
        return {slot.text: slot.late for slot in self._slots}

    @property
    def clock(self) -> int:
        """The market clock of rule 4 as far as it was needed (ns)."""
        return self._clock

    def add(self, ts: int, price: float, size: int) -> Sequence[BarClosed]:
        """Take one print in; return the bars that are final because of it, by end and then by length.

        Parameters
        ----------
        ts : int
            Exchange stamp, UTC ns.
        price : float
            Points; finite (validated at the door).
        size : int
            Contracts, positive.
        """
        if self._from <= ts < self._until:
            if price > self._high:
                self._high = price
            elif price < self._low:
                self._low = price
            self._close = price
            self._volume += size
            return _NOTHING
        return self._add_at_boundary(ts, price, size)

    def add_many(self, ts: Iterable[int], price: Iterable[float], size: Iterable[int]) -> list[BarClosed]:
        """Take many prints in, in order; return every bar that became final."""
        closed: list[BarClosed] = []
        start, until, high, low, close, volume = self._stretch()
        for t, p, s in zip(ts, price, size, strict=True):
            if start <= t < until:
                if p > high:
                    high = p
                elif p < low:
                    low = p
                close = p
                volume += s
            else:
                self._high, self._low, self._close, self._volume = (
                    high,
                    low,
                    close,
                    volume,
                )
                closed += self._add_at_boundary(t, p, s)
                start, until, high, low, close, volume = self._stretch()
        self._high, self._low, self._close, self._volume = high, low, close, volume
        return closed

    def advance(self, now: int) -> list[BarClosed]:
        """Move the market clock to `now` (ns); return the bars whose end it has reached."""
        if now <= self._clock:
            return []
        if now < self._until:  # no boundary in between: the stretch goes on
            self._clock = now
            return []
        self._fold()
        self._clock = now
        return self._close_final()

    def partial(self, timeframe: Timeframe | str) -> FormingBar | None:
        """Return the forming bar of `timeframe`, or None when it has no print yet."""
        self._fold()
        slot = self._slot(timeframe)
        if slot.end <= slot.start:
            return None
        return FormingBar(
            contract=self.contract,
            timeframe=slot.text,
            start=slot.start,
            end=slot.end,
            open=slot.open,
            high=slot.high,
            low=slot.low,
            close=slot.close,
            volume=slot.volume,
        )

    def prime(self, timeframe: Timeframe | str, bar: BarClosed | FormingBar) -> None:
        """Take `bar` as the forming bar of `timeframe`, for a stream that goes on exactly where `bar` stops.

        Raises
        ------
        InputError
            When `bar` does not start on a boundary or is final already.
        """
        self._fold()
        slot = self._slot(timeframe)
        start, end = slot.bounds(bar.start)
        if start != bar.start or end <= self._clock:
            why = f"it is final at {self._clock}" if start == bar.start else f"its bar starts at {start}"
            raise InputError(f"cannot go on from the {slot.text} bar of {self.contract} at {bar.start} ns: {why}")
        slot.begin(start, end)
        slot.open, slot.high, slot.low, slot.close, slot.volume = (
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
        )
        self._clock = max(self._clock, start)

    def discard(self, timeframe: Timeframe | str) -> None:
        """Forget the forming bar of `timeframe`: the next print in it starts it anew."""
        self._fold()
        slot = self._slot(timeframe)
        slot.start, slot.end = _FAR, -_FAR

    def _slot(self, timeframe: Timeframe | str) -> _Slot:
        for slot in self._slots:
            if slot.text == str(timeframe):
                return slot
        built = ", ".join(slot.text for slot in self._slots)
        raise InputError(f"this builder of {self.contract} does not build {timeframe} bars; it builds {built}")

    def _stretch(self) -> tuple[int, int, float, float, float, int]:
        return self._from, self._until, self._high, self._low, self._close, self._volume

    def _add_at_boundary(self, ts: int, price: float, size: int) -> list[BarClosed]:
        self._fold()
        bounds = [slot.bounds(ts) for slot in self._slots]
        final = self._clock  # of the earlier prints and watermarks: this print does not make itself late
        closed: list[BarClosed] = []
        if ts > final:
            self._clock = ts
            closed = self._close_final()
        in_time = [(slot, start, end) for slot, (start, end) in zip(self._slots, bounds, strict=True) if end > final]
        for slot, start, end in in_time:
            if slot.start != start:
                slot.begin(start, end)
        if len(in_time) == len(self._slots):
            self._from, self._until = (
                max(start for start, _ in bounds),
                min(end for _, end in bounds),
            )
            self._open = self._high = self._low = self._close = price
            self._volume = size
            return closed
        for slot, (_, end) in zip(self._slots, bounds, strict=True):
            if end > final:
                slot.merge(price, price, price, price, size)
            else:
                slot.late += 1
        return closed

    def _fold(self) -> None:
        if self._from < self._until:
            for slot in self._slots:
                slot.merge(self._open, self._high, self._low, self._close, self._volume)
            self._from, self._until = _FAR, -_FAR

    def _close_final(self) -> list[BarClosed]:
        due = [slot for slot in self._slots if slot.start < slot.end <= self._clock]
        due.sort(key=lambda slot: slot.end)  # stable: shorter timeframes first among equal ends
        return [slot.closed(self.contract, self._clock) for slot in due]
