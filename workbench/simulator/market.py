"""The market of the simulator: prints in order, the quote board they imply, and what every feed must offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from workbench.domain.contract import Contract
from workbench.domain.hours import TradingHours, trading_hours

Int64Array = npt.NDArray[np.int64]
DEPTH_LEVELS = 10
FOREVER = 1 << 62


class Prints(NamedTuple):
    """Trades of one contract in order of arrival: UTC ns, integer ticks, contracts, aggressor (0 buy, 1 sell)."""

    ts: Int64Array
    ticks: Int64Array
    size: Int64Array
    side: Int64Array

    def between(self, start: int, end: int) -> Prints:
        """Return the prints with ``start <= ts < end`` (views, no copies)."""
        low, high = np.searchsorted(self.ts, (start, end), side="left")
        return self.cut(int(low), int(high))

    def cut(self, low: int, high: int) -> Prints:
        return Prints(self.ts[low:high], self.ticks[low:high], self.size[low:high], self.side[low:high])


def no_prints() -> Prints:
    """Return an empty tape."""
    empty = np.empty(0, np.int64)
    return Prints(empty, empty, empty, empty)


def joined(parts: list[Prints]) -> Prints:
    """Return tapes one after another as one."""
    if not parts:
        return no_prints()
    return parts[0] if len(parts) == 1 else Prints(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def tick_rule(ticks: Int64Array) -> Int64Array:
    """Return the aggressor of each print from the price alone: up = buy, down = sell, unchanged = as before.

    >>> tick_rule(np.array([5, 6, 6, 5, 5])).tolist()
    [0, 0, 0, 1, 1]
    """
    step = np.sign(np.diff(ticks, prepend=ticks[:1]))
    moved = np.where(step != 0, np.arange(len(ticks)), 0)
    return (step[np.maximum.accumulate(moved)] < 0).astype(np.int64) if len(ticks) else ticks


class Feed(Protocol):
    """Where prints come from. The same call gives the same prints, whatever was asked before."""

    def contracts(self, at: int) -> tuple[Contract, ...]:
        """Return what trades at `at` (the front months of the roots)."""

    def knows(self, contract: Contract) -> bool: ...

    def prints(self, contract: Contract, start: int, end: int) -> Prints: ...

    def first_at(self, contract: Contract) -> int: ...

    def end_at(self) -> int:
        """Return the instant after the last print, FOREVER if there is none."""


@dataclass(slots=True)
class Board:
    """The quote board of one contract, in ticks. The spread is one tick around the last print's aggressor."""

    contract: Contract
    bid: int | None = None
    ask: int | None = None
    last: int | None = None
    open: int | None = None
    high: int | None = None
    low: int | None = None
    previous: int | None = None
    volume: int = 0
    at: int = 0

    def take(self, prints: Prints) -> None:
        """Let the board follow these prints."""
        if not len(prints.ts):
            return
        high, low = int(prints.ticks.max()), int(prints.ticks.min())
        self.high = high if self.high is None else max(self.high, high)
        self.low = low if self.low is None else min(self.low, low)
        self.open = int(prints.ticks[0]) if self.open is None else self.open
        self.volume += int(prints.size.sum())
        self.last, self.at = int(prints.ticks[-1]), int(prints.ts[-1])
        self.bid, self.ask = spread(self.last, int(prints.side[-1]))

    def new_session(self) -> None:
        """Start a new session: the last price becomes the previous close."""
        self.previous, self.open, self.high, self.low, self.volume = self.last, None, None, None, 0


def spread(last: int, side: int) -> tuple[int, int]:
    """Return (bid, ask) around a print: a buyer paid the ask, a seller hit the bid."""
    return (last - 1, last) if side == 0 else (last, last + 1)


class Market:
    """A feed with its boards and hours. Contracts that trade now are `live`; others have history only."""

    def __init__(self, feed: Feed, now: int) -> None:
        self.feed = feed
        self.boards: dict[str, Board] = {}
        self.live: dict[str, Contract] = {}
        self.relist(now)

    def hours(self, contract: Contract) -> TradingHours:
        return trading_hours(contract.spec)

    def is_open(self, contract: Contract, at: int) -> bool:
        return self.hours(contract).is_open(at)

    def is_active(self, contract: Contract, at: int) -> bool:
        return contract.id in self.live

    def relist(self, now: int, keep: tuple[str, ...] = ()) -> None:
        """List the front months of `now`; contracts in `keep` (held or working) stay live."""
        wanted = {contract.id: contract for contract in self.feed.contracts(now)}
        wanted |= {key: self.live[key] for key in keep if key in self.live}
        for key, contract in wanted.items():
            if key not in self.boards:
                self.boards[key] = self._primed(contract, now)
        self.live = wanted

    def board(self, contract: Contract, now: int) -> Board:
        """Return the board, made from history for a contract that is not live."""
        if contract.id not in self.boards:
            self.boards[contract.id] = self._primed(contract, now)
        return self.boards[contract.id]

    def is_any_open(self, at: int) -> bool:
        return any(self.is_open(contract, at) for contract in self.live.values())

    def _primed(self, contract: Contract, now: int) -> Board:
        board = Board(contract)
        hours = self.hours(contract)
        row = hours.row(now)
        for each in (row - 1, row):
            start, end = int(hours.opens[each]), int(hours.opens[each + 1])
            board.new_session()
            board.take(self.feed.prints(contract, start, min(end, now)))
        return board
