"""`workbench session replay`: a recorded session once more, from its market data alone, compared with its journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from workbench.backtest.decisions import (
    CAUSES,
    FILL_PRICE,
    MISSED,
    TIMING,
    Difference,
    Run,
    decided_otherwise,
    filled_otherwise,
    held_otherwise,
    run_of,
)
from workbench.domain import events as e
from workbench.domain.contract import Contract, parse_contract
from workbench.domain.errors import InputError, UnknownName
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import Timeframe
from workbench.domain.timeframe import timeframe as parse_timeframe
from workbench.risk.limits import Limits
from workbench.services.session_recording import Recording, find_recording
from workbench.storage.home import Home
from workbench.storage.registry import Registry

if TYPE_CHECKING:
    import polars as pl

    from workbench.backtest.series import Series

PRINTS, BARS = "prints", "bars"
SOURCES = (PRINTS, BARS)
IN_PARTS = "what was held had been filled in parts, the replay fills whole"
DELAY_NS = 150_000_000  # from a decision to the order in the market, as the gateway was measured


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReplayed:
    """A session and its replay.

    Attributes
    ----------
    decided : tuple of Difference
        Decisions that only one of them made: none, when they are the same.
    filled : tuple of Difference
        What their fills differ by, in USD (live minus replay): the sum is the difference of their profits.
    unlike : tuple of str
        Bars of the replay's data that are not those of the journal.
    late : int
        Bars that reached the runner too late to be acted on.
    in_parts : int
        Orders that were filled in parts. The replay fills each whole, at its first price: a stop that hangs on the
        price of entry may then stand elsewhere, and one of the two is out before the other. Decisions that differ
        because of that say so.
    """

    session: str
    source: str
    live: Run
    again: Run
    bars: int
    late: int
    in_parts: int = 0
    decided: tuple[Difference, ...] = ()
    filled: tuple[Difference, ...] = ()
    unlike: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether both decided the same, bar by bar."""
        return not self.decided

    def by_cause(self) -> dict[str, Decimal]:
        """Return what the fills differ by, in USD, by cause; causes without a difference are left out."""
        sums = {cause: sum((d.usd for d in self.filled if d.cause == cause), Decimal(0)) for cause in CAUSES}
        found = {d.cause for d in self.filled}
        return {cause: usd for cause, usd in sums.items() if cause in found}

    def facts(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return {
            "session": self.session,
            "source": self.source,
            "same": self.is_same,
            "bars": self.bars,
            "late_bars": self.late,
            "orders_filled_in_parts": self.in_parts,
            "orders": self.live.orders,
            "decisions": {"live": len(self.live.decisions), "replay": len(self.again.decisions)},
            "net_usd": {"live": f"{self.live.net_usd:.2f}", "replay": f"{self.again.net_usd:.2f}"},
            "by_cause_usd": {cause: f"{usd:.2f}" for cause, usd in self.by_cause().items()},
            "decided_otherwise": [asdict(d) for d in self.decided],
            "filled_otherwise": [{**asdict(d), "usd": f"{d.usd:.2f}"} for d in self.filled],
            "unlike_bars": list(self.unlike),
        }

    def __str__(self) -> str:
        live, again = self.live, self.again
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(Counter(d.kind for d in live.decisions).items()))
        lines = [
            f"{self.session}, replayed from {self.source}: {self.bars} bars ({self.late} late), {live.orders} orders"
            + (f", {self.in_parts} filled in parts" if self.in_parts else ""),
            f"decisions: {kinds or 'none'}; " + ("all the same" if self.is_same else f"{len(self.decided)} differ"),
            *(f"  {d.cause}: {d.text} (bar ending {d.bar})" for d in self.decided[:20]),
            f"net {live.net_usd:.2f} USD, the replay {again.net_usd:.2f} USD; by cause:",
            *(f"  {cause}: {usd:+.2f} USD" for cause, usd in self.by_cause().items()),
        ]
        return "\n".join([*lines, *(f"  data: {text}" for text in self.unlike[:5])])


def replay_session(home: Home, session: str, *, source: str = PRINTS) -> SessionReplayed:
    """Replay a recorded session and compare.

    Parameters
    ----------
    home : Home
        Journal, stored versions, recorded prints and bars.
    session : str
    source : str
        ``prints``: the recorded prints build the bars and fill the orders; ``bars``: the stored bars do, as in a
        backtest.

    Raises
    ------
    UnknownName, InputError
        No such session; nothing was recorded while it ran; its version can no longer run.
    """
    from workbench.backtest.costs import Costs
    from workbench.backtest.prepared import Prepared
    from workbench.backtest.session_replay import SessionReplay

    if source not in SOURCES:
        raise UnknownName("source", source, SOURCES)
    found = find_recording(home, session)
    started, frame = found.started, parse_timeframe(found.started.timeframe)
    contract, told = parse_contract(started.contract), found.bars
    if not any(bar.end > started.at for bar in told):
        raise InputError(f"session {session} has had no bar; there is nothing to replay")
    strategy = Registry(home).get(started.strategy).with_parameters(**started.parameters)
    data = _series(home, contract, frame, told, source, found.until)
    prepared = Prepared(series=data, costs=Costs(slippage_ticks=0), limits=Limits())
    late = {bar.end for bar in told if bar.end > started.at and (bar.at - bar.end) * 2 > frame.length}
    arrivals = {bar.end: bar.at for bar in told if source == PRINTS or bar.end in late}
    if found.ended_at is not None:  # what it was not given while it ran, nothing was decided on
        unseen = [end for end in prepared.lists.ends if end > told[-1].end]
        arrivals |= {end: max(end, found.ended_at + 1) for end in unseen}
    delay = DELAY_NS if source == PRINTS else 0
    replay = SessionReplay(prepared, strategy.start, found.begun, started, found.outside(delay), arrivals, delay)
    steps = ((r.event, r.commands) for r in found.records)
    live = run_of(steps, started, contract.spec, frame.length, found.dealt)
    again = run_of(replay.run(), started, contract.spec, frame.length)
    unlike = _unlike(told, data)
    decided = decided_otherwise(
        live.decisions,
        again.decisions,
        late=late,
        unlike=[end for end, _ in unlike],
        bar_ns=frame.length,
        held=held_otherwise(live.trips, again.trips, frame.length),
        product=contract.spec,
    )
    parts = _in_parts(found)
    decided = [_with_parts(d, _parted(live, again, parts, frame.length)) for d in decided]
    causes = {d.bar: d.cause for d in decided} | dict.fromkeys(late, MISSED)
    return SessionReplayed(
        session=session,
        source=source,
        live=live,
        again=again,
        bars=sum(end <= told[-1].end for end in prepared.lists.ends),
        late=len(late),
        in_parts=len(parts),
        decided=tuple(decided),
        filled=tuple(filled_otherwise(live.trips, again.trips, causes, contract.spec)),
        unlike=tuple(text for _, text in unlike),
    )


def _in_parts(found: Recording) -> list[int]:
    # When each order of its own that was filled in parts had its last part (UTC ns).
    orders: dict[int, dict[int, int]] = {}
    for fill in found.dealt.fills:
        orders.setdefault(fill.order_id, {})[fill.trade_id] = fill.at
    return [max(times.values()) for times in orders.values() if len(times) > 1]


def _parted(live: Run, again: Run, parts: Sequence[int], bar_ns: int) -> list[tuple[int, int]]:
    # From when to when one of the two held what an order filled in parts had to do with; a bar more, as for the causes.
    until = {t.bar: t.exit_at for t in again.trips}
    held = [t for t in live.trips if any(t.entry_at <= at <= t.exit_at for at in parts)]
    return [(t.bar, max(t.exit_at, until.get(t.bar, 0)) + bar_ns) for t in held]


def _with_parts(made: Difference, parted: Sequence[tuple[int, int]]) -> Difference:
    if made.cause in (FILL_PRICE, TIMING) and any(begin <= made.bar <= end for begin, end in parted):
        return replace(made, text=f"{made.text}; {IN_PARTS}")
    return made


def _series(
    home: Home, contract: Contract, frame: Timeframe, told: Sequence[e.BarClosed], source: str, until: int | None
) -> Series:
    # History (what the session was warmed up with) is stored or journalled; from the first whole recorded bar on the
    # prints build the bars themselves. What has ended is closed in the market that comes then: `until`, and a bar more.
    import polars as pl

    from workbench.backtest.inner import with_inner
    from workbench.backtest.series import series
    from workbench.services.ingest_lines import bars_of
    from workbench.storage.bars import BarStore
    from workbench.storage.ticks import TickStore

    begin, end = told[0].start, told[-1].end
    if until is not None:
        end = max(end, -(-until // frame.length) * frame.length + frame.length)
    stored = BarStore(home.market).read(contract, frame, begin, end)
    journalled = bars_of(told)
    columns = journalled.columns
    if source == BARS:
        if stored.is_empty():
            raise InputError(f"no stored {frame.text} bars of {contract.id} while the session ran; were they recorded?")
        rest = journalled.join(stored.select("ts"), on="ts", how="anti")
        return series(pl.concat([stored.select(columns), rest]).sort("ts"), contract, frame)
    prints = TickStore(home.market).read(contract, begin, end)
    if prints.is_empty():
        raise InputError(f"no recorded prints of {contract.id} while the session ran; replay it from stored bars")
    built = _built(prints, contract, frame, end).select(columns)
    rest = pl.concat([journalled, stored.select(columns)]).unique("ts", keep="first")
    rest = rest.join(built.select("ts"), on="ts", how="anti")
    return with_inner(series(pl.concat([built, rest]).sort("ts"), contract, frame), prints)


def _built(prints: pl.DataFrame, contract: Contract, frame: Timeframe, end: int) -> pl.DataFrame:
    # The bar during which the recording began is not whole; the last one is when the session saw it closed.
    import polars as pl

    from workbench.ingestion.aggregate import bars_from_ticks

    ts = prints["ts"].cast(pl.Int64).to_numpy()
    given = (prints[name].to_numpy() for name in ("price", "size"))
    hours = trading_hours(contract.spec)
    made = bars_from_ticks(ts, *given, frame, hours, prints["watermark"].cast(pl.Int64).to_numpy())
    first, starts = int(ts.min()), pl.col("ts").cast(pl.Int64)
    return made.filter((starts > first) & (starts < end))


def _unlike(told: Sequence[e.BarClosed], data: Series) -> list[tuple[int, str]]:
    again = {bar.end: bar for bar in data.events()}
    out = []
    for bar in told:
        other = again.get(bar.end)
        if other is None:
            out.append((bar.end, f"the bar ending {bar.end} is not in the data"))
            continue
        for name in ("open", "high", "low", "close", "volume"):
            one, two = getattr(bar, name), getattr(other, name)
            if one != two:
                out.append((bar.end, f"the bar ending {bar.end} has {name} {two}, the journal {one}"))
                break
    return out
