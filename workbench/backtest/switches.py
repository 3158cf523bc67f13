"""The rules of the engines by name, so that tests can prove that each one matters by leaving it out."""

from __future__ import annotations

from enum import IntFlag


class Without(IntFlag):
    """Rules to leave out of a run; programs pass none of them, tests each in turn."""

    NONE = 0
    GAP = 1  # a stop that the open has passed fills at the open, not at its level
    WORST_PATH = 2  # the adverse extreme comes before the favourable one
    WITHIN_BAR = 4  # no fill outside its bar
    TRADE_THROUGH = 8  # a limit order that is only touched does not fill (with `touch`, it does)
    FROM_FILL = 16  # brackets count from the fill price
    SLIPPAGE = 32  # market and stop fills pay slippage
    FEES = 64  # every fill pays fees and commissions
    TIGHTEN = 128  # a stop only ever tightens
