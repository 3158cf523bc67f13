"""Live prints into the store: every print recorded, all wanted bars built, no gap and no repeat at the seam.

The stream tells a bar's whole story only when we have listened since its first instant. So each line (a contract in a
timeframe) knows from which bar on it is *whole*. Older bars, the one during which we began to listen among them, are
taken from REST as soon as they are final; the half that the stream saw of them is recorded as prints but never stored
as a bar. The same happens when the hub was away in between.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from workbench.domain.bar import ticks_schema
from workbench.domain.contract import parse_contract
from workbench.domain.errors import GatewayError, StorageError
from workbench.domain.events import BarClosed
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import timeframe as parse_timeframe
from workbench.ingestion.bar_builder import BarBuilder, FormingBar
from workbench.services.backfill import BarSource
from workbench.services.ingest_lines import Line, Tape, bars_of, events_of
from workbench.storage.fetched import Fetched, Span

if TYPE_CHECKING:
    from workbench.storage.bars import BarStore
    from workbench.storage.ticks import TickStore

SECOND = 1_000_000_000
FLUSH_ROWS = 5_000
# A print stamped further ahead of the market clock than this would end bars that are still forming.
MOST_AHEAD_NS = 300 * SECOND


class PrintLike(Protocol):
    """A print as `gateway.market_data.TradeSeen` has it."""

    @property
    def ts(self) -> int: ...
    @property
    def price(self) -> float: ...
    @property
    def size(self) -> int: ...
    @property
    def side(self) -> int: ...


class Ingest:
    """Everything between the market hub and the store. Time comes in; `flush` and `seam` are the only waits.

    Parameters
    ----------
    store : BarStore
    ticks : TickStore
    timeframes : iterable of str
        Built for every contract that is watched.
    history_ns : int
        How far back the seam reaches for a line that has nothing stored.
    grace_ns : int
        How long after its end a bar stays open for prints that are on their way; 0 in lockstep. REST is given twice
        as long to have a bar.

    Notes
    -----
    A print's recorded watermark is the clock its bars were judged by (market time less the grace), so that the array
    form over the recorded prints gives the very bars that were built live.
    """

    def __init__(
        self,
        store: BarStore,
        ticks: TickStore,
        *,
        timeframes: Iterable[str] = ("1m", "5m", "1h"),
        history_ns: int = 86_400 * SECOND,
        grace_ns: int = 0,
    ) -> None:
        self.store, self.ticks = store, ticks
        self.timeframes = [parse_timeframe(text) for text in timeframes]
        self.history_ns, self.grace_ns = history_ns, grace_ns
        self.fetched = Fetched(store.root)
        self._lines: dict[tuple[str, str], Line] = {}
        self._tapes: dict[str, Tape] = {}
        self._writing = asyncio.Lock()
        self._was_open: dict[str, bool] = {}

    # --- what happens (no waiting, no disk) ---

    @property
    def contracts(self) -> list[str]:
        return list(self._tapes)

    def watch(self, contract: str) -> None:
        """Take a contract on; its lines become whole with the next `stream_started`. Watching twice is harmless."""
        product = parse_contract(contract)
        if product.id in self._tapes:
            return
        hours, tick = trading_hours(product.spec), product.spec.tick
        builder = BarBuilder(self.timeframes, hours, product.id)
        self._tapes[product.id] = Tape(product, builder, tick.numerator, tick.denominator)
        for frame in self.timeframes:
            self._lines[product.id, frame.text] = Line(product, frame, hours)

    def stream_started(self, now: int, *, contract: str | None = None, exact: bool = False) -> None:
        """The subscription stands: prints are complete from `now` (market time, ns) on.

        Parameters
        ----------
        contract : str, optional
            Only this one; all by default.
        exact : bool
            In lockstep the stream and the clock agree to the nanosecond; otherwise a second is allowed for.
        """
        since = now if exact else now + SECOND
        for line in self._chosen(contract):
            start = line.timeframe.bar_start(since, line.hours)
            line.whole_from = start if start == since else line.timeframe.bar_end(start, line.hours)
            behind = line.timeframe.bar_start(max(0, now - self.history_ns), line.hours)
            if line.last_end:
                line.missing.append((line.last_end, line.whole_from))
            else:
                # What an earlier run built live is asked for again unless noted as fetched: REST has the last word.
                line.missing = self._unfetched(line, behind, line.whole_from)

    def stream_lost(self, *, contract: str | None = None) -> None:
        """The stream is gone: what is forming will come from REST."""
        for line in self._chosen(contract):
            line.whole_from = None

    def on_prints(self, contract: str, prints: Sequence[PrintLike], now: int) -> list[BarClosed]:
        """Record prints in their order of arrival and build bars; return the whole bars that became final.

        Parameters
        ----------
        contract : str
            Contract id; prints of a contract that is not watched are left out.
        prints : sequence
            With `ts` (ns), `price` (points), `size` (contracts), `side`.
        now : int
            Market time of the arrival (ns), 0 when it is not known yet.
        """
        tape = self._tapes.get(contract)
        if tape is None:
            return []
        watermark = max(0, now - self.grace_ns)
        closed = tape.builder.advance(watermark) if watermark else []
        add, rows = tape.builder.add, tape.rows
        for each in prints:
            ts, price, size = each.ts, each.price, each.size
            reason = self._fault(tape, ts, price, size, now)
            if reason:
                row = {"ts": ts, "price": price, "size": size, "side": each.side, "watermark": watermark}
                tape.bad.append({"row": tape.seen, **row, "reason": reason})
            else:
                rows.append((ts, price, size, each.side, watermark))
                ended = add(ts, price, size)
                if ended:
                    closed += ended
            tape.seen += 1
        return self._take(closed) if closed else closed

    def advance(self, now: int) -> list[BarClosed]:
        """Move the market clock (ns); return the whole bars that became final."""
        closed: list[BarClosed] = []
        for tape in self._tapes.values():
            closed += tape.builder.advance(now - self.grace_ns)
        return self._take(closed)

    @property
    def pending(self) -> int:
        """How many prints and bars wait for a flush."""
        return sum(len(tape.rows) for tape in self._tapes.values()) + sum(
            len(line.ready) for line in self._lines.values()
        )

    @property
    def needs_flush(self) -> bool:
        return self.pending >= FLUSH_ROWS

    @property
    def needs_seam(self) -> bool:
        """Whether a line waits for bars from REST."""
        return any(line.missing for line in self._lines.values())

    def forming(self, contract: str, timeframe: str) -> FormingBar | None:
        """Return the bar that is still open, None when no print of it has come."""
        tape = self._tapes.get(contract)
        known = any(frame.text == timeframe for frame in self.timeframes)
        return tape.builder.partial(timeframe) if tape is not None and known else None

    def status(self) -> list[dict[str, Any]]:
        """Return what each line has done, as plain values for the desk."""
        return [
            {
                "contract": line.contract.id,
                "timeframe": line.timeframe.text,
                "last_end": line.last_end,
                "whole_from": line.whole_from,
                "missing": line.missing,
                "bars": line.stored + len(line.ready),
                "built": line.built,
                "late": self._tapes[line.contract.id].builder.late[line.timeframe.text],
                "prints": self._tapes[line.contract.id].seen,
            }
            for line in self._lines.values()
        ]

    # --- what is stored ---

    async def flush(self, now: int | None = None) -> int:
        """Write what waits; return how many rows. With `now`, compact the contracts whose session has just closed.

        Raises
        ------
        StorageError
            When the disk refuses; nothing is lost, the rows wait for the next flush.
        """
        async with self._writing:
            count = 0
            for tape in list(self._tapes.values()):
                count += await self._flush_tape(tape)
            for line in list(self._lines.values()):
                count += await self._flush_line(line)
            if now is not None:
                await self._compact_at_close(now)
            return count

    async def seam(self, rest: BarSource, now: int) -> list[BarClosed]:
        """Fetch from REST what the lines miss and what is final by `now`; return the stored bars, by line.

        Call it after `stream_started`, and again (each second, or at each clock) while `needs_seam`.

        Raises
        ------
        GatewayError, StorageError
            The first of a line that could not be filled, when all have been tried; it stays missing.
        """
        fetched: list[BarClosed] = []
        failed: GatewayError | StorageError | None = None
        async with self._writing:
            for line in list(self._lines.values()):
                try:
                    fetched += await self._fill(line, rest, now)
                except (GatewayError, StorageError) as error:
                    failed = failed or error
        if failed is not None:
            raise failed
        return fetched

    # --- inside ---

    def _chosen(self, contract: str | None) -> list[Line]:
        return [line for line in self._lines.values() if contract in (None, line.contract.id)]

    def _unfetched(self, line: Line, start: int, end: int) -> list[Span]:
        try:
            return self.fetched.missing(line.contract.id, line.timeframe.text, start, end)
        except StorageError:  # the seam meets it, too, and says what to do; the stream must be recorded meanwhile
            return [(start, end)] if start < end else []

    def _fault(self, tape: Tape, ts: int, price: float, size: int, now: int) -> str:
        steps = price * tape.denominator / tape.numerator
        if not math.isfinite(steps):
            return "not_finite"
        if size <= 0:
            return "bad_volume"
        if abs(steps - round(steps)) > 1e-6:
            return "off_tick"
        return "ahead_of_clock" if now and ts > now + MOST_AHEAD_NS else ""

    def _take(self, closed: Iterable[BarClosed]) -> list[BarClosed]:
        whole: list[BarClosed] = []
        for bar in closed:
            line = self._lines[bar.contract, bar.timeframe]
            if line.whole_from is not None and bar.start >= line.whole_from and bar.end > line.last_end:
                line.last_end = bar.end
                line.ready.append(bar)
                line.built += 1
                whole.append(bar)
        return whole

    async def _flush_tape(self, tape: Tape) -> int:
        import polars as pl

        rows, bad = tape.rows[:], tape.bad[:]
        if rows:
            schema = ticks_schema()
            frame = pl.DataFrame(rows, schema={**schema, "ts": pl.Int64}, orient="row").cast({"ts": schema["ts"]})
            await asyncio.to_thread(self.ticks.append_live, tape.contract, frame)
            del tape.rows[: len(rows)]
        if bad:
            frame = pl.DataFrame(bad).with_columns(pl.col("ts").cast(pl.Datetime("ns", "UTC")))
            await asyncio.to_thread(self.ticks.quarantine.add, tape.contract.id, "ticks", frame, source="hub")
            del tape.bad[: len(bad)]
        return len(rows) + len(bad)

    async def _flush_line(self, line: Line) -> int:
        bars = line.ready[:]
        if bars:
            await asyncio.to_thread(self.store.append_live, line.contract, line.timeframe, bars_of(bars))
            del line.ready[: len(bars)]
            line.stored += len(bars)
        return len(bars)

    async def _fill(self, line: Line, rest: BarSource, now: int) -> list[BarClosed]:
        bars: list[BarClosed] = []
        final = line.timeframe.bar_start(now, line.hours)
        holes, line.missing = line.missing, []
        for row, (start, end) in enumerate(holes):
            until = min(end, final)
            if until > start:
                try:
                    found, start = await self._fetch(line, rest, start, until, now)
                except BaseException:
                    line.missing += holes[row:]
                    raise
                bars += found
            if start < end:
                line.missing.append((start, end))
        line.last_end = max([line.last_end, *(bar.end for bar in bars)])
        return bars

    async def _fetch(
        self, line: Line, rest: BarSource, start: int, until: int, now: int
    ) -> tuple[list[BarClosed], int]:
        """Fetch and store a stretch; return its bars and up to where it is settled."""
        frame = await rest.bars(line.contract.id, line.timeframe, start, until)
        await asyncio.to_thread(self.store.write, line.contract, line.timeframe, frame, source="seam")
        bars = events_of(frame, line, now)
        line.stored += len(bars)
        # REST may be a moment behind the clock: then only what came is settled, the rest is asked for again.
        settled = until if now >= until + 2 * self.grace_ns else max([start, *(bar.end for bar in bars)])
        if settled > start:
            key = line.contract.id, line.timeframe.text
            await asyncio.to_thread(self.fetched.add, *key, start, min(settled, until))
        return bars, min(settled, until)

    async def _compact_at_close(self, now: int) -> None:
        for tape in list(self._tapes.values()):
            is_open = trading_hours(tape.contract.spec).is_open(now)
            if self._was_open.get(tape.contract.id) and not is_open:
                await asyncio.to_thread(self.ticks.compact, tape.contract)
                for line in self._chosen(tape.contract.id):
                    await asyncio.to_thread(self.store.compact, line.contract, line.timeframe)
                    if line.whole_from is not None and line.last_end > line.whole_from:
                        key = line.contract.id, line.timeframe.text
                        await asyncio.to_thread(self.fetched.add, *key, line.whole_from, line.last_end)
            self._was_open[tape.contract.id] = is_open
