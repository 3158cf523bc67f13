"""A stretch of trading dates of all sessions, summed up by strategy version, as the weekly review shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from html import escape
from typing import Any

from workbench.backtest.decisions import CAUSES, Difference
from workbench.domain.errors import InputError
from workbench.domain.hours import local, trading_hours
from workbench.services.live_difference import MEANING, LiveDifference, sum_causes
from workbench.services.report_day import Provenance, data_version, day_of, replayed, strategy_name, tail
from workbench.services.report_parts import Part, Tile, bar_chart, line_chart, signed, table, tiles
from workbench.services.report_trades import SessionFacts, Trade, read_sessions, summed
from workbench.storage.home import Home

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(slots=True, kw_only=True)
class StrategyWeek:
    """What one strategy version did."""

    strategy: str
    sessions: list[SessionFacts] = field(default_factory=list)
    trades: list[tuple[date, Trade]] = field(default_factory=list)
    compared: list[LiveDifference] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)

    @property
    def gap_usd(self) -> Decimal | None:
        """Live minus replay; None when not one session could be compared."""
        return sum((c.usd for c in self.compared), Decimal(0)) if self.compared else None


@dataclass(slots=True, kw_only=True)
class Week:
    """All strategies from `first` to `last` (trading dates, both included)."""

    home: Home
    first: date
    last: date
    strategies: list[StrategyWeek] = field(default_factory=list)

    @property
    def trades(self) -> list[tuple[date, Trade]]:
        """All trades with their trading dates, oldest first."""
        return sorted((t for s in self.strategies for t in s.trades), key=lambda t: t[1].entry_at)

    @property
    def headline(self) -> str:
        """The week in one sentence."""
        s = summed([t for _, t in self.trades])
        many = len(self.strategies)
        return (
            f"{self.first:%d %b} to {self.last:%d %b %Y}: {many} strateg{'y' if many == 1 else 'ies'}, "
            f"{s['trades']} trades, {signed(s['net_usd'])[0]} USD net of {s['fees_usd']:,.2f} USD fees."
        )

    def tiles(self) -> Part:
        """Net result, trades, winners, worst day, what live and replay differ by."""
        s, days = summed([t for _, t in self.trades]), self.by_date()
        net, tone = signed(s["net_usd"])
        rate = "–" if s["win_rate"] is None else f"{s['win_rate']:.0%}"
        share = "" if not s["gross_usd"] else f"{s['fees_usd'] / abs(s['gross_usd']):.0%} of the result before them"
        given = [
            Tile("Net result", net, "USD", f"before fees {signed(s['gross_usd'])[0]}", tone),
            Tile("Trades", f"{s['trades']}", "", f"on {len(days)} trading date{'' if len(days) == 1 else 's'}"),
            Tile("Winners", rate, "", f"{s['winners']} of {s['trades']}"),
            Tile("Fees", f"{s['fees_usd']:,.2f}", "USD", share),
        ]
        if days:
            worst = min(days, key=lambda d: days[d])
            text, tone = signed(days[worst])
            given.append(Tile("Worst date", text, "USD", f"{worst:%A %d %b}", tone))
        gaps = [s.gap_usd for s in self.strategies if s.gap_usd is not None]
        if gaps:
            text, tone = signed(float(sum(gaps, Decimal(0))))
            given.append(Tile("Live − replay", text, "USD", "why: see below", tone))
        return tiles(given)

    def by_date(self) -> dict[date, float]:
        """Return the net result of the closed trades by the trading date of their entry."""
        sums: dict[date, Decimal] = {}
        for day, trade in self.trades:
            sums[day] = sums.get(day, Decimal(0)) + trade.net_usd
        return {day: float(usd) for day, usd in sorted(sums.items())}

    def date_chart(self) -> Part:
        """One bar a trading date."""
        days = self.by_date()
        names = [f"{day:%a %d %b}" for day in days]
        return bar_chart(names, list(days.values()), title="Net result by trading date", unit="USD")

    def equity_chart(self) -> Part:
        """The sum of the closed trades, trade by trade."""
        over = sorted((t for _, t in self.trades if t.exit_at is not None), key=lambda t: t.exit_at or 0)
        total, at, values = Decimal(0), [], []
        for trade in over:
            total += trade.net_usd
            at.append(trade.exit_at or 0)
            values.append(float(total))
        return line_chart(at, values, title="Sum of closed trades, net of fees", unit="USD")

    def strategy_table(self) -> Part:
        """One row a strategy version."""
        heads = ["~Strategy", "Sessions", "Trades", "Winners", "Profit factor", "Average USD", "Worst USD", "Fees USD",
                 "Net USD", "Live − replay USD"]  # fmt: skip
        rows = []
        for each in self.strategies:
            s = summed([t for _, t in each.trades])
            rate = None if s["win_rate"] is None else f"{s['win_rate']:.0%}"
            gap = None if each.gap_usd is None else float(each.gap_usd)
            rows.append([each.strategy, len(each.sessions), s["trades"], rate, s["profit_factor"],
                         signed(s["average_usd"]), signed(s["worst_usd"]), s["fees_usd"], signed(s["net_usd"]),
                         signed(gap)])  # fmt: skip
        return table(heads, rows, empty="No session ran.")

    def cause_table(self) -> Part:
        """Live minus replay by cause, a column for each strategy version."""
        shown = [s for s in self.strategies if s.compared]
        left_out = [f"{s.strategy}: {why}" for s in self.strategies for why in s.not_compared]
        note = "".join(f"<p class='note'>Not compared: {escape(text)}</p>" for text in left_out)
        if not shown:
            return Part(f"<p class='dim'>No session could be replayed.</p>{note}")
        sums = [sum_causes(_all(s.compared)) for s in shown]
        rows: list[Sequence[Any]] = [
            [cause, *(signed(float(each[cause][0])) if each[cause][1] else "–" for each in sums), MEANING[cause]]
            for cause in CAUSES
        ]
        rows.append(["live minus replay", *(signed(float(s.gap_usd or 0)) for s in shown), ""])
        heads = ["~Cause", *(f"{s.strategy} USD" for s in shown), "~Which means"]
        return Part(table(heads, rows) + note)

    def hour_chart(self) -> Part:
        """Net result by the hour of the entry (Chicago)."""
        sums: dict[int, Decimal] = {}
        for _, trade in self.trades:
            hour = local(trade.entry_at).hour
            sums[hour] = sums.get(hour, Decimal(0)) + trade.net_usd
        names = [f"{hour:02d}h" for hour in sorted(sums)]
        values = [float(sums[hour]) for hour in sorted(sums)]
        return bar_chart(names, values, title="Net result by hour of the entry (Chicago)", unit="USD")

    def rule_table(self) -> Part:
        """What each rule that entered or left came to."""
        groups: dict[tuple[str, str], list[Trade]] = {}
        for _, trade in self.trades:
            groups.setdefault((trade.entry_rule or "–", trade.exit_rule or "–"), []).append(trade)
        rows = []
        for (entry, leave), trades in sorted(groups.items(), key=lambda g: sum(t.net_usd for t in g[1])):
            s = summed(trades)
            rows.append([entry, leave, s["trades"], signed(s["average_usd"]), signed(s["net_usd"])])
        return table(["~In by", "~Out by", "Trades", "Average USD", "Net USD"], rows, empty="No trade.")

    def session_table(self) -> Part:
        """The sessions."""
        heads = ["~Session", "~Strategy", "~Contract", "Account", "~Began (Chicago)", "~State", "Trades", "Net USD"]
        rows = []
        for each in self.strategies:
            for facts in each.sessions:
                s = summed([t for _, t in each.trades if t.session == facts.name])
                rows.append([facts.name, each.strategy, tail(facts.started.contract), str(facts.account),
                             f"{local(facts.started.at):%d %b %H:%M}", facts.status, s["trades"],
                             signed(s["net_usd"])])  # fmt: skip
        return table(heads, rows, empty="No session ran.")

    def provenance(self) -> Provenance:
        """Dates, strategies and data: what it takes to make this again."""
        began = min(f.started.at for s in self.strategies for f in s.sessions)
        series = sorted({(f.started.contract, f.started.timeframe) for s in self.strategies for f in s.sessions})
        until = max((f.last_at for s in self.strategies for f in s.sessions), default=began)
        return Provenance(
            about=f"{self.first} to {self.last}",
            trading_dates=f"{self.first} to {self.last}",
            strategies=[s.strategy for s in self.strategies],
            sessions=[f.name for s in self.strategies for f in s.sessions],
            data={f"{c} {t}": data_version(self.home, c, t, began, until + 1) for c, t in series},
        )


def week(home: Home, until: str = "", days: int = 7, strategy: str = "", *, compare: bool = True) -> Week:
    """Return what all sessions did in the calendar days up to and including `until`.

    Parameters
    ----------
    home : Home
    until : str
        Trading date; "" is the last one on which anything traded.
    days : int
        Calendar days, 7 for a week.
    strategy : str
        Only strategies whose name begins so.
    compare : bool
        Replay each session.

    Raises
    ------
    InputError
        Nothing has run at all, or not in that time.
    """
    if days < 1:
        raise InputError(f"days = {days} must be at least 1")
    sessions = {
        n: f for n, f in read_sessions(home).items() if strategy_name(home, f.started.strategy).startswith(strategy)
    }
    dates = sorted({day for facts in sessions.values() for day in facts.dates()})
    if not dates:
        of = f" of {strategy}" if strategy else ""
        raise InputError(f"no session{of} has seen a bar yet in {home.path}; there is nothing to review")
    last = day_of(until) if until else dates[-1]
    first = last - timedelta(days=days - 1)
    first = next(iter(trading_hours("index").trading_dates(first, last)), first)
    found: dict[str, StrategyWeek] = {}
    for facts in sessions.values():
        hours, shown = trading_hours(facts.product), [d for d in facts.dates() if first <= d <= last]
        if not shown:
            continue
        begin = hours.window(shown[0]).open
        end = hours.session_bounds(hours.window(shown[-1]).open)[1]
        name = strategy_name(home, facts.started.strategy)
        each = found.setdefault(name, StrategyWeek(strategy=name))
        each.sessions.append(facts)
        each.trades += [(hours.trading_date(t.entry_at), t) for t in facts.trades if begin <= t.entry_at < end]
        told = replayed(home, facts, begin, end) if compare else "it was not asked for"
        if isinstance(told, str):
            each.not_compared.append(f"{facts.name}: {told}")
        else:
            each.compared.append(told)
    if not found:
        raise InputError(f"no session ran from {first} to {last}; the last date with one is {dates[-1]}")
    return Week(home=home, first=first, last=last, strategies=list(found.values()))


def _all(compared: Sequence[LiveDifference]) -> list[Difference]:
    return [d for each in compared for d in each.rows]
