"""The list of mutants comes from the code: no refusal, latch, check or resolver is left out of it."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.mutants.known import NO_DIFFERENCE
from tests.mutants.making import mutants, of_file, targets
from tests.mutants.run import in_order, noticed_before
from workbench.risk.gate import Code

SOURCE = '''
def check(order, limits) -> str:
    """Say why not."""
    if order.qty > limits.most:
        return refuse(Code.ORDER_SIZE, "too many")
    tests = ((order.price != order.price, Code.BAD_PRICE, "no number"),)
    if order.done:
        return ""
    return why(tests)


def watch(state) -> list[str]:
    return state.broken
'''


def test_each_code_guard_and_function_of_a_source_is_one_mutant() -> None:
    made = {m.name.partition(": ")[2]: m.text for m in of_file("a.py", SOURCE, ())}
    assert set(made) == {
        "code ORDER_SIZE", "code BAD_PRICE", "check guard 1 (order.done)", "check does nothing", "watch does nothing",
    }  # fmt: skip
    assert "if False:\n        return refuse" in made["code ORDER_SIZE"]
    assert "((False, Code.BAD_PRICE" in made["code BAD_PRICE"]
    assert 'if False:\n        return ""' in made["check guard 1 (order.done)"]
    assert made["watch does nothing"].endswith("def watch(state) -> list[str]:\n    return []\n")


def test_every_code_of_the_gate_has_its_mutant_and_every_mutant_is_a_program() -> None:
    found = mutants()
    switched_off = {m.name.partition("code ")[2].partition(" #")[0] for m in found if ": code " in m.name}
    assert switched_off == {code.name for code in Code}
    assert len({m.name for m in found}) == len(found) > 150
    for mutant in found:
        ast.parse(mutant.text)


def test_every_target_has_tests_and_every_excuse_a_mutant() -> None:
    assert all(targets().values())
    assert set(NO_DIFFERENCE) <= {m.name for m in mutants()}


def test_what_has_noticed_most_mutants_of_a_source_is_asked_first_and_nothing_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "tests/risk").mkdir(parents=True)
    for name in ("risk/test_a.py", "risk/test_b.py", "test_c.py"):
        (tmp_path / "tests" / name).touch()
    done = {
        "x.py: one 1": {"noticed": "tests/test_c.py::test_this"},
        "x.py: two 2": {"noticed": "tests/risk/test_b.py::test_that[1]"},
        "x.py: three 3": {"noticed": "tests/test_c.py::test_other"},
        "x.py: four 4": {"noticed": "time-out"},
        "x.py: five 5": {"noticed": ""},
        "y.py: one 6": {"noticed": "tests/risk/test_a.py::test_it"},
    }
    likely = noticed_before("x.py", done)
    assert likely == ["tests/test_c.py", "tests/risk/test_b.py"]
    order = in_order(tmp_path, ("tests/risk", "tests/test_c.py"), [*likely, "tests/gone.py"])
    assert order == ("tests/test_c.py", "tests/risk/test_b.py", "tests/risk/test_a.py")
