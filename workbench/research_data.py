"""The data behind the calls of a notebook: which bars are meant, where they are, in which form they come."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.domain.contract import Contract, front_month, parse_contract, spec
from workbench.domain.errors import InputError, UnknownContract
from workbench.domain.hours import CHICAGO, TradingHours, local, trading_hours
from workbench.domain.timeframe import TIMEFRAMES, Timeframe
from workbench.domain.timeframe import timeframe as parse_timeframe
from workbench.storage.home import Home
from workbench.storage.home import home as home_at

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from workbench.rules.strategy import Strategy
    from workbench.storage.bars import BarStore
    from workbench.storage.joined import Joined

When = str | date | datetime | int | None
TICKS = "ticks"
_LOOKED_AT = 5_000  # bars tell their timeframe long before their end


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Bars that were asked for, and what is to be told of them.

    Attributes
    ----------
    frame : polars.DataFrame
    sources : list of dict
        The stored timeframes they were joined or built from (see `storage.joined`); empty when they are as stored.
    short : list of dict
        Where they do not reach as far as was asked for: ``trading_dates`` that are missing, and a ``text``.
    """

    frame: pl.DataFrame
    sources: list[dict[str, Any]] = field(default_factory=list)
    short: list[dict[str, Any]] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """Return what there is to be told, for attributes and provenance."""
        return {name: told for name, told in (("sources", self.sources), ("short", self.short)) if told}


def home_of(home: str | Path | Home | None) -> Home:
    """Return the home that is meant: given as one, as a folder, or the environment's."""
    return home if isinstance(home, Home) else home_at(home)


@cache
def store_at(market: Path) -> BarStore:
    """Return the bar store of a market folder, one for each folder."""
    from workbench.storage.bars import BarStore

    return BarStore(market)


def data_for(
    strategy: Strategy, given: Any, contract: str | None, start: When, end: When, place: Home
) -> tuple[Contract, Found]:
    """Return the contract a strategy is to be tested on, and its bars: those given, or those of the store."""
    if given is None:
        chosen = stored_contract(contract or strategy.roots[0], strategy.timeframe, place)
        strategy.require_contract(chosen.id)
        return chosen, find_stored(chosen, strategy.timeframe, start, end, place)
    frame = to_polars(given)
    chosen = contract_of(frame, contract or getattr(given, "attrs", {}).get("contract") or strategy.roots[0])
    if contract is not None:
        _require_same(chosen, contract)
    strategy.require_contract(chosen.id)
    hours = trading_hours(chosen.spec)
    kept = cut(frame, start, end, hours)
    _require_rows(frame, kept, chosen, strategy.timeframe)
    made = _built(kept, chosen, parse_timeframe(strategy.timeframe), hours)
    return chosen, Found(frame=made, short=_short(kept, start, end, hours))


def _require_same(of_frame: Contract, asked: str) -> None:
    full = full_contract(asked)
    if (full.id != of_frame.id) if full is not None else (spec(asked) != of_frame.spec):
        raise InputError(
            f"the frame's column contract says {of_frame.id}, contract={asked!r} says another; leave contract= out, or "
            "give that contract's bars"
        )


def _require_rows(frame: pl.DataFrame, kept: pl.DataFrame, contract: Contract, timeframe: str) -> None:
    if frame.is_empty():
        raise InputError(f"no bars of {contract.id} {timeframe} to test on: the frame has no rows")
    if kept.is_empty():
        first, last = (local(frame["ts"].cast(int)[row]) for row in (0, -1))
        raise InputError(
            f"no bars of {contract.id} {timeframe} to test on between start and end: those given are from "
            f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} Chicago"
        )


def _built(frame: pl.DataFrame, contract: Contract, wanted: Timeframe, hours: TradingHours) -> pl.DataFrame:
    # shorter bars than the strategy decides on are built up, once they have passed the door themselves
    from workbench.backtest.series import series
    from workbench.ingestion.aggregate import bars_from_bars
    from workbench.storage.joined import builds

    given = usual_timeframe(frame)
    if given is None or given.text == wanted.text or not builds(given.text, wanted):
        return frame
    series(frame, contract, given)
    return bars_from_bars(frame, given, wanted, hours)


def usual_timeframe(frame: pl.DataFrame) -> Timeframe | None:
    """Return the timeframe that most bars of a frame are apart; None when there are too few, or they are no bars."""
    import numpy as np
    import polars as pl

    if frame.height < 3 or "close" not in frame.columns:
        return None
    head = frame["ts"].head(_LOOKED_AT).cast(pl.Datetime("ns", "UTC"), strict=False).to_physical().drop_nulls()
    steps, counts = np.unique(np.diff(head.to_numpy()), return_counts=True)
    known = {parse_timeframe(text).length: text for text in TIMEFRAMES}
    found = known.get(int(steps[np.argmax(counts)])) if len(steps) else None
    return None if found is None else parse_timeframe(found)


def contract_of(frame: pl.DataFrame, written: str) -> Contract:
    """Return the contract that a frame of bars belongs to; `written` where the frame does not tell."""
    if "contract" in frame.columns and frame.height:
        names = frame["contract"].unique().to_list()
        if len(names) > 1:
            raise InputError(f"the frame holds bars of {len(names)} contracts ({names[0]}, {names[1]} …); give one")
        return parse_contract(str(names[0]))
    full = full_contract(written)
    if full is not None:
        return full
    last = local(frame["ts"].cast(int).max() or 0).date() if frame.height else date(2025, 1, 1)  # type: ignore[arg-type]
    return front_month(spec(written), last)


def full_contract(written: str) -> Contract | None:
    """Return the contract that `written` names in full; None for a root."""
    try:
        spec_of = spec(written)
    except UnknownContract:
        return parse_contract(written)
    if written.upper() in (spec_of.root, spec_of.exchange_root, spec_of.symbol_id):
        return None
    return parse_contract(written)


def stored_contract(written: str, timeframe: str, place: Home) -> Contract:
    """Return the contract that is named, or of a root the stored one with the newest bars."""
    full = full_contract(written)
    if full is not None:
        return full
    product = spec(written)
    parse_timeframe(timeframe)
    held = [(c.last, c.rows, c.contract) for c in store_at(place.market).coverage() if spec(c.contract) == product]
    if not held:
        raise InputError(f"no bars of {product.exchange_root} in the store{what_is_stored(place)}")
    return parse_contract(max(held)[2])


def what_is_stored(place: Home) -> str:
    """Say what the store holds and how more comes in, for messages."""
    held = sorted({f"{c.contract} {c.timeframe}" for c in store_at(place.market).coverage()})
    told = f"; it holds {', '.join(held[:8])}" if held else f"; {place.market} is empty"
    return f"{told}. workbench data pull or workbench data import brings bars"


def find_stored(contract: Contract, timeframe: str, start: When, end: When, place: Home) -> Found:
    """Return stored bars, joined from all stored timeframes that build them, and what is to be told of them.

    Raises
    ------
    InputError
        There are none; it says from when to when there are.
    """
    hours = trading_hours(contract.spec)
    joined = _joined(contract, timeframe, start, end, place)
    if joined.frame.is_empty():
        raise InputError(_nothing(contract, timeframe, place))
    sources = [source.told() for source in joined.sources]
    return Found(frame=joined.frame, sources=sources, short=_short(joined.frame, start, end, hours))


def read_stored(contract: Contract, timeframe: str, start: When, end: When, place: Home) -> pl.DataFrame:
    """Return stored bars, joined from all stored timeframes that build them; an empty frame when there are none."""
    return _joined(contract, timeframe, start, end, place).frame


def _joined(contract: Contract, timeframe: str, start: When, end: When, place: Home) -> Joined:
    from workbench.storage.joined import read_joined

    hours, wanted = trading_hours(contract.spec), parse_timeframe(timeframe)
    first, last = _instant(start, hours, last=False), _instant(end, hours, last=True)
    if first is not None and last is not None and first > last:
        raise InputError(f"start={start} lies after end={end}: no bars can be between them")
    return read_joined(store_at(place.market), contract, wanted, hours, first, last)


def _nothing(contract: Contract, timeframe: str, place: Home) -> str:
    from workbench.storage.joined import held_for

    held = held_for(store_at(place.market), contract, parse_timeframe(timeframe))
    if not held:
        return f"no {timeframe} bars of {contract.id} in the store{what_is_stored(place)}"
    first, last = _said(min(c.first for c in held)), _said(max(c.last for c in held))
    return (
        f"no {timeframe} bars of {contract.id} between start and end: the store has them from {first} to {last} "
        "Chicago. workbench data pull or workbench data import brings more"
    )


def _short(frame: pl.DataFrame, start: When, end: When, hours: TradingHours) -> list[dict[str, Any]]:
    # By trading date: that the first trade of a date came a little after its open is no lack. An empty frame is refused
    # elsewhere.
    import numpy as np

    if frame.is_empty():
        return []
    stamps = frame["ts"].cast(int)
    asked = (_instant(start, hours, last=False), _instant(end, hours, last=True))
    made = []
    if asked[0] is not None:
        wanted = int(np.searchsorted(hours.closes, asked[0], "right"))  # the first date that has not closed by then
        lacking = int(np.searchsorted(hours.opens, stamps[0], "right")) - 1 - wanted
        text = f"bars from {_said(start)} were asked for, the first is of {_said(stamps[0])} Chicago"
        made.append({"trading_dates": lacking, "text": f"{text}; trading dates missing before it: {lacking:,}"})
    if asked[1] is not None:
        wanted = int(np.searchsorted(hours.opens, asked[1], "left")) - 1  # the last date that has opened by then
        lacking = wanted - (int(np.searchsorted(hours.opens, stamps[-1], "right")) - 1)
        text = f"bars until {_said(end)} were asked for, the last is of {_said(stamps[-1])} Chicago"
        made.append({"trading_dates": lacking, "text": f"{text}; trading dates missing after it: {lacking:,}"})
    return [each for each in made if each["trading_dates"] > 0]


def _said(when: When) -> str:
    return f"{local(when):%Y-%m-%d %H:%M}" if isinstance(when, int) else str(when)


def read_prints(written: str, start: When, end: When, place: Home) -> tuple[pl.DataFrame, Contract]:
    """Return recorded prints (ts, price, size, side), and whose they are: of a root, those that reach the furthest."""
    from workbench.storage.ticks import TickStore

    store, full = TickStore(place.market), full_contract(written)
    held = {c.contract: c.last for c in store.coverage() if full is not None or spec(c.contract) == spec(written)}
    chosen = full or (parse_contract(max(held, key=held.__getitem__)) if held else None)
    if chosen is None or chosen.id not in held:
        raise InputError(
            f"no recorded prints of {written} in the store; those of "
            f"{', '.join(sorted(c.contract for c in store.coverage())) or 'nothing'} are. A desk records what its "
            "sessions trade; workbench data import brings a file"
        )
    hours = trading_hours(chosen.spec)
    found = store.read(chosen, _instant(start, hours, last=False), _instant(end, hours, last=True))
    return found.select("ts", "price", "size", "side"), chosen


def cut(frame: pl.DataFrame, start: When, end: When, hours: TradingHours) -> pl.DataFrame:
    """Return the bars between two moments."""
    import polars as pl

    first, last = _instant(start, hours, last=False), _instant(end, hours, last=True)
    at = pl.col("ts").cast(pl.Int64)
    if first is not None:
        frame = frame.filter(at >= first)
    return frame if last is None else frame.filter(at < last)


def _instant(when: When, hours: TradingHours, *, last: bool) -> int | None:
    if when is None or (isinstance(when, int) and not isinstance(when, bool)):
        return when
    moment: date | datetime
    if isinstance(when, str):
        try:
            moment = date.fromisoformat(when) if len(when) <= 10 else datetime.fromisoformat(when)
        except ValueError:
            raise InputError(f"{when!r} is no date; write 2025-03-17 or 2025-03-17T08:30") from None
    else:
        moment = when
    if isinstance(moment, datetime):
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=CHICAGO)
        return int(zoned.timestamp() * 1_000_000) * 1000
    import numpy as np

    row = int(np.searchsorted(hours.dates, np.datetime64(moment), "right" if last else "left"))
    return int(hours.opens[min(row, len(hours.opens) - 1)])


def to_polars(given: Any) -> pl.DataFrame:
    """Return bars in polars with `ts` in UTC, whatever frame they came in."""
    import polars as pl

    if isinstance(given, pl.DataFrame):
        frame = given
    else:
        import pandas as pd

        if not isinstance(given, pd.DataFrame):
            raise InputError(f"bars must be a pandas or polars frame, not {type(given).__name__}")
        columns = {name: given[name].to_numpy() for name in given.columns if name != "ts"}
        stamps = given["ts"] if "ts" in given.columns else given.index
        if not isinstance(getattr(stamps, "dtype", None), pd.DatetimeTZDtype):
            raise InputError("bars need their start as index or column ts, with a time zone (UTC)")
        ns = pd.DatetimeIndex(stamps).as_unit("ns").asi8
        frame = pl.DataFrame({"ts": ns, **columns}).with_columns(pl.col("ts").cast(pl.Datetime("ns", "UTC")))
    if "ts" not in frame.columns or frame["ts"].dtype.base_type() != pl.Datetime:
        raise InputError(f"bars need a column ts with the start of each bar; there are {', '.join(frame.columns)}")
    if getattr(frame["ts"].dtype, "time_zone", None) is None:
        raise InputError("the column ts has no time zone; say which one it is, such as dt.replace_time_zone('UTC')")
    return frame.with_columns(pl.col("ts").dt.convert_time_zone("UTC").cast(pl.Datetime("ns", "UTC")))


def to_pandas(
    frame: pl.DataFrame, contract: Contract, timeframe: str, told: dict[str, Any] | None = None
) -> pd.DataFrame:
    """Return bars as people get them: by their start, with contract, timeframe, data version, `told` as attributes."""
    import pandas as pd

    from workbench.storage.cache import content_version

    index = pd.DatetimeIndex(frame["ts"].cast(int).to_numpy(), tz="UTC", name="ts")  # type: ignore[arg-type]
    made = pd.DataFrame({name: frame[name].to_numpy() for name in frame.columns if name != "ts"}, index=index)
    made.attrs = {
        "contract": contract.id,
        "timeframe": timeframe,
        "data_version": content_version(frame),
        **(told or {}),
    }
    return made


def data_version(frame: pl.DataFrame) -> str:
    """Return the version of the bars of a frame: a hash of their content, 32 hex digits."""
    from workbench.domain.bar import BAR_COLUMNS
    from workbench.storage.cache import content_version

    return content_version(frame.select([name for name in BAR_COLUMNS if name in frame.columns]))
