"""Products: what all months of one contract share, and exact tick arithmetic.

The gateway's roots differ from the exchange's: the E-mini S&P 500 is ``EP`` in ids (``CON.F.US.EP.U13``) and ``ES`` in
codes and names (``ESU13``, ``ESU3``). `spec` accepts either. A text is read as an exchange root first, then as a
gateway root; no product's exchange root is another product's gateway root (a test holds the table to it), so the order
never decides between two products.

Inside, a price is a whole number of ticks. A tick is a `fractions.Fraction`, so 1/256 and 0.0000005 are exact.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from workbench.domain.contract_specs import ROWS
from workbench.domain.errors import InputError, OffTick, UnknownContract

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

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

ID_PATTERN = re.compile(r"(?:CON\.)?F\.US\.([A-Z0-9]+)(?:\.([FGHJKMNQUVXZ])(\d{2}))?")
CODE_PATTERN = re.compile(r"([A-Z0-9]+?)([FGHJKMNQUVXZ])(\d{1,2})")


def root_spec(text: str) -> ContractSpec | None:
    """Return the product with exactly this exchange root or gateway root (upper case), or None."""
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
    if found := root_spec(wanted):
        return found
    if match := ID_PATTERN.fullmatch(wanted):
        found = SPECS.get(match[1]) or SPECS.get(OLDER_ROOTS.get(match[1], ""))
    elif match := CODE_PATTERN.fullmatch(wanted):
        found = root_spec(match[1])
    if found is None:
        raise _unknown(text)
    return found


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
