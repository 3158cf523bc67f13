"""What the reading process answers besides bars: what is stored, how good it is, charts, trades, strategies."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.domain.errors import InputError, WorkbenchError
from workbench.storage.plain import plain

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from workbench.domain.contract import Contract
    from workbench.rules.strategy import Strategy

Json = dict[str, Any]
PRICES = ("open", "high", "low", "close", "volume")
SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
MOST_GAPS, MOST_REJECTED, MOST_VERSIONS = 200, 200, 300
BEFORE = 10  # the tenth part of a chart lies before the date that was asked for
SORTED = {"best": True, "worst": False}  # by net profit: whether the largest comes first; all else is by time


def stored(asked: Json) -> list[Json]:
    """Return what the store holds: contract, timeframe, rows, and the starts of the first and last bar."""
    from workbench.research_data import home_of, store_at

    return [
        {
            "contract": held.contract,
            "timeframe": held.timeframe,
            "rows": held.rows,
            "first": held.first // SECOND_NS,
            "last": held.last // SECOND_NS,
        }
        for held in store_at(home_of(None).market).coverage()
    ]


def quality(asked: Json) -> Json:
    """Return the quality report of a series, and the newest of its rows that were rejected."""
    from workbench import research
    from workbench.research_data import home_of, store_at

    found = research.quality(asked["contract"], asked["timeframe"], asked["start"], asked["end"])
    rejected = store_at(home_of(None).market).quarantine.read(found.contract, found.timeframe)
    rows = [
        {"time": None if at is None else at // SECOND_NS, "reason": reason, "source": source, "values": values}
        for at, reason, source, values in zip(
            rejected["ts"].to_physical().to_list(), *(rejected[n].to_list() for n in ("reason", "source", "values")),
            strict=True,
        )
    ]  # fmt: skip
    told: Json = plain(found.to_dict(most_gaps=MOST_GAPS))
    return {**told, "rejected": rows[::-1][:MOST_REJECTED]}


def chart(asked: Json) -> Json:
    """Return bars around a date (or the newest) with indicators over them, in the words of the rules.

    The indicators are those that strategies use, begun as many bars earlier as they need to be warm.
    """
    from workbench.domain.hours import trading_hours
    from workbench.research_data import cut, home_of, read_stored, stored_contract, what_is_stored

    place, limit = home_of(None), asked["limit"]
    contract = stored_contract(asked["contract"], asked["timeframe"], place)
    frame = read_stored(contract, asked["timeframe"], None, None, place)
    if frame.is_empty():
        raise InputError(f"no {asked['timeframe']} bars of {contract.id} in the store{what_is_stored(place)}")
    stamps = frame["ts"].to_physical().to_numpy()
    begin = asked["offset"] if asked["offset"] is not None else frame.height - limit
    if asked["at"] is not None:
        after = cut(frame, asked["at"], None, trading_hours(contract.spec)).height
        begin = frame.height - after - limit // BEFORE
    begin = max(0, min(begin, frame.height - limit))
    part = frame.slice(begin, limit)
    lines = _lines(frame, stamps, contract, begin, part.height, asked) if asked["lines"] else {}
    names = ["time", *PRICES]
    columns = [(stamps[begin : begin + part.height] // SECOND_NS).tolist(), *(part[n].to_list() for n in PRICES)]
    return {
        "contract": contract.id,
        "timeframe": asked["timeframe"],
        "total": frame.height,
        "offset": begin,
        "bars": [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)],
        "lines": lines,
    }


def _lines(
    frame: pl.DataFrame, stamps: npt.NDArray[np.int64], contract: Contract, begin: int, count: int, asked: Json
) -> dict[str, list[float | None]]:
    import numpy as np

    from workbench.domain.hours import trading_hours
    from workbench.domain.timeframe import timeframe
    from workbench.rules.arrays import evaluate
    from workbench.rules.expression import Kind
    from workbench.rules.graph import Graph
    from workbench.rules.inputs import Inputs
    from workbench.rules.parser import parse

    graph = Graph({}, group=contract.spec.group, timeframe=asked["timeframe"])
    slots = {text: graph.add(parse(text, {}, where="lines", wants=Kind.NUMBER)) for text in asked["lines"]}
    days = int(stamps[begin]) - (graph.days + 4) * DAY_NS  # a day of the exchange may follow a long weekend
    first = max(0, min(begin - graph.warmup, int(np.searchsorted(stamps, days))))
    part, starts = frame.slice(first, begin + count - first), stamps[first : begin + count]
    hours = trading_hours(contract.spec)
    inputs = Inputs(
        starts=starts,
        ends=timeframe(asked["timeframe"]).bar_ends(starts, hours),
        hours=hours,
        **{name: part[name].to_numpy().astype(np.float64) for name in PRICES},
    )
    made = evaluate(graph, inputs, slots.values())
    return {
        text: plain(np.broadcast_to(np.asarray(made[slot]), len(starts))[begin - first :])
        for text, slot in slots.items()
    }


def trades(asked: Json) -> Json:
    """Return a slice of the trades of a backtest that was run as a job."""
    import polars as pl

    path = Path(asked["path"])
    if not path.is_file():
        raise InputError("there are no trades of this job: it is no backtest, or it is not done")
    frame = pl.scan_parquet(path)
    total = int(frame.select(pl.len()).collect().item())
    end = max(0, total - asked["offset"])  # counted from the newest
    if asked["order"] == "newest":  # only the part of the file that holds them is read
        begin = max(0, end - asked["limit"])
        part = frame.slice(begin, end - begin).collect().reverse()
    elif asked["order"] in SORTED:
        ordered = frame.sort("net_usd", descending=SORTED[asked["order"]], maintain_order=True)
        part = ordered.slice(asked["offset"], asked["limit"]).collect()
    else:
        part = frame.slice(asked["offset"], asked["limit"]).collect()
    return {"rows": plain(part.to_dicts()), "total": total}


# --- strategies ------------------------------------------------------------------------------------------------------


def runnable(asked: Json) -> list[Json]:
    """Return what a backtest can run: shipped strategies and stored versions, with what they declare."""
    from workbench.research_data import home_of
    from workbench.services.strategies import KINDS, shipped_folder
    from workbench.storage.registry import Registry

    made = []
    for path in sorted(p for p in shipped_folder().glob("*") if p.suffix in KINDS):
        found = _shipped(str(path), path.stat().st_mtime_ns)
        if found is not None:
            made.append(found)
    registry = Registry(home_of(None))
    for entry in registry.list()[::-1][:MOST_VERSIONS]:
        try:
            made.append({**_declared(registry.get(entry.version)), "strategy": entry.version, "stored": True})
        except WorkbenchError:  # of an older meaning of the rules: it can be read, and not run
            continue
    return made


@lru_cache(maxsize=200)
def _shipped(path: str, changed: int) -> Json | None:
    from workbench.rules.load import load_strategy

    try:
        return {**_declared(load_strategy(path)), "strategy": Path(path).stem, "stored": False}
    except WorkbenchError:
        return None


def _declared(strategy: Strategy) -> Json:
    from workbench.rules.expression import text

    names = ("name", "type", "default", "min", "max", "step", "description")
    return {
        "name": strategy.name,
        "version": strategy.version,
        "description": strategy.description,
        "timeframe": strategy.timeframe,
        "roots": list(strategy.roots),
        "parameters": [{n: getattr(p, n) for n in names} for p in strategy.parameters.values()],
        "constraints": [text(constraint) for constraint, _ in strategy.constraints],
    }
