"""Indicators: one module per family; each is written once, as a one-bar step.

``indicator_table()`` lists them with their arguments, defaults, first bar, warm-up and source.
"""

from workbench.rules.indicators.averages import AVERAGES
from workbench.rules.indicators.base import Constant, Indicator, Memory, over
from workbench.rules.indicators.candles import HEIKIN_ASHI
from workbench.rules.indicators.extremes import EXTREMES
from workbench.rules.indicators.levels import LEVELS
from workbench.rules.indicators.momentum import MOMENTUM
from workbench.rules.indicators.oscillators import OSCILLATORS
from workbench.rules.indicators.session import SESSION
from workbench.rules.indicators.statistics import STATISTICS
from workbench.rules.indicators.trend import TREND
from workbench.rules.indicators.volatility import VOLATILITY
from workbench.rules.indicators.volume import VOLUME

SHIPPED: tuple[Indicator, ...] = (
    *AVERAGES,
    *MOMENTUM,
    *OSCILLATORS,
    *TREND,
    *VOLATILITY,
    *EXTREMES,
    *STATISTICS,
    *VOLUME,
    *SESSION,
    *LEVELS,
    *HEIKIN_ASHI,
)
INDICATORS: dict[str, Indicator] = {indicator.name: indicator for indicator in SHIPPED}  # a user's own are added here

__all__ = ["INDICATORS", "SHIPPED", "Constant", "Indicator", "Memory", "over"]
