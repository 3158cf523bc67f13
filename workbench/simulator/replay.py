"""A recorded market: bars or ticks from a Parquet file, as prints in their order.

A tick is a print. A bar becomes prints that aggregate to exactly that bar again, volume included: they walk open, low,
high, close (a rising bar; a falling one meets its high first), evenly over the bar. A bar with less volume than it has
prices gets prints of size 0, so that its prices are kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.domain.contract import Contract, parse_contract, ticks_of
from workbench.domain.errors import InputError
from workbench.simulator.market import Int64Array, Prints, no_prints, tick_rule

if TYPE_CHECKING:
    import polars as pl

    from workbench.simulator.config import SimulatorSettings

BAR_COLUMNS = ("open", "high", "low", "close", "volume")
TICK_COLUMNS = ("price", "size")
MILLISECOND = 1_000_000


class ReplayFeed:
    """Prints of the contracts of a recording."""

    def __init__(self, tapes: dict[Contract, Prints], end: int) -> None:
        self.tapes, self._end = tapes, end

    @classmethod
    def from_file(cls, path: Path, config: SimulatorSettings) -> ReplayFeed:
        """Read a Parquet file.

        Parameters
        ----------
        path : Path
            Columns ``ts`` (UTC) and ``open high low close volume`` or ``price size`` (``side`` optional), and
            ``contract`` (gateway id or code such as ESU13) unless `config.replay_contract` names it.

        Raises
        ------
        InputError
            What is wrong with the file, and where.
        """
        return cls.from_frame(read_parquet(path), str(path), config)

    @classmethod
    def from_store(cls, market: Path, config: SimulatorSettings) -> ReplayFeed:
        """Read a store: the ticks of each contract, or its bars of the shortest timeframe where there are no ticks.

        Raises
        ------
        InputError
            The store holds nothing, or nothing of the contract that `config.replay_contract` names.
        """
        from workbench.storage.bars import BarStore
        from workbench.storage.ticks import TickStore

        ticks, bars = TickStore(market), BarStore(market)
        sources = {entry.contract: "" for entry in ticks.coverage()}
        for entry in bars.coverage():
            sources.setdefault(entry.contract, entry.timeframe)
        named = None if config.replay_contract is None else parse_contract(config.replay_contract).id
        feeds = [
            cls._of_series(contract, bars.read(contract, frame) if frame else ticks.read(contract), market, config)
            for contract, frame in sources.items()
            if named in (None, contract)
        ]
        if not feeds:
            raise InputError(f"the store {market} holds nothing to replay{f' of {named}' if named else ''}")
        tapes = {contract: tape for feed in feeds for contract, tape in feed.tapes.items()}
        return cls(tapes, max(feed.end_at() for feed in feeds))

    @classmethod
    def _of_series(cls, contract: str, frame: pl.DataFrame, market: Path, config: SimulatorSettings) -> ReplayFeed:
        import polars as pl

        named = frame.with_columns(pl.lit(contract).alias("contract"))
        return cls.from_frame(named, f"{market} ({contract})", config.model_copy(update={"replay_contract": None}))

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, where: str, config: SimulatorSettings) -> ReplayFeed:
        """Take a frame of bars or ticks in; `where` names it in errors."""
        kind = _kind(frame, where)
        tapes: dict[Contract, Prints] = {}
        end = 0
        for contract, part in _by_contract(frame, where, config.replay_contract):
            ts = _stamps(part, where, contract)
            if kind == "ticks":
                tapes[contract], last = _of_ticks(part, ts, contract, where), int(ts[-1]) + 1
            else:
                length = _bar_length(ts, where)
                tapes[contract] = _of_bars(part, ts, contract, where, length, config.prints_per_bar)
                last = int(ts[-1]) + length
            end = max(end, last)
        return cls(tapes, end)

    def contracts(self, at: int) -> tuple[Contract, ...]:
        return tuple(self.tapes)

    def knows(self, contract: Contract) -> bool:
        return contract in self.tapes

    def prints(self, contract: Contract, start: int, end: int) -> Prints:
        tape = self.tapes.get(contract)
        return no_prints() if tape is None else tape.between(start, end)

    def first_at(self, contract: Contract) -> int:
        tape = self.tapes.get(contract)
        return self._end if tape is None or not len(tape.ts) else int(tape.ts[0])

    def end_at(self) -> int:
        return self._end


def read_parquet(path: Path) -> pl.DataFrame:
    """Return the file as a frame, or raise InputError that says why not."""
    import polars as pl

    if not path.is_file():
        raise InputError(f"no such recording: {path}")
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} is no readable Parquet file (cut off, or of another kind?): {error}") from error


def _kind(frame: pl.DataFrame, where: str) -> str:
    columns = set(frame.columns)
    if "ts" not in columns:
        raise InputError(f"{where} has no column ts; found: {', '.join(frame.columns)}")
    if not len(frame):
        raise InputError(f"{where} holds no rows")
    if columns >= set(TICK_COLUMNS):
        return "ticks"
    missing = [name for name in BAR_COLUMNS if name not in columns]
    if missing:
        raise InputError(
            f"{where} is neither bars nor ticks: bars need {', '.join(missing)} too, ticks need price and size; "
            f"found: {', '.join(frame.columns)}"
        )
    return "bars"


def _by_contract(frame: pl.DataFrame, where: str, named: str | None) -> list[tuple[Contract, pl.DataFrame]]:
    if "contract" not in frame.columns:
        if named is None:
            raise InputError(f"{where} has no column contract; name the contract with --contract, such as ESU13")
        return [(parse_contract(named), frame)]
    parts = [(str(key[0]), part) for key, part in frame.group_by("contract", maintain_order=True)]
    found = [(parse_contract(text, near=_first_date(part)), part) for text, part in parts]
    if named is not None:
        wanted = parse_contract(named)
        found = [(contract, part) for contract, part in found if contract == wanted]
        if not found:
            raise InputError(f"{where} holds no {named}; it has {', '.join(text for text, _ in parts)}")
    return found


def _first_date(part: pl.DataFrame) -> Any:
    return part["ts"][0].date()


def _stamps(part: pl.DataFrame, where: str, contract: Contract) -> Int64Array:
    import polars as pl

    kind = part["ts"].dtype
    if not isinstance(kind, pl.Datetime) or kind.time_zone is None:
        raise InputError(
            f"{where}: ts must be a timestamp with a time zone (UTC), not {kind}; import it with its zone first"
        )
    if part["ts"].null_count():
        raise InputError(f"{where}: ts of {contract} has empty rows")
    ts = part["ts"].dt.epoch("ns").to_numpy().astype(np.int64)
    back = np.flatnonzero(np.diff(ts) < 0)
    if len(back):
        raise InputError(
            f"{where}: rows of {contract} are not in order of ts (first at row {int(back[0]) + 1}); sort them"
        )
    return ts


def _ticks(part: pl.DataFrame, column: str, contract: Contract, where: str) -> Int64Array:
    prices = part[column].cast(float).to_numpy()
    ticks, on_grid = ticks_of(prices, contract.spec)
    if not on_grid.all():
        row = int(np.flatnonzero(~on_grid)[0])
        raise InputError(
            f"{where}: {int((~on_grid).sum())} values of {column} are no multiple of the {contract} tick "
            f"{contract.spec.tick_size:.10g} or no number; the first is {prices[row]} in row {row}"
        )
    return ticks


def _whole(part: pl.DataFrame, column: str, where: str) -> Int64Array:
    values = part[column].cast(float).to_numpy()
    wrong = ~(np.isfinite(values) & (values >= 0) & (values == np.floor(values)))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(f"{where}: {column} must be whole numbers of contracts; row {row} has {values[row]}")
    return values.astype(np.int64)


def _of_ticks(part: pl.DataFrame, ts: Int64Array, contract: Contract, where: str) -> Prints:
    ticks, size = _ticks(part, "price", contract, where), _whole(part, "size", where)
    side = tick_rule(ticks)
    if "side" in part.columns:
        known = part["side"].fill_null(-1).to_numpy().astype(np.int64)
        side = np.where((known == 0) | (known == 1), known, side)
    return Prints(ts, ticks, size, side)


def _bar_length(ts: Int64Array, where: str) -> int:
    steps = np.diff(ts)
    if not len(steps):
        return 60_000_000_000
    if (steps == 0).any():
        raise InputError(f"{where}: two bars have the same ts (row {int(np.flatnonzero(steps == 0)[0]) + 1})")
    lengths, counts = np.unique(steps, return_counts=True)
    return int(lengths[np.argmax(counts)])


def _of_bars(part: pl.DataFrame, ts: Int64Array, contract: Contract, where: str, length: int, most: int) -> Prints:
    open_, high, low, close = (_ticks(part, column, contract, where) for column in BAR_COLUMNS[:4])
    insane = (high < np.maximum(open_, close)) | (low > np.minimum(open_, close))
    if insane.any():
        raise InputError(
            f"{where}: row {int(np.flatnonzero(insane)[0])} has a high below, or a low above, its open or close"
        )
    return bars_to_prints(ts, open_, high, low, close, _whole(part, "volume", where), length, most)


def bars_to_prints(ts: Int64Array, open_: Int64Array, high: Int64Array, low: Int64Array, close: Int64Array,
                   volume: Int64Array, length: int, most: int) -> Prints:  # fmt: skip
    """Return prints that aggregate to exactly these bars again.

    Parameters
    ----------
    ts : array of int64
        Bar starts, UTC ns.
    open_, high, low, close, volume : arrays of int64
        Prices in ticks, contracts.
    length : int
        Of a bar, in ns.
    most : int
        Prints per bar, at least 4.

    Examples
    --------
    >>> one = lambda value: np.array([value])
    >>> p = bars_to_prints(one(0), one(10), one(14), one(8), one(12), one(7), 60_000_000_000, 4)
    >>> p.ticks.tolist(), p.size.tolist(), (p.ts // 10**9).tolist()
    ([10, 8, 14, 12], [2, 2, 2, 1], [0, 15, 30, 45])
    """
    rising = close >= open_
    knots = np.stack([open_, np.where(rising, low, high), np.where(rising, high, low), close], axis=1)
    marks = np.array([0, max(1, (most - 1) // 3), max(2, 2 * (most - 1) // 3), most - 1])
    places = np.arange(most)
    which = np.clip(np.searchsorted(marks, places, side="right") - 1, 0, 2)
    share = (places - marks[which]) / (marks[which + 1] - marks[which])
    ticks = np.rint(knots[:, which] * (1 - share) + knots[:, which + 1] * share).astype(np.int64)
    rank = np.empty(most, np.int64)
    order = np.concatenate([marks, np.setdiff1d(places, marks)])
    rank[order] = places
    size = volume[:, None] // most + (rank[None, :] < (volume % most)[:, None])
    step = length // most // MILLISECOND * MILLISECOND or max(1, length // most)
    stamps = ts[:, None] + places[None, :] * step
    is_knot = np.isin(places, marks)[None, :]
    keep = (size > 0) | (is_knot & (high > low)[:, None]) | ((places == 0)[None, :] & (volume == 0)[:, None])
    flat = ticks[keep]
    return Prints(stamps[keep], flat, size[keep], tick_rule(flat))
