"""How often a strategy was tried: every trial of every sweep counts, over all versions of one name.

A best result means less the more were tried (`backtest.overfit`), so nobody but the database keeps the count.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import time_ns
from typing import Any

from workbench.domain.errors import InputError
from workbench.storage.database import Database
from workbench.storage.home import Home
from workbench.storage.plain import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One sweep: `trials` combinations on one data version. `evidence` is what it told of itself (pbo, variance …)."""

    at: int
    strategy: str
    data_version: str
    trials: int
    what: str
    evidence: dict[str, Any]


class Trials:
    """The ledger of trials of one home."""

    def __init__(self, home: Home, database: Database | None = None) -> None:
        self.database = database or Database(home)

    def add(
        self, strategy: str, data_version: str, trials: int, what: str, *, evidence: dict[str, Any] | None = None
    ) -> None:
        """Count `trials` more of a strategy.

        Parameters
        ----------
        strategy : str
            Its name, without a version.
        data_version : str
            What it was tried on.
        trials : int
            Combinations that were run, at least 1.
        what : str
            For people: which parameters, which search.
        evidence : dict, optional
            What the sweep found about itself: ``pbo``, ``sharpe_variance`` (per day, over the trials), ``first`` and
            ``last`` (trading dates it saw).

        Raises
        ------
        InputError
            A count below 1.
        StorageError
            The database cannot be written.
        """
        if trials < 1:
            raise InputError(f"{trials} trials of {strategy}: only what was tried is counted")
        from workbench.storage.tables import trials as table

        row = {"at": time_ns(), "strategy": strategy, "data_version": data_version, "trials": int(trials), "what": what}
        with self.database.writing() as connection:
            connection.execute(table.insert().values(**row, evidence=plain(evidence or {})))

    def count(self, strategy: str) -> int:
        """Return how many combinations of a strategy of this name were ever tried."""
        return sum(tried.trials for tried in self.list(strategy))

    def list(self, strategy: str | None = None) -> list[Tried]:
        """Return the sweeps (of one strategy), the oldest first."""
        if not self.database.exists:
            return []
        from workbench.storage.tables import trials as table

        query = table.select().order_by(table.c.id)
        if strategy is not None:
            query = query.where(table.c.strategy == strategy)
        with self.database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [Tried(**{name: row[name] for name in Tried.__slots__}) for row in rows]
