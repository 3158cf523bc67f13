"""`wb.Strategy`: what a strategy written in Python derives from, and what it may ask and say at the close of a bar.

The same name stands for every strategy: those read from YAML and those loaded from a Python file are instances of it
(virtual subclasses), so ``isinstance(x, wb.Strategy)`` is true for each thing that `wb.backtest` takes.
"""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from workbench.domain.errors import InputError, UnknownName
from workbench.rules.python.declarations import declared
from workbench.rules.strategy import Parameter, Value
from workbench.rules.strategy import Strategy as Declarative

if TYPE_CHECKING:
    from workbench.rules.python.bar import Bar
    from workbench.rules.python.host import Host

KEEP = 512  # bars that `bars[n]` and `reading[n]` reach back


class Declared:
    """A parameter in a class body; on an instance its name gives the value."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given, self.name = given, ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def made(self) -> Parameter:
        """Return the checked declaration."""
        return declared(self.name, self.given, f"parameter {self.name}")


class Reading:
    """An indicator or expression of this strategy; `value` is what it gives at the newest closed bar.

    ``reading[3]`` is its value three bars before (NaN when there is none); as a condition it is true or false.
    """

    __slots__ = ("_host", "_slot", "is_condition", "text")

    def __init__(self, host: Host, slot: int, text: str, is_condition: bool) -> None:
        self._host, self._slot, self.text, self.is_condition = host, slot, text, is_condition

    @property
    def value(self) -> float:
        """The value at the newest bar; a condition gives 1.0, 0.0 or NaN (not known yet)."""
        return self._host.read(self._slot, 0)

    def __getitem__(self, bars: int) -> float:
        return self._host.read(self._slot, bars)

    def __float__(self) -> float:
        return self.value

    def __bool__(self) -> bool:
        if not self.is_condition:
            raise TypeError(f"{self.text} is a number, not a condition; compare its .value")
        return self.value == 1.0

    def __repr__(self) -> str:
        return f"<{self.text} = {self.value:g}>"


class Strategy(ABC):  # noqa: B024  it is abstract so that other classes can be registered as its kind
    """Base of strategies written in Python; one class in a file, or in a notebook cell.

    Attributes
    ----------
    name : str
        Small letters, digits and ``_``.
    description : str
        One sentence; left out, the first line of the docstring.
    roots : tuple of str
        Exchange roots of the contracts it is made for.
    timeframe : str
        Bars whose close it decides on.
    contracts : int
        Contracts of an entry that does not say how many.
    window : (str, str) or None
        Entries only when the bar closes in it, Chicago time, the end not included.
    flat_by : str or None
        Chicago time by which the position is gone.
    max_trades_per_day : int or None
        Entries per trading date.
    cooldown : int
        Closed bars without a position before the next entry.
    history : int
        Bars that `on_bar` must have seen before its first entry counts: for what the class remembers by itself.
        Indicators know their own warm-up.
    constraints : tuple of str
        What must hold between parameters, such as ``("fast < slow",)``; sweeps leave out what breaks them.

    Notes
    -----
    `on_bar` is first called when every indicator and expression is warm. It runs in a process of its own; what it asks
    of clocks, files or random numbers is not part of its version, and the detectors look for it.

    Examples
    --------
    >>> class Pullback(Strategy):
    ...     '''Buy a short weakness.'''
    ...
    ...     name, roots, timeframe = "pullback", ("MES",), "5m"
    ...     length = Strategy.parameter(14, min=2, max=50, step=1)
    ...
    ...     def start(self):
    ...         self.rsi = self.indicator("rsi", self.length)
    ...
    ...     def on_bar(self, bar):
    ...         if self.flat and self.rsi.value < 10:
    ...             self.enter_long(stop=self.ticks(16), target=self.ticks(32))
    >>> Pullback(length=7).length
    7
    """

    name: str = ""
    description: str = ""
    roots: tuple[str, ...] = ()
    timeframe: str = ""
    contracts: int = 1
    window: tuple[str, str] | None = None
    flat_by: str | None = None
    max_trades_per_day: int | None = None
    cooldown: int = 0
    history: int = 0
    constraints: tuple[str, ...] = ()

    _host: Host | None = None

    def __init__(self, **values: object) -> None:
        known = parameters_of(type(self))
        for name in values:
            if name not in known:
                raise UnknownName("parameter", name, known, where=type(self).__name__)
        self.values: dict[str, Value] = {}
        for name, parameter in known.items():
            value = parameter.require(values.get(name, parameter.default), type(self).__name__)
            self.values[name] = value
            setattr(self, name, value)

    @staticmethod
    def parameter(
        default: Value,
        *,
        min: float | None = None,
        max: float | None = None,
        step: float | None = None,
        type: str | None = None,
        description: str = "",
    ) -> Any:
        """Declare a parameter: backtests, sweeps, widgets and live sessions use this default, range and step.

        Parameters
        ----------
        default : int, float or bool
            Its type is the parameter's, unless `type` (``"int"``, ``"float"``, ``"bool"``) says otherwise.
        min, max, step : float, optional
            Range, both ends included, and the step of sweeps and sliders.
        """
        given = {"default": default, "min": min, "max": max, "step": step, "type": type, "description": description}
        return Declared(given)

    # --- what a strategy writes ---

    def start(self) -> None:  # noqa: B027  a strategy without indicators needs none
        """Declare indicators and expressions, set up what the class remembers; called once, before the first bar."""

    def on_bar(self, bar: Bar) -> None:
        """Decide at the close of `bar`; say so by `enter_long`, `enter_short`, `exit` or `move_stop`."""
        raise NotImplementedError("write on_bar(self, bar)")

    # --- what it may ask ---

    def indicator(self, name: str, *arguments: float | str) -> Reading:
        """Return an indicator of the table, such as ``self.indicator("rsi", 14)``; only in `start`.

        Of indicators that take an expression the first argument is that expression as a text; left out, ``close``:
        ``self.indicator("sma", "high", 20)``.
        """
        return self._running.indicator(name, arguments)

    def expression(self, text: str) -> Reading:
        """Return an expression of the rule language, such as ``"close > sma(close, 20)"``; only in `start`."""
        return self._running.expression(text)

    @property
    def position(self) -> int:
        """Signed contracts that are held, or for which an entry is on its way."""
        return self._running.position

    @property
    def flat(self) -> bool:
        """True without a position and without an entry on its way."""
        return self._running.position == 0

    @property
    def long(self) -> bool:
        return self._running.position > 0

    @property
    def short(self) -> bool:
        return self._running.position < 0

    @property
    def entry_price(self) -> float | None:
        """Average entry price in points; None without a position, or when it is not known yet."""
        return self._running.entry_price

    @property
    def bars_in_position(self) -> int:
        """Closed bars since the position was entered, the bar of the fill included; 0 when flat."""
        return self._running.bars_in_position

    @property
    def trades_today(self) -> int:
        """Entries asked for on this trading date."""
        return self._running.trades_today

    @property
    def bars(self) -> Sequence[Bar]:
        """The newest closed bars: ``bars[0]`` is this one, ``bars[1]`` the one before, up to 512."""
        return self._running.past

    @property
    def tick(self) -> float:
        """Points of one tick of the contract."""
        return self._running.tick

    def ticks(self, count: float) -> float:
        """Return the points of so many ticks."""
        return count * self._running.tick

    def percent(self, share: float) -> float:
        """Return the points of so many percent of the newest close."""
        return self._running.past[0].close * share / 100.0

    # --- what it may say ---

    def enter_long(
        self,
        *,
        stop: float | None = None,
        target: float | None = None,
        contracts: int | None = None,
        tag: str = "",
    ) -> None:
        """Ask for a long entry at the next open; a short position is left first.

        Parameters
        ----------
        stop, target : float, optional
            Distance in points (> 0) from the fill price; at least 4 ticks. `self.ticks(16)`, `self.percent(0.5)` and
            ``bar.close - level`` are points. NaN (an indicator that is not known yet) means no entry.
        contracts : int, optional
            How many; left out, `self.contracts`.
        tag : str
            Name of the reason, for the statistics.
        """
        self._running.enter(1, stop, target, contracts, tag)

    def enter_short(
        self,
        *,
        stop: float | None = None,
        target: float | None = None,
        contracts: int | None = None,
        tag: str = "",
    ) -> None:
        """Ask for a short entry at the next open; as `enter_long`."""
        self._running.enter(-1, stop, target, contracts, tag)

    def exit(self, tag: str = "") -> None:
        """Ask to leave the position at the next open."""
        self._running.leave(tag)

    def move_stop(self, price: float) -> None:
        """Ask to move the protective stop to `price` (points); it only ever moves closer to the market."""
        self._running.move_stop(price)

    @property
    def _running(self) -> Host:
        if self._host is None:
            raise InputError(
                f"{type(self).__name__} is not running: pass the class to wb.backtest, its file to workbench backtest"
            )
        return self._host


class Past(Sequence["Bar"]):
    """The newest closed bars, newest first."""

    __slots__ = ("_bars",)

    def __init__(self, bars: Sequence[Bar]) -> None:
        self._bars = bars

    def __len__(self) -> int:
        return len(self._bars)

    @overload
    def __getitem__(self, bars: int) -> Bar: ...
    @overload
    def __getitem__(self, bars: slice) -> Sequence[Bar]: ...
    def __getitem__(self, bars: int | slice) -> Bar | Sequence[Bar]:
        if isinstance(bars, slice):
            return list(reversed(self._bars))[bars]
        if not 0 <= bars < len(self._bars):
            raise IndexError(f"bars[{bars}]: {len(self._bars)} closed bars are kept so far, {KEEP} at most")
        return self._bars[-1 - bars]


def parameters_of(strategy: type[Strategy]) -> dict[str, Parameter]:
    """Return the parameters that a class declares, those of its bases first."""
    made: dict[str, Parameter] = {}
    for base in reversed(strategy.__mro__):
        for name, value in vars(base).items():
            made.pop(name, None)
            if isinstance(value, Declared):
                made[name] = value.made()
    return made


def is_number(value: object) -> bool:
    """Say whether `value` is a finite or infinite number; NaN is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


Strategy.register(Declarative)
