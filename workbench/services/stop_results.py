"""What the stops of a desk have come to: the newest word on each account, told as one result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from workbench.services.stop import as_dict
from workbench.services.sweep import AccountStop

Json = dict[str, Any]


@dataclass(slots=True)
class _Known:
    """What is known of one account; `stop` None: its first stop is under way or has failed."""

    stop: AccountStop | None = None
    latched: bool = False
    ms: float = 0.0


class StopResults:
    """The newest word on each account: one that is flat says nothing of the others."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._of_nothing: Json | None = None

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._known))

    def begin(self, accounts: list[int], is_busy: Callable[[int], bool]) -> None:
        """Forget that these were flat; what remained of them stays told until something better is known."""
        self._of_nothing = None
        for account, known in list(self._known.items()):
            if known.stop is None and not known.latched and not is_busy(account):
                del self._known[account]  # its stop failed before it latched anything
        for account in accounts:
            known = self._known.setdefault(account, _Known())
            if known.stop is not None and known.stop.result == "FLAT":
                known.stop = None

    def keep(self, result: Json, is_newest: Callable[[int], bool]) -> None:
        """Keep what a stop came to, but not of an account that a newer one has taken on."""
        if not result["accounts"]:
            self._of_nothing = result
        for row in result["accounts"]:
            if is_newest(row["account"]):
                self._known[row["account"]] = _Known(AccountStop(**row), result["latched"], result["ms"])

    def look(self, account: int, latched: bool) -> None:
        """Drop an account whose latch was cleared; one that the disk could not latch was never cleared."""
        if latched:
            self._known[account].latched = True
        elif self._known[account].latched:
            del self._known[account]

    def forget(self, account: int | None) -> None:
        """Drop one account, or all: a person has cleared the latch."""
        for each in [*self] if account is None else [account]:
            self._known.pop(each, None)
        self._of_nothing = None

    def told(self, *, under_way: bool) -> Json | None:
        """Return all of it as one result; FLAT only when nothing is under way or unknown."""
        read = [(self._known[a], stop) for a in sorted(self._known) if (stop := self._known[a].stop) is not None]
        is_open = any(stop.result != "FLAT" for _, stop in read)
        if not is_open and (under_way or len(read) < len(self._known)):
            return None
        if not read:
            return self._of_nothing
        latched, ms = all(known.latched for known, _ in read), max(known.ms for known, _ in read)
        return as_dict([stop for _, stop in read], latched=latched, ms=ms)
