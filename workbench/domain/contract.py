"""Contracts: one month of one product, how it is named, when it expires, and which one is the front.

Products and tick arithmetic are in `workbench.domain.product`, and can be imported from here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache

from workbench.domain import expiry as expiries
from workbench.domain.errors import InputError
from workbench.domain.product import (
    CODE_PATTERN,
    ID_PATTERN,
    SPECS,
    ContractSpec,
    prices_of,
    root_spec,
    spec,
    ticks_of,
)

__all__ = [
    "SPECS",
    "Contract",
    "ContractSpec",
    "front_month",
    "parse_contract",
    "prices_of",
    "roll_date",
    "spec",
    "ticks_of",
]

MONTH_LETTERS = "FGHJKMNQUVXZ"
MONTH_NAMES = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


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
    match = ID_PATTERN.fullmatch(wanted) or (None if root_spec(wanted) else CODE_PATTERN.fullmatch(wanted))
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
