"""The one tree of errors: each says what is wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHOWN = 30  # names that a message lists


class WorkbenchError(Exception):
    """Base of everything Workbench raises on purpose; keeps the objects it speaks of as attributes."""


class InputError(WorkbenchError):
    """A file, option or value that a person gave is wrong. Nothing was changed."""


class UnknownName(InputError):
    """A name nobody knows, with the closest known ones.

    Parameters
    ----------
    kind : str
        What was looked up, such as ``"contract root"``.
    name : str
        What was asked for.
    known : iterable of str
        The legal names.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, where: str = "") -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        folded: dict[str, str] = {}
        for each in self.known:  # capitals are the commonest mistake, and make RSI nothing like rsi
            folded.setdefault(each.casefold(), each)
        close = [folded[each] for each in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.5)]
        more = f" and {len(self.known) - SHOWN} more" if len(self.known) > SHOWN else ""
        listed = f"known: {', '.join(self.known[:SHOWN]) or 'none yet'}{more}"
        hint = f"did you mean {' or '.join(close)}?" if close else listed
        super().__init__(f"unknown {kind} {name!r}{f' ({where})' if where else ''}; {hint}")


class UnknownContract(UnknownName):
    """A contract root, id or code that no specification covers."""


class OffTick(InputError):
    """A price that is not a whole number of ticks."""

    def __init__(self, price: object, product: str, tick: str, below: float, above: float) -> None:
        self.price, self.product, self.tick, self.below, self.above = price, product, tick, below, above
        super().__init__(
            f"{price} is not a multiple of the {product} tick {tick}; the nearest legal prices are {below} and {above}"
        )


class IllegalTransition(WorkbenchError):
    """An order was asked to move where the transition table has no cell."""

    def __init__(self, order: object, event: object) -> None:
        self.order, self.event = order, event
        super().__init__(f"no transition for {order} on {event}; the instrument must be locked and reconciled")


class StorageError(WorkbenchError):
    """The disk refused, or a stored thing is unreadable. What was there before is still there."""


class JournalDamaged(StorageError):
    """A record in the middle of a decision journal fails its checksum: entries stay blocked."""


class LockHeld(WorkbenchError):
    """Another process holds the lock of this account."""


class StopLatched(WorkbenchError):
    """The emergency stop is latched; only a person with a reason clears it."""


class GatewayError(WorkbenchError):
    """Anything that went wrong between us and the gateway."""


class AuthenticationError(GatewayError):
    """The gateway did not accept the credentials or the token."""


class LocalProtocolError(GatewayError):
    """We tried to send something the protocol does not allow now."""


class RemoteProtocolError(GatewayError):
    """The other side sent something the protocol does not allow."""
