"""All mistakes of a strategy file that do not follow from one another, where the reader ends at the first.

Each section is read for itself. What is wrong is put right as far as its meaning is plain (a misspelt key counts as the
one it was meant to be) or else left out, so that what is said of the rest is true whatever the person writes there. The
checks of the strategy as a whole wait until every section can be read.
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pydantic import ValidationError

from workbench.domain.errors import UnknownName, WorkbenchError
from workbench.rules.document import Document, Path
from workbench.rules.expression import Comparison, Expression, Kind, Number
from workbench.rules.load import Reader
from workbench.rules.model import (
    Amount,
    BreakEvenFile,
    DistanceFile,
    ParameterFile,
    SizingFile,
    StrategyFile,
    TradingFile,
    WindowFile,
    explained,
    is_cut,
    known_keys,
    place_of,
    written_part,
)
from workbench.rules.parameter import Parameter
from workbench.rules.protection import BreakEven, Distance, Sizing
from workbench.rules.sections import allowed
from workbench.rules.strategy import Strategy
from workbench.rules.windows import EVERY_DAY, Window

T = TypeVar("T")

MOST_ROUNDS = 20
MEANT = 0.8  # likeness from which a misspelt key counts as the one it resembles
_ONE: Expression = Number(1.0)
_ALWAYS: Expression = Comparison("<", Number(0.0), Number(1.0))
_SHORTEST = "1s"  # all others are multiples of it
_FILL: dict[str, Any] = {
    "name": "x",
    "roots": ["ES"],
    "timeframe": _SHORTEST,
    "entry": {"long": "0 < 1", "short": "0 < 1"},
}
_LOOSE = ("trading", "limits", "exit")  # their keys do not depend on one another
_LINE = re.compile(r"\bline (\d+)")


def add_others(first: WorkbenchError, document: Document, text: str) -> None:
    """Give the reader's error the other mistakes of the document as notes."""
    for other in dict.fromkeys(map(_said, mistakes(document, text))):
        if other != _said(first):
            first.add_note(other)


def _said(error: WorkbenchError) -> str:
    return f"{error}{allowed(error)}"


def told(error: WorkbenchError) -> list[tuple[int, str]]:
    r"""Return each mistake that an error tells of, with its line (0: none), in the order of the lines.

    >>> from workbench.rules import parse_strategy
    >>> try:
    ...     parse_strategy("name: a\nroots: [MSE]\ntimeframe: 7x\nentry: {long: close > open}\n")
    ... except WorkbenchError as error:
    ...     [line for line, _ in told(error)]
    [2, 3]
    """
    said = dict.fromkeys((_said(error), *getattr(error, "__notes__", ())))
    return sorted(((_line(each), each) for each in said), key=lambda one: one[0])


def _line(said: str) -> int:
    found = _LINE.search(said)
    return int(found[1]) if found else 0


def mistakes(document: Document, text: str) -> list[WorkbenchError]:
    """Return the mistakes of a document; empty where there is none."""
    form = _Form(document)
    file = form.file()
    if file is None:
        return form.mistakes
    reader = _Collector(form, text, file)
    strategy = reader.made()
    if not form.mistakes:
        reader.whole(strategy)
    return form.mistakes


class _Form:
    # The keys and types of a document, put right until the model takes it.

    def __init__(self, document: Document) -> None:
        self.document = Document(document.where, copy.deepcopy(document.data), dict(document.lines))
        self.mistakes: list[WorkbenchError] = []
        self.unsure: set[str] = set()  # parameters whose type is not known
        self.are_lost = False  # the parameters: no name can be called unknown
        self.frames_are_lost = False
        self._mended: set[Path] = set()

    def file(self) -> StrategyFile | None:
        if not isinstance(self.document.data, dict):
            return None
        for _ in range(MOST_ROUNDS):
            try:
                return StrategyFile.model_validate(self.document.data)
            except ValidationError as error:
                errors = error.errors(include_url=False)
            extra = [each for each in errors if each["type"] == "extra_forbidden"]
            for each in extra:  # first of all: one of them may be what another error misses
                self._extra(each)
            before, seen = frozenset(self._mended), set[Path]()
            for each in () if extra else errors:
                self._wrong(each, before, seen)
        return None

    def _extra(self, error: Any) -> None:
        self.mistakes.append(explained(error, self.document))
        *above, key = place_of(error)
        section = self._at(above)
        if not isinstance(section, dict) or key not in section:
            return
        if above and is_cut(key):
            self._mend(tuple(above))
            return
        free = [name for name in known_keys(tuple(above)) if name not in section]
        near = difflib.get_close_matches(str(key).casefold(), free, n=1, cutoff=MEANT)
        if near:
            section[near[0]] = section.pop(key)
            self._move((*above, key), (*above, near[0]))
        elif len(above) == 0 or above[0] in (*_LOOSE, "parameters"):
            del section[key]
        else:
            self._mend(tuple(above))

    def _wrong(self, error: Any, before: frozenset[Path], seen: set[Path]) -> None:
        # `before`: what has gone in earlier rounds is missed now; `seen`: pydantic tells of each form a value may have
        path = place_of(error)
        written = path if error["type"] == "missing" else written_part(path, self.document) or path
        if written not in seen and not any(path[: len(done)] == done for done in before):
            self.mistakes.append(explained(error, self.document))
        seen.add(written)
        self._mend(written)

    def _mend(self, path: Path) -> None:
        # leaves out as much as the wrong value has to do with
        data, head = self.document.data, str(path[0])
        here = path[:1]
        if head == "parameters" and len(path) > 1 and isinstance(data.get(head), dict):
            data[head][path[1]], here = {"default": 1}, path[:2]
            self.unsure.add(str(path[1]))
        elif head in _FILL:
            data[head] = copy.deepcopy(_FILL[head])
        elif head in _LOOSE and len(path) > 1 and isinstance(data.get(head), dict):
            data[head].pop(path[1], None)
            here = path[:2]
        else:
            data.pop(head, None)
        self._mended.add(here)
        self.are_lost |= here == ("parameters",)
        self.frames_are_lost |= head in ("timeframe", "secondary")

    def _at(self, path: Iterable[str | int]) -> Any:
        found = self.document.data
        for part in path:
            try:
                found = found[part]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def _move(self, old: Path, new: Path) -> None:
        lines = self.document.lines
        lines.update({(*new, *at[len(old) :]): line for at, line in lines.items() if at[: len(old)] == old})


class _Collector(Reader):
    # Goes on with something harmless where the reader would end.

    def __init__(self, form: _Form, text: str, file: StrategyFile) -> None:
        super().__init__(form.document, text, file)
        self.form = form

    def tried(self, step: Callable[[], T], otherwise: T) -> T:
        before = len(self.form.mistakes)
        try:
            return step()
        except WorkbenchError as error:
            if len(self.form.mistakes) == before:  # else it follows from what was found inside
                self.form.mistakes.append(error)
            return otherwise

    def whole(self, made: Strategy) -> None:
        self.tried(lambda: self.check_protected(made), None)
        self.tried(lambda: self.check_used(made), None)
        self.tried(made.checked, made)

    def parse(self, written: str, path: Path, wants: Kind) -> Expression:
        otherwise = _ALWAYS if wants is Kind.CONDITION else _ONE
        try:
            return super().parse(written, path, wants)
        except UnknownName as error:
            if not (self.form.are_lost and error.kind == "name"):
                self.form.mistakes.append(error)
        except WorkbenchError as error:
            if self.form.unsure.isdisjoint(re.findall(r"\w+", written)):
                self.form.mistakes.append(error)
        return otherwise

    def check_higher(self, above: str, written: str, where: str) -> None:
        if not self.form.frames_are_lost:
            super().check_higher(above, written, where)

    def timeframe(self, written: str, *path: str | int) -> str:
        if path[0] == "secondary" and self.own == _SHORTEST and self.form.frames_are_lost:
            return written
        made = self.tried(lambda: Reader.timeframe(self, written, *path), "")
        self.form.frames_are_lost |= not made
        return made or _SHORTEST

    def parameter(self, name: str, declared: ParameterFile) -> Parameter:
        kind = declared.type or ("bool" if isinstance(declared.default, bool) else "float")
        otherwise = Parameter(name=name, type=kind, default=declared.default)
        return self.tried(lambda: Reader.parameter(self, name, declared), otherwise)

    def root(self, written: str, i: int) -> str:
        return self.tried(lambda: Reader.root(self, written, i), "ES")

    def rules(self) -> dict[str, Expression]:
        return self.tried(lambda: Reader.rules(self), {})

    def constraint(self, written: str, i: int) -> tuple[Expression, int]:
        return self.tried(lambda: Reader.constraint(self, written, i), (_ALWAYS, 0))

    def fixed(self, written: Amount, *path: str) -> Expression:
        return self.tried(lambda: Reader.fixed(self, written, *path), _ONE)

    def distance(self, written: DistanceFile, side: str, path: tuple[str, ...]) -> Distance | None:
        return self.tried(lambda: Reader.distance(self, written, side, path), None)

    def break_even(self, written: BreakEvenFile | None) -> BreakEven | None:
        return self.tried(lambda: Reader.break_even(self, written), None)

    def sizing(self, written: SizingFile) -> tuple[Expression, Sizing | None]:
        otherwise: tuple[Expression, Sizing | None] = (_ONE, None)
        return self.tried(lambda: Reader.sizing(self, written), otherwise)

    def clock(self, written: str, *path: str | int) -> str:
        return self.tried(lambda: Reader.clock(self, written, *path), "")

    def window(self, written: list[str] | None) -> tuple[str, str] | None:
        return self.tried(lambda: Reader.window(self, written), None)

    def windows(self, written: TradingFile) -> tuple[Window, ...]:
        return self.tried(lambda: Reader.windows(self, written), ())

    def one_window(self, written: WindowFile, i: int) -> Window:
        return self.tried(lambda: Reader.one_window(self, written, i), Window(EVERY_DAY, 0, 1, "America/Chicago"))
