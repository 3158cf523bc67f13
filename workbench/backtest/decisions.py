"""What a session decided bar by bar and what its fills came to; two runs compared, every difference by cause."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from workbench.domain import events as e
from workbench.domain.commands import AnyCommand, CancelOrder, ClosePosition, ModifyOrder, PlaceOrder
from workbench.domain.contract import ContractSpec
from workbench.domain.order import Order
from workbench.domain.position import Fill

Step = tuple[e.Event, Sequence[AnyCommand]]
SIGNAL, TIMING, FILL_PRICE, FEE, MISSED, DATA = "signal", "timing", "fill price", "fee", "missed", "data"
CAUSES = (SIGNAL, TIMING, FILL_PRICE, FEE, MISSED, DATA)


class Decision(NamedTuple):
    """One decision at the close of a bar: `kind` is entry, exit or stop; `what` is (side, contracts) or (level,)."""

    bar: int  # end of the bar, UTC ns
    kind: str
    what: tuple[int, ...]
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """From flat to flat: money in USD, prices in ticks (averages). `bar` is the bar that decided the entry, 0: none."""

    bar: int
    qty: int  # signed contracts at most
    entry_ticks: Decimal
    exit_ticks: Decimal | None
    entry_at: int
    exit_at: int
    exit_bar: int  # start of the bar in which it ended
    gross_usd: Decimal
    fees_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that one run did and the other did not, or did otherwise, and what it came to (live minus replay)."""

    bar: int
    cause: str
    text: str
    usd: Decimal = Decimal(0)


@dataclass(slots=True)
class Run:
    """One run of a session: its decisions, and its fills as trips."""

    decisions: list[Decision] = field(default_factory=list)
    trips: list[Trip] = field(default_factory=list)
    orders: int = 0

    @property
    def net_usd(self) -> Decimal:
        """Profit net of fees."""
        return sum((t.gross_usd - t.fees_usd for t in self.trips), Decimal(0))


class Dealt(NamedTuple):
    """The fills of one session, and the tag of each order by its id."""

    fills: Sequence[Fill]
    tags: Mapping[int, str]


def run_of(
    steps: Iterable[Step], started: e.SessionStarted, product: ContractSpec, bar_ns: int, dealt: Dealt | None = None
) -> Run:
    """Return what a session decided and what it came to, from the events and commands of its account.

    Parameters
    ----------
    steps : iterable of (event, commands)
        A journal, or what a replay has done.
    started : SessionStarted
        Which session.
    product : ContractSpec
    bar_ns : int
        Length of its bars.
    dealt : Dealt or None
        What it has dealt, where others trade its contract, too; None: every fill of the contract is its own.
    """
    run, bar, fills = Run(), 0, dict[int, Fill]()
    bars: dict[str, int] = {}  # tag -> bar of the entry
    tags: dict[int, str] = {}
    for event, commands in steps:
        if isinstance(event, e.BarClosed) and event.contract == started.contract:
            bar = event.end if event.timeframe == started.timeframe else bar
        _note_orders(event, tags)
        for fill in _fills(event):
            if fill.contract == started.contract and fill.at >= started.at and not fill.voided:
                fills.setdefault(fill.trade_id, fill)
        decided = isinstance(event, e.BarClosed | e.StrategyAnswered)
        run.orders += sum(isinstance(c, PlaceOrder) and c.session == started.session for c in commands)
        for made in _decisions(commands, started, bar, decided):
            if made not in run.decisions[-3:]:  # one exit cancels two legs
                run.decisions.append(made)
        bars |= {c.tag: _bar_of(c, bar) for c in commands if isinstance(c, PlaceOrder) and c.session == started.session}
    own = dealt or Dealt(list(fills.values()), tags)
    decided_at = {number: bars[tag] for number, tag in own.tags.items() if tag in bars}
    run.trips = _trips(sorted(own.fills, key=lambda f: (f.at, f.trade_id)), decided_at, product, bar_ns)
    return run


def _bar_of(command: PlaceOrder, bar: int) -> int:
    told = str(getattr(command, "intent", "")).rpartition("@")[2]
    return int(told) if told.isdigit() else bar


def _decisions(
    commands: Sequence[AnyCommand], started: e.SessionStarted, bar: int, decided: bool
) -> Iterable[Decision]:
    for command in commands:
        if command.contract != started.contract:
            continue
        if isinstance(command, PlaceOrder) and command.session == started.session:
            what = (command.side.sign, command.qty)
            yield Decision(_bar_of(command, bar), "entry", what, command.rule)
        elif decided and isinstance(command, CancelOrder | ClosePosition) and " " not in command.reason:
            yield Decision(bar, "exit", (), command.reason)  # what a rule says has no space; what a person says has
        elif decided and isinstance(command, ModifyOrder) and command.stop_ticks is not None:
            yield Decision(bar, "stop", (command.stop_ticks,), command.reason)


def _note_orders(event: e.Event, tags: dict[int, str]) -> None:
    told: list[tuple[int | None, str | None]] = []
    if isinstance(event, e.PlaceAnswered):
        told.append((event.order_id, event.tag))
    elif isinstance(event, e.OrderReported):
        told.append((event.order.order_id, event.order.tag))
    elif isinstance(event, e.BrokerRead):
        told += [(o.order_id, o.tag) for o in event.orders if isinstance(o, Order)]
    tags.update({number: tag for number, tag in told if number is not None and tag})


def _fills(event: e.Event) -> Sequence[Fill]:
    if isinstance(event, e.FillReported):
        return [event.fill]
    return event.fills if isinstance(event, e.BrokerRead) else ()


def _trips(fills: Sequence[Fill], bars: Mapping[int, int], product: ContractSpec, bar_ns: int) -> list[Trip]:
    out: list[Trip] = []
    part: list[Fill] = []
    held = 0
    for fill in fills:
        part.append(fill)
        held += fill.qty
        if not held:
            out.append(_trip(part, bars, product, bar_ns))
            part = []
    if part:
        out.append(_trip(part, bars, product, bar_ns))
    return out


def _trip(fills: Sequence[Fill], bars: Mapping[int, int], product: ContractSpec, bar_ns: int) -> Trip:
    sign = 1 if fills[0].qty > 0 else -1
    into, out = [f for f in fills if f.qty * sign > 0], [f for f in fills if f.qty * sign < 0]
    entered, left = sum(abs(f.qty) for f in into), sum(abs(f.qty) for f in out)
    entry = Decimal(sum(abs(f.qty) * f.ticks for f in into)) / entered
    leaving = Decimal(sum(abs(f.qty) * f.ticks for f in out)) / left if left else None
    gross = (leaving - entry) * left * sign * product.tick_value if leaving is not None else Decimal(0)
    last = fills[-1].at
    return Trip(
        bar=next((bars[f.order_id] for f in into if f.order_id in bars), 0),
        qty=sign * entered,
        entry_ticks=entry,
        exit_ticks=leaving if entered == left else None,
        entry_at=fills[0].at,
        exit_at=last,
        exit_bar=last - last % bar_ns,
        gross_usd=gross,
        fees_usd=sum((f.fees for f in fills), Decimal(0)),
    )


def decided_otherwise(
    live: Sequence[Decision],
    again: Sequence[Decision],
    *,
    late: Collection[int],
    unlike: Collection[int],
    bar_ns: int,
    held: Sequence[tuple[int, int, str]] = (),
    product: ContractSpec | None = None,
) -> list[Difference]:
    """Return each decision that only one of two runs made, with its cause.

    Parameters
    ----------
    live, again : sequence of Decision
    late : collection of int
        Ends of bars that came too late to be acted on, or not at all.
    unlike : collection of int
        Ends of bars that are not the same in the data of the replay.
    bar_ns : int
        Length of a bar.
    held : sequence of (int, int, str)
        From when to when (ns) what was held had been filled otherwise, and why: its stop stands elsewhere, so one of
        them may be out before the other. See `held_otherwise`.
    product : ContractSpec or None
        Whose prices the texts write in points; without it they are in ticks.
    """
    only_live, only_again = set(live) - set(again), set(again) - set(live)
    out = []
    for made, who, others in [(d, "live", only_again) for d in only_live] + [
        (d, "replay", only_live) for d in only_again
    ]:
        same = [o for o in others if o.kind == made.kind and o.what == made.what]
        if made.bar in late:
            cause = MISSED
        elif any(bar <= made.bar for bar in unlike):
            cause = DATA
        elif any(abs(o.bar - made.bar) <= bar_ns for o in same):
            cause = TIMING
        else:
            cause = next((why for begin, end, why in held if begin <= made.bar <= end), SIGNAL)
        shown = product if made.kind == "stop" else None
        what = " ".join(str(n) if shown is None else price_text(n, shown) for n in made.what)
        out.append(Difference(bar=made.bar, cause=cause, text=f"only {who}: {made.kind} {what} by {made.rule}"))
    return sorted(out, key=lambda d: (d.bar, d.text))


def held_otherwise(live: Sequence[Trip], again: Sequence[Trip], bar_ns: int) -> list[tuple[int, int, str]]:
    """Return the times in which both held what the same bar had decided, filled at another price or left at another."""
    others = {t.bar: t for t in again if t.bar}
    out = []
    for trip in live:
        other = others.get(trip.bar)
        if other is not None and (trip.entry_ticks, trip.exit_at) != (other.entry_ticks, other.exit_at):
            why = FILL_PRICE if trip.entry_ticks != other.entry_ticks else TIMING
            out.append((trip.bar + 1, max(trip.exit_at, other.exit_at) + bar_ns, why))
    return out


def filled_otherwise(
    live: Sequence[Trip], again: Sequence[Trip], causes: Mapping[int, str], product: ContractSpec
) -> list[Difference]:
    """Return what the fills of two runs came to, by cause; the sum is the difference of their profits, to the cent.

    `causes` has the cause of a bar at which only one of them entered.
    """
    out: list[Difference] = []
    others = {t.bar: t for t in again if t.bar}
    for trip in live:
        other = others.pop(trip.bar, None) if trip.bar else None
        if other is None:
            cause = causes.get(trip.bar, SIGNAL)
            net = trip.gross_usd - trip.fees_usd
            out.append(Difference(bar=trip.bar, cause=cause, text=f"only live: {trip.qty:+d} contracts", usd=net))
        else:
            out += _apart(trip, other, product)
    unpaired = [*others.values(), *(t for t in again if not t.bar)]
    for trip in unpaired:
        net = trip.fees_usd - trip.gross_usd
        cause = causes.get(trip.bar, SIGNAL)
        out.append(Difference(bar=trip.bar, cause=cause, text=f"only replay: {trip.qty:+d} contracts", usd=net))
    return sorted((d for d in out), key=lambda d: (d.bar, d.cause))


def price_text(ticks: Decimal | int, product: ContractSpec) -> str:
    """Return a price, or an average of prices, in points.

    Examples
    --------
    >>> from workbench.domain.contract import spec
    >>> price_text(27652, spec("MES")), price_text(Decimal("27652.5"), spec("MES"))
    ('6,913.00', '6,913.125')
    """
    points = Decimal(ticks) * product.tick.numerator / product.tick.denominator
    step = Decimal(product.tick.numerator) / product.tick.denominator
    digits = max(2, -int(step.normalize().as_tuple().exponent))
    shown, exact = round(points, digits), round(points, digits + 2)
    return f"{shown if shown == exact else exact.normalize():,f}"


def _apart(live: Trip, again: Trip, product: ContractSpec) -> list[Difference]:
    out = []
    whole = live.gross_usd - again.gross_usd
    entry = Decimal(0)
    if live.qty == again.qty and live.exit_ticks is not None and again.exit_ticks is not None:
        entry = (again.entry_ticks - live.entry_ticks) * live.qty * product.tick_value
    rest = whole - entry
    if entry or live.entry_ticks != again.entry_ticks:
        text = f"in at {price_text(live.entry_ticks, product)}, the replay at {price_text(again.entry_ticks, product)}"
        out.append(Difference(bar=live.bar, cause=FILL_PRICE, text=text, usd=entry))
    if rest:
        moved = live.exit_bar != again.exit_bar or live.qty != again.qty
        seconds = (live.exit_at - again.exit_at) / 1e9
        text = f"out {seconds:+.1f} s from the replay" if moved else "out at another price in the same bar"
        out.append(Difference(bar=live.bar, cause=TIMING if moved else FILL_PRICE, text=text, usd=rest))
    fees = again.fees_usd - live.fees_usd
    if fees:
        text = f"fees {live.fees_usd} USD, the replay's {again.fees_usd}"
        out.append(Difference(bar=live.bar, cause=FEE, text=text, usd=fees))
    return out
