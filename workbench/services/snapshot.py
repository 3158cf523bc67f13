"""What surfaces see of a runner: plain values read from the state, None for what is not known, never 0 instead."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from workbench.domain.contract import spec
from workbench.domain.errors import UnknownContract
from workbench.domain.order import Order
from workbench.domain.position import Fill
from workbench.execution.state import AccountState, Book


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


def order_dict(order: Order) -> dict[str, Any]:
    """One order as surfaces show it, prices in points."""
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
        "rule": order.rule,
        "reason": order.reason,
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
    }


def account_dict(state: AccountState) -> dict[str, Any]:
    """One account: money, positions, working orders, headroom."""
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
        "headroom": [
            {
                "limit": "daily_loss",
                "used_usd": None if day is None else money(max(Decimal(0), -day)),
                "limit_usd": money(state.limits.daily_loss_usd),
            }
        ],
        "positions": [_position(b) for b in state.books.values() if b.qty or b.position.opened_at],
        "working": [order_dict(o) for o in state.orders.values() if o.is_open],
        "halted": list(state.halted),
    }


def session_dicts(state: AccountState, names: dict[str, str]) -> list[dict[str, Any]]:
    """Sessions of the account; `names` maps a strategy version to its name."""
    out = []
    for s in state.sessions.values():
        book = state.book(s.contract)
        open_usd = book.open_usd()
        pnl = None if open_usd is None else book.realized_usd() + open_usd
        out.append(
            {
                "session": s.session,
                "strategy": names.get(s.strategy, s.strategy[:12]),
                "version": s.strategy,
                "account": state.account,
                "contract": s.contract,
                "timeframe": s.timeframe,
                "state": "warming" if s.status == "running" and not s.last_bar_end else s.status,
                "reason": s.reason,
                "position": book.qty,
                "pnl_usd": money(pnl),
                "trades": s.entries,
                "last_bar_end": s.last_bar_end or None,
                "last_signal": s.last_signal,
                "started_at": s.started_at,
                "parameters": s.parameters,
            }
        )
    return out
