"""What a notebook calls to try many parameter values: `wb.sweep`, `wb.walk_forward`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.backtest.costs import Costs
from workbench.research import FINER, provenance, ready_for
from workbench.research_data import When, data_version, home_of
from workbench.storage.home import Home

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from workbench.backtest.swept import Sweep
    from workbench.backtest.walk_forward import WalkForward
    from workbench.risk.limits import Limits
    from workbench.rules.strategy import Strategy
    from workbench.services.sweep_job import Job
    from workbench.services.sweeping import Where


def sweep(
    strategy: str | Path | Strategy,
    bars: pd.DataFrame | pl.DataFrame | None = None,
    *,
    method: str = "grid",
    trials: int | None = None,
    metric: str = "sharpe_daily",
    seed: int = 0,
    contract: str | None = None,
    start: When = None,
    end: When = None,
    timeframe: str | None = None,
    costs: Costs | None = None,
    limits: Limits | None = None,
    account: Any = None,
    finer: Any = FINER,
    touch: bool = False,
    jobs: int | None = None,
    cluster: Any = None,
    resume: bool | str = False,
    progress: bool | None = None,
    home: str | Path | Home | None = None,
    **parameters: Any,
) -> Sweep:
    """Run many combinations of a strategy's parameters, and say whether the best of them is luck.

    Parameters
    ----------
    strategy, bars, contract, start, end, timeframe, costs, limits, account, finer, touch
        As `workbench.backtest` takes them.
    method : str
        ``grid`` (every combination), ``random`` or ``tpe`` (Optuna's estimator learns where to look).
    trials : int, optional
        Combinations of random and TPE search; 100 when left out.
    metric : str
        What the best is best in; see `workbench.backtest.sweep.METRICS`.
    seed : int
        Of everything that is drawn.
    jobs : int, optional
        Threads; as many as there are processors when left out.
    cluster : str or distributed.Client, optional
        Address of a dask scheduler (``tcp://…``) to run on instead; the results are the same.
    resume : bool or str
        Go on with what an interrupted sweep of the same bars, values and costs has done. A text must be its address.
    progress : bool, optional
        Show a bar; left out, only in terminals and notebooks.
    **parameters
        What each parameter is tried with: a list, a range, ``"5:50:5"``, ``...`` for all that it declares, or one value
        to hold it fixed. None at all: everything that is declared with a range and a step.

    Returns
    -------
    Sweep
        ``.frame``, ``.best``, ``.top()``, ``.heatmap()``, ``.overfit``, ``.stability``, ``.monte_carlo``,
        ``.random_entries()``, ``.walk_forward()``. After Ctrl-C, what was done until then.

    Raises
    ------
    InputError
        Anything wrong with the strategy, the values, the bars; more memory or combinations than are allowed.
    """
    from workbench.backtest.result import Result
    from workbench.services.sweeping import sweep as run
    from workbench.storage.home import write_durably

    chosen, job, told = _job(
        strategy, bars, contract, start, end, timeframe, costs, limits, account, finer, touch, home
    )  # fmt: skip

    def result(best: Strategy) -> Result:
        of_best = {**told, "parameters": dict(best.values)}
        return Result(best, job.series, job.prepared.run(best), provenance=of_best, writer=write_durably)

    where = _where(home, jobs, cluster, resume, progress)
    return run(
        chosen, job, parameters, where=where, method=method, trials=trials, metric=metric, seed=seed, provenance=told,
        result=result,
    )  # fmt: skip


def walk_forward(
    strategy: str | Path | Strategy,
    bars: pd.DataFrame | pl.DataFrame | None = None,
    *,
    train: int,
    test: int,
    anchored: bool = False,
    purge: int = 0,
    embargo: int = 0,
    method: str = "grid",
    trials: int | None = None,
    metric: str = "sharpe_daily",
    seed: int = 0,
    contract: str | None = None,
    start: When = None,
    end: When = None,
    timeframe: str | None = None,
    costs: Costs | None = None,
    limits: Limits | None = None,
    account: Any = None,
    finer: Any = FINER,
    touch: bool = False,
    jobs: int | None = None,
    cluster: Any = None,
    progress: bool | None = None,
    home: str | Path | Home | None = None,
    **parameters: Any,
) -> WalkForward:
    """Choose the best combination on each training window, trade the test window after it, and join what was traded.

    Parameters
    ----------
    train, test : int
        Trading dates to choose on, and to trade with the choice.
    anchored : bool
        Every training begins with the first date, instead of rolling along.
    purge, embargo : int
        Trading dates cut off the end of the training, and left out between training and test.
    method : str
        ``grid`` or ``random``.
    others
        As `sweep` takes them.

    Returns
    -------
    WalkForward
        ``.frame`` (a row for each window), ``.equity``, ``.stats``, ``.efficiency``, ``.plot()``.
    """
    from workbench.services.sweeping import walk_forward as run

    chosen, job, told = _job(
        strategy, bars, contract, start, end, timeframe, costs, limits, account, finer, touch, home
    )  # fmt: skip
    return run(
        chosen, job, parameters, where=_where(home, jobs, cluster, False, progress), train=train, test=test,
        anchored=anchored, purge=purge, embargo=embargo, method=method, trials=trials, metric=metric, seed=seed,
        provenance=told,
    )  # fmt: skip


# --- inside ---


def _job(
    strategy: str | Path | Strategy, bars: Any, contract: str | None, start: When, end: When, timeframe: str | None,
    costs: Costs | None, limits: Limits | None, account: Any, finer: Any, touch: bool, home: str | Path | Home | None,
) -> tuple[Strategy, Job, dict[str, Any]]:  # fmt: skip
    from workbench.rules.strategy import Strategy
    from workbench.services.sweep_job import Job

    chosen, prepared, found = ready_for(
        strategy, bars, contract=contract, start=start, end=end, timeframe=timeframe, costs=costs, limits=limits,
        account=account, finer=finer, touch=touch, home=home,
    )  # fmt: skip
    job = Job(
        series=prepared.series,
        data_version=data_version(found.frame),
        costs=prepared.costs,
        limits=prepared.limits,
        programme=prepared.programme,
        touch=prepared.touch,
    )
    engine = "kernel" if isinstance(chosen, Strategy) else "event"
    return chosen, job, provenance(chosen, found, job.prepared, engine)


def _where(
    home: str | Path | Home | None, jobs: int | None, cluster: Any, resume: bool | str, progress: bool | None
) -> Where:
    from workbench.services.sweeping import Where
    from workbench.storage.ledger import Trials

    place = home_of(home)
    return Where(home=place, ledger=Trials(place), jobs=jobs, cluster=cluster, resume=resume, progress=progress)
