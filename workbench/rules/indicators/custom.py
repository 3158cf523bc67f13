"""A person's own indicators, written in Python: known to rule expressions of this process, and part of the version.

A strategy that uses one carries the hash of its source (`Indicator.source_hash`): the step, every function of the same
code that it calls, and the numbers it reads. Spaces, comments and the Python version do not change it.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TypeVar

from workbench.domain.errors import InputError
from workbench.rules.indicators import INDICATORS, SHIPPED
from workbench.rules.indicators.base import Constant, Indicator, Memory

COLUMNS = ("x", "y", "open", "high", "low", "close", "volume", "day", "start_s", "end_s")
Step = TypeVar("Step", bound=Callable[..., float])
Count = int | Callable[..., int]
PACKAGES = ("workbench", "numpy", "math", "pandas", "polars")
_RESERVED = {"time", "tf", "and", "or", "not", "true", "false", *COLUMNS}


def indicator(
    name: str,
    *,
    inputs: Iterable[str] = ("x",),
    constants: Mapping[str, float | None] | Iterable[str | Constant] = (),
    size: Count = 1,
    first: Count = 1,
    warmup: Count | None = None,
    summary: str = "",
    memory: Memory | str = Memory.WINDOW,
) -> Callable[[Step], Step]:
    """Make a one-bar step an indicator that rules of this process may use by `name`.

    Parameters
    ----------
    name : str
        How rules call it. What Workbench knows cannot be replaced; an own one is replaced when its cell runs again.
    inputs : iterable of str
        What a step takes at each bar: ``"x"``, ``"y"`` (expressions given as arguments), ``"open"``, ``"high"``,
        ``"low"``, ``"close"``, ``"volume"``, or ``"day"`` (trading date), ``"start_s"``, ``"end_s"`` (seconds from
        17:00 Chicago).
    constants : mapping of str to number or None, or iterable of str
        Arguments that are fixed for a run, with their defaults (None: must be given): a default of 20 makes a whole
        number, 2.0 one that need not be. Names alone are whole numbers without a default.
    size : int or callable
        Number of floats in the state; a callable takes the constants.
    first, warmup : int or callable
        The bar (1 = first) that gives the first value; bars after which older history no longer matters (default:
        the same). The detector of look-ahead and warm-up holds the indicator to it.
    summary : str
        One line for tables and messages.
    memory : str
        What the warm-up promises: window, decay, session, prior_day or path (see `Memory`).

    Returns
    -------
    callable
        A decorator; it returns the step as it is. ``step(state, *inputs, *constants) -> float`` reads and changes
        `state`, a list of floats that begins as zeros, and nothing else; it returns NaN while there is no value.

    Raises
    ------
    InputError
        If the name is taken or no identifier, the step takes other arguments, or its source cannot be read or reads
        something that may change.

    Examples
    --------
    >>> @indicator("middle", inputs=("high", "low"), constants={"weight": 0.5})
    ... def middle(state, high, low, weight):
    ...     return low + weight * (high - low)
    >>> from workbench.rules.indicators import over
    >>> over(INDICATORS["middle"], [11.0], [7.0]), over(INDICATORS["middle"], [11.0], [7.0], constants=[0.25])
    ([9.0], [8.0])
    >>> unregister("middle")
    """
    made_constants = tuple(_constants(constants))
    made_inputs = tuple(inputs)

    def register(step: Step) -> Step:
        _check_name(name, step)
        _check_step(name, step, made_inputs, made_constants)
        made = Indicator(
            name=name,
            inputs=made_inputs,
            constants=made_constants,
            size=_callable(size),
            step=step,
            first=_callable(first),
            warmup=_callable(first if warmup is None else warmup),
            summary=summary or inspect.getdoc(step) or name,
            source=f"{step.__module__}.{step.__qualname__}",
            memory=Memory(memory),
            source_hash=_hash(name, step, made_inputs, made_constants, (size, first, warmup)),
        )
        unregister(name)
        INDICATORS[name] = made
        return step

    return register


def unregister(name: str) -> None:
    """Forget a person's own indicator; shipped ones and unknown names are left as they are."""
    from workbench.rules.functions import FUNCTIONS

    if name in INDICATORS and INDICATORS[name] not in SHIPPED:
        del INDICATORS[name]
        FUNCTIONS.pop(name, None)


def _callable(count: Count) -> Callable[..., int]:
    return count if callable(count) else lambda *constants: count


def _constants(given: Mapping[str, float | None] | Iterable[str | Constant]) -> Iterator[Constant]:
    if not isinstance(given, Mapping):
        yield from (c if isinstance(c, Constant) else Constant(name=c) for c in given)
        return
    for name, default in given.items():
        whole = default is None or isinstance(default, int)
        yield Constant(
            name=name, least=1 if whole else -1e12, most=5000 if whole else 1e12, whole=whole, default=default
        )


def _check_name(name: str, step: Callable[..., float]) -> None:
    from workbench.rules.functions import FUNCTIONS

    if not name.isidentifier() or name != name.lower():
        raise InputError(f"an indicator's name is a word of lower-case letters, digits and underscores, not {name!r}")
    old = INDICATORS.get(name)
    if old is None and name not in FUNCTIONS and name not in _RESERVED:
        return
    if old is None or old in SHIPPED:
        raise InputError(f"{name!r} is a name that rules know already; an own indicator needs another one")
    if old.source != f"{step.__module__}.{step.__qualname__}":
        raise InputError(f"{name!r} is already the indicator {old.source}; give one of them another name")


def _check_step(
    name: str, step: Callable[..., float], inputs: tuple[str, ...], constants: tuple[Constant, ...]
) -> None:
    unknown = [i for i in inputs if i not in COLUMNS]
    if unknown or not inputs:
        raise InputError(f"indicator {name}: inputs {list(inputs)} must be some of {', '.join(COLUMNS)}")
    if not isinstance(step, FunctionType):
        raise InputError(f"indicator {name}: the step must be a plain function, not {type(step).__name__}")
    wanted = ("state", *inputs, *(c.name for c in constants))
    try:
        inspect.signature(step).bind(*wanted)
    except TypeError as error:
        raise InputError(f"indicator {name}: the step must take ({', '.join(wanted)}): {error}") from error


# --- what the source is ---------------------------------------------------------------------------------------------


def _hash(
    name: str,
    step: Callable[..., float],
    inputs: tuple[str, ...],
    constants: tuple[Constant, ...],
    counts: tuple[Count | None, ...],
) -> str:
    tried = [[max(c.least, v) if c.default is None else c.default for c in constants] for v in (1, 7, 50)]
    declared = [[_callable(count)(*values) for values in tried] for count in counts if count is not None]
    parts = [repr((inputs, constants, declared)), *_sources(name, step, {})]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()


def _sources(name: str, function: Callable[..., float], seen: dict[object, None]) -> Iterator[str]:
    # The normal form of a function and of everything of the person's code that it reads, each once.
    from workbench.rules.python.normal import normal

    seen[function] = None
    tree = _tree(name, function)
    yield normal(ast.unparse(tree))
    outside = dict(inspect.getclosurevars(function).nonlocals)
    reads = function.__globals__ if isinstance(function, FunctionType) else {}
    own = set(function.__code__.co_varnames) if isinstance(function, FunctionType) else set()  # `open` may be an input
    for word in sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - own):
        if word not in outside and word not in reads:
            continue
        value = outside[word] if word in outside else reads[word]
        if isinstance(value, FunctionType) and not _is_packaged(value):
            if value not in seen:
                yield from _sources(name, value, seen)
        elif isinstance(value, ModuleType | type) and not _is_known(value):
            raise InputError(
                f"indicator {name}: the step reads {word}, whose source no version could name; import the functions "
                "and numbers that it uses by name: from … import …"
            )
        elif isinstance(value, ModuleType | BuiltinFunctionType | FunctionType | type):
            yield f"{word} = {getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value.__name__)}"
        elif _is_fixed(value):
            yield f"{word} = {value!r}"
        else:
            raise InputError(
                f"indicator {name}: the step reads {word}, a {type(value).__name__}, which may change between bars; "
                "it may read numbers, texts, tuples of them, functions and modules"
            )


def _tree(name: str, function: Callable[..., float]) -> ast.Module:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError) as error:
        raise InputError(
            f"indicator {name}: the source of {getattr(function, '__name__', function)!r} cannot be read, so that no "
            "version could name it; write it with def in a file or a notebook cell"
        ) from error
    made = tree.body[0]
    if not isinstance(made, ast.FunctionDef):
        raise InputError(f"indicator {name}: {function.__name__} must be written with def, not as a lambda")
    made.decorator_list = []
    made.name = "step"
    return tree


def _is_known(value: ModuleType | type) -> bool:
    top = (value.__name__ if isinstance(value, ModuleType) else value.__module__).partition(".")[0]
    return top in sys.stdlib_module_names or top in PACKAGES


def _is_packaged(function: FunctionType) -> bool:
    return function.__module__.partition(".")[0] in PACKAGES


def _is_fixed(value: object) -> bool:
    return isinstance(value, int | float | str | None) or (isinstance(value, tuple) and all(map(_is_fixed, value)))
