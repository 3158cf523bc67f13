"""What is said between a strategy's worker process and whoever feeds it: length-prefixed msgpack over two pipes."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Sequence

import msgspec

from workbench.domain.contract import spec
from workbench.domain.events import BarClosed
from workbench.domain.hours import trading_hours
from workbench.rules.python import PythonStrategy, StrategyFault
from workbench.rules.signal import Signal

HEADER = struct.Struct("<I")
MAX_FRAME = 64 << 20
WORKER = "workbench.services.strategy_worker_main"


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """The first word: run this stored source with these values; `limit_s` is the longest that one bar may take."""

    source: str
    where: str
    values: dict[str, int | float | bool]
    contract: str
    timeframe: str
    limit_s: float
    hours: bytes  # the pickled TradingHours of the contract: building them would take longer than all else


class Ask(msgspec.Struct, frozen=True, array_like=True):
    """One closed bar, what is held at its close, and whether it is to be decided or only to be seen."""

    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: int
    position: int = 0
    entry_ticks: float | None = None
    decide: bool = True

    def bar(self, contract: str, timeframe: str) -> BarClosed:
        """Return the bar as an event."""
        return BarClosed(
            at=self.end,
            contract=contract,
            timeframe=timeframe,
            start=self.start,
            end=self.end,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
        )


class Feed(msgspec.Struct, frozen=True, tag="feed"):
    """Bars in order; the worker stops at the first that gives a signal."""

    asks: Sequence[Ask]


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The strategy has started."""

    warmup: int


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """`done` bars of the feed were taken; the last of them gave `signal`."""

    done: int
    signal: Signal | None = None


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The strategy raised, or was late; the worker ends."""

    reason: str
    where: str = ""
    code: str = ""

    def fault(self) -> StrategyFault:
        """Return it as the error to raise."""
        return StrategyFault(self.reason, where=self.where, code=self.code)


ToWorker = Begin | Feed
FromWorker = Ready | Answered | Failed

encode = msgspec.msgpack.Encoder().encode
decode_order = msgspec.msgpack.Decoder(ToWorker).decode
decode_answer = msgspec.msgpack.Decoder(FromWorker).decode


def framed(message: ToWorker | FromWorker) -> bytes:
    """Return a message with its length before it."""
    body = encode(message)
    return HEADER.pack(len(body)) + body


def begin_of(strategy: PythonStrategy, contract: str, limit_s: float) -> Begin:
    """Return the first word for `strategy` on `contract` (an id, or a root)."""
    return Begin(
        source=strategy.source,
        where=strategy.where,
        values=dict(strategy.values),
        contract=contract,
        timeframe=strategy.timeframe,
        limit_s=limit_s,
        hours=pickle.dumps(trading_hours(spec(contract))),
    )


def ask_of(bar: BarClosed, position: int = 0, entry_ticks: float | None = None, decide: bool = True) -> Ask:
    """Return the question for one bar."""
    return Ask(bar.start, bar.end, bar.open, bar.high, bar.low, bar.close, bar.volume, position, entry_ticks, decide)
