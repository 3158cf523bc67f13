"""What a trade costs: fees and commissions per contract and side from a dated table, and slippage in ticks.

Slippage of a fill is a sum, worked out for each bar (each finer bar, when there are some) and rounded half up to ticks:
a constant, a fraction of the bar's range, extra ticks for the hour of the day, and the move to expect while the order
is on its way. Market, stop and liquidation fills pay it, limits never do.

Sources of the table, and how far to trust them: the figures of MYM, MNQ, ZB and ES were seen in account histories of
2025 and 2026; the others are exchange fees for non-members plus clearing and commission as commonly charged, rounded
up. They change: compare them with your own statement, and pass `Costs(fees_usd=…, commissions_usd=…)` instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from workbench.domain.contract import ContractSpec
from workbench.domain.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from workbench.backtest.series import Series

    Int64Array = npt.NDArray[np.int64]
    FloatArray = npt.NDArray[np.float64]

E4 = 10_000  # money inside is whole 1/10,000 USD
MOST_TICKS = 1_000_000
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
    range_fraction : float
        Of the range (high − low) of the bar of the fill, added to it: 0.1 of a bar of 20 ticks is 2 ticks more.
    by_hour : mapping, optional
        Extra ticks by hour of the day in Chicago (0 to 23): ``{15: 1, 17: 3}``.
    latency_s : float
        Seconds between decision and fill. Adds range · √(latency / length of the bar): how far a price without drift
        goes in that time, if the bar's range is what it goes in the bar's; always against us.
    fees_usd, commissions_usd : Decimal, float or str, optional
        USD per contract and side instead of the table's; whole 1/10,000 USD.
    margin_usd : Decimal, float, str or None
        USD of margin per contract that an entry needs, or ``"exchange"`` for the dated table of
        `workbench.backtest.margin`. None, the default, checks no margin: the account programmes limit contracts.

    Examples
    --------
    >>> from workbench.domain.contract import spec
    >>> Costs().per_side(spec("MYM"), date(2025, 9, 2))
    Decimal('0.62')
    >>> Costs(fees_usd="0.50", commissions_usd=0).per_side(spec("ES"), date(2025, 9, 2))
    Decimal('0.50')
    >>> Costs(by_hour={15: 2}).by_hour
    ((15, 2),)
    """

    slippage_ticks: int = 1
    range_fraction: float = 0.0
    by_hour: Mapping[int, int] | tuple[tuple[int, int], ...] = ()
    latency_s: float = 0.0
    fees_usd: Decimal | float | str | None = None
    commissions_usd: Decimal | float | str | None = None
    margin_usd: Decimal | float | str | None = None

    def __post_init__(self) -> None:
        _require_ticks(self.slippage_ticks, "slippage_ticks")
        _require_amount(self.range_fraction, "range_fraction", 10.0)
        _require_amount(self.latency_s, "latency_s", 3600.0)
        object.__setattr__(self, "by_hour", _hours(self.by_hour))
        for name in ("fees_usd", "commissions_usd", "margin_usd"):
            value = getattr(self, name)
            if value is not None and not (name == "margin_usd" and value == "exchange") and _money(value, name) < 0:
                raise InputError(f"{name}={value} must not be negative")

    @property
    def is_flat(self) -> bool:
        """Whether slippage is the same number of ticks everywhere."""
        return not (self.range_fraction or self.by_hour or self.latency_s)

    def per_side(self, product: ContractSpec, on: date) -> Decimal:
        """Return fees and commissions of one contract on one side, USD."""
        return self._of(rate_of(product, on))

    def told(self, product: ContractSpec, on: date) -> dict[str, Any]:
        """Return the costs as the provenance of a result names them; what is not used is left out."""
        told: dict[str, Any] = {"slippage_ticks": self.slippage_ticks}
        if self.range_fraction:
            told["range_fraction"] = self.range_fraction
        if self.by_hour:
            told["by_hour"] = {str(hour): ticks for hour, ticks in _hours(self.by_hour)}
        if self.latency_s:
            told["latency_s"] = self.latency_s
        told["per_side_usd"] = str(self.per_side(product, on))
        if self.margin_usd is not None:
            told["margin_usd"] = str(self.margin_usd)
        return told

    def _of(self, rate: Rate) -> Decimal:
        fees = rate.fees if self.fees_usd is None else _money(self.fees_usd, "fees_usd")
        extra = rate.commissions if self.commissions_usd is None else _money(self.commissions_usd, "commissions_usd")
        return fees + extra


def costs_of(given: Costs | None) -> Costs:
    """Return the costs that were given, the usual ones for None; raise InputError for anything else."""
    if given is None or isinstance(given, Costs):
        return given or Costs()
    raise InputError(f"costs must be wb.Costs, such as wb.Costs(slippage_ticks=2), not {type(given).__name__}")


def rate_of(product: ContractSpec, on: date) -> Rate:
    """Return the table's row for a product on a day; the simulator charges by the same table as the backtest."""
    rates = rates_of(product)
    valid = [rate for rate in rates if rate.valid_from <= on]
    return valid[-1] if valid else rates[0]


def rates_of(product: ContractSpec) -> tuple[Rate, ...]:
    """Return all dated rows of a product, oldest first."""
    return TABLE.get(product.exchange_root) or GROUPS[product.group][product.micro_of is not None]


def fees_e4(costs: Costs, product: ContractSpec, starts: Int64Array, *, single: bool = False) -> Int64Array:
    """Return what one contract costs on one side at each instant.

    Parameters
    ----------
    costs : Costs
    product : ContractSpec
    starts : int64 array
        Ascending, UTC ns: a new rate holds from midnight in Chicago.
    single : bool
        Whether one value will do where it is the same at all of them.

    Returns
    -------
    int64 array
        1/10,000 USD, as long as `starts`, or one value.

    Examples
    --------
    >>> import numpy as np
    >>> from workbench.domain.contract import spec
    >>> fees_e4(Costs(), spec("MES"), np.array([1_756_819_800_000_000_000]))
    array([6200])
    """
    import numpy as np

    from workbench.domain.hours import at_local

    rates = rates_of(product)
    amounts = np.array([int(costs._of(rate) * E4) for rate in rates], dtype=np.int64)
    begins = np.array([at_local(rate.valid_from, "00:00") for rate in rates[1:]], dtype=np.int64)
    instants = np.asarray(starts, dtype=np.int64)
    edges = np.concatenate([[0], np.searchsorted(instants, begins), [len(instants)]])
    held = np.flatnonzero(np.diff(edges))
    if single and len(held) <= 1:
        return amounts[held]
    chosen: Int64Array = np.repeat(amounts, np.diff(edges))
    return chosen


def slippage_ticks(bars: Series, costs: Costs, *, single: bool = False) -> Int64Array:
    """Return the slippage of a fill in each bar, or in each finer bar if `bars` has an inner series.

    Parameters
    ----------
    bars : Series
    costs : Costs
    single : bool
        Whether one value will do where it is the same everywhere.

    Returns
    -------
    int64 array
        Ticks against us, ≥ 0; one per finer bar, else one per bar. A single print has no range: the range and the
        length of its bar stand in for it.
    """
    import numpy as np

    inner = bars.inner
    starts = bars.starts if inner is None else inner.starts
    if costs.is_flat:
        return np.full(1 if single else len(starts), costs.slippage_ticks, dtype=np.int64)
    total = np.full(len(starts), float(costs.slippage_ticks))
    ranges, lengths = (bars.ticks[1] - bars.ticks[2]).astype(np.float64), (bars.ends - bars.starts).astype(np.float64)
    if inner is not None:
        ranges, lengths = np.repeat(ranges, np.diff(inner.offsets)), np.repeat(lengths, np.diff(inner.offsets))
        own = ~inner.prints
        ranges[own] = (inner.ticks[1] - inner.ticks[2])[own]
        lengths[own] = (inner.ends - inner.starts)[own]
    total += costs.range_fraction * ranges
    if costs.latency_s:
        total += ranges * np.sqrt(np.minimum(1.0, costs.latency_s * 1e9 / lengths))
    if costs.by_hour:
        total += _extra(starts, dict(_hours(costs.by_hour)))
    return np.floor(total + 0.5).astype(np.int64)


def _extra(starts: Int64Array, by_hour: dict[int, int]) -> FloatArray:
    # the hour in Chicago is looked up once for each hour of UTC that occurs
    import numpy as np

    from workbench.domain.hours import local

    hour = 3_600_000_000_000
    seen, where = np.unique(starts // hour, return_inverse=True)
    extra = np.array([by_hour.get(local(each * hour).hour, 0) for each in seen.tolist()], dtype=np.float64)
    chosen: FloatArray = extra[where]
    return chosen


def _hours(given: Any) -> tuple[tuple[int, int], ...]:
    if not isinstance(given, Mapping | tuple):
        raise InputError(f"by_hour={given!r} must map hours of the day in Chicago to ticks, such as {{15: 1}}")
    pairs = dict(given)
    for hour, ticks in pairs.items():
        if isinstance(hour, bool) or not isinstance(hour, int) or not 0 <= hour <= 23:
            raise InputError(f"by_hour: {hour!r} is no hour of the day; write 0 to 23 (Chicago)")
        _require_ticks(ticks, f"by_hour[{hour}]")
    return tuple(sorted((hour, int(ticks)) for hour, ticks in pairs.items()))


def _require_ticks(value: Any, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value % 1:
        raise InputError(f"{name}={value!r} must be a whole number of ticks")
    if value < 0:
        raise InputError(f"{name}={value} must not be negative: nobody is paid for waiting")
    if value > MOST_TICKS:
        raise InputError(f"{name}={value} is more than {MOST_TICKS:,} ticks")


def _require_amount(value: Any, name: str, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{name}={value!r} must be a number")
    if not 0 <= value <= most:
        raise InputError(f"{name}={value} must lie between 0 and {most:g}")


def _money(value: Decimal | float | str, name: str) -> Decimal:
    try:
        made = Decimal(str(value))
    except ArithmeticError:
        made = Decimal("NaN")
    if not made.is_finite():
        raise InputError(f"{name}={value!r} is not an amount in dollars")
    if made * E4 % 1:
        raise InputError(f"{name}={value} is finer than 1/10,000 USD, which is what money is counted in")
    return made


FREE = Costs(slippage_ticks=0, fees_usd=0, commissions_usd=0)
