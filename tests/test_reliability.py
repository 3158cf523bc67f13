"""Every statement of tests/reliability.md has a test that bears its number, or a line that says why not."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
STATEMENTS = range(1, 54)


def marked() -> dict[int, list[str]]:
    """Statement → the tests that bear its number, read from the sources."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in sorted(HERE.rglob("test_*.py")):
        for number, name in _marks(ast.parse(path.read_text(encoding="utf-8"))):
            found[number].append(f"{path.relative_to(HERE)}::{name}")
    return dict(found)


def _marks(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            marks, name = list(node.decorator_list), node.name
        elif isinstance(node, ast.Assign) and "pytestmark" in map(ast.unparse, node.targets):
            marks, name = [node.value], "(all)"
        else:
            continue
        calls = [call for mark in marks for call in ast.walk(mark) if isinstance(call, ast.Call)]
        for call in calls:
            if ast.unparse(call.func) == "pytest.mark.statement":
                yield from ((a.value, name) for a in call.args if isinstance(a, ast.Constant))


def excused(text: str) -> dict[int, str]:
    """Statement → why it has no test."""
    section = text.partition("## Without a test")[2]
    return {int(n): why for n, why in re.findall(r"^(\d+)\. (.+)$", section, re.MULTILINE)}


def test_the_list_is_whole_and_in_order() -> None:
    text = (HERE / "reliability.md").read_text(encoding="utf-8").partition("## Without a test")[0]
    assert [int(n) for n in re.findall(r"^(\d+)\. ", text, re.MULTILINE)] == list(STATEMENTS)


def test_every_statement_is_shown_by_a_test_or_says_why_not() -> None:
    shown, why = marked(), excused((HERE / "reliability.md").read_text(encoding="utf-8"))
    assert set(shown) <= set(STATEMENTS), "a mark bears a number that no statement has"
    assert [n for n in STATEMENTS if n not in shown and n not in why] == [], "neither a test nor a reason"
    assert sorted(set(why) & set(shown)) == [], "a reason for none, and yet a test"


def test_a_mark_is_found_wherever_it_may_stand() -> None:
    source = """
pytestmark = [pytest.mark.chaos, pytest.mark.statement(1)]

@pytest.mark.statement(2)
@pytest.mark.statement(3)
async def test_a(): ...

@pytest.mark.slow
def test_b(): ...
"""
    assert sorted(_marks(ast.parse(source))) == [(1, "(all)"), (2, "test_a"), (3, "test_a")]


if __name__ == "__main__":
    for statement in STATEMENTS:
        print(f"{statement:2d}", *marked().get(statement, ["-"]), sep="\n   ")  # noqa: T201 - what it is for
