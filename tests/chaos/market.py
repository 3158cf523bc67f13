"""The market of one chaos run: a tape by seed, and a rule whose signals are written down beforehand."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import msgspec
import numpy as np

from workbench.domain.contract import Contract, parse_contract
from workbench.domain.events import BarClosed
from workbench.domain.timeframe import timeframe
from workbench.rules.signal import Signal
from workbench.simulator.market import FOREVER, Prints

SECOND = 1_000_000_000
FRAME = "5s"
BAR = timeframe(FRAME).seconds * SECOND
MES = parse_contract("MESZ26")
PRICE = MES.spec.ticks(6000.0)


class Tape:
    """Prints of one contract, made once: about two a second, a tick or two apart, with a jump now and then."""

    def __init__(self, rng: random.Random, start: int, seconds: int, *, size: int, closed: tuple[int, int] = (0, 0)):
        rows, price, at = [(start - 60 * SECOND, PRICE, 10, 1)], PRICE, start
        while at < start + seconds * SECOND:
            at += rng.randint(200, 900) * 1_000_000
            step = rng.choice((-1, -1, 0, 0, 0, 1, 1)) if rng.random() > 0.03 else rng.choice((-14, -9, 9, 14))
            price = min(max(price + step, PRICE - 400), PRICE + 400)
            if not closed[0] <= at < closed[1]:
                rows.append((at, price, size, rng.randint(0, 1)))
        self._prints = Prints(*(np.array(column, np.int64) for column in zip(*rows, strict=True)))

    def contracts(self, at: int) -> tuple[Contract, ...]:
        return (MES,)

    def knows(self, contract: Contract) -> bool:
        return contract.id == MES.id

    def prints(self, contract: Contract, start: int, end: int) -> Prints:
        return self._prints.between(start, end)

    def first_at(self, contract: Contract) -> int:
        return int(self._prints.ts[0])

    def end_at(self) -> int:
        return FOREVER


@dataclass
class Script:
    """What the strategy wants at the end of which bar; the same whoever asks, and however often."""

    signals: dict[int, Signal] = field(default_factory=dict)

    def warm(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> None:
        return None

    def on_bar(self, bar: BarClosed, position: int, entry_ticks: float | None = None) -> Signal | None:
        signal = self.signals.get(bar.end)
        if signal is None or signal.stop_to is None:
            return signal
        if not position or entry_ticks is None:
            return None
        level = round(bar.close / MES.spec.tick_size) - (6 if position > 0 else -6)
        return msgspec.structs.replace(signal, stop_to=level)


def script(rng: random.Random, start: int, bars: int, *, first: int, most: int = 3) -> Script:
    """Return a script of entries, exits, reversals and moved stops; `first` is the bar of the first entry."""
    made = Script()
    n = first
    while n < bars:
        end = start - start % BAR + (n + 1) * BAR
        kind = "entry" if n == first else rng.choice(("entry", "entry", "exit", "move"))
        name = f"{kind}.{n}"
        if kind == "entry":
            side = rng.choice((1, -1))
            stop, target = rng.randint(4, 12), rng.randint(4, 12)
            made.signals[end] = Signal(
                at=end, entry=side, exit=rng.random() < 0.5, rule=name, qty=rng.randint(1, most),
                stop_ticks=-side * stop, target_ticks=side * target,
            )  # fmt: skip
        elif kind == "exit":
            made.signals[end] = Signal(at=end, exit=True, rule=name)
        else:
            made.signals[end] = Signal(at=end, rule=name, stop_to=0)
        n += rng.randint(1, 2)
    return made
