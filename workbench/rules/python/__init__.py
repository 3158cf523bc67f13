"""Strategies written in Python: the class people derive from, its source closure, and the evaluator that runs it."""

from workbench.rules.python.authoring import Reading, Strategy
from workbench.rules.python.bar import Bar
from workbench.rules.python.bundle import is_python
from workbench.rules.python.errors import StrategyFault
from workbench.rules.python.files import load_python, of_class
from workbench.rules.python.strategy import PythonStrategy, read_python

__all__ = [
    "Bar",
    "PythonStrategy",
    "Reading",
    "Strategy",
    "StrategyFault",
    "is_python",
    "load_python",
    "of_class",
    "read_python",
]
