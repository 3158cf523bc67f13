"""A graph over whole columns: the same steps as bar by bar, so that what is computed for many bars is what trades."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from workbench.rules.graph import Graph, Node
from workbench.rules.inputs import Inputs
from workbench.rules.operators import HOLD

Floats = npt.NDArray[np.float64]


class ColumnCache:
    """Columns by the key of their sub-expression; the ones used longest ago go first when it is full.

    One cache belongs to one `Inputs`: a key does not name the bars.

    Parameters
    ----------
    max_bytes : int
        Of the columns together. The columns are not copied; do not write into them.

    Attributes
    ----------
    hits, misses : int
        Look-ups that found a column, and that did not.
    """

    def __init__(self, max_bytes: int = 256_000_000) -> None:
        self.max_bytes = max_bytes
        self.bytes = self.hits = self.misses = 0
        self._columns: dict[str, Floats] = {}

    def __len__(self) -> int:
        return len(self._columns)

    def get(self, key: str) -> Floats | None:
        """Return a column, or None."""
        found = self._columns.pop(key, None)
        if found is None:
            self.misses += 1
            return None
        self._columns[key] = found  # the newest
        self.hits += 1
        return found

    def put(self, key: str, column: Floats) -> None:
        """Keep a column, unless it alone is larger than the cache."""
        if column.nbytes > self.max_bytes or key in self._columns:
            return
        self._columns[key] = column
        self.bytes += column.nbytes
        while self.bytes > self.max_bytes:
            oldest = self._columns.pop(next(iter(self._columns)))
            self.bytes -= oldest.nbytes


def evaluate(
    graph: Graph, inputs: Inputs, slots: Iterable[int], cache: ColumnCache | None = None
) -> dict[int, Floats | float]:
    """Return what slots of a graph give at every bar: bit for bit what `Graph.step` gives bar by bar.

    Parameters
    ----------
    graph : Graph
        Its own state is neither used nor changed.
    inputs : Inputs
        The bars.
    slots : iterable of int
        As returned by `Graph.add`.
    cache : ColumnCache, optional
        Where equal sub-expressions of other graphs over the same bars are found and left.

    Returns
    -------
    dict
        By slot: a float64 array of the bars, or a float for what is fixed. NaN where it cannot be known.
        Arrays may be shared: do not write into them.
    """
    wanted = set(slots)
    made: dict[int, Floats | float] = {slot: float(value) for slot, value in graph.constants.items()}
    for name, slot in graph.columns.items():
        if slot in wanted:
            made[slot] = inputs.column(name)
    for node, last in _needed(graph, wanted, made, cache):
        column = _compute(graph, node, inputs, made, cache)
        made[node.slot] = column
        if cache is not None:
            cache.put(graph.keys[node.slot], column)
        for slot in last:
            made.pop(slot, None)
    return {slot: made[slot] for slot in wanted}


def _needed(
    graph: Graph, wanted: set[int], made: dict[int, Floats | float], cache: ColumnCache | None
) -> list[tuple[Node, list[int]]]:
    # The nodes to compute, in order, each with the slots that nobody reads after it.
    needed, order = set(wanted), []
    keep = wanted | graph.constants.keys()
    for node in reversed(graph.nodes):
        if node.slot not in needed:
            continue
        found = cache.get(graph.keys[node.slot]) if cache is not None else None
        if found is not None:
            made[node.slot] = found
            continue
        reads = set() if node.op is HOLD else set(node.inputs)
        order.append((node, [slot for slot in reads if slot not in needed and slot not in keep]))
        needed |= reads
    return order[::-1]


def _compute(
    graph: Graph, node: Node, inputs: Inputs, made: dict[int, Floats | float], cache: ColumnCache | None
) -> Floats:
    if node.op is HOLD:
        bars, newest = inputs.higher(node.timeframe)
        column = evaluate(graph.higher[node.timeframe], bars, node.inputs, cache)[node.inputs[0]]
        return np.append(column, np.nan)[newest]  # -1: none is closed yet
    names = {slot: name for name, slot in graph.columns.items()}
    columns = [inputs.column(names[slot]) if slot in names else made[slot] for slot in node.inputs]
    return _column(node, columns, len(inputs))


def _column(node: Node, columns: list[Floats | float], bars: int) -> Floats:
    from workbench.rules.compiled import column

    if not any(isinstance(part, np.ndarray) for part in columns):  # a condition of numbers alone that has a memory
        columns[0] = np.full(bars, columns[0])
    return column(node.op, columns, node.constants)
