"""What a trade costs: fees and commissions per contract and side from a dated table, and slippage in ticks.

Sources of the table, and how far to trust them: the figures of MYM, MNQ, ZB and ES were seen in account histories of
2025 and 2026; the others are exchange fees for non-members plus clearing and commission as commonly charged, rounded
up. They change: compare them with your own statement, and pass `Costs(fees_usd=…, commissions_usd=…)` instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from workbench.domain.contract import ContractSpec
from workbench.domain.errors import InputError

SINCE = date(2025, 1, 1)


@dataclass(frozen=True, slots=True)
class Rate:
    """USD per contract and side, valid from a day on."""

    valid_from: date
    fees: Decimal
    commissions: Decimal


def _rates(fees: str, commissions: str) -> tuple[Rate, ...]:
    return (Rate(SINCE, Decimal(fees), Decimal(commissions)),)


# By exchange root; each row may hold several dated rates, oldest first. Before the first one, the first one is used.
TABLE: dict[str, tuple[Rate, ...]] = {
    "ES": _rates("1.40", "0"),  # seen on fills
    "MYM": _rates("0.37", "0.25"),  # seen on fills
    "MNQ": _rates("0.37", "0"),  # seen on fills
    "ZB": _rates("0.89", "0.50"),  # seen on fills
    "MBT": _rates("2.52", "0.25"),  # exchange fee 2.50 and clearing
    "MET": _rates("0.22", "0.25"),  # exchange fee 0.20 and clearing
    "NKD": _rates("2.17", "0.50"),  # exchange fee 2.15 and clearing
    "QM": _rates("1.22", "0.50"),  # exchange fee 1.20 and clearing
    "QG": _rates("0.52", "0.50"),  # exchange fee 0.50 and clearing
    "E7": _rates("0.87", "0.50"),  # exchange fee 0.85 and clearing
}
# For roots without a row of their own, by product group: full contracts, then micros.
GROUPS: dict[str, tuple[tuple[Rate, ...], tuple[Rate, ...]]] = {
    "index": (_rates("1.40", "0"), _rates("0.37", "0.25")),  # as ES and MYM, seen on fills
    "fx": (_rates("1.62", "0.50"), _rates("0.26", "0.25")),  # exchange fees 1.60 and 0.24
    "rates": (_rates("0.89", "0.50"), _rates("0.30", "0.25")),  # as ZB, seen on fills; ZT to ZN are cheaper
    "energy": (_rates("1.52", "0.50"), _rates("0.52", "0.25")),  # exchange fees 1.50 and 0.50
    "metals": (_rates("1.62", "0.50"), _rates("0.62", "0.25")),  # exchange fees 1.60 and 0.60
    "grains": (_rates("2.15", "0.50"), _rates("0.52", "0.25")),  # exchange fee 2.13
    "livestock": (_rates("2.12", "0.50"), _rates("0.52", "0.25")),  # exchange fee 2.10
    "crypto": (_rates("6.00", "0.50"), _rates("2.52", "0.25")),  # exchange fees 6.00 and 2.50
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Costs of a backtest.

    Parameters
    ----------
    slippage_ticks : int
        Ticks against us on each market and stop fill; 1 unless you say otherwise, because nobody fills at the middle.
    fees_usd, commissions_usd : Decimal, float or str, optional
        USD per contract and side instead of the table's.

    Examples
    --------
    >>> from workbench.domain.contract import spec
    >>> Costs().per_side(spec("MYM"), date(2025, 9, 2))
    Decimal('0.62')
    >>> Costs(fees_usd="0.50", commissions_usd=0).per_side(spec("ES"), date(2025, 9, 2))
    Decimal('0.50')
    """

    slippage_ticks: int = 1
    fees_usd: Decimal | float | str | None = None
    commissions_usd: Decimal | float | str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.slippage_ticks, bool) or self.slippage_ticks != int(self.slippage_ticks):
            raise InputError(f"slippage_ticks={self.slippage_ticks!r} must be a whole number of ticks")
        if self.slippage_ticks < 0:
            raise InputError(f"slippage_ticks={self.slippage_ticks} must not be negative: nobody is paid for waiting")
        for name in ("fees_usd", "commissions_usd"):
            value = getattr(self, name)
            if value is not None and (_money(value, name) < 0):
                raise InputError(f"{name}={value} must not be negative")

    def per_side(self, product: ContractSpec, on: date) -> Decimal:
        """Return fees and commissions of one contract on one side, USD."""
        rate = rate_of(product, on)
        fees = rate.fees if self.fees_usd is None else _money(self.fees_usd, "fees_usd")
        extra = rate.commissions if self.commissions_usd is None else _money(self.commissions_usd, "commissions_usd")
        return fees + extra


def rate_of(product: ContractSpec, on: date) -> Rate:
    """Return the table's row for a product on a day; the simulator charges by the same table as the backtest."""
    row = TABLE.get(product.exchange_root) or GROUPS[product.group][product.micro_of is not None]
    valid = [rate for rate in row if rate.valid_from <= on]
    return valid[-1] if valid else row[0]


def _money(value: Decimal | float | str, name: str) -> Decimal:
    try:
        made = Decimal(str(value))
    except ArithmeticError:
        made = Decimal("NaN")
    if not made.is_finite():
        raise InputError(f"{name}={value!r} is not an amount in dollars")
    return made


FREE = Costs(slippage_ticks=0, fees_usd=0, commissions_usd=0)
