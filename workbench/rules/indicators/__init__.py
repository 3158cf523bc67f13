"""Indicators: one module per family; each is written once, as a one-bar step."""

from workbench.rules.indicators.averages import EMA, SMA
from workbench.rules.indicators.base import Constant, Indicator, over
from workbench.rules.indicators.extremes import HIGHEST, LOWEST
from workbench.rules.indicators.momentum import RSI
from workbench.rules.indicators.session import OPENING_RANGE_HIGH, OPENING_RANGE_LOW
from workbench.rules.indicators.volatility import ATR

INDICATORS = {i.name: i for i in (SMA, EMA, HIGHEST, LOWEST, ATR, RSI, OPENING_RANGE_HIGH, OPENING_RANGE_LOW)}

__all__ = ["INDICATORS", "Constant", "Indicator", "over"]
