"""One trading date of one session, as its report shows it: what it did, and why live is not the backtest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from html import escape
from typing import Any

from workbench.domain.errors import InputError, WorkbenchError
from workbench.domain.hours import local, trading_hours
from workbench.services.live_difference import MEANING, LiveDifference, difference
from workbench.services.report_page import PROVENANCE
from workbench.services.report_parts import Part, Tile, bar_chart, line_chart, signed, table, tiles
from workbench.services.report_trades import SessionFacts, Trade, pick, read_sessions, summed
from workbench.storage.home import Home
from workbench.storage.registry import Registry

LIMITS = {"daily_loss": "daily loss", "max_drawdown": "drawdown", "maximum_loss": "maximum loss"}


class Provenance(dict[str, Any]):
    """What a report was made from; the last cell of a template shows it, and the page takes it up."""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {PROVENANCE: dict(self), "text/plain": "\n".join(f"{k}: {v}" for k, v in self.items())}


def clock(at: int | None) -> str:
    """Return an instant (UTC ns) as Chicago time, "" for none."""
    return "" if at is None else f"{local(at):%d %b %H:%M:%S}"


def tail(text: str) -> str:
    """Return a contract as it is spoken."""
    return " ".join(text.split(".")[-2:])


def replayed(home: Home, facts: SessionFacts, begin: int, end: int) -> LiveDifference | str:
    """Return the difference of a stretch of a session, from prints where they were recorded; or why there is none."""
    from workbench.services.session_replay import BARS, PRINTS, replay_session

    why = ""
    for source in (PRINTS, BARS):
        try:
            return difference(replay_session(home, facts.name, source=source), begin, end)
        except WorkbenchError as error:
            why = str(error)
    return why


@dataclass(slots=True, kw_only=True)
class SessionDay:
    """One trading date of one session."""

    home: Home
    facts: SessionFacts
    date: date
    begin: int
    end: int
    trades: list[Trade] = field(default_factory=list)
    equity: list[tuple[int, float]] = field(default_factory=list)
    compared: LiveDifference | str = ""

    @property
    def headline(self) -> str:
        """The day in one sentence."""
        s, started = summed(self.trades), self.facts.started
        trades = f"{s['trades']} trade{'' if s['trades'] == 1 else 's'}"
        status = f"{self.facts.status}" + (f": {self.facts.reason}" if self.facts.reason else "")
        net = f"{trades}, {signed(s['net_usd'])[0]} USD net"
        return f"{started.session} on {self.date:%A %d %B %Y}: {net}. Now {status}."

    def tiles(self) -> Part:
        """Net result, trades, winners, fees, the worst fall, and live against the replay."""
        s = summed(self.trades)
        net, tone = signed(s["net_usd"])
        rate = "–" if s["win_rate"] is None else f"{s['win_rate']:.0%}"
        factor = "–" if s["profit_factor"] is None else f"{s['profit_factor']:.2f}"
        given = [
            Tile("Net result", net, "USD", f"before fees {signed(s['gross_usd'])[0]}", tone),
            Tile("Trades", f"{s['trades']}", "", f"{s['open']} open at the end" if s["open"] else "all closed"),
            Tile("Winners", rate, "", f"{s['winners']} of {s['trades']}, profit factor {factor}"),
            Tile("Fees", f"{s['fees_usd']:,.2f}", "USD", "commissions included"),
            Tile("Largest fall", f"{self.fall():,.2f}", "USD", "from its best, open profit included"),
        ]
        if isinstance(self.compared, LiveDifference):
            gap, tone = signed(float(self.compared.usd))
            given.append(Tile("Live − replay", gap, "USD", "why: see below", tone))
        return tiles(given)

    def fall(self) -> float:
        """Return how far the result fell from its best at closed bars, USD."""
        best = worst = 0.0
        for _, value in self.equity:
            best = max(best, value)
            worst = max(worst, best - value)
        return worst

    def equity_chart(self) -> Part:
        """The net result at each closed bar, the open position at its last price."""
        at, values = [t for t, _ in self.equity], [v for _, v in self.equity]
        return line_chart(at, values, title="Net result of the day, open position included", unit="USD")

    def trade_chart(self) -> Part:
        """One bar a trade, in order."""
        over = [t for t in self.trades if t.exit_at is not None]
        names = [f"{local(t.entry_at):%H:%M}" for t in over]
        title = "Each trade, by the time of its entry, net of fees"
        return bar_chart(names, [float(t.net_usd) for t in over], title=title, unit="USD")

    def trade_table(self) -> Part:
        """The trades."""
        heads = ["~Side", "Qty", "~In (Chicago)", "Price", "~By", "~Out", "Price", "~By", "Fees USD", "Net USD"]
        rows = [
            ["long" if t.qty > 0 else "short", abs(t.qty), clock(t.entry_at), t.entry_price, t.entry_rule,
             clock(t.exit_at) or "open", t.exit_price, t.exit_rule, float(t.fees_usd),
             signed(None if t.exit_at is None else float(t.net_usd))]
            for t in self.trades
        ]  # fmt: skip
        return table(heads, rows, empty="No trade on this date.")

    def order_table(self) -> Part:
        """Orders by state, with what was said of those that did not fill."""
        made = [o for o in self.facts.orders if self.begin <= o.created_at < self.end]
        states, said = Counter(str(o.status) for o in made), dict[str, Counter[str]]()
        for order in made:
            if order.reason:
                said.setdefault(str(order.status), Counter())[order.reason] += 1
        rows = [[s, n, "; ".join(f"{c} × {text}" for text, c in said.get(s, Counter()).most_common(4))]
                for s, n in states.most_common()]  # fmt: skip
        return table(["~State", "Orders", "~What was said"], rows, empty="No order on this date.")

    def headroom_table(self) -> Part:
        """The most that was used of each limit while it ran."""
        rows = []
        for (limit, scope), (used, whole, at) in self.facts.headroom.items():
            name = LIMITS.get(limit, limit.replace("_", " "))
            share = used / whole if whole else 0.0
            word = "reached" if share >= 1 else "close" if share >= 0.8 else "fine"
            tone = {"reached": "alarm", "close": "warn", "fine": "ok"}[word]
            rows.append([name, "account" if scope == "account" else "session", used, whole, f"{share:.0%}",
                         (word, tone), clock(at)])  # fmt: skip
        heads = ["~Limit", "~Of", "Most used USD", "Limit USD", "Share", "~So", "~When (Chicago)"]
        return table(heads, rows, empty="No money limit was on.")

    def cause_table(self) -> Part:
        """Live minus replay by cause; the sum is the difference of the two results."""
        if isinstance(self.compared, str):
            return Part(f"<p><b>There is no comparison:</b> {escape(self.compared)}</p>")
        return cause_table(self.compared)

    def difference_table(self) -> Part:
        """Each difference by itself."""
        if isinstance(self.compared, str):
            return Part("")
        both = [*self.compared.rows, *self.compared.decided]
        rows = [[clock(d.bar or None) or "–", d.cause, d.text, signed(float(d.usd)) if d.usd else "–"]
                for d in sorted(both, key=lambda d: d.bar)]  # fmt: skip
        heads = ["~Bar ends (Chicago)", "~Cause", "~What", "USD"]
        return table(heads, rows, empty="Not one: the same decisions, the same fills.")

    def provenance(self) -> Provenance:
        """Session, strategy and data: what it takes to make this again."""
        started = self.facts.started
        return Provenance(
            about=f"{started.session} · {self.date}",
            session=started.session,
            account=self.facts.account,
            strategy=strategy_name(self.home, started.strategy),
            strategy_parameters=dict(started.parameters),
            contract=started.contract,
            timeframe=started.timeframe,
            trading_date=self.date.isoformat(),
            data=data_version(self.home, started.contract, started.timeframe, self.begin, self.end),
        )


def session_day(home: Home, session: str = "", day: str = "", *, compare: bool = True) -> SessionDay:
    """Return one trading date of a session.

    Parameters
    ----------
    home : Home
    session : str
        "" is the session that began last.
    day : str
        Trading date such as ``2026-11-23``; "" is the last one on which it saw a bar.
    compare : bool
        Replay it, and tell why live is not the backtest.

    Raises
    ------
    InputError, UnknownName
        No such session, or it did not run on that date.
    """
    facts = pick(read_sessions(home), session, str(home.path))
    dates = facts.dates()
    if not dates:
        raise InputError(f"session {facts.name} has seen no bar yet; there is nothing to report")
    wanted = day_of(day) if day else dates[-1]
    if wanted not in dates:
        raise InputError(f"session {facts.name} did not run on {wanted}; it ran on {', '.join(map(str, dates[-10:]))}")
    begin, end = _bounds(facts, wanted)
    before = [v for t, v in facts.equity if t <= begin]
    base = before[-1] if before else 0.0
    return SessionDay(
        home=home,
        facts=facts,
        date=wanted,
        begin=begin,
        end=end,
        trades=[t for t in facts.trades if begin <= t.entry_at < end],
        equity=[(t, round(v - base, 2)) for t, v in facts.equity if begin < t <= end],
        compared=replayed(home, facts, begin, end) if compare else "it was not asked for",
    )


def _bounds(facts: SessionFacts, day: date) -> tuple[int, int]:
    # From the open of the date to that of the next: a fill after the close belongs to the date that has just ended.
    hours = trading_hours(facts.product)
    return hours.session_bounds(hours.window(day).open)


def day_of(text: str) -> date:
    """Return a date that a person wrote; InputError says how to write it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is no date; write it as 2026-11-23") from None


def strategy_name(home: Home, version: str) -> str:
    """Return a strategy as name@version; the version alone where its copy is gone."""
    try:
        return f"{Registry(home).find(version).name}@{version[:12]}"
    except WorkbenchError:
        return version


def data_version(home: Home, contract: str, timeframe: str, begin: int, end: int) -> str:
    """Return the hash of the stored bars of a stretch, "none stored" where there are none."""
    from workbench.storage.bars import BarStore

    try:
        return BarStore(home.market).data_version(contract, timeframe, begin, end)
    except WorkbenchError as error:
        return f"none stored ({error})"


def cause_table(made: LiveDifference) -> Part:
    """Return live, replay and the difference by cause."""
    rows: list[Sequence[Any]] = [
        [cause, (count or "–"), signed(float(usd)) if count else "–", MEANING[cause]]
        for cause, (usd, count) in made.by_cause().items()
    ]
    live, again = signed(float(made.live_usd))[0], signed(float(made.replay_usd))[0]
    both = f"live {live} USD in {made.live_trades} trades, replay {again} USD in {made.replay_trades}"
    rows.append(["live minus replay", "", signed(float(made.usd)), both])
    return table(["~Cause", "How often", "USD", "~Which means"], rows)
