"""The chance to pass a firm's programme with trades like these: their days in other orders, under the firm's rules.

A trading date is moved as a whole, with its trades in the order in which they came: trades of one day belong together,
and the daily loss is a rule about days. Each drawn history is played until the account has passed, has failed, or the
days are over. A trade shows the firm its best and its worst equity before its end (the best first, which is the worse
order for a floor that follows the equity), and is closed where a loss rule breaks.

What this cannot know: whether tomorrow's days are drawn from these. It answers "how much of the result is the order of
the days", not "will it pass".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from workbench.domain.account import AccountProgramme
from workbench.domain.errors import InputError
from workbench.domain.programme import MAX_LOSS, NONE, FirmAccount, FirmRules, rules_of

E4 = 10_000
SAMPLES = 1000
PASSED, FAILED, OPEN = "passed", "failed", "open"
QUANTILES = (25, 50, 75, 95)

Day = Sequence[tuple[float, float, float]]  # (net, worst, best) of each trade, USD


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """How many of the drawn histories pass.

    Parameters
    ----------
    programme : str
    passed, failed, open : float
        Shares of the histories: target reached, maximum loss broken, neither when the days were over.
    error : float
        Standard error of `passed` that comes from the number of samples alone.
    daily_stops : float
        Mean number of days that the daily loss has ended, in a history.
    days : dict
        Trading dates after which this percentage of the histories that passed had passed; empty when none did.
    played : int
        Trading dates of a history.
    drawn : bool
        Days drawn with replacement (True), or all of them in another order (False).
    samples : int
    """

    programme: str
    passed: float
    failed: float
    open: float
    error: float
    daily_stops: float
    days: dict[int, int] = field(default_factory=dict)
    played: int
    drawn: bool
    samples: int

    def __str__(self) -> str:
        how = "days drawn anew" if self.drawn else "the same days in other orders"
        told = f", half of them within {self.days[50]} days" if self.days else ""
        return (
            f"{self.programme}: {self.passed:.0%} pass (± {2 * self.error:.0%}){told}, {self.failed:.0%} fail, "
            f"{self.open:.0%} reach neither in {self.played} trading dates; {self.samples:,} histories, {how}"
        )


def chance_to_pass(
    days: Sequence[Day],
    programme: AccountProgramme,
    *,
    drawn: bool = True,
    size: float = 1.0,
    edge: float = 1.0,
    length: int | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Chance:
    """Return how often trades like these pass a programme.

    Parameters
    ----------
    days : sequence of sequence of (net, worst, best)
        The trades of each trading date in USD: net profit, worst open loss (≤ 0), best open profit (≥ 0). A date
        without a trade is an empty one.
    programme : AccountProgramme
        It must have a profit target.
    drawn : bool
        Draw days with replacement; False: the same days in other orders, each once.
    size : float
        Times as many contracts as were traded; the caps on contracts are not looked at.
    edge : float
        Share of the mean profit of a trade that is left; the rest is taken off every trade alike. 0: no edge at all.
    length : int, optional
        Trading dates of a history; as many as there are, when left out.
    samples, seed : int

    Raises
    ------
    InputError
        No days, no target, or a number that makes no sense.

    >>> from workbench.domain.account_file import account
    >>> two = account({"starting_balance": 1000, "max_loss": 100, "max_minis": 1, "profit_target": 150})
    >>> # two days drawn from a win and a loss: both wins pass, both losses fail, one in four each
    >>> made = chance_to_pass([[(80.0, 0.0, 80.0)], [(-60.0, -60.0, 0.0)]], two, samples=4000, length=2)
    >>> abs(made.passed - 0.25) < 0.03, abs(made.failed - 0.25) < 0.03, made.days[50]
    (True, True, 2)
    """
    rules = rules_of(programme)
    count = len(days) if length is None else length
    _require(days, rules, programme.name, drawn, (size, edge), count, samples)
    nets = [net for day in days for net, _, _ in day]
    less = (1.0 - edge) * sum(nets) / len(nets)
    exact = [[_scaled((net - less, worst, best), size) for net, worst, best in day] for day in days]
    random, ends, stops = np.random.default_rng(seed), list[tuple[str, int]](), 0
    for _ in range(samples):
        order = random.integers(0, len(days), count) if drawn else random.permutation(len(days))[:count]
        end, day, stopped = _play(exact, order, rules)
        ends.append((end, day))
        stops += stopped
    share = {what: sum(end == what for end, _ in ends) / samples for what in (PASSED, FAILED, OPEN)}
    took = np.array([day for end, day in ends if end == PASSED])
    found = {q: int(np.quantile(took, q / 100, method="inverted_cdf")) for q in QUANTILES} if len(took) else {}
    return Chance(
        programme=programme.name,
        **share,
        error=math.sqrt(share[PASSED] * (1 - share[PASSED]) / samples),
        daily_stops=stops / samples,
        days=found,
        played=count,
        drawn=drawn,
        samples=samples,
    )


def _require(
    days: Sequence[Day], rules: FirmRules, name: str, drawn: bool, scale: tuple[float, float], count: int, samples: int
) -> None:
    size, edge = scale
    if rules.target == NONE:
        raise InputError(f"{name} has no profit target to reach; wb.account(…, profit_target=3000) gives one")
    if not any(len(day) for day in days):
        raise InputError("there is no closed trade to draw from")
    if not (size > 0 and math.isfinite(size) and math.isfinite(edge)):
        raise InputError(f"size={size} must be above 0 and edge={edge} a number, both finite")
    if samples < 1 or count < 1:
        raise InputError(f"samples={samples} and length={count} must be at least 1")
    if not drawn and count > len(days):
        raise InputError(f"{count} days in another order need as many; there are {len(days)}. Take drawn=True")


def _scaled(trade: tuple[float, float, float], size: float) -> tuple[int, int, int]:
    net, worst, best = (round(value * size * E4) for value in trade)
    return net, min(worst, 0), max(best, 0)


def _play(
    days: Sequence[Sequence[tuple[int, int, int]]], order: npt.NDArray[np.int64], rules: FirmRules
) -> tuple[str, int, int]:
    # → how it ended, after how many days, days that the daily loss has ended
    firm, balance, stopped = FirmAccount(rules), rules.start, 0
    for number, day in enumerate(order.tolist(), 1):
        traded = bool(days[day])
        for net, worst, best in days[day]:
            firm.follow(balance + best)
            balance, broken = _traded(firm, balance, net, worst)
            if broken == MAX_LOSS:
                return FAILED, number, stopped
            if broken:
                stopped += 1
                break
        firm.roll(balance, traded=traded)
        if firm.passed:
            return PASSED, number, stopped
    return OPEN, len(order), stopped


def _traded(firm: FirmAccount, balance: int, net: int, worst: int) -> tuple[int, str]:
    # The balance after a trade, and the rule that it broke: then it ends where the rule stands.
    limit = firm.floor
    if firm.rules.daily_loss != NONE:
        limit = max(limit, firm.day_start - firm.rules.daily_loss)
    broken = firm.see(balance + min(worst, net))
    return (limit, broken) if broken else (balance + net, "")
