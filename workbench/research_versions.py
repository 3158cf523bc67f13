"""What a notebook calls to keep versions apart: `wb.versions`, `wb.promote`, and the way back, `rollback`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.domain.errors import InputError
from workbench.storage.home import Home
from workbench.storage.home import home as home_at

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from workbench.backtest.result import Result
    from workbench.backtest.walk_forward import WalkForward
    from workbench.rules.strategy import Strategy
    from workbench.services.promoted import Promotion


def versions(name: str | None = None, *, home: str | Path | Home | None = None) -> pd.DataFrame:
    """Return the stored versions of strategies, the newest last.

    Parameters
    ----------
    name : str, optional
        Only those of one strategy.

    Returns
    -------
    pandas.DataFrame
        Indexed by version: name, state (draft, tested, paper, live, retired), live_in (sessions), parent, stored_at
        (UTC), by, kind (yaml, python).
    """
    from workbench.services.promotion import versions_frame

    return versions_frame(name, home=home)


def promote(
    version: str | Path | Strategy | Result,
    *,
    to: str,
    session: str | None = None,
    reason: str = "",
    person: str | None = None,
    walk_forward: WalkForward | None = None,
    bars: pd.DataFrame | pl.DataFrame | None = None,
    contract: str | None = None,
    gates: str | Path | None = None,
    home: str | Path | Home | None = None,
) -> Promotion:
    """Move one exact version to another state: through its gates, or refused with every reason.

    Parameters
    ----------
    version : str, Path, Strategy or Result
        Digits of a stored version, ``name@digits``, a file or shipped name, or what `load_strategy` and `backtest`
        return: that is stored first, and judged with its parameter values.
    to : str
        ``tested``, ``paper``, ``live`` (from paper, with a reason) or ``retired``; ``paper`` takes a live one off.
    session : str, optional
        Seat of a live version; by default the strategy's name. At most one version is live in it.
    reason, person : str
        Why, and who; by default the user of this machine.
    walk_forward : WalkForward, optional
        Out-of-sample evidence of `walk_forward`, attached to the version.
    bars, contract : optional
        What it is tested on, as `backtest` takes it; by default the store.
    gates : str or Path, optional
        Another file than ``gates.yaml`` in the home, or the shipped one.

    Returns
    -------
    Promotion
        ``.passed``, ``.verdicts`` (each gate with value and bound), ``.now``, ``.replaced``.

    Raises
    ------
    NotPromoted
        An InputError with ``.reasons`` and ``.promotion``; the attempt is recorded.
    """
    from workbench import research
    from workbench.services.promotion import promote as carry_out

    place = home if isinstance(home, Home) else home_at(home)
    given = getattr(version, "strategy", version)
    chosen = research.load_strategy(given, home=place)
    if walk_forward is not None:
        _attach(walk_forward, chosen, place)

    def run(strategy: Strategy, /, *, start: Any = None) -> Result:
        return research.backtest(strategy, bars, contract=contract, start=start, home=place)

    return carry_out(
        chosen, to=to, backtest=run, session=session, reason=reason, person=person, home=place, gates=gates
    )  # fmt: skip


def rollback(
    session: str, *, reason: str = "", person: str | None = None, home: str | Path | Home | None = None
) -> Promotion:
    """Make the version live again that was live in `session` before the present one; no gate is asked."""
    from workbench.services.promotion import rollback as carry_out

    return carry_out(session, reason=reason, person=person, home=home)


def _attach(walked: WalkForward, strategy: Strategy, place: Home) -> None:
    from workbench.services.clock import wall_ns
    from workbench.storage.versions import Versions

    made_of = walked.space.strategy
    if made_of.version != strategy.version:
        raise InputError(
            f"the walk-forward is of {made_of.name}@{made_of.version}, not of {strategy.name}@{strategy.version}; "
            "make one of this version"
        )
    versions, at = Versions(place), wall_ns()
    versions.registry.register(strategy, at=at)
    sums = {name: sum(step.outside[name] for step in walked.steps) for name in ("trades", "costs_usd")}
    stats = {**walked.stats, **sums, "trades": int(sums["trades"])}
    versions.attach(strategy.version, "walk_forward", stats, dict(walked.provenance), at=at)
