"""What a notebook calls: bars from the store, strategies, backtests. Synchronous; nothing is started or sent."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.backtest.costs import Costs, costs_of
from workbench.domain.errors import InputError
from workbench.domain.hours import local, trading_hours
from workbench.domain.timeframe import timeframe as parse_timeframe
from workbench.research_data import (
    TICKS,
    Found,
    When,
    data_for,
    data_version,
    find_stored,
    home_of,
    read_prints,
    read_stored,
    store_at,
    stored_contract,
    to_pandas,
    to_polars,
    usual_timeframe,
)
from workbench.storage.home import Home

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import polars as pl

    from workbench.backtest.detectors import Findings
    from workbench.backtest.played import Played
    from workbench.backtest.prepared import Prepared
    from workbench.backtest.series import Series
    from workbench.backtest.together import Together
    from workbench.domain.account import AccountProgramme
    from workbench.ingestion.quality import Quality
    from workbench.risk.limits import Limits
    from workbench.rules.python.authoring import Strategy

FINER = "auto"


def bars(
    contract: str, timeframe: str, start: When = None, end: When = None, *, home: str | Path | Home | None = None
) -> pd.DataFrame:
    """Return stored bars of a contract.

    Parameters
    ----------
    contract : str
        Contract id or code, or a root: then the contract of that root with the newest bars.
    timeframe : str
        1s … 1mo. What is not stored of it is built from stored shorter bars. ``"ticks"``: the recorded prints.
    start, end : date, datetime, str or int, optional
        A day means the exchange's trading date, the last one included; a time without a zone is Chicago time; an int is
        UTC ns. Both are open when left out.

    Returns
    -------
    pandas.DataFrame
        Columns open, high, low, close (points), volume; indexed by the START of the bar, UTC. Of prints price, size and
        side (0 buy, 1 sell, as the gateway counts; -1 unknown) in their order of arrival. `attrs` names contract,
        timeframe and data version; `sources`, which stored timeframes the bars were joined or built from; `short`,
        where they do not reach as far as was asked for.

    Raises
    ------
    InputError
        Unknown contract or timeframe, or nothing stored of it.
    """
    place = home_of(home)
    if timeframe == TICKS:
        return to_pandas(*read_prints(contract, start, end, place), TICKS)
    chosen = stored_contract(contract, timeframe, place)
    found = find_stored(chosen, timeframe, start, end, place)
    return to_pandas(found.frame, chosen, timeframe, found.told())


def quality(
    contract: str, timeframe: str = "1m", start: When = None, end: When = None, *, home: str | Path | Home | None = None
) -> Quality:
    """Return the quality report of stored bars: gaps against the calendar, counts, what was put into quarantine."""
    from workbench.ingestion.quality import quality as judge

    place = home_of(home)
    chosen = stored_contract(contract, timeframe, place)
    frame, hours = read_stored(chosen, timeframe, start, end, place), trading_hours(chosen.spec)
    rejected = store_at(place.market).quarantine.read(chosen.id, parse_timeframe(timeframe).text)
    return judge(frame, chosen, parse_timeframe(timeframe), hours, rejected)


def load_strategy(what: str | Path | Strategy | type[Strategy], *, home: str | Path | Home | None = None) -> Strategy:
    """Return a strategy: from a file, from YAML text, by the name of a shipped one, or by a registered version.

    Parameters
    ----------
    what : str, Path, Strategy or class
        A ``.yaml`` or ``.py`` file, a text, a name, digits of a stored version, or a class that derives from
        `workbench.Strategy`.

    Raises
    ------
    InputError
        Nothing goes by that name, or the file is wrong: with the line, and what to write instead.
    """
    from workbench.rules.load import parse_strategy
    from workbench.rules.python.authoring import Strategy as Author
    from workbench.rules.python.files import of_class
    from workbench.rules.python.strategy import PythonStrategy
    from workbench.rules.strategy import Strategy as Declared
    from workbench.services.strategies import resolve_strategy
    from workbench.storage.registry import Registry

    if isinstance(what, Declared | PythonStrategy):
        return what
    if isinstance(what, Author) or (isinstance(what, type) and issubclass(what, Author)):
        return of_class(what)
    if isinstance(what, str) and "\n" in what:
        return parse_strategy(what)
    if not isinstance(what, str | Path):
        raise InputError(f"a strategy is a file, a name, a text, a version or a class, not {type(what).__name__}")
    return resolve_strategy(str(what), Registry(home_of(home)))


def account(what: str | Path | Mapping[str, Any] | AccountProgramme, **changes: Any) -> AccountProgramme:
    """Return an account programme: the firm's rules that a backtest is held to.

    Parameters
    ----------
    what : str, Path, mapping or AccountProgramme
        A shipped name such as ``"topstep-50k"``, a YAML file or text, or its keys.
    **changes
        Values to use instead, such as ``daily_loss=None``.

    Raises
    ------
    InputError
        No such programme, or a value that makes no sense: with the closest known name.
    """
    from workbench.domain.account_file import account as made

    if isinstance(what, Path) or (isinstance(what, str) and what.endswith((".yaml", ".yml"))):
        try:
            what = Path(what).read_text(encoding="utf-8") + "\n"  # a file of one line is no name
        except OSError as error:
            raise InputError(f"cannot read {what}: {error.strerror}") from None
    return made(what, **changes)


def backtest(
    strategy: str | Path | Strategy | type[Strategy] | Sequence[Any],
    bars: pd.DataFrame | pl.DataFrame | Mapping[str, Any] | None = None,
    *,
    contract: str | None = None,
    start: When = None,
    end: When = None,
    timeframe: str | None = None,
    costs: Costs | None = None,
    limits: Limits | None = None,
    account: str | Path | Mapping[str, Any] | AccountProgramme | None = None,
    finer: str | pd.DataFrame | pl.DataFrame | None = FINER,
    touch: bool = False,
    engine: str = "auto",
    home: str | Path | Home | None = None,
    **parameters: Any,
) -> Any:
    """Run a strategy over closed bars as it would trade live, and return what it would have done.

    Parameters
    ----------
    strategy : str, Path, Strategy or class
        As `load_strategy` takes it. A list of them trades on one account, each on a contract of its own, and shares its
        limits; `bars` is then left out or a mapping from root or contract to a frame.
    bars : pandas or polars frame, optional
        Bars to run on (columns open, high, low, close, volume; start of the bar as index or column ``ts``, with a time
        zone); shorter ones than the strategy's are built up. Left out, those of the store.
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
    account : str, mapping or AccountProgramme, optional
        The firm's rules to be held to, as `workbench.account` takes them; they cap, flatten and fail as the firm does.
    finer : str or frame, optional
        What is known inside the bars: ``"auto"`` takes what the store holds when the bars come from there, or the
        shorter bars that were given; a timeframe or ``"ticks"`` insists; a frame of finer bars is used as it is; None
        assumes the worst path of each bar.
    touch : bool
        Let limit orders fill when their price is only touched.
    engine : str
        ``auto``, ``kernel`` (compiled), ``event`` (the live decision, woken where something can happen) or ``every``
        (the live decision at each bar). They give the same trades; a strategy in Python has no kernel.
    **parameters
        Values for declared parameters.

    Returns
    -------
    Result
        For a list of strategies a `Together`: their results, and the account's.

    Raises
    ------
    InputError
        Anything wrong with the strategy, a parameter, the bars or the contract.
    """
    from workbench.backtest.result import Result
    from workbench.storage.home import write_durably

    if isinstance(strategy, list | tuple):
        return _together(
            strategy, bars, (contract, timeframe, parameters, engine), start=start, end=end, costs=costs,
            limits=limits, account=account, finer=finer, touch=touch, home=home,
        )  # fmt: skip
    chosen, prepared, found = ready_for(
        strategy, bars, contract=contract, start=start, end=end, timeframe=timeframe, costs=costs, limits=limits,
        account=account, finer=finer, touch=touch, home=home, **parameters,
    )  # fmt: skip
    played = _played(prepared, chosen, engine)
    told = partial(provenance, chosen, found, prepared, engine)
    return Result(chosen, prepared.series, played, provenance=told, writer=write_durably)


def ready_for(
    strategy: Any, bars: Any, *, contract: str | None, start: When, end: When, timeframe: str | None,
    costs: Costs | None, limits: Limits | None, account: Any, finer: Any, touch: bool, home: Any, **parameters: Any,
) -> tuple[Strategy, Prepared, Found]:  # fmt: skip
    """Return a strategy with its values, its bars made ready, and what they were made from; as for `backtest`."""
    from workbench.backtest.prepared import Prepared
    from workbench.backtest.series import series
    from workbench.risk.limits import Limits

    chosen = load_strategy(strategy, home=home)
    if timeframe is not None:
        chosen = chosen.with_timeframe(timeframe)
    chosen = chosen.with_parameters(**parameters)
    place = home_of(home)
    traded, found = data_for(chosen, bars, contract, start, end, place)
    data = with_finer(series(found.frame, traded, parse_timeframe(chosen.timeframe)), finer, bars, place)
    prepared = Prepared(
        series=data,
        costs=costs_of(costs),
        limits=limits or Limits(),
        programme=None if account is None else _programme(account),
        touch=touch,
    )
    return chosen, prepared, found


def _together(strategies: Sequence[Any], bars: Any, alone: tuple[Any, ...], **options: Any) -> Together:
    from contextlib import ExitStack

    from workbench.backtest.account_replay import replay_account
    from workbench.backtest.result import Result
    from workbench.backtest.together import Together
    from workbench.rules.python.strategy import PythonStrategy
    from workbench.services.strategy_worker import in_worker
    from workbench.storage.home import write_durably

    if any(alone[:3]) or alone[3] not in ("auto", "event", "every"):
        raise InputError(
            "several strategies have contract, timeframe and values of their own: load_strategy(…).with_parameters(…)"
            "; they run together in the event engine"
        )
    if bars is not None and not isinstance(bars, dict):
        raise InputError("several strategies need bars={root or contract: frame, …}, or none: then those of the store")
    prepared = []
    for each in strategies:
        chosen = load_strategy(each, home=options["home"])
        name, frame = _frame_of(chosen, bars)
        prepared.append(ready_for(chosen, frame, contract=name, timeframe=None, **options))
    with ExitStack() as stack:
        running = [
            (stack.enter_context(in_worker(s, p.series.events())) if isinstance(s, PythonStrategy) else s, p)
            for s, p, _ in prepared
        ]
        played = replay_account(running)
    return Together([
        Result(s, p.series, made, provenance=partial(provenance, s, found, p, "event"), writer=write_durably)
        for (s, p, found), made in zip(prepared, played, strict=True)
    ])  # fmt: skip


def _frame_of(strategy: Strategy, bars: Mapping[str, Any] | None) -> tuple[str | None, Any]:
    from workbench.domain.contract import spec

    if bars is None:
        return None, None
    for name, frame in bars.items():
        if spec(name).exchange_root in strategy.roots:
            return name, frame
    raise InputError(f"bars= has nothing for {strategy.name} ({', '.join(strategy.roots)}); it has {', '.join(bars)}")


_programme: Callable[..., AccountProgramme] = account


def with_finer(data: Series, finer: Any, given: Any, place: Home) -> Series:
    """Return the bars with what is known inside them: of the store, of a frame, or of the shorter bars given."""
    if finer is None:
        return data
    if isinstance(finer, str):
        shorter = None if given is None else usual_timeframe(to_polars(given))
        if shorter is not None and shorter.seconds >= data.timeframe.seconds:
            shorter = None
        if given is None or finer not in (FINER, shorter and shorter.text):
            from workbench.storage.finer import with_stored

            return with_stored(data, finer, place.market)
        if shorter is None:
            return data
        finer = given
    from workbench.backtest.inner import with_inner

    frame = to_polars(finer)
    if "price" in frame.columns:
        return with_inner(data, frame)
    found = usual_timeframe(frame)
    if found is None:
        raise InputError("finer= holds no bars of a known timeframe; give a frame of bars such as 1m, or of prints")
    return with_inner(data, frame, found.text)


def _played(prepared: Prepared, strategy: Strategy, engine: str) -> Played:
    from workbench.rules.python.strategy import PythonStrategy

    if not isinstance(strategy, PythonStrategy):
        return prepared.run(strategy, engine)
    from workbench.services.strategy_worker import in_worker

    with in_worker(strategy, prepared.series.events()) as worked:
        return prepared.run(worked, engine)


def detect(
    what: Any,
    bars: pd.DataFrame | pl.DataFrame | None = None,
    *,
    contract: str | None = None,
    start: When = None,
    end: When = None,
    warmup: int | None = None,
    home: str | Path | Home | None = None,
) -> Findings:
    """Return where signals look ahead, or depend on how much history was loaded.

    Parameters
    ----------
    what : str, Path, Strategy, class or callable
        A strategy as `load_strategy` takes it; or a function that takes a frame of bars and returns its signals.
    bars : pandas or polars frame, optional
        As `backtest` takes them; a function needs them.
    warmup : int, optional
        Bars after which a function's signals must not depend on older ones any more.
    others
        As in `backtest`.

    Raises
    ------
    InputError
        Too few bars, or anything wrong with the strategy or the bars; see `workbench.backtest.detectors.detect`.
    """
    from workbench.backtest.detectors import detect as run

    if callable(what) and not isinstance(what, type):
        if bars is None:
            raise InputError("a function of bars is tried on the bars you give: wb.detect(function, bars)")
        return run(what, bars, warmup=warmup, contract=contract)
    chosen = load_strategy(what, home=home)
    traded, found = data_for(chosen, bars, contract, start, end, home_of(home))
    return run(chosen, found.frame, warmup=warmup, contract=traded.id)


def read_bars(path: str | Path) -> pl.DataFrame:
    """Return the bars of a Parquet file, as `backtest` takes them.

    Raises
    ------
    InputError
        No such file, or not a Parquet file.
    """
    import polars as pl

    try:
        return to_polars(pl.read_parquet(path))
    except FileNotFoundError:
        raise InputError(f"no file {path}") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} is not a readable Parquet file: {error}") from None


def provenance(strategy: Strategy, found: Found, prepared: Prepared, engine: str) -> dict[str, Any]:
    """Return what it takes to make a result again: strategy, parameters, data, program, costs, limits, account."""
    import msgspec
    import polars as pl

    from workbench.rules.strategy import SEMANTICS
    from workbench.services.version import program_version

    frame, data = found.frame, prepared.series
    stamps = frame["ts"].cast(pl.Int64)
    last = local(stamps[-1])
    made = {
        "strategy": {"name": strategy.name, "version": strategy.version, "semantics": SEMANTICS},
        "parameters": dict(strategy.values),
        "data": {
            "contract": data.contract.id,
            "timeframe": strategy.timeframe,
            "first": f"{local(stamps[0]):%Y-%m-%d %H:%M}",
            "last": f"{last:%Y-%m-%d %H:%M}",
            "bars": frame.height,
            "version": data_version(frame),
            **found.told(),
        },
        "program": program_version(),
        "engine": engine,
        "costs": prepared.costs.told(data.contract.spec, last.date()),
        "limits": msgspec.to_builtins(prepared.limits),
        "account": None if prepared.programme is None else prepared.programme.name,
        "limit_orders": "touch" if prepared.touch else "trade through",
    }
    return made if data.inner is None else {**made, "inside_the_bars": data.inner.told()}
