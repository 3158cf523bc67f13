"""Workbench: research and trading for futures, from a notebook. Importing starts nothing and loads nothing heavy.

>>> import workbench as wb
>>> "bars" in dir(wb)
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.backtest.costs import Costs
    from workbench.commands.stack import demo_stack
    from workbench.desk import connect
    from workbench.research import backtest, bars, load_strategy, quality
    from workbench.rules.python.authoring import Strategy
    from workbench.services.report_reviews import reviews
    from workbench.services.reports import run_report

_WHERE = {
    "Costs": "workbench.backtest.costs",
    "Strategy": "workbench.rules.python.authoring",
    "account": "workbench.research",
    "backtest": "workbench.research",
    "bars": "workbench.research",
    "connect": "workbench.desk",
    "demo_stack": "workbench.commands.stack",
    "detect": "workbench.research",
    "hours": "workbench.research_session",
    "indicator": "workbench.rules.indicators.custom",
    "load_strategy": "workbench.research",
    "promote": "workbench.research_versions",
    "quality": "workbench.research",
    "replay": "workbench.research_session",
    "reviews": "workbench.services.report_reviews",
    "run_report": "workbench.services.reports",
    "sweep": "workbench.research_sweep",
    "versions": "workbench.research_versions",
    "walk_forward": "workbench.research_sweep",
}

__all__ = [
    "Costs",
    "Strategy",
    "account",
    "backtest",
    "bars",
    "connect",
    "demo_stack",
    "detect",
    "hours",
    "indicator",
    "load_strategy",
    "promote",
    "quality",
    "replay",
    "reviews",
    "run_report",
    "sweep",
    "versions",
    "walk_forward",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used; an unknown one gets "did you mean"."""
    import difflib
    import importlib

    where = _WHERE.get(name)
    if where is None:
        close = difflib.get_close_matches(name, __all__, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(close)}?" if close else f"; there are {', '.join(__all__)}"
        raise AttributeError(f"module 'workbench' has no attribute {name!r}{hint}")
    value = getattr(importlib.import_module(where), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *(n for n in globals() if n.startswith("__"))])
