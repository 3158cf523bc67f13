"""Time-series momentum over many futures: hold what rose in the last year, sell what fell, each at the same risk.

The rule of Moskowitz, Ooi and Pedersen, Time Series Momentum, Journal of Financial Economics 104 (2012), 228–250: at
the end of each month the sign of an instrument's excess return over the last 12 months decides the side for the next
month; the size is 40 % ÷ its volatility, and the portfolio is the plain average over the instruments there are.

Excess returns of a future are the change of its back-adjusted price over the price at which it really traded the day
before. A back-adjusted price alone has no returns: its level depends on all later rolls and may pass through zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.domain.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

DAYS_A_YEAR = 261  # as in the paper
CENTRE_OF_MASS_DAYS = 60
LEAST_DAYS_A_MONTH = 10


@dataclass(frozen=True, slots=True)
class Momentum:
    """What the rule would have made before costs.

    Parameters
    ----------
    monthly : pandas.Series
        Return of the portfolio in each month, of capital on which each instrument has the target volatility.
    instruments : pandas.DataFrame
        The same of each instrument; missing where it was not held.
    positions : pandas.DataFrame
        What was held in each month: side × target ÷ volatility, as a multiple of the capital.
    """

    monthly: pd.Series[float]
    instruments: pd.DataFrame
    positions: pd.DataFrame

    @property
    def sharpe(self) -> float | None:
        """Annual Sharpe ratio of the months."""
        from workbench.backtest.ratios import sharpe

        return sharpe(np.asarray(self.monthly, dtype=np.float64), 12)

    @property
    def held(self) -> pd.Series[float]:
        """Number of instruments in each month."""
        return self.instruments.notna().sum(axis=1)


def excess_returns(adjusted: pd.DataFrame, price: pd.DataFrame) -> pd.DataFrame:
    """Return daily excess returns, dates × instruments.

    Parameters
    ----------
    adjusted : pandas.DataFrame
        Back-adjusted (Panama) closes; only their differences are used, so they may be negative.
    price : pandas.DataFrame
        Closes of the contract that was held, of the same shape. A day after one without a price above 0 has no return.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2020-01-01", periods=3)
    >>> adjusted = pd.DataFrame({"CL": [-5.0, -4.0, -6.0]}, index=days)
    >>> price = pd.DataFrame({"CL": [50.0, 51.0, 40.0]}, index=days)
    >>> excess_returns(adjusted, price)["CL"].round(4).tolist()  # +1 on 50, −2 on 51
    [nan, 0.02, -0.0392]
    """
    import pandas as pd

    if adjusted.shape != price.shape:
        raise InputError(f"adjusted prices {adjusted.shape} and prices {price.shape} differ in shape")
    made = {}
    for name in adjusted.columns:
        both = adjusted[name].notna() & price[name].notna()
        closes, base = adjusted[name][both], price[name][both]
        before = base.shift(1)
        made[name] = (closes.diff() / before).where(before > 0).reindex(adjusted.index)
    return pd.DataFrame(made, index=adjusted.index)


def time_series_momentum(daily: pd.DataFrame, *, months: int = 12, target: float = 0.40) -> Momentum:
    """Return what time-series momentum makes of daily excess returns, before costs.

    Parameters
    ----------
    daily : pandas.DataFrame
        Excess returns, dates × instruments; missing where an instrument did not trade.
    months : int
        Look-back. It decides at the end of each month for the next one.
    target : float
        Annual volatility at which each instrument is held.

    Notes
    -----
    Volatility is the exponentially weighted standard deviation of daily returns with a centre of mass of 60 days,
    × √261, known at the end of the month before. A month counts for an instrument when it has ten returns in it, and a
    position needs as many whole months as the look-back.
    """
    import pandas as pd

    if months < 1 or not target > 0:
        raise InputError(f"months={months} must be 1 or more and target={target} above 0")
    days = pd.DatetimeIndex(daily.index)
    month = days.to_period("M")
    counted = daily.notna().groupby(month).sum() >= LEAST_DAYS_A_MONTH
    monthly = (1 + daily).groupby(month).prod().sub(1.0).where(counted)
    past = monthly.apply(np.log1p).rolling(months, min_periods=months).sum()
    volatility = daily.apply(_ex_ante_volatility).groupby(month).last()
    positions = (past.apply(np.sign) * target / volatility.where(volatility > 0)).shift(1)
    made = (positions * monthly).where(monthly.notna() & positions.notna())
    made = made.dropna(how="all")
    return Momentum(monthly=made.mean(axis=1), instruments=made, positions=positions.reindex(made.index))


def _ex_ante_volatility(returns: pd.Series[float]) -> pd.Series[float]:
    known = returns.dropna()
    spread = known.ewm(com=CENTRE_OF_MASS_DAYS, min_periods=CENTRE_OF_MASS_DAYS).std(bias=True)
    made: pd.Series[float] = (spread * DAYS_A_YEAR**0.5).reindex(returns.index)
    return made
