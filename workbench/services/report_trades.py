"""What the journals say of sessions, for reports: trades, equity, orders, headroom. Reads, computes, starts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from workbench.domain import events as e
from workbench.domain.commands import ClosePosition
from workbench.domain.contract import ContractSpec, spec
from workbench.domain.errors import InputError, UnknownName
from workbench.domain.hours import trading_hours
from workbench.domain.order import Order
from workbench.domain.position import Fill
from workbench.execution.fills import earned_by
from workbench.execution.headroom import headroom
from workbench.services.journal_fold import JournalFold, silent_state
from workbench.services.session_fills import share_out
from workbench.services.session_recording import CLOSED_BY_STOP, is_of_stop, is_stopped
from workbench.storage.home import Home
from workbench.storage.journal import Record, read_history

LOOK_EVERY = 250  # records between two looks at what orders have come to
NOT_OURS = "closed elsewhere: by hand, or by the broker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """From flat to flat; prices in points (averages), money in USD. `exit_at` None: still open."""

    session: str
    contract: str
    qty: int  # signed contracts at most
    entry_at: int
    exit_at: int | None
    entry_price: float
    exit_price: float | None
    gross_usd: Decimal
    fees_usd: Decimal
    entry_rule: str = ""
    exit_rule: str = ""

    @property
    def net_usd(self) -> Decimal:
        """Profit net of fees."""
        return self.gross_usd - self.fees_usd


@dataclass(slots=True, kw_only=True)
class SessionFacts:
    """One session as the journal of its account tells it.

    Attributes
    ----------
    equity : list of (int, float)
        UTC ns and net profit in USD (realised and open, fees taken off) at each of its closed bars.
    headroom : dict
        (limit, scope) → (most used, limit, UTC ns), USD.
    """

    account: int
    started: e.SessionStarted
    last_at: int = 0
    status: str = ""
    reason: str = ""
    fills: list[Fill] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    equity: list[tuple[int, float]] = field(default_factory=list)
    headroom: dict[tuple[str, str], tuple[float, float, int]] = field(default_factory=dict)
    told: list[tuple[int, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.started.session

    @property
    def product(self) -> ContractSpec:
        return spec(self.started.contract)

    def dates(self) -> list[date]:
        """The trading dates on which it filled or saw a bar, ascending."""
        hours = trading_hours(self.product)
        return sorted({hours.trading_date(at) for at in [t for t, _ in self.equity] + [f.at for f in self.fills]})


def read_sessions(home: Home, accounts: Iterable[int] | None = None) -> dict[str, SessionFacts]:
    """Return every session that the journals of a home know, by name, oldest first."""
    found: dict[str, SessionFacts] = {}
    for account in home.accounts() if accounts is None else accounts:
        found |= _read_account(home, account)
    return dict(sorted(found.items(), key=lambda item: item[1].started.at))


def pick(sessions: Mapping[str, SessionFacts], name: str, where: str) -> SessionFacts:
    """Return the session of that name; "" is the one that began last.

    Raises
    ------
    InputError, UnknownName
        There is none at all, or none of that name.
    """
    if not sessions:
        raise InputError(f"no session has run yet in {where}; start one: workbench session start STRATEGY")
    if name and name not in sessions:
        raise UnknownName("session", name, sessions, where=where)
    return sessions[name] if name else list(sessions.values())[-1]


def _read_account(home: Home, account: int) -> dict[str, SessionFacts]:
    fold, found = JournalFold(silent_state(account)), dict[str, SessionFacts]()
    orders: dict[int, tuple[str, Order]] = {}
    closed = _Closed()

    def look() -> None:
        orders.update({number: (key, order) for number, key, order in fold.changed_orders()})
        for number in fold.gone_orders():
            orders.pop(number, None)

    for n, record in enumerate(read_history(home.account(account))):
        event = record.event
        fold.take(record)
        if isinstance(event, e.SessionStarted):
            found.setdefault(event.session, SessionFacts(account=account, started=event))
        if isinstance(event, e.BarClosed):
            _note_bar(fold, event, found)
        closed.take(record, fold)
        if n % LOOK_EVERY == 0:
            look()
    look()
    for facts in found.values():
        kept = fold.state.sessions.get(facts.name)
        facts.status, facts.reason = (str(kept.status), kept.reason) if kept is not None else ("ended", "")
    _share_out(found, list(orders.values()), [fill for _, fill in fold.fills], closed)
    return found


def _note_bar(fold: JournalFold, bar: e.BarClosed, found: Mapping[str, SessionFacts]) -> None:
    state = fold.state
    for name, session in state.sessions.items():
        facts = found.get(name)
        if facts is None or (session.contract, session.timeframe) != (bar.contract, bar.timeframe):
            continue
        if bar.end <= facts.started.at or session.status == "ended":
            continue
        net = earned_by(state, session.contract, name).net
        facts.last_at = max(facts.last_at, bar.end)
        if net is not None and (not facts.equity or facts.equity[-1][0] < bar.end):
            facts.equity.append((bar.end, round(float(net), 2)))
        for row in headroom(state):
            if row["scope"] not in ("account", name) or row["used_usd"] is None:
                continue
            key = (str(row["limit"]), str(row["scope"]))
            if key not in facts.headroom or row["used_usd"] > facts.headroom[key][0]:
                facts.headroom[key] = (row["used_usd"], row["limit_usd"], bar.end)


@dataclass(slots=True)
class _Closed:
    """Why positions were closed, where the order that did it carries no word of ours."""

    asked: list[tuple[int, str, str]] = field(default_factory=list)  # UTC ns, contract, why
    stops: list[tuple[int, set[int]]] = field(default_factory=list)  # found at (UTC ns), trades known until then

    def take(self, record: Record, fold: JournalFold) -> None:
        """Note what one record says."""
        event = record.event
        self.asked += [(event.at, c.contract, c.reason) for c in record.commands if isinstance(c, ClosePosition)]
        if isinstance(event, e.CommandAnswered) and (event.command, event.outcome) == ("close", "rejected"):
            last = next((n for n in range(len(self.asked) - 1, -1, -1) if self.asked[n][1] == event.contract), None)
            if last is not None:
                del self.asked[last]
        if is_stopped(event):
            self.stops.append((event.at, {fill.trade_id for _, fill in fold.fills}))

    def why(self, fill: Fill, since: int) -> str:
        """Return why a position that was opened at `since` (UTC ns) was closed by a fill."""
        asked = [why for at, contract, why in self.asked if contract == fill.contract and since <= at <= fill.at]
        if asked:
            return asked[-1]
        return CLOSED_BY_STOP if any(is_of_stop(fill, known, at) for at, known in self.stops) else NOT_OURS


def _share_out(
    found: Mapping[str, SessionFacts], orders: Sequence[tuple[str, Order]], fills: Sequence[Fill], closed: _Closed
) -> None:
    sessions = {order.order_id: order.session for _, order in orders if order.order_id is not None}
    rules = {order.order_id: order.rule for _, order in orders if order.rule}
    why = lambda fill, since: rules.get(fill.order_id) or closed.why(fill, since)  # noqa: E731 - one expression
    own = share_out(fills, sessions)
    for _, order in orders:
        if order.session in found:
            found[order.session].orders.append(order)
    for facts in found.values():
        facts.fills = own.get(facts.name, [])
        facts.orders.sort(key=lambda order: order.created_at)
        facts.trades = trades_of(facts.name, facts.fills, facts.product, why)
        facts.last_at = max([facts.last_at, facts.started.at, *(f.at for f in facts.fills)])
        _note_end(facts)


def _note_end(facts: SessionFacts) -> None:
    # What closed an ended session came after its last bar: its curve ends at what it has made.
    if facts.status != "ended" or not facts.fills or any(trade.exit_at is None for trade in facts.trades):
        return
    if not facts.equity or facts.equity[-1][0] < facts.fills[-1].at:
        net = sum((trade.net_usd for trade in facts.trades), Decimal(0))
        facts.equity.append((facts.fills[-1].at, round(float(net), 2)))


def trades_of(
    session: str, fills: Sequence[Fill], product: ContractSpec, why: Callable[[Fill, int], str] = lambda fill, since: ""
) -> list[Trade]:
    """Return round trips from flat to flat; a fill that turns a position over ends one and begins the next.

    Parameters
    ----------
    session : str
    fills : sequence of Fill
        Of one contract, in order of time.
    product : ContractSpec
    why : callable
        Fill, and when (UTC ns) the position was opened that it opens, adds to or closes → what it was for.
    """
    out: list[Trade] = []
    part: list[tuple[Fill, int, Decimal]] = []  # fill, contracts of it, fees of those
    held = 0
    for fill in fills:
        left = fill.qty
        while left:
            turns = held * left < 0 and abs(left) > abs(held)
            taken = -held if turns else left
            part.append((fill, taken, fill.fees * abs(taken) / abs(fill.qty)))
            held, left = held + taken, left - taken
            if not held:
                out.append(_trade(session, part, product, why))
                part = []
    if part:
        out.append(_trade(session, part, product, why))
    return out


def _trade(
    session: str, part: Sequence[tuple[Fill, int, Decimal]], product: ContractSpec, why: Callable[[Fill, int], str]
) -> Trade:
    sign = 1 if part[0][1] > 0 else -1
    into, out = [(f, n) for f, n, _ in part if n * sign > 0], [(f, n) for f, n, _ in part if n * sign < 0]
    entered, left = sum(abs(n) for _, n in into), sum(abs(n) for _, n in out)
    entry = Decimal(sum(f.ticks * abs(n) for f, n in into)) / entered
    leaving = Decimal(sum(f.ticks * abs(n) for f, n in out)) / left if left else None
    is_over = entered == left
    return Trade(
        session=session,
        contract=part[0][0].contract,
        qty=sign * entered,
        entry_at=part[0][0].at,
        exit_at=part[-1][0].at if is_over else None,
        entry_price=float(entry) * product.tick_size,
        exit_price=None if leaving is None else float(leaving) * product.tick_size,
        gross_usd=Decimal(0) if leaving is None else (leaving - entry) * left * sign * product.tick_value,
        fees_usd=sum((fees for _, _, fees in part), Decimal(0)),
        entry_rule=why(into[0][0], part[0][0].at),
        exit_rule=why(out[-1][0], part[0][0].at) if out else "",
    )


def summed(trades: Sequence[Trade]) -> dict[str, Any]:
    """Return what closed trades come to: count, net, gross, fees, winners, profit factor and the average (USD)."""
    over = [t for t in trades if t.exit_at is not None]
    won = sum((t.net_usd for t in over if t.net_usd > 0), Decimal(0))
    lost = -sum((t.net_usd for t in over if t.net_usd < 0), Decimal(0))
    net = won - lost
    return {
        "trades": len(over),
        "open": len(trades) - len(over),
        "net_usd": float(net),
        "gross_usd": float(sum((t.gross_usd for t in over), Decimal(0))),
        "fees_usd": float(sum((t.fees_usd for t in trades), Decimal(0))),
        "winners": sum(t.net_usd > 0 for t in over),
        "win_rate": sum(t.net_usd > 0 for t in over) / len(over) if over else None,
        "profit_factor": float(won / lost) if lost else None,
        "average_usd": float(net) / len(over) if over else None,
        "best_usd": float(max((t.net_usd for t in over), default=Decimal(0))) if over else None,
        "worst_usd": float(min((t.net_usd for t in over), default=Decimal(0))) if over else None,
    }
