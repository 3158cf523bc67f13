"""How processes die: exact points for the crash tests (K0 to K14), and the reason inside a group of errors."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

VARIABLE = "WORKBENCH_CRASH_AT"
ANSWER_S = 0.05  # K2 dies so long after the request was handed to the wire

hook: Callable[[str], None] | None = None  # the in-process crash tests die by an exception of their own


def crash_point(name: str) -> None:
    """Die here, without clean-up, when ``WORKBENCH_CRASH_AT`` names this point.

    K0 a bar is taken, nothing is decided; K1 an order is journalled, not sent; K2 it is sent, its answer is not here;
    K3 the answer is here, not journalled; K4 it is accepted, no fill is known; K5 a fill is here, not journalled; K6 it
    is journalled, nothing follows yet; K7 the first of two protective legs is sent; K8 a leg has filled, its sibling
    still works; K9 the stop is latched, nothing is cancelled; K10 all is cancelled, nothing is closed; K11 the first
    reading after a start is here, not reconciled; K12.1 the event that opens a new trading date is here, K12.2 it is
    decided; K13 a data file is written, not visible (the store asks nobody here: its tests kill the writer itself);
    K14.1 before a promotion's transaction, K14.2 in it, where the old live version has given way, K14.3 before and
    K14.4 after its commit.
    """
    if not name:
        return
    if hook is not None:
        hook(name)
    elif os.environ.get(VARIABLE) == name:
        os._exit(137)


def crash_soon(name: str) -> None:
    """As `crash_point`, a moment later: what is being sent leaves, its answer may not come."""
    if hook is not None:
        hook(name)
    elif os.environ.get(VARIABLE) == name:
        asyncio.get_running_loop().call_later(ANSWER_S, os._exit, 137)


def only_reason(error: BaseException) -> BaseException:
    """Return the first error inside (nested) exception groups: tasks die in groups, people want one sentence."""
    while isinstance(error, BaseExceptionGroup):
        ours = [e for e in error.exceptions if not isinstance(e, asyncio.CancelledError)]
        error = (ours or error.exceptions)[0]
    return error
