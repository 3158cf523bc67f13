"""Mistakes to plant into the compiled engine: its own source with one place changed, run as plain Python.

The kernel's modules are read, changed and executed under other names with the compiler left out, so a planted mistake
costs no compilation and the real engine stays as it is.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import workbench.backtest.kernel as real
from tests.parity.cases import Case
from workbench.backtest import kernel_runs
from workbench.backtest.played import Summary

MODULES = ("kernel_state", "kernel_firm", "kernel_fills", "kernel_signals", "kernel_decide", "kernel")
PLAIN = "nb.njit(cache=True, nogil=True, _nrt=False)(function)"
MARKED = "nb.njit([nb.void(_FLAGS, *taken)], cache=True, nogil=True, _nrt=False)"
INLINED = "nb.njit(cache=True, nogil=True, _nrt=False, forceinline=True)(function)"


@dataclass(frozen=True, slots=True)
class Bug:
    """One place of the source, and what somebody might have written instead."""

    name: str
    module: str
    right: str
    wrong: str


BUGS = (
    Bug(
        "stop fills only beyond its level at the open",
        "kernel_fills",
        "(m.sub_opens[j] - s[STOP_AT]) * _side(s) <= 0",
        "(m.sub_opens[j] - s[STOP_AT]) * _side(s) < 0",
    ),
    Bug(
        "stop inside the bar must be passed",
        "kernel_fills",
        "if s[STOP_ID] and (_adverse(s, m, j) - s[STOP_AT]) * _side(s) <= 0:",
        "if s[STOP_ID] and (_adverse(s, m, j) - s[STOP_AT]) * _side(s) < 0:",
    ),
    Bug(
        "a gap fills at the stop's level",
        "kernel_fills",
        "s[STOP_AT] if m.without & _GAP else m.sub_opens[j]",
        "s[STOP_AT]",
    ),
    Bug("a touch fills the target", "kernel_fills", "beyond > 0 or (touch and beyond == 0)", "beyond >= 0"),
    Bug(
        "slippage helps",
        "kernel_fills",
        "slip = m.slips[j * m.slip_step] if signed > 0 else -m.slips[j * m.slip_step]",
        "slip = -m.slips[j * m.slip_step] if signed > 0 else m.slips[j * m.slip_step]",
    ),
    Bug(
        "fills may lie outside the bar",
        "kernel_state",
        "inside: int = min(max(ticks, m.lows[bar]), m.highs[bar])",
        "inside: int = ticks",
    ),
    Bug("the short's stop is on the long's side", "kernel_decide", "stop = -side * ticks", "stop = -ticks"),
    Bug(
        "brackets count from the open",
        "kernel_fills",
        "base = open_ if m.without & _FROM_FILL else ticks",
        "base = open_",
    ),
    Bug("the sibling of a filled leg works on", "kernel_state", "mark(log, s[TARGET_ID], CANCELED)", "pass"),
    Bug(
        "fees are paid once per order",
        "kernel_state",
        "fee = m.fees[bar * m.fee_step] * abs(signed)",
        "fee = m.fees[bar * m.fee_step]",
    ),
    Bug(
        "the cool-down begins a bar early",
        "kernel_decide",
        "if qty != 0 or s[WAS] != 0 or s[ENTERED] != 0:",
        "if qty != 0:",
    ),
    Bug("trades of a day are never counted anew", "kernel_decide", "s[TRADES_TODAY] = 0", "pass"),
    Bug("one trade more a day", "kernel_decide", "s[TRADES_TODAY] >= x.max_trades", "s[TRADES_TODAY] > x.max_trades"),
    Bug("the time exit comes a bar late", "kernel_decide", "s[BARS_IN] >= x.exit_after", "s[BARS_IN] > x.exit_after"),
    Bug(
        "the best price forgets the entry's bar",
        "kernel_decide",
        "s[BARS_IN] = s[BARS_IN] + 1 if same else 1",
        "s[BARS_IN] = s[BARS_IN] + 1 if same else 0",
    ),
    Bug(
        "the stop follows in both directions",
        "kernel_decide",
        "(level - s[STOP_AT]) * held > 0 or",
        "level != s[STOP_AT] or",
    ),
    Bug(
        "break-even waits for one tick more",
        "kernel_decide",
        "(s[BEST] - s[ENTRY]) * held >= after",
        "(s[BEST] - s[ENTRY]) * held > after",
    ),
    Bug("the flat-by is forgotten", "kernel_decide", "if told & PAST:", "if False:"),
    Bug(
        "a short signal enters long",
        "kernel_decide",
        "-1 if told & ENTER_SHORT else 0",
        "1 if told & ENTER_SHORT else 0",
    ),
    Bug("a jump passes the first close of a word", "kernel_signals", "i = max(i, w << 3)", "i = max(i, (w << 3) + 1)"),
    Bug("a jump passes a block with one price in it", "kernel_signals", "if reached:", "if reached > 1:"),
    Bug(
        "a long jumps over the short's signal",
        "kernel",
        "mask = ENTER_SHORT | EXIT_LONG | PAST",
        "mask = EXIT_LONG | PAST",
    ),
    Bug("a short jumps over its exit", "kernel", "mask = ENTER_LONG | EXIT_SHORT | PAST", "mask = ENTER_LONG | PAST"),
    Bug("a jump passes the time exit", "kernel", "i + x.exit_after - s[BARS_IN] - 1", "i + x.exit_after - s[BARS_IN]"),
    Bug("the bars of a jump are not counted", "kernel", "s[BARS_IN] += i - begin", "pass"),
    Bug("the bars of a jump do not cool down", "kernel", "s[SINCE] += i - begin", "pass"),
    Bug(
        "the day's loss counts from the first day",
        "kernel_state",
        "s[BASELINE] = equity(s, m.tick_value)",
        "s[BASELINE] = 0",
    ),
    Bug(
        "a refused order does not count for the rate",
        "kernel_fills",
        "s[SENT_COUNT] = sent + 1",
        "s[SENT_COUNT] = sent + (code == PASSED)",
    ),
    Bug("the largest position is one more", "kernel_fills", "qty > g.max_position", "qty > g.max_position + 1"),
    Bug("the firm's floor never follows", "kernel_firm", "s[FLOOR] = max(s[FLOOR], floor)", "pass"),
    Bug(
        "the firm looks before our own stop",
        "kernel_fills",
        "(s[STOP_AT] - breaks) * side >= 0",
        "(s[STOP_AT] - breaks) * side < 0",
    ),
    Bug("the daily lock lasts for ever", "kernel_firm", "s[BLOCKED] = s[PAUSED] = 0", "s[PAUSED] = 0"),
    Bug(
        "the firm's flat-by acts a bar late",
        "kernel_fills",
        "if start < late and late < end and s[PAUSED] == 0:",
        "if False:",
    ),
)


# What only shows in a sweep's summary.
BRIEF_BUGS = (
    Bug("a new peak hides a deeper fall", "kernel", "elif best - worst <= depth:", "elif True:"),
    Bug("a fall below the old peak is not seen", "kernel", "s[DEPTH] = max(depth, peak - worst)", "pass"),
    Bug("the bars of a jump are not held", "kernel", "s[EXPOSED] += end - begin", "pass"),
    Bug(
        "a date in a jump ends without its equity", "kernel", "log.daily[day] = cash + worth * closes[stop - 1]", "pass"
    ),
)


def plain_kernel(bug: Bug | None = None) -> Callable[..., None]:
    """Return the kernel's `run` as plain Python, with a mistake planted."""
    made: dict[str, ModuleType] = {}
    for name in MODULES:
        origin = importlib.import_module(f"workbench.backtest.{name}")
        source = Path(str(origin.__file__)).read_text(encoding="utf-8")
        source = source.replace(PLAIN, "function").replace(INLINED, "function").replace(MARKED, "lambda f: f")
        if bug is not None and bug.module == name:
            if source.count(bug.right) < 1:
                raise AssertionError(f"{bug.name}: {bug.right!r} does not stand in {name} any more")
            source = source.replace(bug.right, bug.wrong)
        for other in made:
            source = source.replace(f"workbench.backtest.{other} import", f"planted_{other} import")
        module = ModuleType(f"planted_{name}")
        sys.modules[module.__name__] = module
        exec(compile(source, f"planted_{name}.py", "exec"), module.__dict__)
        made[name] = module
    run: Callable[..., None] = made["kernel"].run
    return run


def differs(case: Case, run: Callable[..., None], against: Any) -> str:
    """Return the first difference between a changed kernel and what was played, empty when there is none."""
    kept = kernel_runs._run
    kernel_runs._run = run  # type: ignore[assignment]
    try:
        changed = case.prepared.run(case.strategy, "kernel")
    except (AssertionError, IndexError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        kernel_runs._run = kept
    found: str = against.difference(changed)
    return found


def brief(case: Case, run: Callable[..., None] | None = None) -> Summary:
    """Return the summary of a case by the kernel, or by a changed one."""
    kept = kernel_runs._run
    kernel_runs._run = kept if run is None else run  # type: ignore[assignment]
    try:
        return case.prepared.summarise(case.strategy)
    finally:
        kernel_runs._run = kept


__all__ = ["BRIEF_BUGS", "BUGS", "Bug", "brief", "differs", "plain_kernel", "real"]
