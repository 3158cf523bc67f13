"""From a strategy file to a `Strategy`: every mistake is named with its file, line and what to write instead."""

from __future__ import annotations

import keyword
from dataclasses import replace
from pathlib import Path
from typing import cast

from workbench.domain.contract import spec
from workbench.domain.errors import InputError, UnknownName, WorkbenchError
from workbench.domain.timeframe import timeframe
from workbench.rules.daytime import day_second
from workbench.rules.document import MAX_CHARACTERS, Document, read_document
from workbench.rules.document import Path as Place
from workbench.rules.expression import Call, Comparison, Expression, Kind, Logic, Number, is_constant, walk
from workbench.rules.expression import Parameter as Named
from workbench.rules.functions import FUNCTIONS, SERIES
from workbench.rules.model import Amount, DistanceFile, ParameterFile, StrategyFile, read_model
from workbench.rules.parser import ExpressionError, parse
from workbench.rules.python import is_python, load_python, read_python
from workbench.rules.strategy import Distance, Parameter, Strategy, Value

_ATR_LENGTH = 14


def load_strategy(path_or_text: str | Path) -> Strategy:
    """Return the strategy in a file, or in a text that is a strategy itself (it has a line break).

    Raises
    ------
    InputError
        The file cannot be read, or something in it is wrong: with the line, and the closest known name.

    Notes
    -----
    The only function of this room that opens a file; `parse_strategy` is the pure one.
    """
    if isinstance(path_or_text, str) and "\n" in path_or_text:
        return parse_strategy(path_or_text)
    path = Path(path_or_text)
    if path.suffix == ".py":
        return cast(Strategy, load_python(path))  # it has the same surface
    try:
        if path.stat().st_size > 4 * MAX_CHARACTERS:
            raise InputError(f"{path} has {path.stat().st_size:,} bytes; a strategy has at most {MAX_CHARACTERS:,}")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _missing(path) from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file; a strategy is YAML in UTF-8") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    return parse_strategy(text, where=str(path))


def parse_strategy(text: str, where: str = "strategy") -> Strategy:
    """Return the strategy that a YAML text describes, or a stored Python one; `where` names it in messages."""
    if is_python(text):
        return cast(Strategy, read_python(text, where))  # it has the same surface
    return _Reader(read_document(text, where), text).read()


def _missing(path: Path) -> InputError:
    folder = path.parent
    try:
        names = [p.name for p in folder.iterdir() if p.suffix in (".yaml", ".yml", ".py")]
    except OSError:
        return InputError(f"no strategy file {path}: there is no folder {folder}")
    return UnknownName("strategy file", path.name, names, where=str(folder)) if names else InputError(f"no file {path}")


class _Reader:
    def __init__(self, document: Document, text: str) -> None:
        self.document, self.text = document, text
        self.file: StrategyFile = read_model(document)
        self.kinds: dict[str, Kind] = {}

    def read(self) -> Strategy:
        file = self.file
        parameters = {name: self.parameter(name, declared) for name, declared in file.parameters.items()}
        self.kinds = {name: parameter.kind for name, parameter in parameters.items()}
        trading = file.trading
        most = trading.max_trades_per_day
        strategy = Strategy(
            name=file.name,
            description=file.description,
            roots=tuple(self.root(root, i) for i, root in enumerate(file.roots)),
            timeframe=self.timeframe(file.timeframe),
            parameters=parameters,
            rules=self.rules(),
            constraints=tuple(self.constraint(written, i) for i, written in enumerate(file.constraints)),
            stop=self.distance(file.stop, "stop"),
            target=self.distance(file.target, "target"),
            contracts=self.fixed(file.sizing.contracts, "sizing", "contracts"),
            max_trades_per_day=None if most is None else self.fixed(most, "trading", "max_trades_per_day"),
            cooldown=self.fixed(trading.cooldown, "trading", "cooldown"),
            window=self.window(trading.window),
            flat_by=None if trading.flat_by is None else self.clock(trading.flat_by, "trading", "flat_by"),
            source=self.text,
            where=self.document.where,
            values={name: parameter.default for name, parameter in parameters.items()},
        )
        self.check_used(strategy)
        return strategy.checked()

    def place(self, *path: str | int) -> str:
        return self.document.place(tuple(path))

    def root(self, written: str, i: int) -> str:
        try:
            return spec(written).exchange_root
        except WorkbenchError as error:
            raise InputError(f"roots: {error} ({self.place('roots', i)})") from None

    def timeframe(self, written: str) -> str:
        try:
            return timeframe(written).text
        except WorkbenchError as error:
            raise InputError(f"timeframe: {error} ({self.place('timeframe')})") from None

    def parameter(self, name: str, declared: ParameterFile) -> Parameter:
        where = self.place("parameters", name)
        if not name.isidentifier() or keyword.iskeyword(name) or name in SERIES or name in FUNCTIONS:
            taken = "is a word of the rule language" if name.isidentifier() else "is not a name"
            raise InputError(f"parameter {name!r} {taken}; choose another ({where})")
        made = Parameter(
            name=name,
            type=declared.type or _type_of(declared.default),
            default=declared.default,
            min=declared.min,
            max=declared.max,
            step=declared.step,
            description=declared.description,
            line=self.document.lines.get(("parameters", name), 0),
        )
        if made.step is not None and made.step <= 0:
            raise InputError(f"parameter {name}: step {made.step:g} must be > 0 ({where})")
        default: Value = made.require(declared.default, where)
        return made if default is declared.default else _with_default(made, default)

    def rules(self) -> dict[str, Expression]:
        made: dict[str, Expression] = {}
        for section, sides in (("entry", self.file.entry), ("exit", self.file.exit)):
            for side, written in (("long", sides.long), ("short", sides.short)):
                if written is not None:
                    made[f"{section}.{side}"] = self.parse(written, (section, side), Kind.CONDITION)
        if not any(name.startswith("entry") for name in made):
            raise InputError(f"entry needs a condition for long or short ({self.place('entry')})")
        for side in ("long", "short"):
            if f"exit.{side}" in made and f"entry.{side}" not in made:
                raise InputError(f"exit.{side} can never act: there is no entry.{side} ({self.place('exit', side)})")
        return made

    def parse(self, written: str, path: Place, wants: Kind) -> Expression:
        where = f"{'.'.join(map(str, path))}, {self.document.place(path)}"
        return parse(written, self.kinds, where=where, wants=wants)

    def amount(self, written: Amount, path: Place) -> Expression:
        if isinstance(written, str):
            return self.parse(written, path, Kind.NUMBER)
        return Number(float(written))

    def fixed(self, written: Amount, *path: str) -> Expression:
        made = self.amount(written, path)
        if not is_constant(made):
            raise ExpressionError("wanted a number or parameter", str(written), self.place(*path))
        return made

    def constraint(self, written: str, i: int) -> tuple[Expression, int]:
        path = ("constraints", i)
        made = self.parse(written, path, Kind.CONDITION)
        parts = made.items if isinstance(made, Logic) and made.operator == "and" else (made,)
        for part in parts:
            if not (isinstance(part, Comparison) and is_constant(part.left) and is_constant(part.right)):
                raise ExpressionError("a constraint compares parameters and numbers", written, self.place(*path))
        return made, self.document.lines[path]

    def distance(self, written: DistanceFile | None, section: str) -> Distance | None:
        if written is None:
            return None
        given = [unit for unit in ("ticks", "points", "atr") if getattr(written, unit) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise InputError(f"{section} needs one of ticks, points, atr; found {found} ({self.place(section)})")
        unit = given[0]
        amount = self.amount(getattr(written, unit), (section, unit))
        if isinstance(amount, Number) and amount.value <= 0:
            raise InputError(
                f"{section}.{unit} = {amount.value:g} must be > 0: the side gives it its direction "
                f"({self.place(section, unit)})"
            )
        if unit != "atr":
            if written.length is not None:
                raise InputError(f"{section}.length belongs to atr, not to {unit} ({self.place(section, 'length')})")
            return Distance(unit=unit, amount=amount)
        length = self.fixed(_ATR_LENGTH if written.length is None else written.length, section, "length")
        return Distance(unit=unit, amount=amount, range=Call("atr", (length,), Kind.NUMBER))

    def window(self, written: list[str] | None) -> tuple[str, str] | None:
        if written is None:
            return None
        begins, ends = (self.clock(part, "trading", "window", i) for i, part in enumerate(written))
        if begins == ends:
            raise InputError(f"trading.window from {begins} to {ends} is empty ({self.place('trading', 'window')})")
        return begins, ends

    def clock(self, written: str, *path: str | int) -> str:
        second = day_second(written, where=self.place(*path))
        hour, minute = divmod((second // 60 + 17 * 60) % 1440, 60)
        return f"{hour:02d}:{minute:02d}"

    def check_used(self, strategy: Strategy) -> None:
        fixed = [strategy.contracts, strategy.cooldown, strategy.max_trades_per_day]
        everything = [*strategy.expressions, *(e for e in fixed if e is not None)]
        used = {part.name for e in everything for part in walk(e) if isinstance(part, Named)}
        for name in strategy.parameters:
            if name not in used:
                raise InputError(f"parameter {name} is declared and never used ({self.place('parameters', name)})")


def _type_of(default: Value) -> str:
    return "bool" if isinstance(default, bool) else "int" if isinstance(default, int) else "float"


def _with_default(parameter: Parameter, default: Value) -> Parameter:

    return replace(parameter, default=default)
