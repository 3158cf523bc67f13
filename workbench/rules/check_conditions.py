"""Conditions that cannot be what was meant: never true, always true, in conflict with each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.rules.check import ERROR, WARNING, Finding, Found
from workbench.rules.expression import Expression, Logic, Not, text
from workbench.rules.logic import Reasoner

if TYPE_CHECKING:
    from workbench.rules.strategy import Strategy


def conditions(strategy: Strategy) -> Found:
    """Yield what follows from the conditions alone, whatever the bars."""
    reason = Reasoner(strategy.values)
    dead = set()
    for name, rule in strategy.rules.items():
        line = strategy.line(name)
        if reason.never(rule):
            dead.add(name)
            yield Finding(ERROR, "never-true", f"{name} can never be true: {_shown(_culprit(reason, rule))}", line)
        elif reason.never(Not(rule)):
            yield Finding(ERROR, "always-true", f"{name} is true at every close: {_shown(rule)}", line)
        else:
            yield from _parts(reason, name, rule, line)
    yield from _conflicts(strategy, reason, dead)


def _conflicts(strategy: Strategy, reason: Reasoner, dead: set[str]) -> Found:
    rules = {name: rule for name, rule in strategy.rules.items() if name not in dead}
    long, short = rules.get("entry.long"), rules.get("entry.short")
    if long is not None and short is not None:
        for one, other, name in ((long, short, "entry.long"), (short, long, "entry.short")):
            if reason.implies(one, other):
                end = "entry.short" if name == "entry.long" else "entry.long"
                said = f"whenever {name} is true, {end} is, too; when both are, neither is taken"
                yield Finding(ERROR, "both-sides", said, strategy.line(name))
                break
    for side in ("long", "short"):
        entry, leave = rules.get(f"entry.{side}"), rules.get(f"exit.{side}")
        if entry is not None and leave is not None and reason.implies(entry, leave):
            said = f"exit.{side} is true whenever entry.{side} is: what is entered is left at the next close"
            yield Finding(ERROR, "exit-at-entry", said, strategy.line(f"exit.{side}"))
    for side, opposite in (("long", "short"), ("short", "long")):
        entry, leave = rules.get(f"entry.{opposite}"), rules.get(f"exit.{side}")
        if entry is not None and leave is not None and leave == entry:
            said = f"exit.{side} says again what entry.{opposite} does: an entry of the other side closes anyway"
            yield Finding(WARNING, "exit-is-entry", said, strategy.line(f"exit.{side}"))


def _parts(reason: Reasoner, name: str, rule: Expression, line: int) -> Found:
    # parts of a condition that can hold as a whole: an `or` with a dead end, an `and` with something that says nothing
    if not isinstance(rule, Logic):
        return
    for i, item in enumerate(rule.items):
        others = rule.items[:i] + rule.items[i + 1 :]
        if rule.operator == "or" and reason.never(item):
            yield Finding(WARNING, "never-true", f"this part of {name} can never be true: {_shown(item)}", line)
        elif rule.operator == "and" and reason.never(*others, Not(item)):
            if reason.never(Not(item)):
                said = "is always true"
            else:
                said = "follows from the rest of it"
            yield Finding(WARNING, "always-true", f"this part of {name} {said}: {_shown(item)}", line)
        else:
            yield from _parts(reason, name, item, line)


def _culprit(reason: Reasoner, rule: Expression) -> Expression:
    # the smallest part that can already never be true
    if isinstance(rule, Logic) and rule.operator == "and":
        for item in rule.items:
            if reason.never(item):
                return _culprit(reason, item)
        for i, item in enumerate(rule.items):
            for other in rule.items[i + 1 :]:
                if reason.never(item, other):
                    return Logic("and", (item, other))
    return rule


def _shown(rule: Expression) -> str:
    written = text(rule)
    return written if len(written) <= 120 else written[:117] + "..."
