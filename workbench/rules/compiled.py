"""The array form of an operation: a compiled loop over the very step that runs live.

`column` rebuilds one template function per operation, with the operation's Python step compiled into its globals, and
keeps the machine code on disk (see `workbench._numba_cache`): a new rule or parameter compiles nothing, a new process
loads what an earlier one compiled. numba finds no cache entry for a function that closes over another compiled one,
but it does for a module-level template with a name of its own. ``python -m workbench.rules.compiled`` compiles all.

Neither ``fastmath`` nor ``parallel`` is used, and division by zero raises as in Python: the loop gives the same bits as
the step does.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench import _numba_cache
from workbench.domain.errors import InputError
from workbench.rules.indicators.base import Indicator

Floats = NDArray[np.float64]
Progress = Callable[[int, int, str], None]  # done, of so many, what comes next

# Steps own no arrays, so numba need not count references: without `_nrt` a bar costs a quarter of the time.
OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False, "no_cfunc_wrapper": True}
STRETCH = 1 << 14  # bars
# What only compiled code calls is compiled into its callers: a call that passes arrays costs more than most steps do.
WITHIN: dict[str, Any] = OPTIONS | {"no_cpython_wrapper": True, "forceinline": True}


def tables() -> tuple[Mapping[str, Indicator], ...]:
    """Return every table of operations that come with the program: what `warm_up` compiles."""
    from workbench.rules.indicators import SHIPPED
    from workbench.rules.operators import OPERATORS

    return {op.name: op for op in SHIPPED}, OPERATORS


def column(op: Indicator, inputs: Sequence[Floats | float], constants: Sequence[float] = ()) -> Floats:
    """Return an operation at every bar, from a fresh state.

    Parameters
    ----------
    op : Indicator
        Shipped operations run compiled; a user's own runs as a plain Python loop.
    inputs : sequence of float64 arrays, shape (n,)
        In the order of ``op.inputs``; a plain number stands for a constant column. At least one is an array.
    constants : sequence of float
        In the order of ``op.constants``.

    Returns
    -------
    float64 array, shape (n,)
        NaN where there is no value yet.

    Raises
    ------
    InputError
        If lengths differ, an argument is missing, or a person's own step raises or gives no number.

    Examples
    --------
    >>> from workbench.rules.indicators import INDICATORS
    >>> column(INDICATORS["sma"], [np.array([1.0, 2.0, 6.0, 4.0])], [2])
    array([nan, 1.5, 4. , 5. ])
    """
    n, typed = _length(op, inputs), op.typed(constants)
    state, out = np.zeros(max(op.size(*typed), 1)), np.empty(n)
    if not _is_shipped(op):
        _plain_loop(op, out, [_whole(each, n) for each in inputs], state.tolist(), typed)
    elif all(isinstance(each, np.ndarray) for each in inputs):
        _loop(op)(out, state, *(_whole(each, n) for each in inputs), typed)
    else:
        # a number is a column of one stretch, which stays near the processor; the bars are taken by such stretches
        columns = [_whole(each, min(n, STRETCH)) for each in inputs]
        for i in range(0, n, STRETCH):
            part = slice(i, min(i + STRETCH, n))
            taken = (c[part] if c.shape[0] == n else c[: part.stop - i] for c in columns)
            _loop(op)(out[part], state, *taken, typed)
    return out


def warm_up(progress: Progress | None = None, ops: Iterable[Indicator] | None = None) -> tuple[int, int]:
    """Compile what is not on disk yet and load the rest; return how many were (compiled, loaded).

    Parameters
    ----------
    progress : callable, optional
        Told (done, of so many, name) before each operation, and once at the end with an empty name.
    ops : iterable of Indicator, optional
        Default: all that are shipped.
    """
    wanted = list(ops) if ops is not None else [op for table in tables() for op in table.values()]
    compiled = 0
    for done, op in enumerate(wanted):
        if progress is not None:
            progress(done, len(wanted), op.name)
        compiled += sum(_loop(op).stats.cache_misses.values())
    if progress is not None:
        progress(len(wanted), len(wanted), "")
    return compiled, len(wanted) - compiled


def _plain_loop(
    op: Indicator, out: Floats, arrays: Sequence[Floats], state: list[float], constants: Sequence[float]
) -> None:
    step, i = op.step, -1
    try:
        for i, bar in enumerate(zip(*(a.tolist() for a in arrays), strict=True)):
            out[i] = step(state, *bar, *constants)
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, NameError) as error:
        raise InputError(f"indicator {op.name}: at bar {i} its step raised {type(error).__name__}: {error}") from error


def _length(op: Indicator, inputs: Sequence[Floats | float]) -> int:
    lengths = {len(i) for i in inputs if isinstance(i, np.ndarray)}
    if len(inputs) != len(op.inputs) or len(lengths) != 1:
        raise InputError(
            f"{op.name} takes {len(op.inputs)} columns of one length ({', '.join(op.inputs)}), "
            f"got {len(inputs)} of lengths {sorted(lengths)}"
        )
    return lengths.pop()


def _whole(given: Floats | float, n: int) -> Floats:
    return np.ascontiguousarray(given, dtype=np.float64) if isinstance(given, np.ndarray) else np.full(n, float(given))


@cache
def _shipped() -> frozenset[int]:
    return frozenset(id(op) for table in tables() for op in table.values())


def _is_shipped(op: Indicator) -> bool:
    return id(op) in _shipped()


def step(state: Floats, *bar: float) -> float:
    """Stand for the operation's step, which each copy of a template has in its globals instead; see `_loop`."""
    raise NotImplementedError


def _over_1(out, state, a, constants):  # type: ignore[no-untyped-def]
    for i in range(a.shape[0]):
        out[i] = step(state, a[i], *constants)


def _over_2(out, state, a, b, constants):  # type: ignore[no-untyped-def]
    for i in range(a.shape[0]):
        out[i] = step(state, a[i], b[i], *constants)


def _over_3(out, state, a, b, c, constants):  # type: ignore[no-untyped-def]
    for i in range(a.shape[0]):
        out[i] = step(state, a[i], b[i], c[i], *constants)


def _over_4(out, state, a, b, c, d, constants):  # type: ignore[no-untyped-def]
    for i in range(a.shape[0]):
        out[i] = step(state, a[i], b[i], c[i], d[i], *constants)


def _over_5(out, state, a, b, c, d, e, constants):  # type: ignore[no-untyped-def]
    for i in range(a.shape[0]):
        out[i] = step(state, a[i], b[i], c[i], d[i], e[i], *constants)


def _over_6(out, state, a, b, c, d, e, f, constants):  # type: ignore[no-untyped-def]
    for i in range(a.shape[0]):
        out[i] = step(state, a[i], b[i], c[i], d[i], e[i], f[i], *constants)


def _over_7(out, state, a, b, c, d, e, f, g, constants):  # type: ignore[no-untyped-def]
    for i in range(a.shape[0]):
        out[i] = step(state, a[i], b[i], c[i], d[i], e[i], f[i], g[i], *constants)


_TEMPLATES = (_over_1, _over_2, _over_3, _over_4, _over_5, _over_6, _over_7)


@cache
def _loop(op: Indicator) -> Any:
    _numba_cache.prepare()
    import numba

    _numba_cache.watch()
    name = _cache_name(op)
    template = _TEMPLATES[len(op.inputs) - 1]
    made = FunctionType(template.__code__, {**template.__globals__, "step": _compilable(op.step)}, name)
    made.__qualname__ = name
    types: Any = numba.types
    column_in = types.Array(numba.float64, 1, "C", readonly=True)
    column_out = numba.float64[::1]
    kinds = types.Tuple([numba.int64 if c.whole else numba.float64 for c in op.constants])
    signature = numba.void(column_out, column_out, *([column_in] * len(op.inputs)), kinds)
    return numba.njit([signature], cache=True, **OPTIONS)(made)


def _cache_name(op: Indicator) -> str:
    # One file in the cache folder per operation: names of operations may hold signs, names of files should not.
    return f"loop_{op.step.__module__.rpartition('.')[2]}_" + "".join(
        c if c.isalnum() else f"_{ord(c):x}" for c in op.name
    )


@cache
def _compilable(function: Callable[..., float]) -> Any:
    # A copy whose helper functions are compiled too: in CPython the same source calls plain functions. Only the loops
    # are called from Python: without wrappers for the rest, everything compiles in half of the time.
    import numba

    if not isinstance(function, FunctionType) or function.__closure__:
        raise TypeError(f"{function!r} cannot be compiled: a step is a function at the top of its module")
    used = {name: function.__globals__[name] for name in function.__code__.co_names if name in function.__globals__}
    inner = {name: _compilable(value) if isinstance(value, FunctionType) else value for name, value in used.items()}
    names = {"__builtins__": builtins, "__name__": function.__module__}
    copy = FunctionType(function.__code__, inner | names, function.__name__)
    return numba.njit(**WITHIN)(copy)


def main() -> None:
    """Compile everything into the cache, with a line of progress."""
    compiled, loaded = warm_up(_numba_cache.show_progress)
    _numba_cache.say(f"{compiled} compiled, {loaded} were there")


if __name__ == "__main__":
    # As the module of that name: cache entries carry the name of the module that made them.
    import_module("workbench.rules.compiled").main()
