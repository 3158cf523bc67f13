"""Indicators: one module per family; each is written once, as a one-bar step."""

from workbench.rules.indicators.averages import AVERAGES
from workbench.rules.indicators.base import Constant, Indicator, Memory, over
from workbench.rules.indicators.extremes import EXTREMES
from workbench.rules.indicators.momentum import MOMENTUM
from workbench.rules.indicators.oscillators import OSCILLATORS
from workbench.rules.indicators.session import OPENING_RANGE_HIGH, OPENING_RANGE_LOW
from workbench.rules.indicators.statistics import STATISTICS
from workbench.rules.indicators.volatility import VOLATILITY

INDICATORS: dict[str, Indicator] = {
    indicator.name: indicator
    for family in (
        AVERAGES,
        EXTREMES,
        MOMENTUM,
        OSCILLATORS,
        STATISTICS,
        VOLATILITY,
        (OPENING_RANGE_HIGH, OPENING_RANGE_LOW),
    )
    for indicator in family
}

__all__ = ["INDICATORS", "Constant", "Indicator", "Memory", "over"]
