"""The written rule of prints to bars, in its array form. `bar_builder.BarBuilder` is the streaming form of the same
rule.

1. Arrival order is the order. Prints carry no id, so equal prints are distinct trades.
2. A print belongs to the bar of its exchange stamp: ``start <= stamp < end``. Bars up to one hour start at UTC clock
   multiples, longer ones on the session open (see `domain.timeframe`).
3. Open is the first print to arrive, close the last, volume the sum of sizes. No print, no bar.
4. A bar is final once the market clock has reached its end. The market clock is the highest of every watermark so far
   and every *earlier* print's stamp.
5. A print whose bar is final is late: it is counted and recorded, and no bar changes. Lateness is per timeframe: a
   print may be late for its minute and in time for its hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.domain.bar import bars_schema
from workbench.domain.errors import InputError
from workbench.domain.timeframe import Timeframe
from workbench.domain.timeframe import timeframe as parse_timeframe

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from workbench.domain.hours import TradingHours

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_FAR = 2**62
_FIRST_ROOM = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class TickBars:
    """Bars built from prints, and the rows of the prints that came too late for them.

    Attributes
    ----------
    bars : polars.DataFrame
        In `bars_schema`, ascending, one row per bar with at least one print.
    late : int64 array
        Row numbers of the late prints.
    """

    bars: pl.DataFrame
    late: Ints


def bars_from_ticks(
    ts: Ints,
    price: Floats,
    size: Ints,
    timeframe: Timeframe | str,
    hours: TradingHours | None,
    watermark: Ints | None = None,
) -> pl.DataFrame:
    """Build the bars of one timeframe from prints in arrival order.

    Parameters
    ----------
    ts : int64 array, UTC ns
        Exchange stamps, in order of arrival (they need not ascend).
    price : float64 array, points
    size : int64 array, contracts
    timeframe : Timeframe or str
    hours : TradingHours
        Of the contract; only bars longer than one hour need it.
    watermark : int64 array, UTC ns, optional
        Market clock at each arrival; 0 where it was not recorded.

    Returns
    -------
    polars.DataFrame
        In `bars_schema`, ascending. The last bar is included although it may still be forming.

    Raises
    ------
    InputError
        When lengths differ or a stamp lies outside the calendar.

    Examples
    --------
    >>> import numpy as np
    >>> ts = np.array([0, 30, 60, 59, 61]) * 1_000_000_000  # the fourth arrives after its minute was final
    >>> frame = bars_from_ticks(ts, np.array([5.0, 7, 6, 99, 4]), np.ones(5, dtype=np.int64), "1m", None)
    >>> frame.select("open", "high", "low", "close", "volume").rows()
    [(5.0, 7.0, 5.0, 7.0, 2), (6.0, 6.0, 4.0, 4.0, 2)]
    """
    return aggregate_ticks(ts, price, size, timeframe, hours, watermark).bars


def aggregate_ticks(
    ts: Ints,
    price: Floats,
    size: Ints,
    timeframe: Timeframe | str,
    hours: TradingHours | None,
    watermark: Ints | None = None,
) -> TickBars:
    """Build bars as `bars_from_ticks` does and say which prints were late."""
    from workbench.ingestion import kernels

    inputs: list[NDArray[Any]] = [_int64(ts), np.ascontiguousarray(price, np.float64), _int64(size)]
    if watermark is not None:
        inputs.append(_int64(watermark))
    if len({len(column) for column in inputs}) > 1:
        lengths = ", ".join(str(len(column)) for column in inputs)
        raise InputError(f"ts, price, size and watermark must be equally long, got {lengths}")
    anchors, step = anchors_of(timeframe, hours, inputs[0])
    kernel: Any = kernels.prints_to_bars if watermark is None else kernels.watched_prints_to_bars
    where = np.zeros(6, np.int64)
    where[kernels.START], where[kernels.END], where[kernels.CLOCK] = _FAR, -_FAR, -_FAR
    columns, late = _columns(_FIRST_ROOM), np.empty(_FIRST_ROOM, np.int64)
    while not kernel(*inputs, anchors, step, where, *columns, late):
        if where[kernels.BARS] == len(columns[0]):
            columns = [_doubled(column) for column in columns]
        if where[kernels.LATE] == len(late):
            late = _doubled(late)
    return TickBars(
        bars=_frame(columns, int(where[kernels.BARS])),
        late=late[: where[kernels.LATE]].copy(),
    )


def bars_from_bars(
    bars: pl.DataFrame,
    source: Timeframe | str,
    timeframe: Timeframe | str,
    hours: TradingHours | None,
) -> pl.DataFrame:
    """Build longer bars from shorter ones of the same contract.

    Parameters
    ----------
    bars : polars.DataFrame
        In `bars_schema`, ascending by `ts`.
    source, timeframe : Timeframe or str
        What `bars` are, and what is wanted; every wanted bar must be a whole number of source bars.
    hours : TradingHours

    Returns
    -------
    polars.DataFrame
        In `bars_schema`. The last bar is included although it may still be forming.

    Raises
    ------
    InputError
        When the timeframe is not longer than the source or not a whole number of it, or when rows do not ascend.
    """
    from workbench.ingestion import kernels

    source, wanted = _parsed(source), _parsed(timeframe)
    require_divisible(source, wanted)
    ts = bars["ts"].to_physical().to_numpy()
    if len(ts) > 1 and not (ts[1:] > ts[:-1]).all():
        row = int(np.argmin(ts[1:] > ts[:-1])) + 1
        raise InputError(f"bars must ascend by ts: row {row} does not follow row {row - 1}; sort them and drop repeats")
    anchors, step = anchors_of(wanted, hours, ts)
    values = [np.ascontiguousarray(bars[name].to_numpy(), np.float64) for name in ("open", "high", "low", "close")]
    columns = _columns(len(ts))
    fold: Any = kernels.bars_to_bars
    count = fold(_int64(ts), *values, _int64(bars["volume"].to_numpy()), anchors, step, *columns)
    return _frame(columns, int(count))


def require_divisible(source: Timeframe, wanted: Timeframe) -> None:
    """Raise InputError unless bars of `wanted` are made of whole bars of `source`."""
    whole = (wanted.daily and (not source.daily or source.text == "1d")) or wanted.seconds % source.seconds == 0
    if wanted.seconds <= source.seconds or not whole:
        raise InputError(f"{wanted} bars cannot be built from {source} bars: they are not a whole number of them")


def anchors_of(timeframe: Timeframe | str, hours: TradingHours | None, ts: Ints | None = None) -> tuple[Ints, int]:
    """Return the (anchors, step) in ns that `kernels` describes; check that `ts` lies inside the calendar.

    Raises
    ------
    InputError
        When a stamp lies before the first or after the last session of the calendar.
    """
    wanted = _parsed(timeframe)
    if not wanted.anchored:
        return np.empty(0, np.int64), wanted.length
    if hours is None:
        raise InputError(f"{wanted} bars are anchored on the session open: trading hours are needed")
    anchors = hours.period_opens(wanted.period or "day")
    if ts is not None and len(ts) and (ts.min() < anchors[0] or ts.max() >= anchors[-1]):
        first, last = np.array([ts.min(), ts.max()]).astype("datetime64[ns]").astype("datetime64[s]")
        raise InputError(
            f"stamps from {first} to {last} UTC leave the calendar of {hours.group} "
            f"({hours.dates[0]} to {hours.dates[-1]}); "
            "check the time zone and the unit of the stamps"
        )
    return np.ascontiguousarray(anchors, np.int64), _FAR if wanted.daily else wanted.length


def _parsed(timeframe: Timeframe | str) -> Timeframe:
    return parse_timeframe(timeframe) if isinstance(timeframe, str) else timeframe


def _int64(values: Any) -> Ints:
    return np.ascontiguousarray(values, np.int64)


def _columns(room: int) -> list[NDArray[Any]]:
    return [
        np.empty(room, np.int64),
        *(np.empty(room, np.float64) for _ in range(4)),
        np.empty(room, np.int64),
    ]


def _doubled(values: NDArray[Any]) -> NDArray[Any]:
    grown = np.empty(2 * len(values), values.dtype)
    grown[: len(values)] = values
    return grown


def _frame(columns: list[NDArray[Any]], count: int) -> pl.DataFrame:
    import polars as pl

    schema = bars_schema()
    return pl.DataFrame(
        [
            pl.Series(name, column[:count].copy()).cast(dtype)
            for column, (name, dtype) in zip(columns, schema.items(), strict=True)
        ]
    )
