"""From the text of a condition to an expression: a whitelist over Python's own grammar, never `eval`.

The text is parsed by `ast.parse`, which runs nothing, and each node must be one of a few known kinds; all else is
refused with the place and, for a name, the closest known one.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping

from workbench.domain.errors import InputError, UnknownName
from workbench.domain.timeframe import timeframe
from workbench.rules.daytime import day_second
from workbench.rules.expression import (
    Arithmetic,
    Back,
    Call,
    Comparison,
    Expression,
    Higher,
    Kind,
    Logic,
    Negative,
    Not,
    Number,
    Parameter,
    Series,
    Text,
    is_constant,
)
from workbench.rules.expression import text as written_out
from workbench.rules.functions import CONSTANT, FRACTION, FUNCTIONS, SERIES, TF, ZONE, Function, known
from workbench.rules.indicators import INDICATORS
from workbench.rules.zones import zone

_TF_USAGE = 'write tf("4h").close, tf("4h").close[1] or tf("4h").sma(close, 20)'
_QUANTIFIERS = {"any": "or", "all": "and"}

MAX_CHARACTERS = 2000
MAX_NODES = 400
MAX_DEPTH = 40

_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


class ExpressionError(InputError):
    """An expression that is not allowed, or makes no sense; keeps the text and where it stands."""

    def __init__(self, problem: str, text: str, where: str) -> None:
        self.problem, self.text, self.where = problem, text, where
        shown = text if len(text) <= 80 else text[:77] + "..."
        super().__init__(f"{problem}, in `{shown}`{f' ({where})' if where else ''}")


def parse(text: str, parameters: Mapping[str, Kind], *, where: str = "", wants: Kind | None = None) -> Expression:
    """Return the expression that `text` writes.

    Parameters
    ----------
    text : str
        For example ``cross_above(sma(close, fast), sma(close, slow)) and close > close[1]``.
    parameters : mapping
        Declared parameter names and what each gives (a number or a condition).
    where : str
        File and line, for messages.
    wants : Kind, optional
        Refuse an expression that gives anything else.

    Raises
    ------
    ExpressionError
        Not in the whitelist, wrong kind of argument, too long or too deep.
    UnknownName
        A name or function nobody knows, with the closest known ones.

    Examples
    --------
    >>> from workbench.rules.expression import text as write
    >>> write(parse("close>close[ 1 ]", {}))
    '(close > close[1])'
    """
    expression = _Parser(" ".join(text.split()), parameters, where).run()
    if wants is not None and expression.kind is not wants:
        raise ExpressionError(f"wanted {wants}, this gives {expression.kind}", text, where)
    return expression


class _Parser:
    def __init__(self, text: str, parameters: Mapping[str, Kind], where: str) -> None:
        self.text, self.parameters, self.where = text, parameters, where
        self.nodes = 0
        self.frame = ""  # inside tf("4h").…: the timeframe whose bars are meant

    def run(self) -> Expression:
        if not self.text:
            raise self.error("an empty condition")
        if len(self.text) > MAX_CHARACTERS:
            raise self.error(f"longer than {MAX_CHARACTERS} characters; split it into parameters or several rules")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python's advice on odd spelling (`1or 2`) is not for our readers
                tree = ast.parse(self.text, mode="eval")
        except SyntaxError as error:
            raise self.error(f"cannot be read: {error.msg} at character {error.offset}") from None
        except (RecursionError, MemoryError, ValueError):  # what ast.parse raises on nesting and on null bytes
            raise self.error("cannot be read: nested too deeply, or not text") from None
        return self.node(tree.body, 1)

    def error(self, problem: str) -> ExpressionError:
        return ExpressionError(problem, self.text, self.where)

    def node(self, node: ast.expr, depth: int) -> Expression:
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise self.error(f"nested more than {MAX_DEPTH} levels deep")
        if self.nodes > MAX_NODES:
            raise self.error(f"more than {MAX_NODES} parts")
        match node:
            case ast.Constant():
                return self.constant(node)
            case ast.Name():
                return self.name(node.id)
            case ast.UnaryOp():
                return self.unary(node, depth)
            case ast.BinOp():
                return self.arithmetic(node, depth)
            case ast.Compare():
                return self.comparison(node, depth)
            case ast.BoolOp():
                return self.logic(node, depth)
            case ast.Subscript():
                return self.back(node, depth)
            case ast.Attribute():
                return self.of_timeframe(node)
            case ast.Call(ast.Attribute() as of):
                return self.call_of_timeframe(node, of, depth)
            case ast.Call():
                return self.call(node, depth)
        raise self.error(f"`{ast.unparse(node)[:40]}` is not part of the rule language")

    def constant(self, node: ast.Constant) -> Expression:
        if isinstance(node.value, str):
            return Text(node.value)
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            try:
                value = float(node.value)
            except OverflowError:
                value = float("inf")
            if abs(value) > 1e15:
                raise self.error("a number beyond 1e15")
            return Number(value)
        raise self.error(f"`{ast.unparse(node)}` is neither a number nor a text")

    def name(self, name: str) -> Expression:
        if name in self.parameters:
            return Parameter(name, self.parameters[name])
        if name in SERIES:
            if name == "time" and self.frame:
                raise self.error("time is that of the bar that decides; leave it outside of tf(…)")
            return Series(name)
        if name == TF:
            raise self.error(_TF_USAGE)
        function = known(name)
        if function is not None:
            raise self.error(f"{name} is a function: write {function.usage}")
        raise UnknownName("name", name, [*SERIES, *self.parameters, *FUNCTIONS, TF], where=self.where)

    def wanted(self, node: ast.expr, depth: int, kind: Kind) -> Expression:
        made = self.node(node, depth + 1)
        if made.kind is not kind:
            raise self.error(f"`{ast.unparse(node)}` gives {made.kind}, wanted {kind}")
        return made

    def unary(self, node: ast.UnaryOp, depth: int) -> Expression:
        if isinstance(node.op, ast.Not):
            return Not(self.wanted(node.operand, depth, Kind.CONDITION))
        if isinstance(node.op, ast.USub | ast.UAdd):
            made = self.wanted(node.operand, depth, Kind.NUMBER)
            if isinstance(node.op, ast.UAdd):
                return made
            return Number(-made.value) if isinstance(made, Number) else Negative(made)
        raise self.error("~ is not part of the rule language; write not")

    def arithmetic(self, node: ast.BinOp, depth: int) -> Expression:
        operator = _ARITHMETIC.get(type(node.op))
        if operator is None:
            raise self.error(f"`{ast.unparse(node)}`: only + - * / are known; for conditions write and, or, not")
        left = self.wanted(node.left, depth, Kind.NUMBER)
        return Arithmetic(operator, left, self.wanted(node.right, depth, Kind.NUMBER))

    def comparison(self, node: ast.Compare, depth: int) -> Expression:
        made: list[Expression] = []
        left = self.compared(node.left, depth)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            operator = _COMPARISONS.get(type(op))
            if operator is None:
                raise self.error("only < <= > >= == != compare")
            right = self.compared(right_node, depth)
            made.append(Comparison(operator, left, right))
            left = right
        return made[0] if len(made) == 1 else Logic("and", tuple(made))

    def compared(self, node: ast.expr, depth: int) -> Expression:
        made = self.node(node, depth + 1)
        if made.kind is Kind.TIME:
            raise self.error('times are compared with between(time, "08:30", "11:00")')
        if made.kind is not Kind.NUMBER:
            raise self.error(f"`{ast.unparse(node)}` gives {made.kind}; only numbers are compared")
        return made

    def logic(self, node: ast.BoolOp, depth: int) -> Expression:
        operator = "and" if isinstance(node.op, ast.And) else "or"
        return Logic(operator, tuple(self.wanted(value, depth, Kind.CONDITION) for value in node.values))

    def back(self, node: ast.Subscript, depth: int) -> Expression:
        of = self.node(node.value, depth + 1)
        if of.kind not in (Kind.NUMBER, Kind.CONDITION):
            raise self.error(f"`{ast.unparse(node.value)}` has no earlier bars to look back at")
        bars = self.fixed(node.slice, depth, "a look-back")
        if isinstance(of, Higher):  # tf("4h").close[1]: one 4-hour bar before
            return Higher(of.timeframe, Back(of.of, bars))
        return Back(of, bars)

    def fixed(self, node: ast.expr, depth: int, what: str, kind: str = CONSTANT) -> Expression:
        made = self.wanted(node, depth, Kind.NUMBER)
        if not is_constant(made):
            raise self.error(f"{what} must be {kind}, `{ast.unparse(node)}` changes from bar to bar")
        return made

    def of_timeframe(self, node: ast.Attribute) -> Expression:
        frame = self.timeframe(node.value, f"`{ast.unparse(node)[:40]}` is not part of the rule language")
        if node.attr in SERIES:
            if node.attr == "time":
                raise self.error("time is that of the bar that decides; leave it outside of tf(…)")
            return Higher(frame, Series(node.attr))
        function = known(node.attr)
        if function is not None:
            raise self.error(f'{node.attr} is a function: write tf("{frame}").{function.usage}')
        raise UnknownName("name", node.attr, [*SERIES[:-1], *FUNCTIONS], where=self.where)

    def call_of_timeframe(self, node: ast.Call, of: ast.Attribute, depth: int) -> Expression:
        frame = self.timeframe(of.value, f"`{ast.unparse(of)[:40]}` cannot be called; only plain functions can")
        self.frame = frame
        try:
            made = self.call(ast.Call(ast.Name(of.attr), node.args, node.keywords), depth + 1)
        finally:
            self.frame = ""
        if isinstance(made, Logic):  # any(a, b), all(a, b)
            raise self.error(f"{of.attr} of several conditions stands outside of tf(…)")
        return Higher(frame, made)

    def timeframe(self, node: ast.expr, otherwise: str) -> str:
        self.nodes += 1
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == TF):
            raise self.error(otherwise)
        if self.frame:
            raise self.error(f'tf(…) inside of tf("{self.frame}") is not known; compare the two outside')
        match node.args:
            case [ast.Constant(str() as text)] if not node.keywords:
                try:
                    return timeframe(text).text
                except InputError as error:
                    raise self.error(str(error)) from None
        raise self.error(_TF_USAGE)

    def call(self, node: ast.Call, depth: int) -> Expression:
        if not isinstance(node.func, ast.Name):
            raise self.error(f"`{ast.unparse(node.func)[:40]}` cannot be called; only plain functions can")
        if node.func.id == TF:
            raise self.error(_TF_USAGE)
        function = known(node.func.id)
        if function is None:
            raise UnknownName("function", node.func.id, [*FUNCTIONS, TF], where=self.where)
        if node.keywords:
            raise self.error(f"write {function.usage} without names for its arguments")
        if function.name in _QUANTIFIERS and len(node.args) > 1:
            last = self.node(node.args[-1], depth + 1)
            if last.kind is Kind.CONDITION:
                items = [self.wanted(part, depth, Kind.CONDITION) for part in node.args[:-1]]
                return Logic(_QUANTIFIERS[function.name], (*items, last))
        pairs = zip(node.args, self.wanted_arguments(function, len(node.args)), strict=True)
        arguments = tuple(self.argument(arg, name, kind, function, depth) for arg, (name, kind) in pairs)
        return Call(function.name, arguments + _left_out(function, len(arguments)), function.result)

    def wanted_arguments(self, function: Function, given: int) -> tuple[tuple[str, str], ...]:
        wanted = function.arguments
        most = len(wanted)
        if function.variadic and given > most:
            return wanted + (wanted[-1],) * (given - most)
        if not most - function.optional <= given <= most:
            least = f"{most - function.optional} to " if function.optional else ""
            raise self.error(f"{function.usage} takes {least}{most} arguments, {given} given")
        return wanted[:given]

    def argument(self, node: ast.expr, name: str, kind: str, function: Function, depth: int) -> Expression:
        if kind in (CONSTANT, FRACTION):
            return self.fixed(node, depth, f"{name} of {function.usage}", kind)
        made = self.wanted(node, depth, Kind.TEXT if kind == ZONE else Kind(kind))
        if not isinstance(made, Text):
            if function.name in INDICATORS and is_constant(made):
                example = f"{function.name}({', '.join(('close', *(a for a, _ in function.arguments[1:])))})"
                what = f"`{written_out(made)}` as {name} of {function.usage} never changes"
                raise self.error(f"{what}; give it a series, such as {example}")
            return made
        if kind == ZONE:
            zone(made.value, where=self.where)
            return made
        minutes = day_second(made.value, where=self.where) // 60 + 17 * 60
        return Text(f"{minutes // 60 % 24:02d}:{minutes % 60:02d}")


def _left_out(function: Function, given: int) -> tuple[Expression, ...]:
    # The numbers for arguments that were left out are written down, so that rsi(close) and rsi(close, 14) are one rule.
    missing = len(function.arguments) - given
    made: list[Expression] = []
    for default in function.defaults[len(function.defaults) - missing :] if missing > 0 else ():
        if default is None:
            break
        made.append(Number(float(default)))
    return tuple(made)
