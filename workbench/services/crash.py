"""How processes die: exact points for the crash tests (K0 to K6), and the reason inside a group of errors."""

from __future__ import annotations

import asyncio
import os

VARIABLE = "WORKBENCH_CRASH_AT"


def crash_point(name: str) -> None:
    """Die here, without clean-up, when ``WORKBENCH_CRASH_AT`` names this point.

    K0 a bar is taken, nothing is decided; K1 an order is journalled, not sent; K3 its answer is here, not journalled;
    K5 a fill is here, not journalled; K6 a fill is journalled. K14.1 before a promotion's transaction, K14.2 in it,
    where the old live version has given way, K14.3 before and K14.4 after its commit.
    """
    if name and os.environ.get(VARIABLE) == name:
        os._exit(137)


def only_reason(error: BaseException) -> BaseException:
    """Return the first error inside (nested) exception groups: tasks die in groups, people want one sentence."""
    while isinstance(error, BaseExceptionGroup):
        ours = [e for e in error.exceptions if not isinstance(e, asyncio.CancelledError)]
        error = (ours or error.exceptions)[0]
    return error
