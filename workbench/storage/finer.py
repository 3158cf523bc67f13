"""Finer data for the bars of a backtest: what the store holds of the same contract, put inside them."""

from __future__ import annotations

from pathlib import Path

from workbench.backtest.inner import with_inner
from workbench.backtest.series import Series
from workbench.domain.errors import InputError
from workbench.domain.timeframe import TIMEFRAMES
from workbench.domain.timeframe import timeframe as parse_timeframe
from workbench.ingestion.aggregate import require_divisible
from workbench.storage.bars import BarStore
from workbench.storage.ticks import TICKS, TickStore

AUTO = "auto"
MOST_PRINTS = 5_000_000  # looked at without being asked for: some days of a busy contract, 300 MB


def with_stored(series: Series, finer: str | None, market: Path) -> Series:
    """Return the series with what the store knows inside its bars (see `workbench.backtest.inner`).

    Parameters
    ----------
    series : Series
    finer : str or None
        ``"auto"``: prints, if those of the whole series are stored and are not too many, else the finest bars that
        build it, else nothing. A timeframe or ``"ticks"``: these, also if they cover only some of the bars. None: none.
    market : Path
        The market folder of a home (`Home.market`).

    Raises
    ------
    InputError
        What was asked for by name is not in the store, or the bars cannot be built from it.
    """
    if finer is None or not len(series):
        return series
    if finer == AUTO:
        return _best(series, market)
    if finer == TICKS:
        return _ticks(series, market, whole=False) or _missing(series, finer, market)
    require_divisible(parse_timeframe(finer), series.timeframe)
    return _bars(series, finer, market) or _missing(series, finer, market)


def _best(series: Series, market: Path) -> Series:
    stored = [c.timeframe for c in BarStore(market).coverage() if c.contract == series.contract.id]
    finest = next((text for text in TIMEFRAMES if text in stored and _builds(text, series)), None)
    found = _ticks(series, market, whole=True)
    if found is None and finest is not None:
        found = _bars(series, finest, market)
    return found or series


def _bars(series: Series, text: str, market: Path) -> Series | None:
    frame = BarStore(market).read(series.contract, text, int(series.starts[0]), int(series.ends[-1]))
    return None if frame.is_empty() else with_inner(series, frame, text)


def _ticks(series: Series, market: Path, *, whole: bool) -> Series | None:
    store, first, end = TickStore(market), int(series.starts[0]), int(series.ends[-1])
    held = next((c for c in store.coverage() if c.contract == series.contract.id), None)
    if held is None or held.last < first or held.first >= end:
        return None
    if whole and (held.first >= int(series.ends[0]) or held.last < int(series.starts[-1]) or held.rows > MOST_PRINTS):
        return None
    frame = store.read(series.contract, first, end)
    return None if frame.is_empty() else with_inner(series, frame)


def _builds(text: str, series: Series) -> bool:
    try:
        require_divisible(parse_timeframe(text), series.timeframe)
    except InputError:
        return False
    return True


def _missing(series: Series, finer: str, market: Path) -> Series:
    held = sorted({c.timeframe for c in BarStore(market).coverage() if c.contract == series.contract.id})
    raise InputError(
        f"finer={finer!r}: the store has no {finer} of {series.contract.id} in these bars; it holds "
        f"{', '.join(held) or 'no bars of it'}. finer='auto' takes what is there, finer=None nothing"
    )
