"""A result as a vectorbt Portfolio: our fills, one order each, for vectorbt's analytics and plots.

vectorbt takes one order a row, so each fill gets a row of its own, before the close of its bar. Sizes are contracts ×
point value, prices points, so money is USD. A future is held on margin and vectorbt pays in cash, so the orders are
booked with enough of it, and the starting cash is then set to the account's: values, returns and ratios are those of
the account, its cash may be negative.

vectorbt is Apache-2.0 with Commons Clause; importing it takes seconds, so this module is loaded when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.backtest.played import E4, Fills
from workbench.backtest.series import Series

if TYPE_CHECKING:
    import vectorbt as vbt


def portfolio(fills: Fills, bars: Series, capital_usd: float) -> vbt.Portfolio:
    """Return the portfolio of a run that began with `capital_usd`."""
    import pandas as pd
    import vectorbt as vbt

    spec, n, orders = bars.contract.spec, len(bars), len(fills)
    point = float(spec.point_value)
    row = fills.bar + np.arange(orders)  # every bar before has its close, every fill before its own row
    close = np.zeros(n + orders, dtype=bool)
    close[row] = True
    marks = np.flatnonzero(~close)
    price, at = np.empty(n + orders), np.empty(n + orders, dtype=np.int64)
    price[marks], at[marks] = np.asarray(bars.points[3], dtype=np.float64), bars.ends
    price[row], at[row] = fills.ticks * spec.tick.numerator / spec.tick.denominator, fills.at
    at = np.maximum.accumulate(at - np.arange(n + orders)) + np.arange(n + orders)  # unique: a few ns later
    size, fees = np.full(n + orders, np.nan), np.zeros(n + orders)
    size[row], fees[row] = fills.qty * point, fills.fees_e4 / E4
    index = pd.DatetimeIndex(at.view("M8[ns]"), name="at").tz_localize("UTC")
    series = pd.Series(price, index=index, name=bars.contract.id)
    most = float(np.abs(np.cumsum(fills.qty)).max(initial=0) + 1) * point * float(np.abs(price).max()) * 4
    booked = vbt.Portfolio.from_orders(
        series,
        size=pd.Series(size, index=index),
        price=series,
        fixed_fees=pd.Series(fees, index=index),
        init_cash=most + float(np.abs(fees).sum()) + capital_usd,
        freq=pd.Timedelta(bars.timeframe.seconds, unit="s"),
    )
    return booked.replace(init_cash=np.array([capital_usd]))
