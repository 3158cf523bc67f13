"""The global monitor: all accounts and sessions in one view, from what their runners journalled; and the shares of it.

Everything here is a pure function of the snapshots that runners push (`services.snapshot.account_dict`). What one of
them does not know is None in the sums: a part that is missing must not look like nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from workbench.execution.headroom import headroom
from workbench.storage.limits_file import Values

Json = dict[str, Any]
STOP_USD = Decimal(-(10**9))  # a share that no account keeps to: everything is stopped
_SUMS = ("balance_usd", "equity_usd", "day_pnl_usd", "open_usd", "drawdown_usd")
__all__ = ["STOP_USD", "Lease", "headroom", "leases", "monitor"]


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """An account's share of the limits over all accounts; None: there is no such limit."""

    daily_loss_usd: Decimal | None = None
    max_micros: int | None = None


def monitor(snapshots: Iterable[Mapping[str, Any]], limits: Mapping[str, Any] | None = None) -> Json:
    """Return exposure, headroom, equity and drawdown over accounts and sessions.

    Parameters
    ----------
    snapshots : iterable of mapping
        Accounts as runners tell of them, each with `account` and, where known, `sessions`.
    limits : mapping, optional
        The limits over all accounts: `daily_loss_usd` and `max_micros`.

    Returns
    -------
    dict
        ``accounts`` (a row each), ``sum``, ``contracts`` and ``groups`` (contracts and micros, net and at worst),
        ``sessions``, ``headroom`` (of the limits over all, then of each account), plain values.
    """
    every = [dict(each) for each in snapshots]
    sums = {name: _sum(each.get(name) for each in every) for name in _SUMS}
    rows = [_account(each) for each in every]
    contracts = _grouped(every, "contract")
    groups = _grouped(every, "group")
    return {
        "accounts": rows,
        "sum": {**sums, "notional_usd": _sum(r["notional_usd"] for r in rows), "micros": _micros(every)},
        "contracts": contracts,
        "groups": groups,
        "sessions": [s for each in every for s in each.get("sessions", [])],
        "headroom": [*_over_all(sums["day_pnl_usd"], _worst(every), limits or {}), *_nearest(every)],
    }


def _account(each: Mapping[str, Any]) -> Json:
    held = each.get("exposure") or []
    names = ("account", "name", "kind", "trading_date", *_SUMS, "halted", "breaches", "positions")
    return {
        **{name: each.get(name) for name in names},
        "headroom": list(each.get("headroom") or []),
        "micros": None if each.get("exposure") is None else sum(abs(row["micros"]) for row in held),
        "worst_micros": None if each.get("exposure") is None else sum(row["worst_micros"] for row in held),
        "notional_usd": _sum((abs(row["notional_usd"]) if row["notional_usd"] is not None else None) for row in held),
    }


def _grouped(every: list[Json], name: str) -> Json:
    found: Json = {}
    for each in every:
        for row in each.get("exposure") or []:
            held = found.setdefault(row[name], {"qty": 0, "micros": 0, "worst_micros": 0, "notional_usd": 0.0})
            held["qty"] += row["qty"]
            held["micros"] += row["micros"]
            held["worst_micros"] += row["worst_micros"]
            held["notional_usd"] = _sum([held["notional_usd"], row["notional_usd"]])
    return found


def _micros(every: list[Json]) -> int | None:
    return _whole(sum(abs(row["micros"]) for row in each["exposure"]) if _tells(each) else None for each in every)


def _worst(every: list[Json]) -> int | None:
    return _whole(sum(row["worst_micros"] for row in each["exposure"]) if _tells(each) else None for each in every)


def _tells(each: Mapping[str, Any]) -> bool:
    return each.get("exposure") is not None


def _over_all(day: float | None, worst: int | None, limits: Mapping[str, Any]) -> list[Json]:
    rows: list[Json] = []
    loss, most = limits.get("daily_loss_usd"), limits.get("max_micros")
    if loss is not None:
        whole = float(loss)
        used = None if day is None else max(0.0, -day)
        left = None if used is None else max(0.0, whole - used)
        percent = None if left is None else round(left / whole * 100, 1)
        rows.append(
            {"limit": "daily_loss", "scope": "all accounts", "used_usd": used, "limit_usd": whole, "left_usd": left}
            | {"left_percent": percent}
        )
    if most is not None:
        left_micros = None if worst is None else max(0, int(most) - worst)
        sizes = {"used": worst, "whole": int(most), "left": left_micros}
        rows.append({"limit": "max_micros", "scope": "all accounts", **sizes})
    return rows


def _nearest(every: list[Json]) -> list[Json]:
    # of all accounts, the limit with the least left first; what is not known comes before everything
    rows = [{"account": each.get("account"), **row} for each in every for row in each.get("headroom") or []]
    return sorted(rows, key=lambda row: -1.0 if row.get("left_percent") is None else row["left_percent"])


def _sum(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return round(total, 2)


def _whole(values: Iterable[int | None]) -> int | None:
    known = list(values)
    return None if any(value is None for value in known) else sum(value or 0 for value in known)


def leases(monitored: Mapping[str, Any], limits: Values) -> dict[int, Lease]:
    """Return each account's share of the limits over all accounts.

    Whatever the others do, all shares together stay within the limit: the loss that is left is shared out in equal
    parts on top of what each account has lost already, and so are the micros that are left. While the loss of one
    account is not known no share is given: what was given runs out, and until then all of them are within the limit.
    Where micros are not known nobody gets more than it holds; when the limit is reached everybody stops.

    Parameters
    ----------
    monitored : mapping
        What `monitor` returned.
    limits : mapping
        The global level of ``limits.yaml``; without `daily_loss_usd` and `max_micros` there is nothing to lease.
    """
    loss, most = limits.get("daily_loss_usd"), limits.get("max_micros")
    rows = list(monitored["accounts"])
    if not rows or (loss is None and most is None):
        return {}
    shares = _losses(rows, Decimal(str(loss))) if loss is not None else [None] * len(rows)
    if not shares:
        return {}
    sizes = _sizes(rows, int(most)) if most is not None else [None] * len(rows)
    return {
        row["account"]: Lease(daily_loss_usd=share, max_micros=size)
        for row, share, size in zip(rows, shares, sizes, strict=True)
    }


def _losses(rows: list[Json], limit: Decimal) -> list[Decimal] | list[None]:
    # Profits of one account pay for no losses of another: they may be gone before anybody has looked.
    told = [row["day_pnl_usd"] for row in rows if row["day_pnl_usd"] is not None]
    lost = [max(Decimal(0), -Decimal(str(day))) for day in told]
    left = limit - sum(lost, Decimal(0))
    if left <= 0:
        return [STOP_USD] * len(rows)
    if len(lost) < len(rows):  # a share of what has been lost already would close what is open at the next tick
        return []
    part = (left / len(rows)).quantize(Decimal("0.01"), rounding="ROUND_FLOOR")
    return [each + part for each in lost]


def _sizes(rows: list[Json], limit: int) -> list[int | None]:
    held = [row["worst_micros"] for row in rows]
    if any(each is None for each in held):
        return [each or 0 for each in held]
    part = max(0, limit - sum(held)) // len(rows)
    return [each + part for each in held]
