"""Plausibility alarms: what makes a result hard to believe, each with its number and what to do about it.

An alarm is no proof. It says which question comes first: is this look-ahead, a fill that nobody would have got, one
lucky day, or too few trades to tell?

==================  ===============  ===================================================================================
alarm               fires when       because
==================  ===============  ===================================================================================
short               dates missing    the bars begin later, or end earlier, than was asked for
no_costs            costs are 0      every fill of a future costs a commission and a fee
few_trades          trades < 30      a mean of so few says little, whatever it is
sharpe              sharpe > 4       over years nobody keeps that; look-ahead and fills at wishful prices do
win_rate            > 90 %           many small wins and rare large losses, or a look into the future
profit_factor       > 5              the same
one_trade           > 50 % of net    without its best trade half of the profit is gone
one_day             > 50 % of net    without its best day half of the profit is gone
extreme_fills       > 25 % of fills  bought at the bar's low or sold at its high, and more than twice as many as the
                                     other way round: nobody is filled so well
exposure            < 1 % of bars    so little time in the market is a handful of moments
thin_hours          > 50 % of net    made by entries in hours with less than a quarter of the usual volume
cost_share          > 50 % of gross  a little more slippage and nothing is left
one_side            > 90 % of net    all from one side: it may be the market's drift
closed_hours        > 2 % of bars    they begin while the exchange is closed: stamps of another time zone than they say
account             a rule broke     the account programme would have ended or stopped it
==================  ===============  ===================================================================================

Shares of net profit are looked at only when there is one, from 10 closed trades on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.backtest.curve import Curve
from workbench.backtest.played import E4, Played
from workbench.backtest.series import Series
from workbench.backtest.stats import Number
from workbench.backtest.trades import Int64Array, Trips
from workbench.domain.hours import local

MOST = {"sharpe": 4.0, "win_rate": 0.9, "profit_factor": 5.0, "cost_share": 0.5}
MOST_OF_NET = 0.5
ONE_SIDE = 0.9
FEWEST_TRADES = 30
FEWEST_FOR_SHARES = 10
LEAST_EXPOSURE = 0.01
EXTREME_FILLS = 0.25
THIN = 0.25
CLOSED = 0.02
FEWEST_BARS = 100
_HOUR_NS = 3_600_000_000_000

_WHY = {
    "sharpe": "a Sharpe ratio of {:.2f} is above {:g}; look for look-ahead and wishful fills",
    "win_rate": "{:.1%} of the trades win, above {:.0%}; are the losses rare and large, or is the future known?",
    "profit_factor": "winners make {:.1f} times what losers lose, above {:g}; look for look-ahead and wishful fills",
    "cost_share": "fees and commissions take {:.0%} of gross profit, above {:.0%}; a little slippage takes the rest",
}
_NOTHING_LEFT = "fees and commissions take {:.0%} of gross profit, so nothing is left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One doubt: its name, the number behind it, and a sentence."""

    name: str
    value: float
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


def alarms(values: Mapping[str, Number], trips: Trips, curve: Curve, played: Played, bars: Series) -> list[Alarm]:
    """Return the alarms of a run, in the order of the table above; empty when there is nothing to doubt."""
    found = [*_of_counts(values), *_of_stats(values), *_of_net(values, trips, curve), *_of_fills(played, bars)]
    return [*found, *_of_hours(values, trips, bars), *_of_stamps(bars), *_of_account(played)]


def shortness(told: Sequence[Mapping[str, Any]]) -> list[Alarm]:
    """Return an alarm for each end at which the bars do not reach as far as was asked for, as the provenance tells."""
    return [Alarm(name="short", value=float(each["trading_dates"]), text=each["text"]) for each in told]


def _of_counts(values: Mapping[str, Number]) -> list[Alarm]:
    trades, found = int(values["trades"] or 0), []
    if trades and not values["costs_usd"]:
        found.append(
            Alarm(name="no_costs", value=0.0, text="no fees and commissions; nobody trades futures for nothing")
        )
    if trades < FEWEST_TRADES:
        text = f"{trades} closed trades, fewer than {FEWEST_TRADES}: too few to tell skill from luck"
        found.append(Alarm(name="few_trades", value=trades, text=text))
    exposure = float(values["exposure"] or 0.0)
    if trades and exposure < LEAST_EXPOSURE:
        text = f"a position at {exposure:.2%} of the bars, less than {LEAST_EXPOSURE:.0%}: a handful of moments"
        found.append(Alarm(name="exposure", value=exposure, text=text))
    return found


def _of_stats(values: Mapping[str, Number]) -> list[Alarm]:
    enough = int(values["trades"] or 0) >= FEWEST_FOR_SHARES
    found = []
    for name, most in MOST.items():
        value = values.get(name)
        if enough and value is not None and value > most:
            why = _NOTHING_LEFT if name == "cost_share" and value >= 1 else _WHY[name]
            found.append(Alarm(name=name, value=value, text=why.format(value, most)))
    return found


def _of_net(values: Mapping[str, Number], trips: Trips, curve: Curve) -> list[Alarm]:
    net, over = float(values["net_usd"] or 0.0), trips.closed
    if net <= 0 or np.count_nonzero(over) < FEWEST_FOR_SHARES:
        return []
    nets, found = trips.net_e4[over] / E4, []
    best, day = float(nets.max()) / net, float(curve.daily_e4.max()) / E4 / net
    if best > MOST_OF_NET:
        text = f"one trade made {best:.0%} of the net profit; what is left without it?"
        found.append(Alarm(name="one_trade", value=best, text=text))
    if day > MOST_OF_NET and len(curve.daily_e4) > 1:
        text = f"one day made {day:.0%} of the net profit; what is left without it?"
        found.append(Alarm(name="one_day", value=day, text=text))
    long = trips.side[over] > 0
    share = max(float(nets[long].sum()), float(nets[~long].sum())) / net
    if long.any() and (~long).any() and share > ONE_SIDE:
        which = "long" if nets[long].sum() > nets[~long].sum() else "short"
        text = f"the {which} side made {share:.0%} of the net profit; compare with simply holding"
        found.append(Alarm(name="one_side", value=share, text=text))
    return found


def _of_fills(played: Played, bars: Series) -> list[Alarm]:
    fills = played.fills
    if len(fills) < FEWEST_FOR_SHARES:
        return []
    high, low = bars.ticks[1][fills.bar], bars.ticks[2][fills.bar]
    bought, moved = fills.qty > 0, high > low
    lucky = float(np.mean(moved & (fills.ticks == np.where(bought, low, high))))
    unlucky = float(np.mean(moved & (fills.ticks == np.where(bought, high, low))))
    if lucky <= EXTREME_FILLS or lucky <= 2 * unlucky:
        return []
    text = f"{lucky:.0%} of the fills bought a bar's low or sold its high ({unlucky:.0%} the other way round)"
    return [Alarm(name="extreme_fills", value=lucky, text=f"{text}; nobody is filled so well")]


def _of_hours(values: Mapping[str, Number], trips: Trips, bars: Series) -> list[Alarm]:
    net, over = float(values["net_usd"] or 0.0), trips.closed
    if net <= 0 or np.count_nonzero(over) < FEWEST_FOR_SHARES:
        return []
    volume = np.bincount(_hours(bars.starts), np.asarray(bars.volume, dtype=np.float64), minlength=24)
    traded = volume > 0
    if not traded.any():
        return []
    thin = volume < THIN * volume[traded].mean()
    share = float(trips.net_e4[over][thin[_hours(trips.entry_at[over])]].sum()) / E4 / net
    if share <= MOST_OF_NET:
        return []
    hours = ", ".join(f"{hour}:00" for hour in np.flatnonzero(thin & traded).tolist())
    text = (
        f"{share:.0%} of the net profit comes from entries in thin hours (Chicago {hours}); who was on the other side?"
    )
    return [Alarm(name="thin_hours", value=share, text=text)]


def _of_stamps(bars: Series) -> list[Alarm]:
    if len(bars) < FEWEST_BARS:
        return []
    share = float(np.mean(~bars.hours.is_open_array(bars.starts)))
    if share <= CLOSED:
        return []
    text = f"{share:.1%} of the bars begin while the exchange is closed; are their stamps in the zone that they say?"
    return [Alarm(name="closed_hours", value=share, text=text)]


def _hours(stamps: Int64Array) -> Int64Array:
    # clock hour in Chicago; the offset is looked up once for each hour of UTC that occurs
    if not len(stamps):
        return np.empty(0, dtype=np.int64)
    slots, where = np.unique(stamps // _HOUR_NS, return_inverse=True)
    return np.array([local(int(slot) * _HOUR_NS).hour for slot in slots], dtype=np.int64)[where]


def _of_account(played: Played) -> list[Alarm]:
    account = played.account
    if account is None or not account.breaches:
        return []
    at, _ = account.breaches[0]
    rules = [rule for _, rule in account.breaches]
    said = " and ".join(f"{rule} broke {rules.count(rule)} ×" for rule in dict.fromkeys(rules))
    ended = f"; the account ended {local(account.failed_at):%Y-%m-%d %H:%M}" if account.failed_at is not None else ""
    text = f"{account.programme}: {said}, first {local(at):%Y-%m-%d %H:%M} Chicago{ended}"
    return [Alarm(name="account", value=float(len(account.breaches)), text=text)]
