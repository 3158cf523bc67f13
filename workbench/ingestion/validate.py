"""The door: what may enter the store, what goes to quarantine and why, what is only flagged.

A row that fails goes to quarantine under its first reason, in this order:

========================  =============================================================================================
reason                    meaning
========================  =============================================================================================
``no_stamp``              the stamp is missing, or past the year 2262
``wrong_contract``        the row names another contract than the one it was offered for
``not_finite``            a price, volume or size is missing, NaN or infinite
``bad_volume``            a bar's volume is negative or fractional; a tick's size is not a positive whole number
``bad_ohlc``              high is not the highest, or low not the lowest, of the four prices
``off_tick``              a price is not a whole number of ticks
``outside_calendar``      the stamp lies before or after every known session: usually a wrong unit
``misaligned``            the stamp is not the start of a bar of this timeframe
``duplicate``             a repeat of an equal row with the same start; the first one entered
``conflict``              rows with the same start but different values; none of them entered
========================  =============================================================================================

Only counted: rows out of order (bars are sorted, ticks keep their order of arrival), rows outside the trading hours
(hours change over the years), bars without volume, rows after the contract's expiry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.domain.bar import AGGRESSOR_UNKNOWN, bars_schema, ticks_schema
from workbench.domain.contract import Contract, parse_contract, ticks_of
from workbench.domain.errors import InputError
from workbench.domain.hours import at_local
from workbench.domain.timeframe import Timeframe

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from workbench.domain.hours import TradingHours

MOST_CONTRACTS = 1e12  # in one bar: more is a price or a stamp that was read as volume
PRICES = ("open", "high", "low", "close")
REASONS = (
    "no_stamp wrong_contract not_finite bad_volume bad_ohlc off_tick outside_calendar misaligned duplicate conflict"
).split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What passed the door and what did not.

    Attributes
    ----------
    good : polars.DataFrame
        In `bars_schema` (ascending) or `ticks_schema` (order of arrival).
    bad : polars.DataFrame
        The other rows as they came, with `row` (number in the input, from 0) and `reason`.
    disordered, outside_hours, without_volume, after_expiry : int
        Counts over the good rows (`disordered`: rows behind an earlier row's stamp).
    """

    good: pl.DataFrame
    bad: pl.DataFrame
    disordered: int = 0
    outside_hours: int = 0
    without_volume: int = 0
    after_expiry: int = 0

    @property
    def flagged(self) -> int:
        """How many good rows carry a flag; a row with two flags counts twice."""
        return self.outside_hours + self.without_volume + self.after_expiry

    def reasons(self) -> dict[str, int]:
        """Return the number of bad rows by reason, in the order of the table above."""
        counts = dict(self.bad["reason"].value_counts().iter_rows())
        return {reason: counts[reason] for reason in REASONS if reason in counts}


def check_bars(frame: pl.DataFrame, contract: Contract, timeframe: Timeframe, hours: TradingHours) -> Checked:
    """Judge every row of a frame of bars.

    Parameters
    ----------
    frame : polars.DataFrame
        Columns ``ts`` (with a time zone), ``open high low close`` (points), ``volume``; a ``contract`` column is
        compared.
    contract : Contract
    timeframe : Timeframe
    hours : TradingHours

    Raises
    ------
    InputError
        When a column is missing or of the wrong kind: then no row can be judged.
    """
    import polars as pl

    rows = _typed(frame, [*PRICES, "volume"])
    values = [pl.col(name) for name in (*PRICES, "volume")]
    highest, lowest = pl.max_horizontal(*PRICES), pl.min_horizontal(*PRICES)
    verdict = _verdict(
        rows,
        contract,
        not_finite=pl.any_horizontal(~value.is_finite().fill_null(False) for value in values),
        bad_volume=(pl.col("volume") < 0)
        | (pl.col("volume") != pl.col("volume").round())
        | (pl.col("volume") > MOST_CONTRACTS),
        bad_ohlc=(pl.col("high") < highest) | (pl.col("low") > lowest),
    )
    verdict = _on_grid(rows, verdict, contract, PRICES)
    verdict = _on_calendar(rows, verdict, hours, timeframe)
    rows = _repeats(rows.with_columns(verdict))
    disordered = _disordered(rows.filter(pl.col("reason").is_null())["ts"])
    good = rows.filter(pl.col("reason").is_null()).select(list(bars_schema())).cast({"volume": pl.Int64})
    good = good if disordered == 0 else good.sort("ts")
    return _checked(good, frame, rows, contract, hours, disordered, int((good["volume"] == 0).sum()))


def check_ticks(frame: pl.DataFrame, contract: Contract, hours: TradingHours) -> Checked:
    """Judge every row of a frame of prints; order and repeats are kept, for prints carry no id.

    Parameters
    ----------
    frame : polars.DataFrame
        Columns ``ts`` (with a time zone), ``price`` (points), ``size``; ``side`` and ``watermark`` where they are
        known.
    """
    import polars as pl

    rows = _typed(frame, ["price", "size"])
    verdict = _verdict(
        rows,
        contract,
        not_finite=pl.any_horizontal(~pl.col(name).is_finite().fill_null(False) for name in ("price", "size")),
        bad_volume=(pl.col("size") <= 0)
        | (pl.col("size") != pl.col("size").round())
        | (pl.col("size") > MOST_CONTRACTS),
        bad_ohlc=pl.lit(False),
    )
    verdict = _on_grid(rows, verdict, contract, ("price",))
    verdict = _on_calendar(rows, verdict, hours, None)
    rows = rows.with_columns(verdict)
    for name, missing in (("side", AGGRESSOR_UNKNOWN), ("watermark", 0)):
        known = pl.col(name).fill_null(missing) if name in rows.columns else pl.lit(missing)
        rows = rows.with_columns(known.cast(ticks_schema()[name]).alias(name))
    good = rows.filter(pl.col("reason").is_null()).select(list(ticks_schema())).cast({"size": pl.Int64})
    return _checked(good, frame, rows, contract, hours, _disordered(good["ts"]), 0)


def _typed(frame: pl.DataFrame, numbers: list[str]) -> pl.DataFrame:
    import polars as pl

    missing = [name for name in ["ts", *numbers] if name not in frame.columns]
    if missing:
        raise InputError(f"the frame has no column {', '.join(missing)}; it has {', '.join(frame.columns)}")
    if not isinstance(frame["ts"].dtype, pl.Datetime) or frame["ts"].dtype.time_zone is None:
        raise InputError(
            f"ts must be a date-time with a time zone, got {frame['ts'].dtype}; localise it before storing"
        )
    wrong = [name for name in numbers if not frame[name].dtype.is_numeric()]
    if wrong:
        raise InputError(f"{', '.join(wrong)} must be numbers, got {', '.join(str(frame[n].dtype) for n in wrong)}")
    return frame.with_columns(
        # a stamp past the year 2262 has no nanoseconds: it is none
        pl.col("ts").dt.convert_time_zone("UTC").cast(pl.Datetime("ns", "UTC"), strict=False),
        *(pl.col(name).cast(pl.Float64) for name in numbers),
    ).with_row_index("row")


def _verdict(rows: pl.DataFrame, contract: Contract, **failures: pl.Expr) -> pl.Series:
    import polars as pl

    foreign = pl.lit(False)
    if "contract" in rows.columns:
        names = rows["contract"].unique().drop_nulls().to_list()
        ours = [name for name in names if _same_contract(name, contract)]
        foreign = ~pl.col("contract").is_in(ours).fill_null(False)
    reason = pl.when(pl.col("ts").is_null()).then(pl.lit("no_stamp")).when(foreign).then(pl.lit("wrong_contract"))
    for name, failure in failures.items():
        reason = reason.when(failure).then(pl.lit(name))
    return rows.select(reason.otherwise(pl.lit(None, pl.String)).alias("reason"))["reason"]


def is_of_contract(frame: pl.DataFrame, contract: Contract) -> bool:
    """Return True unless a row names another contract, or none where others name one."""
    if "contract" not in frame.columns:
        return True
    return all(name is not None and _same_contract(name, contract) for name in frame["contract"].unique().to_list())


def _same_contract(name: str, contract: Contract) -> bool:
    try:
        return parse_contract(name, near=contract.expiry) == contract
    except InputError:
        return False


def _on_grid(rows: pl.DataFrame, verdict: pl.Series, contract: Contract, prices: tuple[str, ...]) -> pl.Series:
    on_grid = np.ones(rows.height, np.bool_)
    for name in prices:
        on_grid &= ticks_of(rows[name].fill_null(float("nan")).to_numpy(), contract.spec)[1]
    return _also(verdict, ~on_grid, "off_tick")


def _on_calendar(rows: pl.DataFrame, verdict: pl.Series, hours: TradingHours, timeframe: Timeframe | None) -> pl.Series:
    ts = rows["ts"].to_physical().fill_null(0).to_numpy()
    outside = (ts < hours.opens[0]) | (ts >= hours.opens[-1])
    verdict = _also(verdict, outside, "outside_calendar")
    if timeframe is None:
        return verdict
    ts = np.where(outside, hours.opens[0], ts)
    return _also(verdict, timeframe.bar_starts(ts, hours) != ts, "misaligned")


def _also(verdict: pl.Series, fails: NDArray[np.bool_], reason: str) -> pl.Series:
    """Give `reason` to the rows that fail and have no reason yet."""
    import polars as pl

    if not fails.any():
        return verdict
    found = pl.select(pl.when(pl.Series(fails)).then(pl.lit(reason)).otherwise(pl.lit(None, pl.String)))
    return verdict.fill_null(found.to_series()).alias("reason")


def _repeats(rows: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    good = pl.col("reason").is_null()
    stamps = rows.filter(good)["ts"]
    if stamps.n_unique() == len(stamps):
        return rows
    same = [(pl.col(name) == pl.col(name).first()).all().over("ts", "reason") for name in (*PRICES, "volume")]
    first = pl.col("row") == pl.col("row").first().over("ts", "reason")
    alone = pl.len().over("ts", "reason") == 1
    reason = (
        pl.when(~good | alone)
        .then(pl.col("reason"))
        .when(~pl.all_horizontal(same))
        .then(pl.lit("conflict"))
        .when(~first)
        .then(pl.lit("duplicate"))
    )
    return rows.with_columns(reason.alias("reason"))


def _disordered(stamps: pl.Series) -> int:
    ts = stamps.to_physical().to_numpy()
    return int((ts < np.maximum.accumulate(ts)).sum()) if len(ts) else 0


def _checked(
    good: pl.DataFrame,
    frame: pl.DataFrame,
    rows: pl.DataFrame,
    contract: Contract,
    hours: TradingHours,
    disordered: int,
    without_volume: int,
) -> Checked:
    import polars as pl

    bad = rows.filter(pl.col("reason").is_not_null()).select("row", "reason")
    raw = frame.with_row_index("row")
    ts = good["ts"].to_physical().to_numpy()
    expired = at_local(contract.expiry, "17:00")
    return Checked(
        good=good,
        bad=raw.join(bad, on="row", how="inner").sort("row")
        if bad.height
        else raw.head(0).with_columns(reason=pl.lit("")),
        disordered=disordered,
        outside_hours=int((~hours.is_open_array(ts)).sum()) if len(ts) else 0,
        without_volume=without_volume,
        after_expiry=int((ts >= expired).sum()),
    )
