"""What a strategy class declares, read from its source without running any of it.

Name, roots, timeframe, settings and parameters are written as plain values, so a desk, a runner or a registry knows
them without executing a person's code, and each mistake is named with its line.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from workbench.domain.errors import InputError, UnknownName
from workbench.domain.timeframe import timeframe
from workbench.rules.expression import Comparison, Expression, Kind, Logic, is_constant
from workbench.rules.parser import parse
from workbench.rules.python.bundle import Bundle
from workbench.rules.python.closure import tree_of
from workbench.rules.python.declarations import CHECKS, FIXED, PARAMETER, RESERVED, SETTINGS, declared
from workbench.rules.strategy import Parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The declarations of one class; `parameters` in the order in which they are written."""

    strategy: str
    line: int
    name: str
    description: str
    roots: tuple[str, ...]
    timeframe: str
    window: tuple[str, str] | None
    flat_by: str | None
    settings: Mapping[str, int] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    constraints: tuple[tuple[Expression, int], ...] = ()


@dataclass(slots=True)
class _Class:
    node: ast.ClassDef
    file: str
    bases: list[str]


def describe(bundle: Bundle, where: str) -> Description:
    """Return what the strategy class of `bundle` declares.

    Raises
    ------
    InputError
        No strategy class or several, a setting missing, of the wrong kind or not written as a plain value: each with
        its line.
    UnknownName
        A setting that is one letter away from a known one.
    """
    return _Reader(bundle, where).read()


class _Reader:
    def __init__(self, bundle: Bundle, where: str) -> None:
        self.bundle, self.where = bundle, where
        self.trees = {name: tree_of(text, self.path(name)) for name, text in bundle.files.items()}
        self.constants = {name: dict(_assigned(tree.body)) for name, tree in self.trees.items()}
        self.roots = {name: _base_names(tree) for name, tree in self.trees.items()}
        self.roots[bundle.main] |= _base_names(tree_of(bundle.prelude, where))
        self.classes: dict[str, _Class] = {}
        for name in [*(n for n in self.trees if n != bundle.main), bundle.main]:
            for node in self.trees[name].body:
                if isinstance(node, ast.ClassDef):
                    self.classes[node.name] = _Class(node, name, [ast.unparse(base) for base in node.bases])

    def path(self, file: str) -> str:
        return self.where if file == self.bundle.main else f"{self.where.removesuffix(self.bundle.main)}{file}"

    def place(self, file: str, node: ast.AST) -> str:
        return f"{self.path(file)}, line {getattr(node, 'lineno', 0)}"

    def read(self) -> Description:
        chosen = self.chosen()
        line = self.lineage(chosen)
        members: dict[str, tuple[str, ast.expr]] = {}
        for found in reversed(line):
            for name, value in _assigned(found.node.body):
                members.pop(name, None)
                members[name] = (found.file, value)
        at = self.place(chosen.file, chosen.node)
        for name, (file, value) in members.items():
            self.check_name(name, self.place(file, value))
        plain = {name: self.setting(name, *members[name]) for name in FIXED if name in members}
        parameters, settings = self.values(members)
        for name in ("name", "roots", "timeframe"):
            if name not in plain:
                example = {"name": '"my_idea"', "roots": '("MES",)', "timeframe": '"5m"'}[name]
                raise InputError(f"{chosen.node.name} needs {name} = {example} ({at})")
        if not any(_has_method(found.node, "on_bar") for found in line):
            raise InputError(f"{chosen.node.name} needs a method on_bar(self, bar) ({at})")
        return Description(
            strategy=chosen.node.name,
            line=chosen.node.lineno,
            name=plain["name"],
            description=plain.get("description") or _first_line(ast.get_docstring(chosen.node)),
            roots=plain["roots"],
            timeframe=timeframe(self.bundle.timeframe).text if self.bundle.timeframe else plain["timeframe"],
            window=plain.get("window"),
            flat_by=plain.get("flat_by"),
            settings=settings,
            parameters=parameters,
            constraints=self.constraints(members, parameters, plain.get("constraints", ())),
        )

    # --- which class ---

    def chosen(self) -> _Class:
        main = [c for c in self.classes.values() if c.file == self.bundle.main]
        found = [c for c in main if self.is_strategy(c, set())]
        bases = {base.split(".")[-1] for c in found for base in c.bases}
        leaves = [c for c in found if c.node.name not in bases]
        if self.bundle.strategy:
            leaves = [c for c in found if c.node.name == self.bundle.strategy]
        if len(leaves) == 1:
            return leaves[0]
        if leaves:
            listed = ", ".join(f"{c.node.name} (line {c.node.lineno})" for c in leaves)
            raise InputError(f"{len(leaves)} strategies in one file: {listed}; keep one in each ({self.where})")
        for c in main:
            if _has_method(c.node, "on_bar"):
                raise InputError(
                    f"{c.node.name} has an on_bar but does not derive from wb.Strategy; write `import workbench as wb` "
                    f"and `class {c.node.name}(wb.Strategy):` ({self.place(c.file, c.node)})"
                )
        raise InputError(f"no class in it derives from wb.Strategy; a strategy file has one ({self.where})")

    def is_strategy(self, found: _Class, seen: set[str]) -> bool:
        seen.add(found.node.name)
        for base in found.bases:
            if base in self.roots[found.file]:
                return True
            local = self.classes.get(base.split(".")[-1])
            if local is not None and local.node.name not in seen and self.is_strategy(local, seen):
                return True
        return False

    def lineage(self, found: _Class) -> list[_Class]:
        made = [found]
        for base in found.bases:
            local = self.classes.get(base.split(".")[-1])
            if local is not None and local not in made and local is not found:
                made += [c for c in self.lineage(local) if c not in made]
        return made

    # --- what it says ---

    def check_name(self, name: str, where: str) -> None:
        if name in SETTINGS or name.startswith("_"):
            return
        if name in RESERVED:
            raise InputError(f"{name} is a word of wb.Strategy itself; choose another name ({where})")
        if difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0.8):
            raise UnknownName("setting", name, SETTINGS, where=where)

    def values(self, members: Mapping[str, tuple[str, ast.expr]]) -> tuple[dict[str, Parameter], dict[str, int]]:
        parameters, settings = {}, {}
        for name, (file, value) in members.items():
            where = self.place(file, value)
            if self.is_parameter(value):
                if name in FIXED:
                    raise InputError(f"{name} is fixed for a strategy, it cannot be a parameter ({where})")
                parameters[name] = self.parameter(name, file, cast(ast.Call, value))
            elif name in SETTINGS and name not in FIXED:
                settings[name] = self.whole(name, self.literal(file, value, name), where)
        for name, least in (("contracts", 1), ("max_trades_per_day", 1), ("cooldown", 0), ("history", 0)):
            declared = parameters.get(name)
            if declared is not None and (declared.type != "int" or declared.min is None or declared.min < least):
                raise InputError(f"{name} as a parameter is whole, with a min of {least} or more ({self.where})")
        return parameters, settings

    def constraints(
        self, members: Mapping[str, tuple[str, ast.expr]], parameters: Mapping[str, Parameter], written: tuple[str, ...]
    ) -> tuple[tuple[Expression, int], ...]:
        if not written:
            return ()
        file, node = members["constraints"]
        kinds = {name: parameter.kind for name, parameter in parameters.items()}
        made = []
        for text in written:
            parsed = parse(text, kinds, where=self.place(file, node), wants=Kind.CONDITION)
            parts = parsed.items if isinstance(parsed, Logic) and parsed.operator == "and" else (parsed,)
            for part in parts:
                if not (isinstance(part, Comparison) and is_constant(part.left) and is_constant(part.right)):
                    raise InputError(
                        f"a constraint compares parameters and numbers, in `{text}` ({self.place(file, node)})"
                    )
            made.append((parsed, getattr(node, "lineno", 0)))
        return tuple(made)

    def whole(self, name: str, value: object, where: str) -> int:
        least = 1 if name in ("contracts", "max_trades_per_day") else 0
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise InputError(f"{name} = {value!r} must be a whole number, at least {least} ({where})")
        return value

    def setting(self, name: str, file: str, node: ast.expr) -> Any:
        where = self.place(file, node)
        if self.is_parameter(node):
            raise InputError(f"{name} is fixed for a strategy, it cannot be a parameter ({where})")
        value = self.literal(file, node, name)
        try:
            return CHECKS[name](value, where)
        except InputError as error:
            raise InputError(str(error) if where in str(error) else f"{name}: {error} ({where})") from None

    def literal(self, file: str, node: ast.expr, name: str) -> Any:
        try:
            return ast.literal_eval(_Resolved(self.constants[file]).visit(_copy(node)))
        except (ValueError, TypeError, SyntaxError, RecursionError):
            raise InputError(
                f"{name} = {ast.unparse(node)[:60]} must be written as a plain value, so that it can be read without "
                f"running the file ({self.place(file, node)})"
            ) from None

    def is_parameter(self, node: ast.expr) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "parameter"
            and ast.unparse(node.func.value).split(".")[-1] in {"Strategy", *self.classes, *_last(self.roots)}
        )

    def parameter(self, name: str, file: str, node: ast.Call) -> Parameter:
        where = self.place(file, node)
        given: dict[str, Any] = {}
        for i, value in enumerate(node.args):
            if i:
                raise InputError(f"parameter {name}: only the default stands without a name ({where})")
            given["default"] = self.literal(file, value, f"parameter {name}")
        for word in node.keywords:
            if word.arg not in PARAMETER:
                raise UnknownName(f"word of parameter {name}", str(word.arg), PARAMETER, where=where)
            given[word.arg] = self.literal(file, word.value, f"parameter {name}: {word.arg}")
        return declared(name, given, where, node.lineno)


# --- reading syntax trees ---


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for item in body:
        if isinstance(item, ast.Assign):
            for target in item.targets:
                if isinstance(target, ast.Name):
                    yield target.id, item.value
                elif isinstance(target, ast.Tuple) and isinstance(item.value, ast.Tuple):
                    for name, value in zip(target.elts, item.value.elts, strict=False):
                        if isinstance(name, ast.Name):
                            yield name.id, value
        elif isinstance(item, ast.AnnAssign) and item.value is not None and isinstance(item.target, ast.Name):
            yield item.target.id, item.value


def _base_names(tree: ast.Module) -> set[str]:
    """Return what `wb.Strategy` is called in a module."""
    made = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == "workbench":
                    made.add(f"{alias.asname or alias.name}.Strategy")
        elif isinstance(node, ast.ImportFrom) and node.module == "workbench":
            made |= {alias.asname or alias.name for alias in node.names if alias.name == "Strategy"}
    return made


def _last(roots: Mapping[str, set[str]]) -> set[str]:
    return {name.split(".")[-1] for names in roots.values() for name in names}


def _has_method(node: ast.ClassDef, name: str) -> bool:
    return any(isinstance(item, ast.FunctionDef) and item.name == name for item in node.body)


def _first_line(text: str | None) -> str:
    return text.strip().splitlines()[0].strip() if text and text.strip() else ""


def _copy(node: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(node), mode="eval").body


class _Resolved(ast.NodeTransformer):
    """Puts the values of module constants where their names stand."""

    def __init__(self, constants: Mapping[str, ast.expr], depth: int = 0) -> None:
        self.constants, self.depth = constants, depth

    def visit_Name(self, node: ast.Name) -> ast.AST:
        value = self.constants.get(node.id)
        if value is None or self.depth > 8:
            return node
        return cast(ast.AST, _Resolved(self.constants, self.depth + 1).visit(_copy(value)))
