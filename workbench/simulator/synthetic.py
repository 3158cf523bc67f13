"""A seeded market: any root, any trading date, in any order of asking, always the same prints.

How a day is made, all of it from (seed, family, trading date): a slow daily level (mean-reverting, correlated through
one common factor), a gap at the open, a one-minute path pinned to the day's open and close with trend regimes, and on
it the prints: their times follow the day's volume shape (burst at the open and at 08:30 Chicago, busy ends, quiet
nights), their prices the path plus a bouncing spread. A family is a product and its micro: MES moves as ES does.
"""

from __future__ import annotations

import math
import zlib
from collections import OrderedDict
from datetime import date
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from workbench.domain.contract import Contract, ContractSpec, front_month, roll_date, spec
from workbench.domain.hours import TradingHours, at_local, trading_hours
from workbench.simulator.market import FOREVER, Int64Array, Prints, joined, no_prints

F8 = npt.NDArray[np.float64]
MINUTE, MILLISECOND = 60_000_000_000, 1_000_000
KEPT_DAYS = 64

# Price level at the middle of the path, by exchange root; others take their group's.
LEVELS = {
    "ES": 5600.0, "NQ": 19800.0, "RTY": 2150.0, "YM": 41500.0, "EMD": 2900.0, "NKD": 38500.0,
    "6A": 0.662, "6B": 1.272, "6C": 0.734, "6E": 1.0875, "6J": 0.00672, "6M": 0.0538, "6N": 0.607, "6S": 1.138,
    "E7": 1.0875, "BTC": 62000.0, "ETH": 2900.0, "MBT": 62000.0, "MET": 2900.0, "SR3": 95.6, "QG": 2.9, "QM": 74.0,
    "GF": 252.0, "LE": 186.0, "HE": 84.0, "CL": 74.0, "NG": 2.9, "RB": 2.2, "HO": 2.45, "GC": 2350.0, "SI": 28.2,
    "HG": 4.35, "PL": 985.0, "ZB": 119.0, "UB": 126.0, "ZN": 110.0, "TN": 113.0, "ZF": 107.0, "ZT": 102.5,
    "ZC": 430.0, "ZS": 1080.0, "ZW": 570.0, "ZM": 330.0, "ZL": 45.0,
}  # fmt: skip
# Yearly volatility, weight of the common factor, opening of the busy hours (Chicago), by group.
GROUPS: dict[str, tuple[float, float, str]] = {
    "index": (0.18, 0.92, "08:30"),
    "fx": (0.08, 0.30, "07:20"),
    "rates": (0.07, -0.35, "07:20"),
    "energy": (0.36, 0.25, "08:00"),
    "metals": (0.17, 0.10, "07:20"),
    "grains": (0.26, 0.05, "08:30"),
    "livestock": (0.18, 0.05, "08:30"),
    "crypto": (0.55, 0.45, "08:30"),
}
CARRY = 0.03  # per year: a later month trades above, so that a roll leaves a gap


def _key(*parts: object) -> list[int]:
    return [zlib.crc32(str(part).encode()) for part in parts]


def family(product: ContractSpec) -> str:
    """Return the exchange root whose path this product follows."""
    return product.micro_of or product.exchange_root


@lru_cache(maxsize=64)
def _daily(seed: int, name: str, group: str, days: int) -> tuple[F8, F8]:
    """Return (log level at each day's close, gap before each day's open) around 0; AR(1), about 9 years to forget."""
    volatility, weight, _ = GROUPS[group]
    common = np.random.default_rng(_key(seed, "common")).standard_normal(days)
    own = np.random.default_rng(_key(seed, name, "daily")).standard_normal((3, days))
    sigma = volatility / math.sqrt(252)
    steps = sigma * (weight * common + math.sqrt(1 - weight * weight) * own[0])
    level = np.empty(days)
    value = 0.0
    for n, step in enumerate(steps.tolist()):
        value = value * 0.998 + step
        level[n] = value
    gaps = 0.18 * sigma * own[1] * (1 + 4 * (np.abs(own[2]) > 2.2))
    return level, gaps


class SyntheticFeed:
    """Prints of any contract of the given roots.

    Parameters
    ----------
    seed : int
    roots : sequence of str
        What is listed as tradable; any other product has history too.
    prints_per_day : int
        Trades of a full day of an index product; others get a share.
    """

    def __init__(self, seed: int, roots: tuple[str, ...], *, prints_per_day: int = 20_000) -> None:
        self.seed = seed
        self.specs = tuple(dict.fromkeys(spec(root) for root in roots))
        self.prints_per_day = prints_per_day
        self._kept: OrderedDict[tuple[str, int], Prints] = OrderedDict()

    def contracts(self, at: int) -> tuple[Contract, ...]:
        return tuple(front_month(each, trading_hours(each).trading_date(at)) for each in self.specs)

    def knows(self, contract: Contract) -> bool:
        return True

    def end_at(self) -> int:
        return FOREVER

    def first_at(self, contract: Contract) -> int:
        """Return where the contract's history begins: about seven months before it stops being the front."""
        hours = trading_hours(contract.spec)
        return max(
            int(hours.opens[1]), int(np.datetime64(roll_date(contract), "ns").astype(np.int64)) - 210 * 1440 * MINUTE
        )

    def prints(self, contract: Contract, start: int, end: int) -> Prints:
        hours = trading_hours(contract.spec)
        last_day = int(np.datetime64(contract.expiry, "ns").astype(np.int64)) + 1440 * MINUTE
        start, end = max(start, self.first_at(contract)), min(end, last_day)
        if start >= end:
            return no_prints()
        rows = range(hours.row(start), hours.row(end - 1) + 1)
        days = [self.day(contract, row) for row in rows]
        if len(days) == 1:
            return days[0].between(start, end)
        return joined([days[0].between(start, end), *days[1:-1], days[-1].between(start, end)])

    def day(self, contract: Contract, row: int) -> Prints:
        """Return all prints of one trading date (`row` of the hours)."""
        key = (contract.id, row)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        made = self._make(contract, row)
        self._kept[key] = made
        if len(self._kept) > KEPT_DAYS:
            self._kept.popitem(last=False)
        return made

    def _make(self, contract: Contract, row: int) -> Prints:
        product = contract.spec
        hours = trading_hours(product)
        opened, closed = int(hours.opens[row]), int(hours.closes[row])
        day = hours.dates[row].astype(object)
        name = family(product)
        rng = np.random.default_rng(_key(self.seed, product.exchange_root, day))
        minutes = max(2, int((closed - opened) // MINUTE))
        shape = _shape(hours, row, product.group, minutes)
        log_path = self._path(name, product.group, hours, row, shape)
        share = {"index": 1.0, "crypto": 0.3, "livestock": 0.1}.get(product.group, 0.6) * (0.8 + 0.4 * rng.random())
        count = max(50, int(self.prints_per_day * share * minutes / 1380))
        ts = _times(rng, shape, opened, count)
        where = (ts - opened) / MINUTE
        level = LEVELS.get(name, 100.0) * math.exp(CARRY * (contract.expiry - day).days / 365)
        fair = level * np.exp(np.interp(where, np.arange(minutes + 1), log_path)) / product.tick_size
        ticks, side = _bounce(rng, fair)
        size = _sizes(rng, count, product.micro_of is not None)
        keep = hours.is_open_array(ts)
        return Prints(ts[keep], ticks[keep], size[keep], side[keep])

    def _path(self, name: str, group: str, hours: TradingHours, row: int, shape: F8) -> F8:
        """Return the log path on minute marks, from the day's open to its close, around 0."""
        days = len(hours.opens)
        level, gaps = _daily(self.seed, name, group, days)
        volatility, weight, _ = GROUPS[group]
        minutes = len(shape)
        day = hours.dates[row].astype(object)
        common = np.random.default_rng(_key(self.seed, "common", day)).standard_normal(1500)[:minutes]
        if minutes > 1500:
            common = np.resize(common, minutes)
        rng = np.random.default_rng(_key(self.seed, name, day, "path"))
        noise = weight * common + math.sqrt(1 - weight * weight) * rng.standard_normal(minutes)
        spread = np.sqrt(shape / shape.mean())
        sigma = volatility / math.sqrt(252 * minutes)
        steps = sigma * spread * (noise + _regimes(rng, minutes))
        path = np.concatenate(([0.0], np.cumsum(steps)))
        start, end = float(level[row - 1] + gaps[row]), float(level[row])
        progress = np.concatenate(([0.0], np.cumsum(shape))) / shape.sum()
        pinned: F8 = start + path + (end - start - path[-1]) * progress
        return pinned


def _regimes(rng: np.random.Generator, minutes: int) -> F8:
    """Return a drift per minute (in sigmas) that changes every one to three hours: up, down, or none."""
    lengths = rng.integers(40, 180, size=minutes // 40 + 2)
    drifts = rng.choice((-0.28, 0.0, 0.0, 0.28), size=len(lengths))
    return np.repeat(drifts, lengths)[:minutes]


def _shape(hours: TradingHours, row: int, group: str, minutes: int) -> F8:
    """Return the relative volume of each minute of the session."""
    opened = int(hours.opens[row])
    busy = (at_local(hours.dates[row].astype(object), GROUPS[group][2]) - opened) / MINUTE
    at = np.arange(minutes, dtype=np.float64)
    rush = (at - busy) / 405.0  # the busy hours, 0 at their opening, 1 at their end
    inside = (rush >= 0) & (rush <= 1)
    shape = np.where(inside, 1.0 + 2.2 * (2 * rush - 1) ** 2, 0.10)
    shape += 5.0 * np.exp(-np.clip(at - busy, 0, None) / 8) * (at >= busy)
    shape += 0.9 * np.exp(-at / 6)
    europe = busy - 330
    shape += np.where((at >= europe) & (at < busy), 0.25, 0.0)
    return np.where(rush > 1, 0.30, shape)


def _times(rng: np.random.Generator, shape: F8, opened: int, count: int) -> Int64Array:
    """Return `count` sorted instants whose density follows `shape`, on whole milliseconds."""
    total = np.concatenate(([0.0], np.cumsum(shape)))
    drawn = np.sort(rng.random(count)) * total[-1]
    minutes = np.interp(drawn, total, np.arange(len(total)))
    millis = np.minimum((minutes * 60_000).astype(np.int64), (len(total) - 1) * 60_000 - 1)
    stamps: Int64Array = opened + millis * MILLISECOND
    return stamps


def _bounce(rng: np.random.Generator, fair: F8) -> tuple[Int64Array, Int64Array]:
    """Return (ticks, side): buyers pay the tick above the fair price, sellers get the one below, in short streaks."""
    bid = np.floor(fair).astype(np.int64)
    flips = np.cumsum(rng.random(len(fair)) < 0.35)
    side = ((flips + int(rng.integers(2))) % 2).astype(np.int64)
    return bid + (side == 0), side


def _sizes(rng: np.random.Generator, count: int, micro: bool) -> Int64Array:
    """Return trade sizes: mostly one lot, a heavy tail."""
    draw = rng.random(count)
    return np.minimum(np.floor((1 - draw) ** (-0.75 if micro else -0.62)), 400).astype(np.int64)


def trading_dates(product: ContractSpec, start: date, end: date) -> list[date]:
    """Return the dates on which the product trades, both ends included."""
    return trading_hours(product).trading_dates(start, end)
