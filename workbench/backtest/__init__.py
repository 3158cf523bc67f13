"""What a rule would have done: the matcher, the event engine, results.

The package is callable: the public name `workbench.backtest(strategy, …)` and this folder are one name in Python, and
whichever is loaded first would hide the other.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from types import ModuleType
from typing import Any


class _CallableModule(ModuleType):
    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(importlib.import_module("workbench.research").backtest)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return importlib.import_module("workbench.research").backtest(*args, **keywords)


sys.modules[__name__].__class__ = _CallableModule
