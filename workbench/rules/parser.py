"""From the text of a condition to an expression: a whitelist over Python's own grammar, never `eval`.

The text is parsed by `ast.parse`, which runs nothing, and each node must be one of a few known kinds; all else is
refused with the place and, for a name, the closest known one.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping

from workbench.domain.errors import InputError, UnknownName
from workbench.rules.daytime import day_second
from workbench.rules.expression import (
    Arithmetic,
    Back,
    Call,
    Comparison,
    Expression,
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
from workbench.rules.functions import CONSTANT, FUNCTIONS, SERIES, Function

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
            return Series(name)
        if name in FUNCTIONS:
            raise self.error(f"{name} is a function: write {FUNCTIONS[name].usage}")
        raise UnknownName("name", name, [*SERIES, *self.parameters, *FUNCTIONS], where=self.where)

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
        return Back(of, self.fixed(node.slice, depth, "a look-back"))

    def fixed(self, node: ast.expr, depth: int, what: str) -> Expression:
        made = self.wanted(node, depth, Kind.NUMBER)
        if not is_constant(made):
            raise self.error(f"{what} must be {CONSTANT}, `{ast.unparse(node)}` changes from bar to bar")
        return made

    def call(self, node: ast.Call, depth: int) -> Expression:
        if not isinstance(node.func, ast.Name):
            raise self.error(f"`{ast.unparse(node.func)[:40]}` cannot be called; only plain functions can")
        function = FUNCTIONS.get(node.func.id)
        if function is None:
            raise UnknownName("function", node.func.id, FUNCTIONS, where=self.where)
        if node.keywords:
            raise self.error(f"write {function.usage} without names for its arguments")
        given, most = len(node.args), len(function.arguments)
        if not most - function.optional <= given <= most:
            raise self.error(f"{function.usage} takes {most} arguments, {given} given")
        pairs = zip(node.args, function.arguments, strict=False)
        arguments = tuple(self.argument(arg, name, kind, function, depth) for arg, (name, kind) in pairs)
        return Call(function.name, arguments, function.result)

    def argument(self, node: ast.expr, name: str, kind: str, function: Function, depth: int) -> Expression:
        if kind == CONSTANT:
            return self.fixed(node, depth, f"{name} of {function.usage}")
        made = self.wanted(node, depth, Kind(kind))
        if isinstance(made, Text):
            day_second(made.value, where=self.where)
        return made
