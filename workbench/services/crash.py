"""Exact points at which a test may kill a process: the points K0 to K6 of the crash tests."""

from __future__ import annotations

import os

VARIABLE = "WORKBENCH_CRASH_AT"


def crash_point(name: str) -> None:
    """Die here, without clean-up, when ``WORKBENCH_CRASH_AT`` names this point.

    K0 a bar is taken, nothing is decided; K1 an order is journalled, not sent; K3 its answer is here, not journalled;
    K5 a fill is here, not journalled; K6 a fill is journalled.
    """
    if name and os.environ.get(VARIABLE) == name:
        os._exit(137)
