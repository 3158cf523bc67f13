"""The list of mutants comes from the code: no refusal, latch, check or resolver is left out of it."""

from __future__ import annotations

import ast

from tests.mutants.known import NO_DIFFERENCE
from tests.mutants.making import mutants, of_file, targets
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
