"""Several strategies on one account, each on a contract of its own: they share its money, its limits and its firm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from workbench.backtest.played import NO_LEVEL, Played
from workbench.backtest.replay import Account, Line, played_of
from workbench.domain.errors import InputError

if TYPE_CHECKING:
    from workbench.backtest.prepared import Prepared
    from workbench.rules.python.strategy import PythonStrategy
    from workbench.rules.strategy import Strategy


def replay_account(items: Sequence[tuple[Strategy | PythonStrategy, Prepared]]) -> list[Played]:
    """Play strategies together, in the order of time, and return what each did.

    Parameters
    ----------
    items : sequence of (Strategy, Prepared)
        Each on another contract; limits and account programme must be the same for all.

    Returns
    -------
    list of Played
        In the order of `items`; orders are numbered anew for each. What the account's firm did stands in the first.

    Raises
    ------
    InputError
        Nothing given, a contract twice, or different limits or programmes.
    """
    if not items:
        raise InputError("give at least one strategy with its bars")
    first = items[0][1]
    names = [prepared.series.contract.id for _, prepared in items]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name} is traded by {names.count(name)} strategies; one account trades a contract once")
    for _, prepared in items:
        if (prepared.limits, prepared.programme) != (first.limits, first.programme):
            raise InputError("strategies on one account have one set of limits and one programme")
    account = Account(first)
    for strategy, prepared in items:
        account.lines.append(Line(prepared, strategy, account, 0, len(prepared.series), every=True))
    account.run()
    return [_renumbered(played) for played in played_of(account, account.lines)]


def _renumbered(played: Played) -> Played:
    # numbers of orders run through the account; a result counts its own
    orders, fills = played.orders, played.fills
    number = {old: new + 1 for new, old in enumerate(orders.id.tolist())}
    number[NO_LEVEL] = NO_LEVEL

    def new(ids: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return np.array([number[old] for old in ids], dtype=np.int64)

    return replace(
        played,
        orders=replace(orders, id=new(orders.id.tolist()), parent=new(orders.parent.tolist())),
        fills=replace(fills, order=new(fills.order.tolist())),
    )
