"""What a strategy in motion remembers, as plain values: taken out of one state and put into a fresh one of the same
version and parameters, which then goes on as if it had taken every bar itself.

The figures of the indicators are kept as they stand, because many of them never quite forget a bar (an exponential
average) and none could be made again without the bars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.domain.errors import InputError
from workbench.rules.higher import HigherBars

if TYPE_CHECKING:
    from workbench.rules.daytime import DayClock
    from workbench.rules.decision import Decision
    from workbench.rules.graph import Graph

Plain = dict[str, Any]
_DECISION = ("trades_today", "_position", "_entered", "_since_trade", "_bars_in", "_best")
_DAY = ("day", "flat_at", "_begins", "_first", "_next")
_HIGHER = ("_start", "_end", "_whole", "_told")


def saved_decision(decision: Decision) -> Plain:
    """Return what has happened since the entry."""
    return {name: getattr(decision, name) for name in _DECISION}


def restore_decision(decision: Decision, saved: Plain) -> None:
    """Put back what `saved_decision` gave."""
    _put(decision, _DECISION, saved)


def saved_day(day: DayClock) -> Plain:
    """Return the trading date that a clock stands in."""
    return {name: getattr(day, name) for name in _DAY}


def restore_day(day: DayClock, saved: Plain) -> None:
    """Put back what `saved_day` gave."""
    _put(day, _DAY, saved)


def saved_graph(graph: Graph) -> Plain:
    """Return the value of each slot and what each operation remembers, higher timeframes included."""
    feeds: dict[str, HigherBars] = graph._feeds
    return {
        "keys": list(graph.keys),
        "values": list(graph.values),
        "states": [list(state) for _, _, _, state, _, _ in graph._program],
        "higher": {name: saved_graph(other) for name, other in graph.higher.items()},
        "feeds": {name: _saved_feed(feed) for name, feed in feeds.items()},
    }


def restore_graph(graph: Graph, saved: Plain) -> None:
    """Put back what `saved_graph` gave.

    Raises
    ------
    InputError
        This program computes other things, or in another order, than the one that saved: nothing was changed.
    """
    states = [state for _, _, _, state, _, _ in graph._program]
    same = graph.keys == saved["keys"] and set(graph.higher) == set(saved["higher"])
    if not same or [len(s) for s in states] != [len(s) for s in saved["states"]]:
        raise InputError("what the indicators remembered belongs to another program; start the session again")
    for name, other in graph.higher.items():
        restore_graph(other, saved["higher"][name])
    graph.values[:] = saved["values"]
    for state, kept in zip(states, saved["states"], strict=True):
        state[:] = kept
    for name, kept in saved["feeds"].items():
        feed = graph._feeds[name] = HigherBars(name, graph._group, graph.higher[name].step)
        _put(feed, _HIGHER, kept)
        feed._bar[:] = kept["bar"]
        restore_day(feed._day, kept["day"])


def _saved_feed(feed: HigherBars) -> Plain:
    return {name: getattr(feed, name) for name in _HIGHER} | {"bar": list(feed._bar), "day": saved_day(feed._day)}


def _put(target: object, names: tuple[str, ...], saved: Plain) -> None:
    for name in names:
        setattr(target, name, saved[name])
