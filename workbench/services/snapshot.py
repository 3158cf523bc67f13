"""What surfaces see of a runner: plain values read from the state, None for what is not known, never 0 instead."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from workbench.domain.contract import spec
from workbench.domain.errors import UnknownContract
from workbench.domain.order import Order
from workbench.domain.position import Fill
from workbench.execution.fills import Earned, earned_by, session_day_usd
from workbench.execution.headroom import drawdown_usd, exposure, headroom
from workbench.execution.readiness import has_gone, waiting_for
from workbench.execution.state import AccountState, Book, Session


def money(value: Decimal | None) -> float | None:
    """Dollars and cents for JSON."""
    return None if value is None else round(float(value), 2)


def points(contract: str, ticks: int | None) -> float | None:
    """A price for people; None when there is none, or for a product we have no specification of."""
    if ticks is None:
        return None
    try:
        return spec(contract).price(ticks)
    except UnknownContract:
        return None


def order_dict(order: Order, rule: str = "") -> dict[str, Any]:
    """One order as surfaces show it, prices in points; `rule` is known beside it, of a close."""
    return {
        "order_id": order.order_id,
        "tag": order.tag,
        "account": order.account,
        "contract": order.contract,
        "side": order.side.name,
        "type": order.type.name,
        "qty": order.qty,
        "filled": order.filled,
        "limit_price": points(order.contract, order.limit_ticks),
        "stop_price": points(order.contract, order.stop_ticks),
        "status": str(order.status),
        "strategy": order.strategy,
        "rule": order.rule or rule,
        "reason": order.reason,
        "session": order.session,
        "origin": order.origin or "ours",
        "external": order.origin == "external",
        "at": order.created_at,
    }


def fill_dict(fill: Fill) -> dict[str, Any]:
    """One fill as surfaces show it."""
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "account": fill.account,
        "contract": fill.contract,
        "qty": fill.qty,
        "price": points(fill.contract, fill.ticks),
        "fees_usd": money(fill.fees),
        "gross_pnl_usd": money(fill.gross_pnl),
        "at": fill.at,
    }


def _position(book: Book) -> dict[str, Any]:
    average = book.position.average_ticks
    return {
        "contract": book.position.contract,
        "qty": book.qty,
        "average_price": None if average is None else float(average) * book.spec.tick_size,
        "last_price": book.last_price,
        "open_usd": money(book.open_usd()),
        "locked": book.locked,
        "stale_s": book.stale_s,
        "by_session": {name: held.qty for name, held in book.ledgers.items() if held.qty},  # "": nobody's
        "externals": list(book.externals.values())[-20:],
    }


def account_dict(state: AccountState, names: dict[str, str] | None = None) -> dict[str, Any]:
    """One account: money, positions, working orders, headroom, and what each strategy (`names` by version) earned."""
    realized = sum((b.realized_usd() + b.position.fees for b in state.books.values()), Decimal(0))
    fees = sum((b.position.fees for b in state.books.values()), Decimal(0))
    opens = [b.open_usd() for b in state.books.values()]
    open_usd = None if any(o is None for o in opens) else sum((o for o in opens if o is not None), Decimal(0))
    equity = None if state.balance is None or open_usd is None else state.balance + open_usd
    day = state.day_pnl_usd()
    return {
        "account": state.account,
        "name": state.name,
        "can_trade": state.can_trade,
        "synced": state.synced,
        "trading_date": state.trading_date,
        "balance_usd": money(state.balance),
        "equity_usd": money(equity),
        "day_pnl_usd": money(day),
        "realized_usd": money(realized),
        "open_usd": money(open_usd),
        "fees_usd": money(fees),
        "headroom": headroom(state),
        "exposure": exposure(state),
        "drawdown_usd": money(drawdown_usd(state)),
        "breaches": {scope: breach.text for scope, breach in state.risk.breaches.items()},
        "positions": [_position(b) for b in state.books.values() if b.qty or b.position.opened_at],
        "working": [order_dict(o) for o in state.orders.values() if o.is_open],
        "halted": list(state.halted),
        "bracket_mode": state.bracket_mode,
        "strategies": strategy_dicts(state, names or {}),
    }


def earned_dict(earned: Earned) -> dict[str, Any]:
    """What somebody has earned: realised before fees, fees, open profit, and the sum net of fees (exact until here)."""
    return {
        "realized_usd": money(earned.realized + earned.fees),
        "fees_usd": money(earned.fees),
        "open_usd": money(earned.open),
        "pnl_usd": money(earned.net),
    }


def strategy_dicts(state: AccountState, names: dict[str, str]) -> list[dict[str, Any]]:
    """Profit by strategy version, over all its sessions; the row without a version is what no strategy has done."""
    sums: dict[str, list[Earned]] = {}
    for s in state.sessions.values():
        sums.setdefault(s.strategy, []).append(earned_by(state, s.contract, s.session))
    sums[""] = [earned_by(state, contract) for contract in state.books]
    rows = []
    for version, parts in sums.items():
        opens = [p.open for p in parts]
        total = Earned(
            sum((p.realized for p in parts), Decimal(0)),
            None if None in opens else sum((o for o in opens if o is not None), Decimal(0)),
            sum((p.fees for p in parts), Decimal(0)),
        )
        name = names.get(version, version[:12]) if version else "no strategy"
        rows.append({"version": version, "strategy": name, "sessions": len(parts), **earned_dict(total)})
    return rows


def _state_of(state: AccountState, session: Session) -> tuple[str, str]:
    # running, warming, waiting, paused or ended, and why
    if session.status != "running":
        return session.status, session.reason
    if session.waits_flat:
        return "waiting", waiting_for(session, is_gone=has_gone(state, session))
    if session.warming or not session.last_bar_end:
        return "warming", waiting_for(session) or "no bar has closed yet"
    return "running", session.reason


def session_dicts(
    state: AccountState, names: dict[str, str], said_at: Callable[[str], int | None] = lambda session: None
) -> list[dict[str, Any]]:
    """Sessions of the account; `names` maps a version to its name, `said_at` a session to its last signal's bar."""
    out = []
    for s in state.sessions.values():
        earned = earned_by(state, s.contract, s.session)
        shown, reason = _state_of(state, s)
        out.append(
            {
                "session": s.session,
                "strategy": names.get(s.strategy, s.strategy[:12]),
                "version": s.strategy,
                "account": state.account,
                "contract": s.contract,
                "timeframe": s.timeframe,
                "state": shown,
                "reason": reason,
                "position": earned.qty,
                **earned_dict(earned),
                "day_usd": money(session_day_usd(state, s)),
                "trades": s.entries,
                "last_bar_end": s.last_bar_end or None,
                "last_signal": s.last_signal,
                "last_signal_at": said_at(s.session),
                "started_at": s.started_at,
                "parameters": s.parameters,
                "start_policy": s.start_policy,
                "disconnect_policy": s.disconnect_policy,
                "disconnect_after_s": s.disconnect_after_s,
                "bars": s.bars,
                "warm_bars": s.warm_bars,
            }
        )
    return out
