"""Follow the first close that leaves a quiet box, with a stop behind the box that is moved as the trade earns it.

What YAML cannot say is why this one is written in Python: it remembers the box from which it entered, and how far the
market has come since, and decides from both. Shipped to show the machinery, not to make money.

How it decides, at the close of each five-minute bar:

1. The box is the highest high and lowest low of the `quiet` bars before this one. It is quiet when it is no higher
   than `calm` times what a random walk of so many bars would cover: average true range × square root of their number.
2. Flat, and this bar closes outside a quiet box: enter in that direction. The stop stands at the other side of the
   box, the target `reward` boxes away.
3. In a trade: once the market has come one box height, the stop moves to the entry price; beyond that it follows one
   box height behind the best close.
4. A trade that has gone nowhere after `patience` bars is left.
"""

import math

import workbench as wb


class VolatilityBreakout(wb.Strategy):
    """Follow the first close that leaves a quiet box, and move the stop as the trade earns it."""

    name = "volatility_breakout"
    roots = ("MES", "ES", "MNQ", "NQ")
    timeframe = "5m"

    quiet = wb.Strategy.parameter(12, min=4, max=48, step=2, description="bars of the box")
    calm = wb.Strategy.parameter(0.9, min=0.3, max=2.0, step=0.1, description="height of a quiet box, in random walks")
    reward = wb.Strategy.parameter(2.0, min=0.5, max=6.0, step=0.5, description="target, in boxes")
    patience = wb.Strategy.parameter(24, min=4, max=100, step=4, description="bars until a trade must have moved")

    window = ("08:30", "14:30")
    flat_by = "15:05"
    max_trades_per_day = 3
    cooldown = 3

    def start(self):
        self.range = self.indicator("atr", 50)
        self.top = self.expression("highest(high, quiet)[1]")
        self.bottom = self.expression("lowest(low, quiet)[1]")
        self.box = 0.0  # height of the box of the trade that is on
        self.best = 0.0  # best close of that trade

    def on_bar(self, bar):
        if self.flat:
            self.look(bar)
        else:
            self.manage(bar)

    def look(self, bar):
        top, bottom = self.top.value, self.bottom.value
        if top - bottom > self.calm * self.range.value * math.sqrt(self.quiet):
            return
        self.box, self.best = top - bottom, bar.close
        if bar.close > top:
            self.enter_long(stop=bar.close - bottom, target=self.reward * self.box)
        elif bar.close < bottom:
            self.enter_short(stop=top - bar.close, target=self.reward * self.box)

    def manage(self, bar):
        side = 1 if self.long else -1
        self.best = max(self.best, bar.close) if self.long else min(self.best, bar.close)
        if self.entry_price is None:  # the entry is on its way
            return
        gain = (self.best - self.entry_price) * side
        if gain >= self.box:
            self.move_stop(self.entry_price + side * (gain - self.box))
        elif self.bars_in_position >= self.patience:
            self.exit("patience")
