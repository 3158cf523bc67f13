"""Pauses that a long-lived process need not make."""

from __future__ import annotations

import gc


def spare_pauses() -> None:
    """Keep what the program is made of out of every later search for garbage.

    Called once a process has started: a full search through all that was imported takes 60 to 90 ms, and would take
    them in the middle of a stop as well as anywhere else.
    """
    gc.collect()
    gc.freeze()
