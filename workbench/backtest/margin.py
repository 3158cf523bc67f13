"""Margin: what an entry must have behind it, from a dated table of the exchange's figures, or from a number of yours.

It is checked only when `Costs(margin_usd=…)` asks for it: the firms on this gateway limit contracts (see
`workbench.domain.programme`), and the day margins of brokers lie far below the exchange's. When it is asked for, the
broker refuses an order that would make the position larger if

    initial margin × |contracts held, if it fills| > balance (closed profits, net of costs),

as a whole, never in part; an order that makes the position smaller always passes. A margin call (equity below the
maintenance margin of what is held) is not modelled: the loss rules of an account act long before.

The table holds maintenance margins as the exchange published them for the front months, at a few dates; the initial
margin of a speculator is 110 % of it, rounded up to the dollar. It ends in 2022, and margins have risen since: for
later years pass your broker's figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from workbench.backtest.costs import E4, Costs
from workbench.domain.contract import SPECS, ContractSpec
from workbench.domain.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Int64Array = npt.NDArray[np.int64]

REFUSED = "Not enough margin."  # the gateway's words

_Y13, _Y16, _Y18 = date(2013, 10, 1), date(2016, 1, 4), date(2018, 1, 2)
_Y20, _Q20, _Y21, _Y22 = date(2020, 1, 2), date(2020, 4, 1), date(2021, 1, 4), date(2022, 2, 14)
_DATES = (_Y13, _Y16, _Y18, _Y20, _Q20, _Y21, _Y22)

# Maintenance margin of one contract by exchange root, USD: as of February 2022, or at each of _DATES.
_FEBRUARY_2022 = (
    "RTY 5500  YM 8000  EMD 12500  NKD 6500  "
    "6A 1450  6B 2150  6C 1350  6J 2500  6M 1300  6N 1400  6S 3500  E7 1100  "
    "ZB 3500  UB 6500  TN 2450  ZF 925  ZT 790  "
    "NG 7500  RB 7000  HO 7000  SI 9500  HG 5000  PL 3250  "
    "ZC 1525  ZS 3050  ZW 2150  ZM 2300  ZL 2150  GF 2475  LE 1400  HE 1900  "
)
MAINTENANCE: dict[str, tuple[int, ...]] = {
    **{root: (int(usd),) for root, usd in zip(_FEBRUARY_2022.split()[::2], _FEBRUARY_2022.split()[1::2], strict=True)},
    "ES": (3500, 4600, 4500, 6300, 12000, 11000, 10800),
    "NQ": (2200, 4400, 4500, 7200, 15000, 16000, 15000),
    "CL": (4100, 4000, 2100, 3750, 5600, 4750, 6800),
    "GC": (8000, 3750, 4000, 4500, 8350, 10000, 6000),
    "ZN": (1475, 1350, 1050, 1150, 1850, 1400, 1500),
    "6E": (2500, 3550, 2100, 1800, 2150, 2300, 2200),
}


@dataclass(frozen=True, slots=True)
class Margin:
    """USD per contract from a day on: to open a position, and to keep it."""

    valid_from: date
    initial: Decimal
    maintenance: Decimal


def margins_of(product: ContractSpec) -> tuple[Margin, ...]:
    """Return the dated margins of a product, oldest first; a micro's are its share of the big contract's.

    Raises
    ------
    InputError
        The table does not know the product.

    Examples
    --------
    >>> from workbench.domain.contract import spec
    >>> margins_of(spec("MES"))[-1].initial, margins_of(spec("ES"))[-1].maintenance
    (Decimal('1188'), Decimal('10800'))
    """
    big = _by_root(product.micro_of) if product.micro_of else product
    row = MAINTENANCE.get(big.exchange_root)
    if row is None:
        root = product.exchange_root
        raise InputError(f"no margin of {root} in the table; pass Costs(margin_usd=…), or None to check no margin")
    share = Fraction(product.point_value) / Fraction(big.point_value)
    return tuple(_margin(since, usd * share) for since, usd in zip(_DATES[-len(row) :], row, strict=True))


def margins_e4(costs: Costs, product: ContractSpec, starts: Int64Array) -> Int64Array:
    """Return the initial margin of one contract at each instant, in 1/10,000 USD; 0 where none is checked.

    Parameters
    ----------
    costs : Costs
    product : ContractSpec
    starts : int64 array
        Ascending, UTC ns; a new margin holds from midnight in Chicago, and the first one before its date, too.
    """
    import numpy as np

    from workbench.domain.hours import at_local

    if costs.margin_usd != "exchange":
        usd = Decimal(0) if costs.margin_usd is None else Decimal(str(costs.margin_usd))
        return np.full(len(starts), int(usd * E4), dtype=np.int64)
    rows = margins_of(product)
    amounts = np.array([int(row.initial * E4) for row in rows], dtype=np.int64)
    begins = np.array([at_local(row.valid_from, "00:00") for row in rows[1:]], dtype=np.int64)
    chosen: Int64Array = amounts[np.searchsorted(begins, np.asarray(starts, dtype=np.int64), side="right")]
    return chosen


def is_covered(balance_e4: int, margin_e4: int, held: int, after: int) -> bool:
    """Say whether the broker takes an order that would leave `after` contracts (signed) where `held` are held.

    >>> is_covered(50_000_0000, 11_880_0000, 0, 4), is_covered(50_000_0000, 11_880_0000, 0, -5)
    (True, False)
    >>> is_covered(-5_0000, 11_880_0000, 5, 2)  # smaller always passes
    True
    """
    return abs(after) <= abs(held) or margin_e4 * abs(after) <= balance_e4


def _margin(since: date, usd: Fraction) -> Margin:
    initial = math.ceil(usd * Fraction(11, 10))
    return Margin(since, Decimal(initial), Decimal(usd.numerator) / Decimal(usd.denominator))


def _by_root(root: str) -> ContractSpec:
    return next(each for each in SPECS.values() if each.exchange_root == root)
