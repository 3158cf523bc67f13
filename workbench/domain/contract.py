"""Contracts: what one is, what its ticks are worth, how it is named, when it expires, which one is the front.

The gateway's roots differ from the exchange's: the E-mini S&P 500 is ``EP`` in ids (``CON.F.US.EP.U13``) and ``ES`` in
codes and names (``ESU13``, ``ESU3``). `spec` accepts either. A text is read as an exchange root first, then as a gateway
root; no product's exchange root is another product's gateway root (a test holds the table to it), so the order never
decides between two products.

Inside, a price is a whole number of ticks. A tick is a `fractions.Fraction`, so 1/256 and 0.0000005 are exact.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from workbench.domain import expiry as expiries
from workbench.domain.contract_specs import ROWS
from workbench.domain.errors import InputError, OffTick, UnknownContract

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MONTH_LETTERS = "FGHJKMNQUVXZ"
MONTH_NAMES = (
    ("January", "February", "March", "April", "May", "June")
    + ("July", "August", "September", "October", "November", "December")
)  # fmt: skip
# A double that arithmetic has moved by less than this share of a tick still names that tick.
TOLERANCE = 1e-6
# Above this many ticks a double no longer holds every whole number.
MOST_TICKS = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSpec:
    """What all months of one product share.

    Parameters
    ----------
    root, exchange_root : str
        The gateway's root (``EP``) and the exchange's (``ES``).
    description : str
        Product name as the gateway words it.
    tick : Fraction
        Smallest price step in points, exact.
    tick_value : Decimal
        USD that one contract gains per tick.
    months : str
        Letters of the months that serve as front.
    group : str
        Trading hours group: index, fx, rates, energy, metals, grains, livestock or crypto.
    rule : str
        Name of the expiry rule.
    micro_of : str or None
        Exchange root of the big contract that this one is a tenth of (``SIL``: a fifth).
    """

    root: str
    exchange_root: str
    description: str
    tick: Fraction
    tick_value: Decimal
    months: str
    group: str
    rule: str
    micro_of: str | None = None

    @property
    def symbol_id(self) -> str:
        """The gateway's symbol id, such as ``F.US.EP``."""
        return f"F.US.{self.root}"

    @property
    def tick_size(self) -> float:
        """The tick in points, as the nearest double."""
        return self.tick.numerator / self.tick.denominator

    @property
    def point_value(self) -> Decimal:
        """USD that one contract gains per whole point; exact."""
        return self.tick_value * self.tick.denominator / self.tick.numerator

    def price(self, ticks: int) -> float:
        """Return the price in points, the double nearest to ``ticks * tick``.

        Examples
        --------
        >>> spec("CL").price(-3763)
        -37.63
        """
        return ticks * self.tick.numerator / self.tick.denominator

    def ticks(self, price: float | Decimal | str) -> int:
        """Return a price in points as whole ticks.

        Parameters
        ----------
        price : float, Decimal or str
            Points; negative prices are legal. Text and decimals must be exact. A float may be off by a millionth of
            a tick, which is what arithmetic in doubles leaves behind.

        Raises
        ------
        OffTick
            The price lies between two ticks.
        InputError
            The price is not a finite number.

        Examples
        --------
        >>> spec("ZT").ticks("103.12890625")
        26401
        >>> spec("ES").ticks(1650.10)
        Traceback (most recent call last):
        ...
        workbench.domain.errors.OffTick: 1650.1 is not a multiple of the ES tick 0.25; the nearest legal prices are \
1650.0 and 1650.25
        """
        if isinstance(price, (str, Decimal)):
            exact = self._exact(price)
            if exact.denominator != 1:
                raise self._off_tick(price, math.floor(exact))
            return exact.numerator
        try:
            points = float(price)
        except (TypeError, ValueError) as error:
            raise InputError(f"{self.exchange_root} price must be a number, not {price!r}") from error
        steps = points * self.tick.denominator / self.tick.numerator
        if not abs(steps) <= MOST_TICKS:
            raise InputError(f"{self.exchange_root} price must be a finite number of points, not {price!r}")
        whole = round(steps)
        if abs(points - self.price(whole)) > TOLERANCE * self.tick_size:
            raise self._off_tick(price, math.floor(steps))
        return whole

    def usd(self, ticks: int, qty: int = 1) -> Decimal:
        """Return the exact USD value of `ticks` on `qty` contracts.

        Examples
        --------
        >>> spec("MES").usd(3, -2)
        Decimal('-7.50')
        """
        return self.tick_value * ticks * qty

    def _exact(self, price: str | Decimal) -> Fraction:
        try:
            number = Decimal(price)
        except InvalidOperation as error:
            raise InputError(f"{self.exchange_root} price must be a number, not {price!r}") from error
        if not number.is_finite():
            raise InputError(f"{self.exchange_root} price must be a finite number of points, not {price!r}")
        return Fraction(number) / self.tick

    def _off_tick(self, price: object, below: int) -> OffTick:
        return OffTick(price, self.exchange_root, f"{self.tick_size:.10g}", self.price(below), self.price(below + 1))


SPECS: dict[str, ContractSpec] = {
    row.root: ContractSpec(
        root=row.root,
        exchange_root=row.exchange_root,
        description=row.description,
        tick=Fraction(row.tick),
        tick_value=Decimal(row.tick_value),
        months=row.months,
        group=row.group,
        rule=row.rule,
        micro_of=row.micro_of,
    )
    for row in ROWS
}
OLDER_ROOTS = {"MNG": "MNGE"}  # a gateway root that was renamed; the same product
_BY_EXCHANGE_ROOT = {each.exchange_root: each for each in SPECS.values()}

_ID = re.compile(r"(?:CON\.)?F\.US\.([A-Z0-9]+)(?:\.([FGHJKMNQUVXZ])(\d{2}))?")
_CODE = re.compile(r"([A-Z0-9]+?)([FGHJKMNQUVXZ])(\d{1,2})")


def _root(text: str) -> ContractSpec | None:
    return _BY_EXCHANGE_ROOT.get(text) or SPECS.get(text) or SPECS.get(OLDER_ROOTS.get(text, ""))


def _unknown(text: str) -> UnknownContract:
    return UnknownContract("contract", text, {*_BY_EXCHANGE_ROOT, *SPECS}, where="a root, an id or a code is meant")


@lru_cache(maxsize=1024)
def spec(text: str) -> ContractSpec:
    """Return the specification behind a root, contract id, symbol id, code or name.

    Parameters
    ----------
    text : str
        ``ES``, ``EP``, ``CON.F.US.EP.U13``, ``F.US.EP``, ``ESU13`` or ``ESU3``; case does not matter.

    Raises
    ------
    UnknownContract
        With the closest known roots.

    Examples
    --------
    >>> spec("CON.F.US.EP.U13").exchange_root
    'ES'
    """
    wanted = text.strip().upper()
    if found := _root(wanted):
        return found
    if match := _ID.fullmatch(wanted):
        found = SPECS.get(match[1]) or SPECS.get(OLDER_ROOTS.get(match[1], ""))
    elif match := _CODE.fullmatch(wanted):
        found = _root(match[1])
    if found is None:
        raise _unknown(text)
    return found


@dataclass(frozen=True, slots=True)
class Contract:
    """One month of one product.

    Parameters
    ----------
    spec : ContractSpec
    year : int
        Four digits, 2000 to 2099.
    month : int
        1 to 12. Months outside the product's usual cycle are accepted: the exchange lists serial months.
    """

    spec: ContractSpec
    year: int
    month: int

    def __post_init__(self) -> None:
        if not (2000 <= self.year <= 2099 and 1 <= self.month <= 12):
            raise InputError(
                f"{self.spec.exchange_root}: no contract month {self.year}-{self.month:02d} (2000 to 2099)"
            )

    @property
    def letter(self) -> str:
        """Month letter, F (January) to Z (December)."""
        return MONTH_LETTERS[self.month - 1]

    @property
    def id(self) -> str:
        """The gateway's contract id."""
        return f"CON.F.US.{self.spec.root}.{self.letter}{self.year % 100:02d}"

    @property
    def symbol_id(self) -> str:
        """The gateway's symbol id."""
        return self.spec.symbol_id

    @property
    def code(self) -> str:
        """Exchange root, month letter, two-digit year."""
        return f"{self.spec.exchange_root}{self.letter}{self.year % 100:02d}"

    @property
    def name(self) -> str:
        """Exchange root, month letter, one-digit year: the gateway's `name`."""
        return f"{self.spec.exchange_root}{self.letter}{self.year % 10}"

    @property
    def description(self) -> str:
        """The gateway's wording, such as ``E-mini S&P 500: September 2013``."""
        return f"{self.spec.description}: {MONTH_NAMES[self.month - 1]} {self.year}"

    @property
    def expiry(self) -> date:
        """Last trading day (see `workbench.domain.expiry` for the rules)."""
        return expiries.expiry(self.spec.rule, self.year, self.month)

    def next(self) -> Contract:
        """Return the next month of the front cycle."""
        later = [month for month in _cycle(self.spec) if month > self.month]
        return (
            Contract(self.spec, self.year, later[0]) if later else Contract(self.spec, self.year + 1, _first(self.spec))
        )

    def __str__(self) -> str:
        return self.code

    def __repr__(self) -> str:
        return f"Contract({self.code})"


def _cycle(product: ContractSpec) -> list[int]:
    return [MONTH_LETTERS.index(letter) + 1 for letter in product.months]


def _first(product: ContractSpec) -> int:
    return MONTH_LETTERS.index(product.months[0]) + 1


def parse_contract(text: str, *, near: date | None = None) -> Contract:
    """Return the contract that an id, code or name stands for.

    Parameters
    ----------
    text : str
        ``CON.F.US.EP.U13``, ``ESU13``, or ``ESU3`` together with `near`.
    near : date, optional
        Picks the decade of a one-digit year: the contract month nearest to this date.

    Raises
    ------
    UnknownContract
        No such product.
    InputError
        A root without a month, or a one-digit year without `near`.

    Examples
    --------
    >>> parse_contract("ESU3", near=date(2013, 9, 2)).id
    'CON.F.US.EP.U13'
    """
    wanted = text.strip().upper()
    match = _ID.fullmatch(wanted) or (None if _root(wanted) else _CODE.fullmatch(wanted))
    product = spec(text)
    if match is None or match[2] is None:
        raise InputError(
            f"{text!r} names a product, not a contract month; write for example {product.exchange_root}Z25"
        )
    month, digits = MONTH_LETTERS.index(match[2]) + 1, match[3]
    if len(digits) == 2:
        return Contract(product, 2000 + int(digits), month)
    if near is None:
        raise InputError(
            f"{text!r} has a one-digit year; write {product.exchange_root}{match[2]}2{digits} or pass near="
        )
    years = range(2000 + int(digits), 2100, 10)
    year = min(years, key=lambda each: (abs((each - near.year) * 12 + month - near.month), -each))
    return Contract(product, year, month)


@cache
def roll_date(contract: Contract) -> date:
    """Return the first trading date on which the month after `contract` is the front.

    Examples
    --------
    >>> roll_date(parse_contract("MESH26"))
    datetime.date(2026, 3, 16)
    """
    return expiries.roll(contract.spec.rule, contract.year, contract.month)


def front_month(root: str | ContractSpec, on: date) -> Contract:
    """Return the contract that is the front on a trading date.

    Parameters
    ----------
    root : str or ContractSpec
        Anything `spec` accepts.
    on : date
        Trading date.

    Examples
    --------
    >>> front_month("MES", date(2026, 3, 13)).code, front_month("MES", date(2026, 3, 16)).code
    ('MESH26', 'MESM26')
    """
    product = root if isinstance(root, ContractSpec) else spec(root)
    # The front may be last month's named contract (SOFR trades on for three months) or one of next year.
    contract = Contract(product, max(on.year - 1, 2000), _first(product))
    while roll_date(contract) <= on:
        contract = contract.next()
    return contract


def ticks_of(
    prices: npt.NDArray[np.float64], product: ContractSpec
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return prices as whole ticks, and which of them lie on the grid.

    Parameters
    ----------
    prices : array of float64, points
    product : ContractSpec

    Returns
    -------
    ticks : array of int64
        The nearest tick; 0 where the price is not finite.
    on_grid : array of bool
        False between two ticks, and for NaN and infinities. Agrees with `ContractSpec.ticks`.
    """
    import numpy as np

    points = np.asarray(prices, dtype=np.float64)
    with np.errstate(over="ignore"):
        steps = np.rint(points * product.tick.denominator / product.tick.numerator)
    sane = np.abs(steps) <= MOST_TICKS
    ticks = np.where(sane, steps, 0.0).astype(np.int64)
    on_grid = sane & (np.abs(np.where(sane, points, 0.0) - prices_of(ticks, product)) <= TOLERANCE * product.tick_size)
    return ticks, on_grid


def prices_of(ticks: npt.NDArray[np.int64], product: ContractSpec) -> npt.NDArray[np.float64]:
    """Return whole ticks as prices in points; equals `ContractSpec.price` for each element."""
    import numpy as np

    return np.asarray(ticks) * product.tick.numerator / product.tick.denominator
