"""What a notebook calls: bars from the store, strategies, backtests. Synchronous; nothing is started or sent."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.backtest.costs import Costs
from workbench.domain.contract import Contract, front_month, parse_contract, spec
from workbench.domain.errors import InputError, UnknownContract
from workbench.domain.hours import CHICAGO, TradingHours, local, trading_hours
from workbench.domain.timeframe import TIMEFRAMES
from workbench.domain.timeframe import timeframe as parse_timeframe
from workbench.storage.home import Home
from workbench.storage.home import home as home_at

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from workbench.backtest.result import Result
    from workbench.ingestion.quality import Quality
    from workbench.risk.limits import Limits
    from workbench.rules.strategy import Strategy
    from workbench.storage.bars import BarStore

When = str | date | datetime | int | None
_NS = 1_000_000_000


def bars(
    contract: str, timeframe: str, start: When = None, end: When = None, *, home: str | Path | Home | None = None
) -> pd.DataFrame:
    """Return stored bars of a contract.

    Parameters
    ----------
    contract : str
        Contract id or code, or a root: then the contract of that root with the newest bars.
    timeframe : str
        1s … 1mo. What is not stored is built from stored shorter bars.
    start, end : date, datetime, str or int, optional
        A day means the exchange's trading date, the last one included; a time without a zone is Chicago time; an int is
        UTC ns. Both are open when left out.

    Returns
    -------
    pandas.DataFrame
        Columns open, high, low, close (points), volume; indexed by the START of the bar, UTC. `attrs` names contract,
        timeframe and data version.

    Raises
    ------
    InputError
        Unknown contract or timeframe, or nothing stored of it.
    """
    place = _home(home)
    chosen = _stored_contract(contract, timeframe, place)
    frame = _read(chosen, timeframe, start, end, place)
    if frame.is_empty():
        raise InputError(f"no {timeframe} bars of {chosen.id} in the store{_stored(place)}")
    return _to_pandas(frame, chosen, timeframe)


def quality(
    contract: str, timeframe: str = "1m", start: When = None, end: When = None, *, home: str | Path | Home | None = None
) -> Quality:
    """Return the quality report of stored bars: gaps against the calendar, counts, what was put into quarantine."""
    from workbench.ingestion.quality import quality as judge

    place = _home(home)
    chosen = _stored_contract(contract, timeframe, place)
    frame, hours = _read(chosen, timeframe, start, end, place), trading_hours(chosen.spec)
    rejected = _store(place.market).quarantine.read(chosen.id, parse_timeframe(timeframe).text)
    return judge(frame, chosen, parse_timeframe(timeframe), hours, rejected)


def load_strategy(what: str | Path | Strategy, *, home: str | Path | Home | None = None) -> Strategy:
    """Return a strategy: from a file, from YAML text, by the name of a shipped one, or by a registered version.

    Raises
    ------
    InputError
        Nothing goes by that name, or the file is wrong: with the line, and what to write instead.
    """
    from workbench.rules.load import parse_strategy
    from workbench.rules.strategy import Strategy
    from workbench.services.strategies import resolve_strategy
    from workbench.storage.registry import Registry

    if isinstance(what, Strategy):
        return what
    if isinstance(what, str) and "\n" in what:
        return parse_strategy(what)
    return resolve_strategy(str(what), Registry(_home(home)))


def backtest(
    strategy: str | Path | Strategy,
    bars: pd.DataFrame | pl.DataFrame | None = None,
    *,
    contract: str | None = None,
    start: When = None,
    end: When = None,
    timeframe: str | None = None,
    costs: Costs | None = None,
    limits: Limits | None = None,
    touch: bool = False,
    home: str | Path | Home | None = None,
    **parameters: Any,
) -> Result:
    """Run a strategy over closed bars with the live decision code, and return what it would have done.

    Parameters
    ----------
    strategy : str, Path or Strategy
        As `load_strategy` takes it.
    bars : pandas or polars frame, optional
        Bars to run on (columns open, high, low, close, volume; start of the bar as index or column ``ts``, with a time
        zone); left out, those of the store.
    contract : str, optional
        Contract id, code or root; left out, that of the frame or the newest stored one of the strategy's first root.
    start, end : optional
        As in `bars`.
    timeframe : str, optional
        Run the rules on other bars than the strategy is written for; that is another version.
    costs : Costs, optional
        Fees, commissions and slippage; by default the dated table and one tick.
    limits : Limits, optional
        The gate's limits; by default those an account starts with.
    touch : bool
        Let limit orders fill when their price is only touched.
    **parameters
        Values for declared parameters.

    Raises
    ------
    InputError
        Anything wrong with the strategy, a parameter, the bars or the contract.
    """
    from workbench.backtest.prepared import Prepared
    from workbench.backtest.result import Result
    from workbench.backtest.series import series
    from workbench.risk.limits import Limits
    from workbench.storage.home import write_durably

    chosen = load_strategy(strategy, home=home)
    if timeframe is not None:
        chosen = chosen.with_timeframe(timeframe)
    chosen = chosen.with_parameters(**parameters)
    place = _home(home)
    traded, frame = _data(chosen, bars, contract, start, end, place)
    data = series(frame, traded, parse_timeframe(chosen.timeframe))
    costs, limits = costs or Costs(), limits or Limits()
    played = Prepared(series=data, costs=costs, limits=limits, touch=touch).run(chosen)
    provenance = _provenance(chosen, frame, traded, costs, limits, touch)
    return Result(chosen, data, played, provenance=provenance, writer=write_durably)


def read_bars(path: str | Path) -> pl.DataFrame:
    """Return the bars of a Parquet file, as `backtest` takes them.

    Raises
    ------
    InputError
        No such file, or not a Parquet file.
    """
    import polars as pl

    try:
        return _to_polars(pl.read_parquet(path))
    except FileNotFoundError:
        raise InputError(f"no file {path}") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} is not a readable Parquet file: {error}") from None


# --- inside ---


def _home(home: str | Path | Home | None) -> Home:
    return home if isinstance(home, Home) else home_at(home)


@cache
def _store(market: Path) -> BarStore:
    from workbench.storage.bars import BarStore

    return BarStore(market)


def _data(
    strategy: Strategy, given: Any, contract: str | None, start: When, end: When, place: Home
) -> tuple[Contract, pl.DataFrame]:
    if given is None:
        chosen = _stored_contract(contract or strategy.roots[0], strategy.timeframe, place)
        strategy.require_contract(chosen.id)
        frame = _read(chosen, strategy.timeframe, start, end, place)
        if frame.is_empty():
            raise InputError(f"no {strategy.timeframe} bars of {chosen.id} in the store{_stored(place)}")
        return chosen, frame
    frame = _to_polars(given)
    chosen = _contract_of(frame, contract or getattr(given, "attrs", {}).get("contract") or strategy.roots[0])
    strategy.require_contract(chosen.id)
    return chosen, _cut(frame, start, end, trading_hours(chosen.spec))


def _contract_of(frame: pl.DataFrame, written: str) -> Contract:
    if "contract" in frame.columns and frame.height:
        names = frame["contract"].unique().to_list()
        if len(names) > 1:
            raise InputError(f"the frame holds bars of {len(names)} contracts ({names[0]}, {names[1]} …); give one")
        return parse_contract(str(names[0]))
    last = local(frame["ts"].cast(int).max() or 0).date() if frame.height else date(2025, 1, 1)  # type: ignore[arg-type]
    return _contract(written) or front_month(spec(written), last)


def _contract(written: str) -> Contract | None:
    """Return the contract that `written` names in full; None for a root."""
    try:
        spec_of = spec(written)
    except UnknownContract:
        return parse_contract(written)
    if written.upper() in (spec_of.root, spec_of.exchange_root, spec_of.symbol_id):
        return None
    return parse_contract(written)


def _stored_contract(written: str, timeframe: str, place: Home) -> Contract:
    full = _contract(written)
    if full is not None:
        return full
    product = spec(written)
    parse_timeframe(timeframe)
    held = [(c.last, c.rows, c.contract) for c in _store(place.market).coverage() if spec(c.contract) == product]
    if not held:
        raise InputError(f"no bars of {product.exchange_root} in the store{_stored(place)}")
    return parse_contract(max(held)[2])


def _stored(place: Home) -> str:
    held = sorted({f"{c.contract} {c.timeframe}" for c in _store(place.market).coverage()})
    told = f"; it holds {', '.join(held[:8])}" if held else f"; {place.market} is empty"
    return f"{told}. workbench data pull or workbench data import brings bars"


def _read(contract: Contract, timeframe: str, start: When, end: When, place: Home) -> pl.DataFrame:
    from workbench.ingestion.aggregate import bars_from_bars

    hours, wanted = trading_hours(contract.spec), parse_timeframe(timeframe)
    first, last = _instant(start, hours, last=False), _instant(end, hours, last=True)
    store = _store(place.market)
    held = [c.timeframe for c in store.coverage() if c.contract == contract.id]
    if wanted.text not in held:
        shorter = [t for t in TIMEFRAMES if t in held and _builds(t, wanted.text)]
        if shorter:
            return bars_from_bars(store.read(contract, shorter[-1], first, last), shorter[-1], wanted, hours)
    return store.read(contract, wanted, first, last)


def _builds(source: str, wanted: str) -> bool:
    from workbench.ingestion.aggregate import require_divisible

    try:
        require_divisible(parse_timeframe(source), parse_timeframe(wanted))
    except InputError:
        return False
    return True


def _cut(frame: pl.DataFrame, start: When, end: When, hours: TradingHours) -> pl.DataFrame:
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


def _to_polars(given: Any) -> pl.DataFrame:
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


def _to_pandas(frame: pl.DataFrame, contract: Contract, timeframe: str) -> pd.DataFrame:
    import pandas as pd

    from workbench.storage.cache import content_version

    index = pd.DatetimeIndex(frame["ts"].cast(int).to_numpy(), tz="UTC", name="ts")  # type: ignore[arg-type]
    made = pd.DataFrame({name: frame[name].to_numpy() for name in frame.columns if name != "ts"}, index=index)
    made.attrs = {"contract": contract.id, "timeframe": timeframe, "data_version": content_version(frame)}
    return made


def _provenance(
    strategy: Strategy, frame: pl.DataFrame, contract: Contract, costs: Costs, limits: Limits, touch: bool
) -> dict[str, Any]:
    import msgspec
    import polars as pl

    from workbench.domain.bar import BAR_COLUMNS
    from workbench.rules.strategy import SEMANTICS
    from workbench.services.version import program_version
    from workbench.storage.cache import content_version

    stamps = frame["ts"].cast(pl.Int64)
    return {
        "strategy": {"name": strategy.name, "version": strategy.version, "semantics": SEMANTICS},
        "parameters": dict(strategy.values),
        "data": {
            "contract": contract.id,
            "timeframe": strategy.timeframe,
            "first": f"{local(stamps[0]):%Y-%m-%d %H:%M}",
            "last": f"{local(stamps[-1]):%Y-%m-%d %H:%M}",
            "bars": frame.height,
            "version": content_version(frame.select([name for name in BAR_COLUMNS if name in frame.columns])),
        },
        "program": program_version(),
        "engine": "event",
        "costs": {
            "slippage_ticks": costs.slippage_ticks,
            "per_side_usd": str(costs.per_side(contract.spec, local(stamps[-1]).date())),
        },
        "limits": msgspec.to_builtins(limits),
        "limit_orders": "touch" if touch else "trade through",
    }
