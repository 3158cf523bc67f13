"""Trades and orders of a run as frames: prices in points, money in USD, times UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.backtest.played import E4, MOVES, NO_LEVEL, STATUSES, Played
from workbench.backtest.trades import Float64Array, Int64Array, Trips, entry_rules, exit_rules
from workbench.domain.contract import ContractSpec
from workbench.domain.hours import TradingHours
from workbench.domain.order import OrderType

if TYPE_CHECKING:
    import pandas as pd


def trades(
    trips: Trips, excursions_usd: tuple[Float64Array, Float64Array], played: Played, spec: ContractSpec
) -> pd.DataFrame:
    """Return one row per round trip; an open trade has no exit."""
    import pandas as pd

    up, down = spec.tick.numerator, spec.tick.denominator
    over = trips.closed
    frame = pd.DataFrame(
        {
            "entry_at": utc(trips.entry_at),
            "exit_at": utc(trips.exit_at).where(over),
            "side": np.where(trips.side > 0, "long", "short"),
            "qty": trips.qty,
            "entry_price": trips.entry_sum * up / down / trips.qty,
            "exit_price": np.where(over, trips.exit_sum * up / down / np.maximum(trips.out, 1), np.nan),
            "gross_usd": trips.gross_e4 / E4,
            "costs_usd": trips.costs_e4 / E4,
            "net_usd": trips.net_e4 / E4,
            "rule": entry_rules(trips, played.orders, played.rules),
            "exit_rule": exit_rules(trips, played.orders, played.rules, MOVES),
            "mae_usd": excursions_usd[0],
            "mfe_usd": excursions_usd[1],
            "bars": trips.exit_bar - trips.entry_bar,
        }
    )
    return frame.astype({"side": object, "rule": object, "exit_rule": object})


def days(of: pd.DataFrame, daily: pd.DataFrame, hours: TradingHours) -> list[list[tuple[float, float, float]]]:
    """Return (net, worst, best) of the closed trades of each trading date (by the exit) in USD, for `passing`."""
    import pandas as pd

    closed = of[of["exit_at"].notna()]
    dates = hours.trading_dates_of(closed["exit_at"].dt.tz_convert(None).to_numpy("datetime64[ns]").astype(np.int64))
    made: dict[pd.Timestamp, list[tuple[float, float, float]]] = {date: [] for date in daily.index}
    rows = zip(*(closed[name].tolist() for name in ("net_usd", "mae_usd", "mfe_usd")), strict=True)
    for date, row in zip(pd.DatetimeIndex(dates), rows, strict=True):
        made[date].append(row)
    return list(made.values())


def orders(played: Played, spec: ContractSpec) -> pd.DataFrame:
    """Return one row per order, bracket legs included; `moved` says what moved a stop last."""
    import pandas as pd

    made, fills = played.orders, played.fills
    row = dict(zip(fills.order.tolist(), range(len(fills)), strict=True))
    last = np.array([row.get(key, -1) for key in made.id.tolist()], dtype=np.int64)
    found = last >= 0

    def price(ticks: Int64Array, known: Any) -> Float64Array:
        points = np.where(known, ticks, 0) * spec.tick.numerator / spec.tick.denominator
        return np.where(known, points, np.nan)

    at, ticks = (column[last] if len(fills) else np.zeros(len(made), np.int64) for column in (fills.at, fills.ticks))
    return pd.DataFrame(
        {
            "order_id": made.id,
            "at": utc(made.at),
            "type": pd.Series([OrderType(kind).name.lower() for kind in made.type.tolist()], dtype=object),
            "side": pd.Series(np.where(made.side > 0, "buy", "sell"), dtype=object),
            "qty": made.qty,
            "limit_price": price(made.limit, made.limit != NO_LEVEL),
            "stop_price": price(made.stop, made.stop != NO_LEVEL),
            "status": pd.Series([STATUSES[code] for code in made.status.tolist()], dtype=object),
            "filled_at": utc(at).where(found),
            "fill_price": price(ticks, found),
            "parent_id": pd.Series(made.parent).astype("Int64").mask(made.parent == NO_LEVEL),
            "rule": pd.Series([played.rules[code] for code in made.rule.tolist()], dtype=object),
            "moved": pd.Series([MOVES[code] for code in made.moved.tolist()], dtype=object),
        }
    )


def account(played: Played, end: int) -> pd.DataFrame | None:
    """Return balance and maximum-loss level (USD) at each roll of the firm's day and at `end`; None without a firm."""
    import pandas as pd

    firm = played.account
    if firm is None:
        return None
    return pd.DataFrame(
        {
            "balance_usd": np.append(firm.days.balance_e4, firm.balance_e4) / E4,
            "floor_usd": np.append(firm.days.floor_e4, firm.floor_e4) / E4,
        },
        index=utc(np.append(firm.days.at, end).astype(np.int64), "at"),
    )


def utc(stamps: Int64Array, name: str | None = None) -> pd.DatetimeIndex:
    """Return UTC ns as times; a view, where `to_datetime` would look at each."""
    import pandas as pd

    return pd.DatetimeIndex(stamps.view("M8[ns]"), name=name).tz_localize("UTC")
