"""What the gates say to the evidence: a verdict for each, with its value and its bound.

Pure: everything is told, so that each verdict can be checked by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.domain.account import PROGRAMMES
from workbench.services.gates import Asked, Headroom, OutOfSample, Overfit

if TYPE_CHECKING:
    import numpy.typing as npt

    from workbench.storage.ledger import Tried

_DAY_NS = 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run came to, as the gates need it. Money in USD; `daily` is the net profit of each trading date."""

    trades: int
    net_usd: float
    costs_usd: float
    slippage: bool
    max_drawdown_usd: float
    worst_day_usd: float
    daily: npt.NDArray[np.float64]
    dates: tuple[str, ...]
    data_version: str
    last_ns: int
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that is known of a version when it is judged. `missing` says why a run could not be made."""

    whole: Run | None = None
    held_out: Run | None = None
    walked: Run | None = None
    findings: tuple[str, ...] | None = None
    tried: tuple[Tried, ...] = ()
    paper_since: int | None = None
    now: int = 0
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One gate's answer: `text` says what was found and what is asked."""

    into: str
    gate: str
    passed: bool
    value: float | int | str | None
    bound: float | int | str | None
    text: str


def judge(asked: Asked, evidence: Evidence, *, into: str) -> list[Verdict]:
    """Return the verdict of every gate that is asked on the way into the state `into`."""
    return [Verdict(into=into, **found) for found in _judged(asked, evidence)]


def _judged(asked: Asked, evidence: Evidence) -> Iterator[dict[str, Any]]:
    whole = evidence.whole
    if whole is not None:
        yield from _of_run(asked, whole, evidence)
    elif asked != Asked(min_days_in_paper=asked.min_days_in_paper):
        yield _told("backtest", False, None, None, f"no backtest: {evidence.missing or 'none was made'}")
    if asked.min_days_in_paper is not None:
        yield _days_in_paper(asked.min_days_in_paper, evidence)


def _of_run(asked: Asked, whole: Run, evidence: Evidence) -> Iterator[dict[str, Any]]:
    if asked.detectors is not None:
        yield _detectors(evidence.findings)
    if asked.costs is not None:
        paid = whole.costs_usd > 0 and whole.slippage
        how = "fees and slippage are paid" if paid else "fees or slippage are zero: nobody trades for nothing"
        yield _told("costs", paid, whole.costs_usd, "> 0", how)
    if asked.min_trades is not None:
        yield _least("min_trades", whole.trades, asked.min_trades, "trades")
    if asked.max_data_age_days is not None:
        days = max(0.0, (evidence.now - whole.last_ns) / _DAY_NS)
        text = f"the last bar is {days:.1f} days old, at most {asked.max_data_age_days:g} are asked"
        yield _told("max_data_age_days", days <= asked.max_data_age_days, days, asked.max_data_age_days, text)
    if asked.out_of_sample is not None:
        yield from _out_of_sample(asked.out_of_sample, evidence, costs=asked.costs is not None)
    if asked.overfitting is not None:
        yield from _overfitting(asked.overfitting, whole, evidence.tried)
    if asked.headroom is not None:
        yield from _headroom(asked.headroom, whole)


def _detectors(findings: Sequence[str] | None) -> dict[str, Any]:
    if findings is None:
        return _told("detectors", False, None, "clean", "the detectors did not run")
    if findings:
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        return _told("detectors", False, len(findings), "clean", f"the detectors found: {findings[0]}{more}")
    return _told("detectors", True, 0, "clean", "the detectors found nothing")


def _days_in_paper(least: float, evidence: Evidence) -> dict[str, Any]:
    if evidence.paper_since is None:
        return _told("min_days_in_paper", False, None, least, f"it was never in paper, {least:g} days are asked")
    days = (evidence.now - evidence.paper_since) / _DAY_NS
    text = f"{days:.1f} days in paper, at least {least:g} are asked"
    return _told("min_days_in_paper", days >= least, days, least, text)


def _out_of_sample(asked: OutOfSample, evidence: Evidence, *, costs: bool) -> Iterator[dict[str, Any]]:
    run = evidence.walked or evidence.held_out
    if run is None:
        text = f"no out-of-sample result: {evidence.missing or 'attach a walk-forward, or store more bars'}"
        yield _told("out_of_sample", False, None, None, text)
        return
    seen = "" if evidence.walked is not None else _seen(run, evidence)
    if seen:
        yield _told("out_of_sample", False, None, None, seen)
        return
    if costs and not (run.costs_usd > 0 and run.slippage):
        text = f"fees or slippage are zero out of sample ({run.label}): nobody trades for nothing"
        yield _told("out_of_sample.costs", False, run.costs_usd, "> 0", text)
    yield _least("out_of_sample.min_trades", run.trades, asked.min_trades, f"trades out of sample ({run.label})")
    text = f"net {run.net_usd:,.2f} USD out of sample ({run.label}), at least {asked.min_net_usd:,.2f} are asked"
    yield _told("out_of_sample.min_net_usd", run.net_usd >= asked.min_net_usd, run.net_usd, asked.min_net_usd, text)


def _seen(run: Run, evidence: Evidence) -> str:
    # What a sweep has chosen on is no longer out of sample, however the dates are cut afterwards.
    whole = evidence.whole
    for tried in evidence.tried:
        last = str(tried.evidence.get("last", ""))
        same = whole is not None and tried.data_version == whole.data_version
        if tried.trials > 1 and (last[:10] >= run.dates[0] if last else same):
            return (
                f"a sweep of {tried.trials:,} trials has seen the dates from {run.dates[0]} on: they are not out of "
                "sample. Sweep on earlier dates (end=…), or attach a walk-forward"
            )
    return ""


def _overfitting(asked: Overfit, whole: Run, tried: Sequence[Tried]) -> Iterator[dict[str, Any]]:
    if asked.max_pbo is not None:
        told = [float(t.evidence["pbo"]) for t in tried if t.evidence.get("pbo") is not None]
        if told:
            text = f"the last sweep's probability of overfitting is {told[-1]:.2f}, at most {asked.max_pbo:g} is asked"
            yield _told("overfitting.max_pbo", told[-1] <= asked.max_pbo, told[-1], asked.max_pbo, text)
        elif any(t.trials > 1 and "sweep" in t.evidence for t in tried):
            text = "no sweep could tell its probability of overfitting; sweep over more trading dates"
            yield _told("overfitting.max_pbo", False, None, asked.max_pbo, text)
    if asked.min_deflated_sharpe is not None:
        yield _deflated(asked.min_deflated_sharpe, whole, tried)


def _deflated(least: float, whole: Run, tried: Sequence[Tried]) -> dict[str, Any]:
    from workbench.backtest.overfit import deflated_sharpe, moments

    reasons: dict[str, str] = {}
    count = max(1, sum(t.trials for t in tried))
    of_profits, value = moments(whole.daily, reasons), None
    if of_profits is not None:
        told = [float(t.evidence["sharpe_variance"]) for t in tried if t.evidence.get("sharpe_variance") is not None]
        # Not told: tries without skill and without kinship vary as a Sharpe ratio measured on n dates does.
        if not told or any(t.trials > 1 and t.evidence.get("sharpe_variance") is None for t in tried):
            told.append(1.0 / (of_profits.n - 1))
        variance = max(told)
        value = deflated_sharpe(
            of_profits.sharpe,
            of_profits.n,
            trials=count,
            variance=variance,
            skew=of_profits.skew,
            kurtosis=of_profits.kurtosis,
            reasons=reasons,
        )
    name = "overfitting.min_deflated_sharpe"
    if value is None:
        return _told(name, False, None, least, f"no deflated Sharpe ratio: {'; '.join(reasons.values())}")
    trials = f"{count:,} recorded trial{'' if count == 1 else 's'}"
    text = f"deflated Sharpe {value:.3f} after {trials}, at least {least:g} is asked"
    return _told(name, value >= least, value, least, text)


def _headroom(asked: Headroom, whole: Run) -> Iterator[dict[str, Any]]:
    programme = PROGRAMMES[asked.programme]
    worst, day = abs(whole.max_drawdown_usd), max(0.0, -whole.worst_day_usd)
    pairs = (
        ("max_loss_share", asked.max_loss_share, programme.max_loss, worst, "worst drawdown", "maximum loss"),
        ("daily_loss_share", asked.daily_loss_share, programme.daily_loss, day, "worst day", "daily loss limit"),
    )
    for name, share, limit, value, what, of in pairs:
        if share is None or limit is None:
            continue
        bound = share * float(limit)
        text = f"{what} {value:,.2f} USD, at most {bound:,.2f} is asked ({share:.0%} of the {of} of {asked.programme})"
        yield _told(f"headroom.{name}", value <= bound, value, bound, text)


def _least(gate: str, value: int, bound: int, what: str) -> dict[str, Any]:
    return _told(gate, value >= bound, value, bound, f"{value:,} {what}, at least {bound:,} are asked")


def _told(gate: str, passed: bool, value: Any, bound: Any, text: str) -> dict[str, Any]:
    return {"gate": gate, "passed": passed, "value": value, "bound": bound, "text": text}
