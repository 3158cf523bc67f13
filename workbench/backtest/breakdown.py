"""Where the money came from: closed trades by day, hour, weekday, month, rule and side, and a calendar of months."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.domain.errors import UnknownName
from workbench.domain.hours import CHICAGO, TradingHours

if TYPE_CHECKING:
    import pandas as pd

GROUPS = ("day", "month", "weekday", "hour", "rule", "exit_rule", "side")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def by(trades: pd.DataFrame, hours: TradingHours, what: str) -> pd.DataFrame:
    """Return closed trades summed up in groups.

    Parameters
    ----------
    trades : pandas.DataFrame
        As `Result.trades`.
    hours : TradingHours
        They say which trading date an exit belongs to.
    what : str
        One of GROUPS: ``day``, ``month`` and ``weekday`` are of the trading date of the exit, ``hour`` is the clock
        hour of the entry in Chicago, ``rule`` the rule of the entry.

    Returns
    -------
    pandas.DataFrame
        By group: trades, net_usd, gross_usd, costs_usd, win_rate, expectancy_usd, profit_factor (missing without a
        losing trade), best_usd, worst_usd.

    Raises
    ------
    UnknownName
        No such grouping.
    """
    import pandas as pd

    if what not in GROUPS:
        raise UnknownName("grouping", what, GROUPS, where="Result.by")
    closed = trades.dropna(subset=["exit_at"])
    net = closed["net_usd"]
    frame = pd.DataFrame(
        {
            "trades": 1,
            "net_usd": net,
            "gross_usd": closed["gross_usd"],
            "costs_usd": closed["costs_usd"],
            "won": net.where(net > 0, 0.0),
            "lost": -net.where(net < 0, 0.0),
            "wins": (net > 0).astype("int64"),
        },
        index=closed.index,
    )
    groups = _keys(closed, hours, what)
    made = frame.groupby(groups.rename(what), sort=True, observed=True)
    found, nets = made.sum(), net.groupby(groups, sort=True, observed=True)
    lost = found["lost"].astype("Float64")
    return pd.DataFrame(
        {
            "trades": found["trades"].astype("int64"),
            "net_usd": found["net_usd"],
            "gross_usd": found["gross_usd"],
            "costs_usd": found["costs_usd"],
            "win_rate": found["wins"] / found["trades"],
            "expectancy_usd": found["net_usd"] / found["trades"],
            "profit_factor": found["won"].astype("Float64") / lost.mask(lost == 0.0),
            "best_usd": nets.max(),
            "worst_usd": nets.min(),
        }
    ).rename_axis(index=what)


def _keys(closed: pd.DataFrame, hours: TradingHours, what: str) -> pd.Series[Any]:
    import pandas as pd

    if what in ("rule", "exit_rule", "side"):
        said: pd.Series[Any] = closed[what]
        return said
    if what == "hour":
        hour: pd.Series[Any] = closed["entry_at"].dt.tz_convert(CHICAGO).dt.hour.astype("int64")
        return hour
    exits = closed["exit_at"].astype("datetime64[ns, UTC]").astype("int64")
    stamps = np.asarray(exits, dtype=np.int64)
    dates: pd.Series[Any] = pd.Series(
        pd.DatetimeIndex(hours.trading_dates_of(stamps)) if len(stamps) else pd.DatetimeIndex([])
    )
    dates.index = closed.index
    if what == "day":
        return dates
    if what == "month":
        month: pd.Series[Any] = dates.dt.strftime("%Y-%m")
        return month
    names = [_WEEKDAYS[day] for day in dates.dt.day_of_week]
    return pd.Series(pd.Categorical(names, categories=_WEEKDAYS, ordered=True), index=closed.index)


def monthly(daily: pd.DataFrame) -> pd.DataFrame:
    """Return net profit (USD) by year (rows) and month (columns Jan … Dec), with the sum of the year.

    A month without trading dates is missing, not 0.
    """
    import pandas as pd

    dates = pd.DatetimeIndex(daily.index)
    months = [_MONTHS[month - 1] for month in dates.month]
    table = daily["net_usd"].groupby([dates.year.rename("year"), pd.Index(months, name="month")]).sum().unstack("month")
    table = table.reindex(columns=_MONTHS)
    table.columns.name = None
    table["total"] = table.sum(axis=1)
    return table
