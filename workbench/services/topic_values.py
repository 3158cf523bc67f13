"""From the desk's snapshot to the values of each topic, by key. What changes with every look (an age) is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
MONEY = ("balance_usd", "equity_usd", "day_pnl_usd", "realized_usd", "open_usd", "fees_usd")


def quotes(snapshot: Json) -> Json:
    """Last price of each contract that is recorded (points), and when it was (UTC ns)."""
    return {row["contract"]: {"last": row.get("last_price"), "at": row["last_ts"]} for row in snapshot["data"]}


def signals(snapshot: Json) -> Json:
    """Last signal and bar of each session."""
    names = ("strategy", "version", "account", "contract", "last_signal", "last_signal_at", "last_bar_end")
    return {s["session"]: {name: s.get(name) for name in names} for s in snapshot["sessions"]}


def positions(snapshot: Json) -> Json:
    """Open positions, ``account/contract``."""
    rows = [{"account": a["account"], **p} for a in snapshot["accounts"] for p in a["positions"] if p["qty"]]
    return {f"{row['account']}/{row['contract']}": row for row in rows}


def pnl(snapshot: Json) -> Json:
    """Money of each account and session, USD."""
    accounts = {f"account:{a['account']}": {name: a.get(name) for name in MONEY} for a in snapshot["accounts"]}
    return accounts | {f"session:{s['session']}": {"pnl_usd": s.get("pnl_usd")} for s in snapshot["sessions"]}


def risk(snapshot: Json) -> Json:
    """Headroom of each account, what halts it, and the stop."""
    rows = {
        f"account:{a['account']}": {name: a.get(name) for name in ("headroom", "halted", "can_trade", "linked")}
        for a in snapshot["accounts"]
    }
    return {**rows, "stop": snapshot["stop"]}


def status(snapshot: Json) -> Json:
    """Desk, gateway, runners, sessions, data and streams."""
    out = {"desk": _without(snapshot["desk"], "uptime_s"), "gateway": snapshot["gateway"]}
    out |= {f"runner:{a['account']}": a["runner"] for a in snapshot["accounts"]}
    out |= {f"session:{s['session']}": {"state": s["state"], "reason": s.get("reason")} for s in snapshot["sessions"]}
    for line in snapshot["data"]:
        out[f"data:{line['contract']}:{line.get('timeframe')}"] = {"state": line["state"]}
    return out | {f"stream:{s['name']}": {"up": s["up"]} for s in snapshot["streams"]}


def alerts(snapshot: Json) -> Json:
    """The newest alerts, ``at:text``."""
    return {f"{a['at']}:{a['text'][:60]}": a for a in snapshot["alerts"]}


def orders_by_tag(orders: list[Json]) -> Json:
    """Orders of the trading date by tag, those without one by account and number."""
    return {str(o.get("tag") or f"{o['account']}/{o['order_id']}"): o for o in orders}


def triggers(orders: list[Json]) -> Json:
    """Which rule gave which order, by its tag."""
    names = ("at", "account", "contract", "strategy", "rule", "side", "qty", "tag")
    return {str(o["tag"]): {name: o.get(name) for name in names} for o in orders if o.get("rule") and o.get("tag")}


FROM_SNAPSHOT: dict[str, Callable[[Json], Json]] = {
    "quotes": quotes,
    "signals": signals,
    "positions": positions,
    "pnl": pnl,
    "risk": risk,
    "status": status,
    "alerts": alerts,
}


def _without(row: Json, *names: str) -> Json:
    return {name: value for name, value in row.items() if name not in names}
