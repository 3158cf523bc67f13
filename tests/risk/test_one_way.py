"""There is one way to the market: whatever wants an order, the gate stands before the wire (read from the sources)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import pytest

import workbench
from workbench.gateway.rest import Rest

ROOT = Path(workbench.__file__).parent
OTHERS = ("simulator", "backtest")  # the exchange's side, and the fills of a backtest


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Module, name of what is called, and the call, over the program's own side of the wire."""
    for path in sorted(ROOT.rglob("*.py")):
        module = path.relative_to(ROOT).as_posix()
        if module.split("/")[0] in OTHERS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield module, ast.unparse(node.func), node


@pytest.mark.statement(27)
def test_only_the_gate_makes_an_approved() -> None:
    assert {module for module, name, _ in calls() if name.split(".")[-1] == "Approved"} == {"risk/gate.py"}


@pytest.mark.statement(27)
def test_only_the_sender_places_orders_and_what_it_places_was_approved() -> None:
    at_the_broker = {
        (module, name)
        for module, name, _ in calls()
        if name.endswith((".rest.place", "broker.place", "client.place", "gateway.place"))
    }
    assert at_the_broker == {("services/broker.py", "self.rest.place"), ("services/sender.py", "self._broker.place")}
    assert next(iter(list(signature(Rest.place).parameters.values())[1:])).annotation in ("Approved", Rest)


def _sent_with(source: str) -> str:
    # Telling it apart from other calls (`endpoint is PLACE_ORDER`: it is never asked again) sends nothing.
    return re.sub(r"\bis PLACE_ORDER\b|^from .* import .*$", "", source, flags=re.MULTILINE)


@pytest.mark.statement(27)
def test_only_the_placing_call_knows_the_address_of_an_order() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if "PLACE_ORDER" in _sent_with(path.read_text(encoding="utf-8"))
        and path.relative_to(ROOT).parts[0] not in OTHERS
    }
    assert users == {"gateway/endpoints.py", "gateway/rest.py"}


@pytest.mark.statement(27)
def test_in_the_decision_every_check_stands_in_the_way_of_a_new_order() -> None:
    asked = {module for module, name, _ in calls() if name == "check" and module.startswith("execution/")}
    assert asked == {"execution/submit.py", "execution/manual.py"}  # manual: a change of an order, a reversal ahead
