"""What a rule says at the close of one bar: enter, leave, both at once, or move the stop."""

from __future__ import annotations

import msgspec


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """A rule's wish at the close of a bar; the gate decides whether it becomes an order.

    Parameters
    ----------
    at : int
        End of the bar that gave the signal (UTC ns). Nothing fills before it.
    entry : int
        +1 long, -1 short, 0 no entry.
    exit : bool
        Leave the position that is held.
    exit_side : int
        Side of the position that `exit` closes: +1 long, -1 short, 0 either.
    rule : str
        The rule that spoke, such as ``"entry.long"``; orders carry it as their tag of origin.
    stop_ticks, target_ticks : int or None
        Distance of the protective orders from the entry's fill price, signed in price direction as the gateway wants
        it: for a long entry the stop is negative and the target positive, for a short entry the reverse; at least 4.
    qty : int
        Contracts to enter with (0 without an entry).
    stop_to : int or None
        Level in ticks to which the protective stop of the position moves; it only ever tightens.
    """

    at: int
    entry: int = 0
    exit: bool = False
    exit_side: int = 0
    rule: str = ""
    stop_ticks: int | None = None
    target_ticks: int | None = None
    qty: int = 0
    stop_to: int | None = None

    def closes(self, position: int) -> bool:
        """Return True if this signal ends a `position` of so many signed contracts.

        >>> Signal(at=0, exit=True, exit_side=1).closes(2), Signal(at=0, exit=True, exit_side=1).closes(-2)
        (True, False)
        """
        return self.exit and position != 0 and (self.exit_side == 0 or self.exit_side * position > 0)
