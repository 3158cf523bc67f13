"""Mutants of the safety code, generated from the code: what the suite must notice when it is switched off.

Four kinds, each from what the sources hold, so that a new check is a new mutant without anybody's doing:

- a *code*: one refusal of the gate never fires;
- a *guard*: one ``if … : return / raise / continue`` of a safety function never fires;
- a *function*: one function of the safety code does nothing, and answers as if nothing were the matter.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RISK = ("tests/risk", "tests/execution", "tests/services/test_limits.py", "tests/services/test_runner_verbs.py")
DECISION = ("tests/execution", "tests/risk", "tests/chaos/test_in_process.py")
STOP = (
    "tests/services/test_stop.py",
    "tests/services/test_stop_hostile.py",
    "tests/services/test_red_button.py",
    "tests/services/test_stop_hung_closer.py",
    "tests/services/test_red_button_results.py",
)
BUDGETS = ("tests/services/test_monitor.py", "tests/services/test_limit_changes.py", *RISK)
FILES = (
    "tests/storage/test_journal.py",
    "tests/storage/test_snapshot.py",
    "tests/storage/test_rotation.py",
    "tests/storage/test_lease.py",
    "tests/services/test_decider.py",
    "tests/execution",
)
# Module → the tests that must notice, quickest first.
TARGETS: dict[str, tuple[str, ...]] = {
    "workbench/risk/gate.py": RISK,
    "workbench/risk/checks_money.py": RISK,
    "workbench/risk/checks_time.py": RISK,
    "workbench/risk/intent.py": ("tests/services/test_sender.py", *RISK),
    "workbench/risk/tightening.py": RISK,
    "workbench/execution/limits_watch.py": DECISION,
    "workbench/execution/limits_fold.py": DECISION,
    "workbench/execution/control.py": DECISION,
    "workbench/execution/submit.py": DECISION,
    "workbench/execution/protect.py": DECISION,
    "workbench/execution/manual.py": DECISION,
    "workbench/execution/reconcile.py": DECISION,
    "workbench/execution/flatten.py": DECISION,
    "workbench/execution/orders.py": DECISION,
    "workbench/execution/fills.py": DECISION,
    **{
        f"workbench/execution/{name}.py": DECISION
        for name in (
            "covered",
            "external",
            "release",
            "readiness",
            "outage",
            "exposure",
            "headroom",
            "risk_view",
            "risk_state",
            "sessions",
        )
    },
    "workbench/execution/book.py": DECISION,
    "workbench/storage/latch.py": ("tests/storage/test_latch.py", *STOP),
    "workbench/storage/lease.py": ("tests/storage/test_lease.py", *FILES),
    "workbench/storage/lock.py": ("tests/storage/test_lock.py", *STOP),
    "workbench/storage/journal.py": FILES,
    "workbench/storage/records.py": FILES,
    "workbench/services/decider.py": FILES,
    "workbench/services/sender.py": (
        "tests/services/test_sender.py",
        "tests/execution",
        "tests/chaos/test_in_process.py",
    ),
    "workbench/services/limits.py": ("tests/services/test_limit_changes.py", *RISK),
    "workbench/services/limits_follower.py": (
        "tests/services/test_limit_changes.py",
        "tests/services/test_limits_unread.py",
        *RISK,
    ),
    "workbench/services/monitor.py": BUDGETS,
    "workbench/services/budgets.py": BUDGETS,
    "workbench/services/stop.py": STOP,
    "workbench/services/sweep.py": ("tests/services/test_sweep.py", *STOP),
    "workbench/services/session_stop.py": ("tests/services/test_session_stop.py",),
    "workbench/services/red_button.py": STOP,
    "workbench/services/stop_results.py": ("tests/services/test_red_button_results.py", *STOP),
}
NEUTRAL = {"None": "None", "bool": "False", "str": "''", "int": "0"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file; `tests` must fail on it."""

    name: str
    path: str
    line: int
    text: str
    tests: tuple[str, ...]


def mutants() -> list[Mutant]:
    """All of them, in the order of the sources."""
    return [m for path in targets() for m in of_file(path, (ROOT / path).read_text(encoding="utf-8"), targets()[path])]


def targets() -> dict[str, tuple[str, ...]]:
    """Module → tests, as far as they are there; a target that has gone is an error, not an empty list."""
    gone = [path for path in TARGETS if not (ROOT / path).exists()]
    if gone:
        raise FileNotFoundError(f"the safety code has moved: {', '.join(gone)}; name its new place in tests/mutants")
    return {path: tuple(t for t in tests if (ROOT / t).exists()) for path, tests in TARGETS.items()}


def of_file(path: str, source: str, tests: tuple[str, ...]) -> list[Mutant]:
    """Every mutant of one source."""
    tree, made, seen = ast.parse(source), list[Mutant](), set[str]()
    for label, node, replacement in (*_codes(tree), *_guards(tree), *_functions(tree)):
        name, number = f"{path}: {label}", 2
        while name in seen:
            name, number = f"{path}: {label} #{number}", number + 1
        seen.add(name)
        made.append(Mutant(name, path, node.lineno, _replaced(source, node, replacement), tests))
    return made


def _codes(tree: ast.Module) -> Iterator[tuple[str, ast.expr, str]]:
    # (condition, Code.X, reason) in a table of tests, or `if condition: return refuse(Code.X, …)`.
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple) and len(node.elts) > 1 and _code(node.elts[1]):
            yield f"code {_code(node.elts[1])}", node.elts[0], "False"
        elif isinstance(node, ast.If):
            named = [c for inner in node.body for c in map(_code, ast.walk(inner)) if c]
            if named and not any(isinstance(n, ast.If) for inner in node.body for n in ast.walk(inner)):
                yield f"code {named[0]}", node.test, "False"


def _code(node: ast.AST) -> str:
    is_code = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Code"
    return node.attr if is_code and isinstance(node, ast.Attribute) else ""


def _guards(tree: ast.Module) -> Iterator[tuple[str, ast.expr, str]]:
    for function in _functions_of(tree):
        number = 0
        for node in ast.walk(function):
            leaves = isinstance(node, ast.If) and isinstance(node.body[-1], ast.Return | ast.Raise | ast.Continue)
            if not leaves or not isinstance(node, ast.If) or any(_code(n) for n in ast.walk(node)):
                continue
            number += 1
            yield f"{function.name} guard {number} ({ast.unparse(node.test)[:60]})", node.test, "False"


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.stmt, str]]:
    for function in _functions_of(tree):
        answer = "" if function.returns is None else ast.unparse(function.returns)
        kind = answer.partition("[")[0]
        value = "[]" if kind in ("list", "Out", "Iterable", "tuple") else NEUTRAL.get(kind) or _none(answer)
        body = [n for n in function.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
        if value is None or not body:
            continue
        if len(body) == 1 and isinstance(body[0], ast.Return) and ast.unparse(body[0]) == f"return {value}":
            continue  # it is that already
        last = f"return {value}" + ("\n" + " " * body[0].col_offset + "yield" if _yields(function) else "")
        yield f"{function.name} does nothing", _Span(body[0], body[-1]), last


def _none(answer: str) -> str | None:
    return "None" if answer.endswith("| None") else None


def _yields(function: ast.AST) -> bool:
    return any(isinstance(n, ast.Yield | ast.YieldFrom) for n in ast.walk(function))


def _functions_of(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and not node.name.startswith("__"):
            shown = [ast.unparse(d) for d in node.decorator_list]
            if not any("abstract" in d for d in shown) and not _is_protocol_stub(node):
                yield node


def _is_protocol_stub(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    last = function.body[-1]
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant)


class _Span(ast.stmt):
    """From the first to the last of some statements."""

    def __init__(self, first: ast.stmt, last: ast.stmt) -> None:
        super().__init__()
        self.lineno, self.col_offset = first.lineno, first.col_offset
        self.end_lineno, self.end_col_offset = last.end_lineno, last.end_col_offset


def _replaced(source: str, node: ast.AST, text: str) -> str:
    lines = source.encode().splitlines(keepends=True)  # columns are bytes

    def at(line: int, column: int) -> int:
        return sum(map(len, lines[: line - 1])) + column

    begin = at(node.lineno, node.col_offset)  # type: ignore[attr-defined]
    end = at(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
    whole = source.encode()
    return (whole[:begin] + text.encode() + whole[end:]).decode()
