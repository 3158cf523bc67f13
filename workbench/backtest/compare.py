"""Signals as columns, computed twice from different bars, and the first place in each column where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.domain.errors import InputError

Floats = npt.NDArray[np.float64]

EXACT = 1e-9  # relative: what another order of additions may change
SEED = 2e-4  # of a column's range: what an indicator that is declared warm may still owe to its first values


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of float64 by name, one row a bar; NaN where nothing is known. `codes` numbers texts the same way."""

    columns: Mapping[str, Floats]
    rows: int

    def ranges(self) -> dict[str, float]:
        """Return the distance from the lowest to the highest finite value of each column."""
        made = {}
        for name, column in self.columns.items():
            finite = column[np.isfinite(column)]
            made[name] = float(finite.max() - finite.min()) if finite.size else 0.0
        return made


@dataclass(frozen=True, slots=True)
class Difference:
    """Row of the full table at which a column differs, and both values."""

    column: str
    row: int
    full: float
    part: float


def differences(full: Table, part: Table, first: int, since: int, slack: Mapping[str, float]) -> Iterator[Difference]:
    """Yield the first difference of each column between `full` and a `part` that begins at row `first` of it.

    Rows before `since` (of `full`) are not compared; `slack` is by how much a column may differ. A column of zeros and
    ones may differ where a column of numbers does within its slack: that is a comparison on the edge.
    """
    rows = slice(since, first + part.rows)
    moved = np.zeros(max(0, first + part.rows - since), dtype=bool)
    found: list[tuple[str, npt.NDArray[np.bool_], bool]] = []
    for name in {**full.columns, **part.columns}:
        left = full.columns[name][rows] if name in full.columns else np.full(moved.shape, np.nan)
        right = part.columns[name][since - first :] if name in part.columns else np.full(moved.shape, np.nan)
        either = np.isnan(left) | np.isnan(right)
        differs = np.isnan(left) != np.isnan(right)
        size = np.maximum(np.abs(left), np.abs(right))
        with np.errstate(invalid="ignore"):
            apart = np.where(either | (left == right), 0.0, np.abs(left - right))
        differs |= apart > slack.get(name, 0.0) + EXACT * np.nan_to_num(size, posinf=0.0, neginf=0.0)
        is_condition = bool(np.isin(full.columns.get(name, right), (0.0, 1.0, -1.0)).sum() >= 0.5 * full.rows)
        found.append((name, differs, is_condition))
        if not is_condition and slack:
            moved |= apart > 0.0
    excused = moved | np.concatenate([[False], moved[:-1]]) if moved.size else moved
    for name, differs, is_condition in found:
        rest = differs & ~excused if is_condition else differs
        if rest.any():
            row = since + int(np.argmax(rest))
            yield Difference(
                name,
                row,
                float(full.columns[name][row]) if name in full.columns else np.nan,
                float(part.columns[name][row - first]) if name in part.columns else np.nan,
            )


@dataclass(slots=True)
class Reader:
    """Turns what a research function returns into a table; texts and categories become numbers that stay the same."""

    codes: dict[str, float] = field(default_factory=dict)

    def table(self, answer: Any, labels: Sequence[Any]) -> Table:
        """Return `answer` (series, frame or array: one row a bar, or rows labelled by the bars' index) as a table.

        Raises
        ------
        InputError
            It cannot be brought into line with the bars.
        """
        made = {name: self._floats(column) for name, column in self._columns(answer, labels)}
        if not made:
            raise InputError("the function returned no column")
        for name, column in made.items():
            if len(column) != len(labels):
                raise InputError(
                    f"the function returned {len(column)} rows ({name}) for {len(labels)} bars; return one row for "
                    "each bar, or rows labelled by their index"
                )
        return Table(made, len(labels))

    def _columns(self, answer: Any, labels: Sequence[Any]) -> Iterator[tuple[str, Any]]:
        kind = f"{type(answer).__module__.split('.')[0]}.{type(answer).__name__}"
        if kind in ("pandas.Series", "pandas.DataFrame"):
            if len(answer) != len(labels) and not answer.index.has_duplicates:
                answer = answer.reindex(labels)
            columns = [(str(answer.name or "signal"), answer)] if kind == "pandas.Series" else answer.items()
            yield from ((str(name), column.to_numpy()) for name, column in columns)
        elif kind == "polars.Series":
            yield answer.name or "signal", answer.to_numpy()
        elif kind == "polars.DataFrame":
            yield from ((name, answer[name].to_numpy()) for name in answer.columns)
        elif isinstance(answer, Mapping):
            yield from ((str(name), np.asarray(column)) for name, column in answer.items())
        else:
            array = np.asarray(answer)
            if array.ndim == 1:
                yield "signal", array
            elif array.ndim == 2:
                yield from ((f"column {i}", array[:, i]) for i in range(array.shape[1]))
            else:
                raise InputError(f"the function returned {type(answer).__name__}; return a series or a frame")

    def _floats(self, column: Any) -> Floats:
        array = np.asarray(column)
        if array.dtype.kind in "bifu":
            return array.astype(np.float64)
        if array.dtype.kind in "mM":
            made = array.astype("int64").astype(np.float64)
            made[np.isnat(array)] = np.nan
            return made
        return np.array([self._code(value) for value in array.tolist()], dtype=np.float64)

    def _code(self, value: object) -> float:
        if value is None or value != value:  # NaN is not itself
            return np.nan
        if isinstance(value, bool | int | float):
            return float(value)
        return self.codes.setdefault(str(value), float(len(self.codes)))
