"""What a strategy is: rules as data, indicators as one-bar steps, versions as hashes."""

from workbench.rules.load import load_strategy, parse_strategy
from workbench.rules.signal import Signal
from workbench.rules.strategy import Parameter, Strategy

__all__ = ["Parameter", "Signal", "Strategy", "load_strategy", "parse_strategy"]
