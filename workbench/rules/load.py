"""From a strategy file to a `Strategy`: every mistake is named with its file, line and what to write instead."""

from __future__ import annotations

import keyword
from dataclasses import replace
from pathlib import Path
from typing import cast

from workbench.domain.contract import spec
from workbench.domain.errors import InputError, UnknownName, WorkbenchError
from workbench.rules.document import MAX_CHARACTERS, Document, read_document
from workbench.rules.expression import Comparison, Expression, Kind, Logic, is_constant, walk
from workbench.rules.expression import Parameter as Named
from workbench.rules.functions import SERIES, TF, known
from workbench.rules.model import ParameterFile, StrategyFile, read_model
from workbench.rules.parser import ExpressionError
from workbench.rules.python import is_python, load_python, read_python
from workbench.rules.sections import Sections
from workbench.rules.strategy import Parameter, Strategy, Value


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
    """Return the strategy that a YAML text describes, or a stored Python one; `where` names it in messages.

    Raises
    ------
    InputError
        The first mistake; the others stand in its notes (`workbench.rules.mistakes.told`).
    """
    if is_python(text):
        return cast(Strategy, read_python(text, where))  # it has the same surface
    document = read_document(text, where)
    try:
        return Reader(document, text, read_model(document)).read()
    except WorkbenchError as error:
        from workbench.rules.mistakes import add_others

        add_others(error, document, text)
        raise


def _missing(path: Path) -> InputError:
    folder = path.parent
    try:
        names = [p.name for p in folder.iterdir() if p.suffix in (".yaml", ".yml", ".py")]
    except OSError:
        return InputError(f"no strategy file {path}: there is no folder {folder}")
    return UnknownName("strategy file", path.name, names, where=str(folder)) if names else InputError(f"no file {path}")


class Reader(Sections):
    """Reads a whole file; ends at the first mistake."""

    def __init__(self, document: Document, text: str, file: StrategyFile) -> None:
        super().__init__(document, file)
        self.text = text

    def read(self) -> Strategy:
        """Return the strategy, or raise InputError."""
        made = self.made()
        strategy = replace(made, secondary=self.seen(made))
        self.check_protected(strategy)
        self.check_used(strategy)
        return strategy.checked()

    def made(self) -> Strategy:
        """Return what the sections say, each for itself."""
        file = self.file
        parameters = {name: self.parameter(name, declared) for name, declared in file.parameters.items()}
        self.kinds = {name: parameter.kind for name, parameter in parameters.items()}
        self.own = self.timeframe(file.timeframe, "timeframe")
        self.secondary = tuple(self.timeframe(text, "secondary", i) for i, text in enumerate(file.secondary))
        trading = file.trading
        stop, target = self.protection(file.stop, "stop"), self.protection(file.target, "target")
        trail = self.protection(file.trail, "trail")
        contracts, sizing = self.sizing(file.sizing)
        return Strategy(
            name=file.name,
            description=file.description,
            roots=tuple(self.root(root, i) for i, root in enumerate(file.roots)),
            timeframe=self.own,
            parameters=parameters,
            rules=self.rules(),
            constraints=tuple(self.constraint(written, i) for i, written in enumerate(file.constraints)),
            stop=stop,
            target=target,
            trail=trail,
            break_even=self.break_even(file.break_even),
            exit_after=self.optional(file.exit.after_bars, "exit", "after_bars"),
            contracts=contracts,
            sizing=sizing,
            max_trades_per_day=self.optional(trading.max_trades_per_day, "trading", "max_trades_per_day"),
            cooldown=self.fixed(trading.cooldown, "trading", "cooldown"),
            window=self.window(trading.window),
            windows=self.windows(trading),
            flat_by=None if trading.flat_by is None else self.clock(trading.flat_by, "trading", "flat_by"),
            limits=self.limits(file.limits),
            source=self.text,
            where=self.document.where,
            values={name: parameter.default for name, parameter in parameters.items()},
            lines={".".join(map(str, path)): line for path, line in self.document.lines.items() if path},
        )

    def root(self, written: str, i: int) -> str:
        try:
            return spec(written).exchange_root
        except WorkbenchError as error:
            raise InputError(f"roots: {error} ({self.place('roots', i)})") from None

    def parameter(self, name: str, declared: ParameterFile) -> Parameter:
        where = self.place("parameters", name)
        if not name.isidentifier() or keyword.iskeyword(name) or known(name) or name in (*SERIES, TF):
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
        return made if default is declared.default else replace(made, default=default)

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

    def constraint(self, written: str, i: int) -> tuple[Expression, int]:
        path = ("constraints", i)
        made = self.parse(written, path, Kind.CONDITION)
        parts = made.items if isinstance(made, Logic) and made.operator == "and" else (made,)
        for part in parts:
            if not (isinstance(part, Comparison) and is_constant(part.left) and is_constant(part.right)):
                raise ExpressionError("a constraint compares parameters and numbers", written, self.place(*path))
        return made, self.document.lines[path]

    def check_protected(self, strategy: Strategy) -> None:
        for side, name in ((1, "long"), (-1, "short")):
            if f"entry.{name}" not in strategy.rules:
                continue
            stop, trail = strategy.stop, strategy.trail
            if (stop is not None and stop.of(side)) or (trail is not None and trail.of(side)):
                continue
            even = strategy.break_even
            if even is not None and even.after.of(side) is not None:
                raise InputError(f"break_even moves the stop, and {name} has none ({self.place('break_even')})")
            if strategy.sizing is not None and strategy.sizing.mode == "risk_usd":
                place = self.place("sizing", "risk_usd")
                raise InputError(f"sizing.risk_usd is what is lost at the stop, and {name} has none ({place})")

    def check_used(self, strategy: Strategy) -> None:
        everything = [*strategy.expressions, *(part for part, *_ in strategy.settings.values())]
        used = {part.name for e in everything for part in walk(e) if isinstance(part, Named)}
        for name in strategy.parameters:
            if name not in used:
                raise InputError(f"parameter {name} is declared and never used ({self.place('parameters', name)})")


def _type_of(default: Value) -> str:
    return "bool" if isinstance(default, bool) else "int" if isinstance(default, int) else "float"
