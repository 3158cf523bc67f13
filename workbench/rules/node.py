"""One computed slot of a graph."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.rules.indicators.base import Indicator


@dataclass(frozen=True, slots=True)
class Node:
    """One computed slot.

    Parameters
    ----------
    slot : int
    op : Indicator
        An indicator or an operator.
    inputs : tuple of int
        Slots it reads; for `HOLD` the slot of the graph ``graph.higher[timeframe]``.
    constants : tuple of float
        Whole ones are int.
    warm : int
        Bars until it no longer depends on older history.
    timeframe : str
        Of what it holds; empty for all others.
    """

    slot: int
    op: Indicator
    inputs: tuple[int, ...]
    constants: tuple[float, ...]
    warm: int
    timeframe: str = ""
