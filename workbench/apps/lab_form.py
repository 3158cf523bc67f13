"""The lab's form: fields made from what a strategy declares and what is stored, and the request that it makes. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from workbench.apps.frame import short
from workbench.domain.account import PROGRAMMES
from workbench.domain.contract import spec
from workbench.domain.errors import InputError
from workbench.domain.timeframe import TIMEFRAMES, timeframe
from workbench.rules.parameter import shown
from workbench.widgets.cards import CHICAGO

Json = dict[str, Any]
Values = dict[str, str]
Request = tuple[str, str, Json]  # method, path, body

MODES = {"backtest": "Backtest", "sweep": "Sweep", "walk": "Walk-forward"}
METRICS = {
    "sharpe_daily": "Sharpe ratio",
    "net_usd": "Net profit",
    "net_to_drawdown": "Net ÷ drawdown",
    "profit_factor": "Profit factor",
    "expectancy_usd": "Mean trade",
    "sortino": "Sortino ratio",
}
AS_DECLARED = "as declared"
STEPS = 8  # values that a sweep tries of a parameter, before a person says otherwise
MOST_RUNS = 20_000  # a heat map and a job's result hold no more


def strategy_label(row: Json) -> str:
    """Return what a strategy is called where one is chosen.

    >>> strategy_label({"name": "sma_cross", "version": "0ce6001b9065", "stored": True})
    'sma_cross @0ce6001 · stored'
    """
    return f"{row['name']} @{row['version'][:7]} · {'stored' if row['stored'] else 'shipped'}"


def contracts_of(strategy: Json, stored: list[Json]) -> list[Json]:
    """Return the stored contracts that a strategy is made for, each with its span and finest timeframe."""
    made: dict[str, Json] = {}
    for row in stored:
        if spec(row["contract"]).exchange_root not in strategy["roots"]:
            continue
        held = made.setdefault(row["contract"], {**row, "rows": 0})
        held["first"], held["last"] = min(held["first"], row["first"]), max(held["last"], row["last"])
        if timeframe(row["timeframe"]).seconds <= timeframe(held["timeframe"]).seconds:
            held["timeframe"], held["rows"] = row["timeframe"], row["rows"]
    return sorted(made.values(), key=lambda row: -row["last"])


def timeframes_of(contract: Json | None) -> list[str]:
    """Return the timeframes that can be had of what is stored of a contract."""
    if contract is None:
        return []
    least = timeframe(contract["timeframe"]).seconds
    return [text for text in TIMEFRAMES if timeframe(text).seconds >= least and timeframe(text).seconds <= 86_400]


def day(seconds: int) -> str:
    """Return the day of an instant in Chicago.

    >>> day(1_641_250_800)
    '2022-01-03'
    """
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone(CHICAGO):%Y-%m-%d}"


# --- fields ----------------------------------------------------------------------------------------------------------


def groups(strategy: Json, stored: list[Json], values: Values, mode: str) -> list[Json]:
    """Return the form for a strategy in a mode; `values` are those that were typed, and win."""
    found = contracts_of(strategy, stored)
    chosen = next((c for c in found if c["contract"] == values.get("contract")), found[0] if found else None)
    span = f"{day(chosen['first'])} … {day(chosen['last'])} is stored" if chosen else "nothing of it is stored"
    count = f"{chosen['rows']:,} bars of {chosen['timeframe']}" if chosen else "workbench data pull brings bars"
    frames = [(AS_DECLARED, f"{strategy['timeframe']} (as declared)"), *((t, t) for t in timeframes_of(chosen))]
    data = [
        {
            **_select("contract", "Contract", [(c["contract"], short(c["contract"])) for c in found], values),
            "hint": count,
        },
        _select("timeframe", "Timeframe", frames, values),
        {"name": "start", "label": "From", "kind": "date", "value": values.get("start", ""), "hint": span},
        {"name": "end", "label": "To", "kind": "date", "value": values.get("end", ""), "hint": "empty: all of it"},
        _whole_number("slippage_ticks", "Slippage", values, (1, 0, 1_000), "ticks a fill"),
        _select("programme", "Firm's rules", [("", "none"), *((n, n) for n in PROGRAMMES)], values),
    ]
    kind = "parameter" if mode == "backtest" else "range"
    constraints = " and ".join(text.strip("()") for text in strategy["constraints"])
    made = [
        {"title": "Data and costs", "fields": data},
        {
            "title": "Parameters" if mode == "backtest" else "Parameters: tick what is to be varied",
            "note": f"{constraints} must hold" if constraints else "",
            "fields": [_parameter(p, values, kind) for p in strategy["parameters"]],
        },
    ]
    if mode != "backtest":
        made.append({"title": "Search", "fields": _search(values, mode)})
    return made


def _select(name: str, label: str, options: list[tuple[str, str]], values: Values) -> Json:
    known = [value for value, _ in options]
    value = values.get(name, "")
    if value not in known:
        value = known[0] if known else ""
    return {"name": name, "label": label, "kind": "select", "value": value, "options": [list(o) for o in options]}


def _whole_number(name: str, label: str, values: Values, of: tuple[int, int, int], hint: str) -> Json:
    default, least, most = of
    made = {"name": name, "label": label, "kind": "number", "value": values.get(name, str(default)), "whole": True}
    return {**made, "min": least, "max": most, "step": 1, "hint": hint}


def held(form: list[Json]) -> Values:
    """Return what stands in a form."""
    made: Values = {}
    for field in (field for group in form for field in group["fields"]):
        name = field["name"]
        made[name] = str(field["value"])
        if field["kind"] == "range":
            made[f"{name}.vary"] = "true" if field["vary"] else "false"
            made |= {f"{name}.{part}": str(field[part]) for part in ("low", "high", "step")}
    return made


def _parameter(p: Json, values: Values, kind: str) -> Json:
    name = p["name"]
    made = {"name": name, "label": name, "hint": p["description"] or _bounds(p)}
    if p["type"] == "bool":
        tried = [("false", "false"), ("true", "true"), *([("both", "try both")] if kind == "range" else [])]
        return {**_select(name, name, tried, {name: values.get(name, shown(p["default"]))}), "hint": made["hint"]}
    made |= {"kind": "number", "value": values.get(name, shown(p["default"])), "whole": p["type"] == "int"}
    made |= {key: p[key] for key in ("min", "max", "step") if p[key] is not None}
    made["bounds"] = _bounds(p)
    if kind == "parameter":
        return made
    low, high, step = usual_range(p)
    given = {"low": low, "high": high, "step": step}
    return {
        **made,
        "kind": "range",
        "vary": values.get(f"{name}.vary", "false") == "true",
        **{part: values.get(f"{name}.{part}", shown(value)) for part, value in given.items()},
    }


def _bounds(p: Json) -> str:
    low, high = p["min"], p["max"]
    step = f", step {shown(p['step'])}" if p["step"] is not None else ""
    if low is None and high is None:
        return f"default {shown(p['default'])}{step}"
    return f"{shown(low) if low is not None else '…'} to {shown(high) if high is not None else '…'}{step}"


def usual_range(p: Json) -> tuple[float, float, float]:
    """Return low, high and step of about `STEPS` values around the default, inside what is declared.

    >>> usual_range({"default": 5, "min": 2, "max": 100, "step": 1, "type": "int"})
    (3.0, 10.0, 1.0)
    """
    default, step = float(p["default"]), float(p["step"] or (1 if p["type"] == "int" else abs(p["default"]) / 4 or 0.1))
    low_end, high_end = p["min"], p["max"]
    stride = step * max(1, math.ceil(default * 1.5 / STEPS / step)) if default > 0 else step
    below = max(0, min(STEPS // 4, math.floor((default - (default / 4 if low_end is None else low_end)) / stride)))
    low = round(default - below * stride, 9)
    high = low + (STEPS - 1) * stride
    if high_end is not None:
        high = low + stride * math.floor((min(high, high_end) - low) / stride + 1e-9)
    return low, round(high, 9), stride


def _search(values: Values, mode: str) -> list[Json]:
    made = [
        _select("metric", "Best in", list(METRICS.items()), values),
        _select("method", "Method", [("grid", "all of them"), ("random", "random draws")], values),
        _whole_number("trials", "Draws", values, (100, 1, MOST_RUNS), "for random only"),
    ]
    if mode == "walk":
        made += [
            _whole_number("train", "Choose on", values, (40, 2, 10_000), "trading dates"),
            _whole_number("test", "Trade the next", values, (10, 1, 10_000), "trading dates"),
            _select("anchored", "Training", [("false", "rolls along"), ("true", "grows from the start")], values),
        ]
    return made


# --- what is asked ---------------------------------------------------------------------------------------------------


def request(strategy: Json, values: Values, mode: str) -> Request:
    """Return what the form asks of the desk.

    Raises
    ------
    InputError
        A value that the strategy's declaration does not allow, with what it allows.
    """
    if not values.get("contract"):
        raise InputError(f"nothing of {', '.join(strategy['roots'])} is stored; workbench data pull brings bars")
    start, end = values.get("start", ""), values.get("end", "")
    if start and end and start > end:
        raise InputError(f"the period ends on {end}, before it begins on {start}")
    frame = values.get("timeframe", AS_DECLARED)
    body: Json = {
        "strategy": strategy["strategy"],
        "contract": values["contract"],
        "timeframe": None if frame == AS_DECLARED else frame,
        "start": start or None,
        "end": end or None,
        "slippage_ticks": _whole(values, "slippage_ticks", 0, 1_000),
        "programme": values.get("programme") or None,
    }
    if mode == "backtest":
        body["parameters"] = {p["name"]: value_of(p, values.get(p["name"], "")) for p in strategy["parameters"]}
        return "POST", "/api/backtests", body
    number = runs(strategy, values)
    if number > MOST_RUNS:
        raise InputError(f"{number:,} combinations are too many for one heat map; {MOST_RUNS:,} are the most here")
    body |= {"values": _axes(strategy, values), "metric": values.get("metric") or "sharpe_daily"}
    if values.get("method") == "random":
        body |= {"method": "random", "trials": _whole(values, "trials", 1, MOST_RUNS)}
    if mode == "sweep":
        return "POST", "/api/sweeps", body
    body |= {name: _whole(values, name, least, 10_000) for name, least in (("train", 2), ("test", 1))}
    return "POST", "/api/walk-forwards", {**body, "anchored": values.get("anchored") == "true"}


def setting(asked: Json) -> Values:
    """Return data, period and costs of a job as the form writes them.

    >>> setting({"contract": "CON.F.US.MES.Z26", "timeframe": None, "slippage_ticks": 2})
    {'contract': 'CON.F.US.MES.Z26', 'timeframe': 'as declared', 'slippage_ticks': '2'}
    """
    names = ("contract", "timeframe", "start", "end", "slippage_ticks", "programme")
    empty = {"timeframe": AS_DECLARED}
    return {n: empty.get(n, "") if asked[n] is None else str(asked[n]) for n in names if n in asked}


def value_of(p: Json, text: str) -> float | int | bool:
    """Return what was typed for a parameter, as its type; refuse what is not declared."""
    if p["type"] == "bool":
        return text == "true"
    value = _number_of(p["name"], text)
    if p["type"] == "int" and value != int(value):
        raise InputError(f"{p['name']} {text} must be a whole number")
    if (p["min"] is not None and value < p["min"]) or (p["max"] is not None and value > p["max"]):
        raise InputError(f"{p['name']} {shown(value)} is out of range: {_bounds(p)}")
    return int(value) if p["type"] == "int" else value


def _number_of(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{name} {text!r} is not a number")
    return value


def _whole(values: Values, name: str, least: int, most: int) -> int:
    value = _number_of(name.replace("_", " "), values.get(name, ""))
    if value != int(value) or not least <= value <= most:
        raise InputError(f"{name.replace('_', ' ')} must be a whole number from {least:,} to {most:,}")
    return int(value)


def _axes(strategy: Json, values: Values) -> Json:
    made: Json = {}
    for p in strategy["parameters"]:
        tried = axis(p, values)
        made[p["name"]] = tried if len(tried) > 1 else tried[0]
    return made


def axis(p: Json, values: Values) -> list[Any]:
    """Return the values that a sweep tries of a parameter; one when it is held."""
    name = p["name"]
    if p["type"] == "bool":
        return [False, True] if values.get(name) == "both" else [values.get(name) == "true"]
    if values.get(f"{name}.vary") != "true":
        return [value_of(p, values.get(name) or shown(p["default"]))]
    low, high = (value_of(p, values.get(f"{name}.{part}", "")) for part in ("low", "high"))
    step = _number_of(f"{name} step", values.get(f"{name}.step", ""))
    if step <= 0 or (p["type"] == "int" and step != int(step)):
        raise InputError(f"{name}: the step must be {'a whole number ' if p['type'] == 'int' else ''}above 0")
    if high < low:
        raise InputError(f"{name}: the range ends at {shown(high)}, before it begins at {shown(low)}")
    count = math.floor((high - low) / step + 1e-9) + 1
    if count > MOST_RUNS:
        raise InputError(f"{name}: {count:,} values are too many; take a larger step")
    tried = [round(low + i * step, 9) for i in range(count)]
    return [int(value) for value in tried] if p["type"] == "int" else tried


def runs(strategy: Json, values: Values) -> int:
    """Return how many combinations a sweep of this form has at most; constraints of the strategy leave some out."""
    if values.get("method") == "random":
        return _whole(values, "trials", 1, MOST_RUNS)
    return math.prod(len(axis(p, values)) for p in strategy["parameters"])


def estimate(strategy: Json, values: Values, mode: str) -> tuple[str, str]:
    """Return what the form would do, in words, and its tone; what is wrong with it when it cannot be asked."""
    try:
        request(strategy, values, mode)
        if mode == "backtest":
            return "one backtest", ""
        number = runs(strategy, values)
    except InputError as error:
        return str(error), "alarm"
    words = f"{number:,} combinations" if number != 1 else "one combination: tick a parameter to vary it"
    if strategy["constraints"] and number > 1 and values.get("method") != "random":
        words = f"at most {words}"
    return words + (", each window anew" if mode == "walk" else ""), "" if number > 1 else "warn"
