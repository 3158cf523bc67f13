"""A process that promotes or rolls back with evidence that was made up; the tests of K14 kill it or let it race."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.domain.errors import WorkbenchError
from workbench.services.clock import wall_ns
from workbench.services.promotion import promote, rollback
from workbench.storage.home import Home

DAY = 86_400 * 1_000_000_000
NO_GATES = "tested: {}\npaper: {}\nlive: {}\n"


@dataclass
class MadeUp:
    """A result whose numbers were written down by hand: 100 trading dates that end `age` days ago."""

    trades: int = 200
    net_usd: float = 900.0
    costs_usd: float = 50.0
    max_drawdown_usd: float = 400.0
    worst_day_usd: float = -100.0
    slippage: int = 1
    age: float = 1.0
    data: str = "d1"
    days: int = 100
    start: date | None = None
    profit: tuple[float, float] = (20.0, -2.0)
    stats: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.stats = {
            "trades": self.trades,
            "net_usd": self.net_usd,
            "costs_usd": self.costs_usd,
            "max_drawdown_usd": self.max_drawdown_usd,
            "worst_day_usd": self.worst_day_usd,
        }

    @property
    def provenance(self) -> dict[str, Any]:
        data = {"version": self.data, "from": str(self.start)}
        return {"data": data, "program": "0", "costs": {"slippage_ticks": self.slippage}}

    @property
    def daily(self) -> pd.DataFrame:
        index = pd.date_range("2026-01-05", periods=self.days, name="trading_date")
        return pd.DataFrame({"net_usd": np.resize(np.array(self.profit), self.days)}, index=index)

    @property
    def bars(self) -> pd.DataFrame:
        end = pd.Timestamp(wall_ns() - int(self.age * DAY), tz="UTC")
        return pd.DataFrame({"close": [1.0, 2.0]}, index=pd.DatetimeIndex([end - pd.Timedelta("1min"), end]))


def act(place: Home, verb: str, what: str) -> str:
    """Promote version `what` to live in session open, or roll it back; say what came of it."""
    known: dict[str, Any] = {"person": "child", "home": place}
    try:
        if verb == "rollback":
            return str(rollback("open", **known))
        made_up = {"backtest": lambda *_, **__: MadeUp()}
        return str(promote(what, to="live", session="open", reason="test", **known, **made_up))
    except WorkbenchError as error:
        return f"refused: {error}"


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def serve() -> None:
    """Carry out jobs, each in a process of its own that is forked from this one (what is imported once is there)."""
    tell("ready")
    for line in sys.stdin:
        order = json.loads(line)
        place, pids = Home(Path(order["home"])), []
        for number, (verb, what, crash_at) in enumerate(order["jobs"]):
            pid = os.fork()
            if pid == 0:
                os.environ["WORKBENCH_CRASH_AT"] = crash_at
                (place.path / f"said-{number}").write_text(act(place, verb, what))
                os._exit(0)
            pids.append(pid)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        paths = [place.path / f"said-{number}" for number in range(len(pids))]
        said = [path.read_text() if path.exists() else "" for path in paths]
        tell(json.dumps([codes, said]))


if __name__ == "__main__":
    serve()
