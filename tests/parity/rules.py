"""Made-up strategies, written as people write them, so that the parser and the planner are in the loop."""

from __future__ import annotations

from tests.parity.pick import Pick
from workbench.rules import Strategy, parse_strategy

# (long, short) with lengths a < b
SIGNALS = (
    ("cross_above(close, sma(close, {a}))", "cross_below(close, sma(close, {a}))"),
    ("close > highest(high, {a})[1]", "close < lowest(low, {a})[1]"),
    ("rsi(close, {b}) < 40", "rsi(close, {b}) > 60"),
    ("close > close[1] and close[1] > close[2]", "close < close[1] and close[1] < close[2]"),
    ("close > ema(close, {b})", "close < ema(close, {b})"),
    ("close < ema(close, {a}) and close > open", "close > ema(close, {a}) and close < open"),
    ("count(close > open, {b}) >= 3", "count(close < open, {b}) >= 3"),
    ("not close > sma(close, {a})", "not close < sma(close, {a})"),
    ("(close - open) * 2 > high - low", "(open - close) * 2 > high - low"),
    ("bars_since(close < close[1]) == 2", "bars_since(close > close[1]) == 2"),
    ("volume > sma(volume, {a}) and close >= open", "volume > sma(volume, {a}) and close < open"),
    ("close > 0 and close >= close[{a}]", "close < close[{a}] or close < lowest(low, {b})[1]"),
    ("close != close[1] and abs(close - open) <= atr({b})", "close != close[1] and abs(close - open) > atr({b})"),
)
HIGHER = 'tf("{tf}").close > tf("{tf}").sma(close, 3)'
EXITS = (
    ("close < low[1]", "close > high[1]"),
    ("close < sma(close, {a})", "close > sma(close, {a})"),
    ("high - low > atr({b}) * 2", "high - low > atr({b}) * 2"),
)


def make_strategy(pick: Pick, root: str, timeframe: str, tick: float, tick_usd: float) -> Strategy:
    """Return a strategy for a product; `tick` in points, `tick_usd` what one is worth."""
    a = pick.whole(2, 5)
    names = {"a": a, "b": a + pick.whole(1, 6), "tf": {"1h": "4h", "2h": "4h", "4h": "12h"}.get(timeframe, "1h")}
    lines = [f"name: parity\nroots: [{root}]\ntimeframe: {timeframe}"]
    entry = list(pick.one(SIGNALS))
    if pick.chance(8):
        lines.append(f"secondary: [{names['tf']}]")
        entry[0] = f"({entry[0]}) and {HIGHER}"
    sides = pick.one((("long", "short"), ("long", "short"), ("long", "short"), ("long",), ("short",)))
    lines.append(_sided("entry", dict(zip(("long", "short"), entry, strict=True)), sides, names))
    lines += _leaving(pick, sides, names)
    follows, stopped = pick.chance(45), pick.chance(75)
    if follows or stopped:
        lines.append(_distance(pick, "stop", sides, tick, 4, 30))
    if pick.chance(55):
        lines.append(_distance(pick, "target", sides, tick, 4, 40))
    if follows:
        if pick.chance(60):
            lines.append(_distance(pick, "trail", sides, tick, 4, 25))
        if pick.chance(65):
            lines.append(f"break_even: {{after: {{ticks: {pick.whole(4, 12)}}}, plus_ticks: {pick.whole(-2, 4)}}}")
    lines += _frame(pick, tick_usd, follows or stopped)
    return parse_strategy("\n".join(lines) + "\n")


def _leaving(pick: Pick, sides: tuple[str, ...], names: dict[str, object]) -> list[str]:
    parts = []
    if pick.chance(40):
        rules = dict(zip(("long", "short"), pick.one(EXITS), strict=True))
        parts = [f"{side}: '{rules[side].format(**names)}'" for side in sides]
    if not parts or "atr" in parts[0] or pick.chance(30):
        parts.append(f"after_bars: {pick.one((1, 2, 3, 5))}")
    return [f"exit: {{{', '.join(parts)}}}"]


def _sided(section: str, rules: dict[str, str], sides: tuple[str, ...], names: dict[str, object]) -> str:
    parts = (f"{side}: '{rules[side].format(**names)}'" for side in sides)
    return f"{section}: {{{', '.join(parts)}}}"


def _distance(pick: Pick, section: str, sides: tuple[str, ...], tick: float, least: int, most: int) -> str:
    if len(sides) == 2 and pick.chance(15):
        each = (f"{side}: {_amount(pick, section, tick, least, most)}" for side in sides)
        return f"{section}: {{{', '.join(each)}}}"
    return f"{section}: {_amount(pick, section, tick, least, most)}"


def _amount(pick: Pick, section: str, tick: float, least: int, most: int) -> str:
    ticks = pick.whole(least, most)
    kind = pick.one(("ticks", "ticks", "ticks", "points", "percent", "atr", "expression", "price"))
    if kind == "points":
        return f"{{points: {ticks * tick!r}}}"
    if kind == "percent":
        return f"{{percent: {pick.one((0.05, 0.1, 0.3))}}}"
    if kind == "atr":
        return f"{{atr: {pick.one((0.5, 1.0, 2.5))}, length: {pick.whole(2, 6)}}}"
    if kind == "expression":
        return f"{{ticks: {ticks} + (high - low) / {tick!r}}}"
    if kind == "price" and section != "target":
        return f"{{price: 'close - {ticks * tick!r}'}}"
    return f"{{ticks: {ticks}}}"


def _frame(pick: Pick, tick_usd: float, stopped: bool) -> list[str]:
    lines, trading = [], []
    sizing = pick.one(("none", "none", "contracts", "risk" if stopped else "none", "volatility"))
    if sizing == "contracts":
        lines.append(f"sizing: {{contracts: {pick.one((1, 2, 2, 3))}}}")
    elif sizing == "risk":
        lines.append(f"sizing: {{risk_usd: {tick_usd * pick.whole(40, 120):g}, max_contracts: {pick.whole(1, 4)}}}")
    elif sizing == "volatility":
        usd = tick_usd * pick.whole(20, 80)
        lines.append(f"sizing: {{volatility_usd: {usd:g}, of: 'atr(5)', max_contracts: {pick.whole(1, 6)}}}")
    if pick.chance(8):
        trading.append("windows: [{days: Mon-Fri, from: '08:00', to: '20:00', zone: America/New_York}]")
    elif pick.chance(6):
        trading.append("window: ['18:00', '13:00']")
    if pick.chance(20):
        trading.append(f"flat_by: '{pick.one(('15:00', '15:08'))}'")
    if pick.chance(15):
        trading.append(f"cooldown: {pick.whole(1, 3)}")
    if pick.chance(10):
        trading.append(f"max_trades_per_day: {pick.whole(5, 14)}")
    if trading:
        lines.append(f"trading: {{{', '.join(trading)}}}")
    if pick.chance(8):
        lines.append(
            f"limits: {{daily_loss_usd: {tick_usd * pick.whole(150, 600):g}, max_position: {pick.whole(3, 4)}}}"
        )
    return lines
