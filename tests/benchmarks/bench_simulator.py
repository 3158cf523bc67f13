"""How fast the synthetic market comes: a month of one-minute bars of one root, against the limit of two seconds."""

from __future__ import annotations

from datetime import date

from tests.benchmarks.harness import Row, against_limit, seconds
from workbench.domain.clock import MINUTE
from workbench.domain.contract import parse_contract
from workbench.domain.hours import at_local
from workbench.domain.timeframe import timeframe
from workbench.simulator.history import History
from workbench.simulator.synthetic import SyntheticFeed

CONTRACT = parse_contract("MESZ26")


def rows() -> list[Row]:
    """Return the median of three months, each from another seed, with the calendars loaded before."""
    end = at_local(date(2026, 11, 20), "15:00")
    start = end - 29 * 1440 * MINUTE
    seeds = iter(range(100))

    def month() -> None:
        feed = SyntheticFeed(next(seeds), ("MES",))
        History(feed).bars(CONTRACT, timeframe("1m"), start, end, now=end, limit=20_000)

    return [against_limit("simulator: a month of synthetic minutes", seconds(month, runs=3)[0], at_most=2.0)]
