"""A progress bar where a person looks on: in a terminal or a notebook, never in a pipe or a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LISTENERS: list[Callable[[int, int], None]] = []


@contextmanager
def heard(listener: Callable[[int, int], None]) -> Iterator[None]:
    """Tell `listener` of every progress while the block runs: how many are done, of how many."""
    _LISTENERS.append(listener)
    try:
        yield
    finally:
        _LISTENERS.remove(listener)


def is_watched() -> bool:
    """Return whether a person sees what is printed now."""
    return _is_notebook() or sys.stderr.isatty()


def _is_notebook() -> bool:
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return get_ipython() is not None


@contextmanager
def progress(text: str, total: int, *, show: bool | None = None) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how many more are done.

    Parameters
    ----------
    text : str
    total : int
    show : bool, optional
        Left out: only where `is_watched`.
    """
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        for listener in _LISTENERS:
            listener(done, total)

    if not (is_watched() if show is None else show):
        yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    forced = True if show and not _is_notebook() else None
    with Progress(*columns, console=Console(stderr=True, force_terminal=forced), transient=True) as bar:
        task = bar.add_task(text, total=total)

        def both(count: int) -> None:
            bar.advance(task, count)
            tell(count)

        yield both
