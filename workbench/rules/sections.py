"""The sections of a strategy file, each from what is written to what is meant; every mistake with its line."""

from __future__ import annotations

import re
from collections.abc import Callable

from workbench.domain.errors import SHOWN, InputError, UnknownName, WorkbenchError
from workbench.domain.timeframe import TIMEFRAMES, timeframe
from workbench.rules.daytime import day_second
from workbench.rules.document import Document
from workbench.rules.document import Path as Place
from workbench.rules.expression import Call, Expression, Higher, Kind, Number, is_constant, walk
from workbench.rules.model import (
    Amount,
    BreakEvenFile,
    DistanceFile,
    LimitsFile,
    SidedAmountFile,
    SidedDistance,
    SidedDistanceFile,
    SizingFile,
    StrategyFile,
    TradingFile,
    WindowFile,
)
from workbench.rules.parser import ExpressionError, parse
from workbench.rules.protection import DAYS, UNITS, BreakEven, Distance, OwnLimits, Protection, Sizing
from workbench.rules.strategy import Strategy
from workbench.rules.windows import Window
from workbench.rules.zones import zone

_ATR_LENGTH = 14
_SPAN = re.compile(r"\s*-\s*")


class Sections:
    """Reads one document. `kinds` (the parameters), `own` and `secondary` (timeframes) are set before expressions."""

    def __init__(self, document: Document, file: StrategyFile) -> None:
        self.document, self.file = document, file
        self.kinds: dict[str, Kind] = {}
        self.own = ""
        self.secondary: tuple[str, ...] = ()

    def place(self, *path: str | int) -> str:
        return self.document.place(path)

    def named(self, *path: str | int) -> str:
        return f"{'.'.join(map(str, path))}, {self.document.place(path)}"

    # --- expressions ---

    def parse(self, written: str, path: Place, wants: Kind) -> Expression:
        where = self.named(*path)
        made = parse(written, self.kinds, where=where, wants=wants)
        for part in walk(made):
            if isinstance(part, Higher):
                self.check_higher(part.timeframe, written, where)
        return made

    def check_higher(self, above: str, written: str, where: str) -> None:
        if not is_multiple(above, self.own):
            raise ExpressionError(f"{above} bars cannot be built from {self.own} bars", written, where)
        if self.secondary and above not in self.secondary:
            raise UnknownName("secondary timeframe", above, self.secondary, where=where)

    def amount(self, written: Amount, path: Place) -> Expression:
        if isinstance(written, str):
            return self.parse(written, path, Kind.NUMBER)
        return Number(float(written))

    def fixed(self, written: Amount, *path: str) -> Expression:
        made = self.amount(written, path)
        if not is_constant(made):
            raise ExpressionError("wanted a number or parameter", str(written), self.named(*path))
        return made

    def optional(self, written: Amount | None, *path: str) -> Expression | None:
        return None if written is None else self.fixed(written, *path)

    # --- timeframes ---

    def timeframe(self, written: str, *path: str | int) -> str:
        name = path[0]
        try:
            made = timeframe(written).text
        except WorkbenchError as error:
            more = "" if "known: " in str(error) else f" known: {', '.join(TIMEFRAMES)}"
            raise InputError(f"{name}: {error}{more} ({self.place(*path)})") from None
        if name == "secondary" and not is_multiple(made, self.own):
            raise InputError(
                f"secondary: {made} must be a longer bar that whole {self.own} bars fill ({self.place(*path)})"
            )
        return made

    def seen(self, strategy: Strategy) -> tuple[str, ...]:
        """Return the higher timeframes that are declared or looked at, shortest first."""
        used = {part.timeframe for e in strategy.expressions for part in walk(e) if isinstance(part, Higher)}
        return tuple(sorted({*self.secondary, *used}, key=lambda text: timeframe(text).seconds))

    # --- protection ---

    def protection(self, written: SidedDistance | None, *path: str) -> Protection | None:
        if written is None:
            return None
        if isinstance(written, SidedDistanceFile):
            sides = {"long": written.long, "short": written.short}
            made = {side: self.distance(d, side, (*path, side)) for side, d in sides.items() if d is not None}
            return Protection(**made)
        return Protection(long=self.distance(written, "long", path), short=self.distance(written, "short", path))

    def distance(self, written: DistanceFile, side: str, path: tuple[str, ...]) -> Distance | None:
        name = ".".join(path)
        given = [unit for unit in UNITS if getattr(written, unit) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise InputError(f"{name} needs one of {', '.join(UNITS)}; found {found} ({self.place(*path)})")
        unit = given[0]
        chosen, at = getattr(written, unit), (*path, unit)
        if isinstance(chosen, SidedAmountFile):
            chosen, at = getattr(chosen, side), (*at, side)
            if chosen is None:
                return None
        amount = self.amount(chosen, at)
        if isinstance(amount, Number) and amount.value <= 0:
            raise InputError(
                f"{'.'.join(at)} = {amount.value:g} must be > 0: the side gives it its direction ({self.place(*at)})"
            )
        if unit != "atr":
            if written.length is not None:
                raise InputError(f"{name}.length belongs to atr, not to {unit} ({self.place(*path, 'length')})")
            return Distance(unit=unit, amount=amount)
        length = self.fixed(_ATR_LENGTH if written.length is None else written.length, *path, "length")
        return Distance(unit=unit, amount=amount, range=Call("atr", (length,), Kind.NUMBER))

    def break_even(self, written: BreakEvenFile | None) -> BreakEven | None:
        if written is None:
            return None
        after = self.protection(written.after, "break_even", "after")
        if after is not None and "price" in {side.unit for side in (after.long, after.short) if side is not None}:
            raise InputError(
                "break_even.after is a gain: ticks, points, percent or atr; a level of price has no distance to the "
                f"entry price ({self.place('break_even', 'after')})"
            )
        plus = self.amount(written.plus_ticks, ("break_even", "plus_ticks"))
        return BreakEven(after=after or Protection(), plus=plus)

    # --- size, limits ---

    def sizing(self, written: SizingFile) -> tuple[Expression, Sizing | None]:
        modes = ("contracts", "risk_usd", "volatility_usd")
        given = [mode for mode in modes if getattr(written, mode) is not None] or ["contracts"]
        if len(given) > 1:
            raise InputError(
                f"sizing needs one of {', '.join(modes)}; found {' and '.join(given)} ({self.place('sizing')})"
            )
        mode = given[0]
        if written.of is not None and mode != "volatility_usd":
            raise InputError(f"sizing.of belongs to volatility_usd, not to {mode} ({self.place('sizing', 'of')})")
        if mode == "contracts":
            if written.max_contracts is not None:
                place = self.place("sizing", "max_contracts")
                raise InputError(f"sizing.max_contracts belongs to risk_usd and volatility_usd ({place})")
            return self.fixed(1 if written.contracts is None else written.contracts, "sizing", "contracts"), None
        if written.max_contracts is None:
            raise InputError(f"sizing.max_contracts is missing: {mode} alone has no upper end ({self.place('sizing')})")
        of = None
        if mode == "volatility_usd":
            of = self.amount("atr(14)" if written.of is None else written.of, ("sizing", "of"))
        usd = self.fixed(getattr(written, mode), "sizing", mode)
        most = self.fixed(written.max_contracts, "sizing", "max_contracts")
        return Number(1.0), Sizing(mode=mode, usd=usd, of=of, most=most)

    def limits(self, written: LimitsFile) -> OwnLimits:
        return OwnLimits(
            daily_loss_usd=self.optional(written.daily_loss_usd, "limits", "daily_loss_usd"),
            max_position=self.optional(written.max_position, "limits", "max_position"),
        )

    # --- time ---

    def clock(self, written: str, *path: str | int) -> str:
        second = day_second(written, where=self.named(*path))
        hour, minute = divmod((second // 60 + 17 * 60) % 1440, 60)
        return f"{hour:02d}:{minute:02d}"

    def window(self, written: list[str] | None) -> tuple[str, str] | None:
        if written is None:
            return None
        begins, ends = (self.clock(part, "trading", "window", i) for i, part in enumerate(written))
        if begins == ends:
            raise InputError(f"trading.window from {begins} to {ends} is empty ({self.place('trading', 'window')})")
        return begins, ends

    def windows(self, written: TradingFile) -> tuple[Window, ...]:
        if written.windows is None:
            return ()
        if written.window is not None:
            raise InputError(f"trading has window and windows; write one of them ({self.place('trading', 'window')})")
        return tuple(self.one_window(part, i) for i, part in enumerate(written.windows))

    def one_window(self, written: WindowFile, i: int) -> Window:
        path = ("trading", "windows", i)
        begins, ends = (
            (day_second(text, where=self.named(*path, key)) + 17 * 3600) % 86_400
            for key, text in (("from", written.begins), ("to", written.ends))
        )
        if begins == ends:
            raise InputError(f"trading.windows: {written.begins} to {written.ends} is empty ({self.place(*path)})")
        zone(written.zone, where=self.place(*path, "zone"))
        parts = written.days if isinstance(written.days, list) else written.days.split(",")
        place = self.place(*path, "days")
        days = {day for part in parts for day in _days(part, lambda text: _day(text, place))}
        return Window(tuple(sorted(days)), begins, ends, written.zone)


def allowed(error: WorkbenchError) -> str:
    """Return the names that an unknown one could be, where they are few and the message names the closest alone."""
    if not isinstance(error, UnknownName) or len(error.known) > SHOWN or "known: " in str(error):
        return ""
    return f" known: {', '.join(error.known)}"


def is_multiple(above: str, own: str) -> bool:
    """Return whether whole bars of `own` fill those of a longer timeframe.

    >>> is_multiple("4h", "1h"), is_multiple("6h", "4h"), is_multiple("1mo", "1w"), is_multiple("1h", "1h")
    (True, False, False, False)
    """
    longer, shorter = timeframe(above), timeframe(own)
    return longer.seconds > shorter.seconds and longer.seconds % shorter.seconds == 0


def _days(text: str, day: Callable[[str], int]) -> list[int]:
    first, *last = (day(part) for part in _SPAN.split(text.strip()))
    if not last:
        return [first]
    return [(first + i) % 7 for i in range((last[-1] - first) % 7 + 1)]


def _day(text: str, place: str) -> int:
    for number, name in enumerate(DAYS):
        if len(text) >= 3 and text[:3].title() == name and _FULL[number].startswith(text.lower()):
            return number
    raise UnknownName("weekday", text, DAYS, where=place)


_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
