"""What is brought before the gates: runs of the stored copy, the detectors' findings, the ledger of trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from workbench.domain.errors import InputError, WorkbenchError
from workbench.domain.lifecycle import Step
from workbench.services.gates import Asked
from workbench.services.verdicts import Evidence, Run
from workbench.services.version import program_version
from workbench.storage.ledger import Trials
from workbench.storage.plain import plain
from workbench.storage.versions import StoredResult, Versions

if TYPE_CHECKING:
    import pandas as pd

    from workbench.rules.strategy import Strategy


BARS_TO_DETECT_ON = 5_000  # the newest ones, behind the warm-up: a leak shows in some thousands


class Tested(Protocol):
    """A result, as far as it is evidence; `backtest.result.Result` is one."""

    provenance: dict[str, Any]

    @property
    def stats(self) -> Mapping[str, float | int | None]: ...

    @property
    def daily(self) -> pd.DataFrame: ...

    @property
    def bars(self) -> pd.DataFrame: ...


class Backtest(Protocol):
    """Runs a strategy on the person's bars; `workbench.backtest` is one. `start` is a trading date."""

    def __call__(self, strategy: Strategy, /, *, start: date | None = None) -> Tested: ...


Detect = Callable[["Strategy", "pd.DataFrame"], "list[str]"]  # findings in words; [] is clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Gatherer:
    """Makes what the gates ask for, and attaches it to the version.

    Parameters
    ----------
    versions : Versions
    backtest : callable
        See `Backtest`.
    detect : callable
        Strategy and bars to findings in words, [] when it is clean.
    now : int
        UTC ns.
    """

    versions: Versions
    backtest: Backtest
    detect: Detect
    now: int

    def gather(self, strategy: Strategy, asked: list[Asked]) -> Evidence:
        """Return the evidence for one version; what could not be made is told in `missing`."""
        version = strategy.version
        tried = Trials(self.versions.registry.home, self.versions.database).list(strategy.name)
        since = self.versions.since(version, Step.WENT_TO_PAPER)
        known: dict[str, Any] = {"tried": tuple(tried), "paper_since": since, "now": self.now}
        if not any(a != Asked(min_days_in_paper=a.min_days_in_paper) for a in asked):
            return Evidence(**known)
        try:
            result = self.backtest(strategy)
        except WorkbenchError as error:
            return Evidence(**known, missing=str(error))
        self._attach(version, "backtest", result)
        whole = run_of(result)
        wanted = [a.out_of_sample for a in asked if a.out_of_sample is not None]
        walked = self._walked(version) if wanted else None
        held_out, missing = None, ""
        if wanted and walked is None:
            held_out, missing = self._held_out(strategy, whole, max(w.share for w in wanted))
        findings = self._findings(strategy, result) if any(a.detectors for a in asked) else None
        return Evidence(**known, whole=whole, held_out=held_out, walked=walked, findings=findings, missing=missing)

    def _held_out(self, strategy: Strategy, whole: Run, share: float) -> tuple[Run | None, str]:
        first = whole.dates[int(len(whole.dates) * (1.0 - share))]
        try:
            result = self.backtest(strategy, start=date.fromisoformat(first))
        except WorkbenchError as error:
            return None, str(error)
        self._attach(strategy.version, "out_of_sample", result)
        return run_of(result, label=f"the last {share:.0%} of the trading dates, from {first}"), ""

    def _walked(self, version: str) -> Run | None:
        found = [r for r in self.versions.results(version, "walk_forward") if r.program == program_version()]
        return stored_run(found[-1]) if found else None

    def _findings(self, strategy: Strategy, result: Tested) -> tuple[str, ...]:
        # They take longest, and say the same as long as version, values and program are, on no more bars than then.
        bars, values = result.bars.iloc[-BARS_TO_DETECT_ON - strategy.warmup :], dict(strategy.values)
        for known in reversed(self.versions.results(strategy.version, "detectors")):
            same = known.program == program_version() and known.provenance.get("parameters") == plain(values)
            if same and known.stats.get("bars", 0) >= len(bars):
                return tuple(known.stats["findings"])
        bars.attrs = {"contract": result.provenance.get("data", {}).get("contract")}
        try:
            findings = tuple(self.detect(strategy, bars))
        except InputError as error:
            return (f"the detectors could not run: {error}",)
        stats = {"findings": list(findings), "bars": len(bars)}
        provenance = {k: v for k, v in result.provenance.items() if k in ("strategy", "data")}
        provenance |= {"program": program_version(), "parameters": values}
        self.versions.attach(strategy.version, "detectors", stats, provenance, at=self.now)
        return findings

    def _attach(self, version: str, kind: str, result: Tested) -> None:
        self.versions.attach(version, kind, dict(result.stats), result.provenance, at=self.now)


def run_of(result: Tested, label: str = "") -> Run:
    """Return what the gates need of a result."""
    stats, daily, costs = result.stats, result.daily, result.provenance.get("costs", {})
    ends = result.bars.index
    return Run(
        trades=int(stats["trades"] or 0),
        net_usd=float(stats["net_usd"] or 0.0),
        costs_usd=float(stats["costs_usd"] or 0.0),
        slippage=_slips(costs),
        max_drawdown_usd=float(stats["max_drawdown_usd"] or 0.0),
        worst_day_usd=float(stats["worst_day_usd"] or 0.0),
        daily=np.asarray(daily["net_usd"], dtype=np.float64),
        dates=tuple(f"{day:%Y-%m-%d}" for day in daily.index),
        data_version=str(result.provenance.get("data", {}).get("version", "")),
        last_ns=int(ends[-1].value) if len(ends) else 0,
        label=label,
    )


def stored_run(stored: StoredResult) -> Run:
    """Return what the gates need of an attached result: trades and net profit."""
    stats = stored.stats
    if stats.get("trades") is None or stats.get("net_usd") is None:
        raise InputError(f"the {stored.kind} attached to {stored.version} has no trades and net_usd; attach it again")
    return Run(
        trades=int(stats["trades"]),
        net_usd=float(stats["net_usd"]),
        costs_usd=float(stats.get("costs_usd") or 0.0),
        slippage=_slips(stored.costs),
        max_drawdown_usd=float(stats.get("max_drawdown_usd") or 0.0),
        worst_day_usd=float(stats.get("worst_day_usd") or 0.0),
        daily=np.empty(0),
        dates=(),
        data_version=stored.data_version,
        last_ns=0,
        label="walk-forward",
    )


def _slips(costs: Mapping[str, Any]) -> bool:
    return any(_number(costs.get(name)) > 0 for name in ("slippage_ticks", "range_fraction", "latency_s"))


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
