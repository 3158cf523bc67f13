"""What may stand in the body of a strategy class: its settings, its parameters, and the checks of both."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workbench.domain.contract import spec
from workbench.domain.errors import InputError, WorkbenchError
from workbench.domain.timeframe import timeframe
from workbench.rules.daytime import day_second
from workbench.rules.strategy import Parameter, Value

SETTINGS = (
    *("name", "description", "roots", "timeframe", "contracts", "window", "flat_by"),
    *("max_trades_per_day", "cooldown", "history", "constraints"),
)
FIXED = ("name", "description", "roots", "timeframe", "window", "flat_by", "constraints")  # these cannot be parameters
# What an instance offers to on_bar; a parameter of that name would hide it.
RESERVED = (
    *("parameter", "start", "on_bar", "indicator", "expression", "enter_long", "enter_short", "exit", "move_stop"),
    *(
        "position",
        "flat",
        "long",
        "short",
        "entry_price",
        "bars_in_position",
        "trades_today",
        "tick",
        "ticks",
        "percent",
    ),
    *("bars", "values"),
)
_NAME = re.compile("[a-z][a-z0-9_]{0,63}")
PARAMETER = ("default", "min", "max", "step", "type", "description")


def declared(name: str, given: Mapping[str, Any], where: str, line: int = 0) -> Parameter:
    """Return a checked parameter; raise InputError where its default, range or step make no sense."""
    if name in RESERVED or keyword.iskeyword(name):
        raise InputError(f"parameter {name!r} is a word of wb.Strategy itself; choose another ({where})")
    if "default" not in given:
        raise InputError(f"parameter {name} needs a default: wb.Strategy.parameter(14, min=2, max=50) ({where})")
    default = given["default"]
    numbers = [given[key] for key in ("min", "max", "step") if given.get(key) is not None]
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise InputError(f"parameter {name}: {number!r} is not a number ({where})")
    kind = given.get("type") or _kind(default, numbers)
    if kind not in ("int", "float", "bool"):
        raise InputError(f"parameter {name}: its default {default!r} must be a number, True or False ({where})")
    made = Parameter(
        name=name,
        type=kind,
        default=default,
        min=given.get("min"),
        max=given.get("max"),
        step=given.get("step"),
        description=str(given.get("description") or ""),
        line=line,
    )
    if made.step is not None and made.step <= 0:
        raise InputError(f"parameter {name}: step {made.step:g} must be > 0 ({where})")
    if made.min is not None and made.max is not None and made.min > made.max:
        raise InputError(f"parameter {name}: min {made.min:g} is above max {made.max:g} ({where})")
    value: Value = made.require(default, where)
    return made if value is default else replace(made, default=value)


def _kind(default: object, numbers: list[float]) -> str:
    if isinstance(default, bool):
        return "bool"
    if isinstance(default, int) and all(number == int(number) for number in numbers):
        return "int"
    return "float" if isinstance(default, int | float) else ""


# --- settings ---


def _name(value: object, where: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise InputError(f"name: {value!r} must be small letters, digits and _, a letter first ({where})")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"description: {value!r} must be a text ({where})")
    return value


def _roots(value: object, where: str) -> tuple[str, ...]:
    written = (value,) if isinstance(value, str) else value
    if not isinstance(written, tuple | list) or not written or not all(isinstance(root, str) for root in written):
        raise InputError(f'roots: {value!r} must be contract roots, such as ("MES", "ES") ({where})')
    try:
        return tuple(spec(root).exchange_root for root in written)
    except WorkbenchError as error:
        raise InputError(f"roots: {error} ({where})") from None


def _timeframe(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f'timeframe: {value!r} must be a text such as "5m" ({where})')
    return timeframe(value).text


def _window(value: object, where: str) -> tuple[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise InputError(f'window: {value!r} must be two times, such as ("08:30", "14:30") ({where})')
    begins, ends = (_clock(part, where) for part in value)
    if begins is None or begins == ends:
        raise InputError(f"window from {begins} to {ends} is empty ({where})")
    return begins, str(ends)


def _constraints(value: object, where: str) -> tuple[str, ...]:
    written = (value,) if isinstance(value, str) else value
    if not isinstance(written, tuple | list) or not all(isinstance(text, str) for text in written):
        raise InputError(f'constraints: {value!r} must be texts, such as ("fast < slow",) ({where})')
    return tuple(written)


def _clock(value: object, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InputError(f'{value!r} is not a time of day; write it as "15:05" (Chicago time) ({where})')
    second = day_second(value, where=where)
    hour, minute = divmod((second // 60 + 17 * 60) % 1440, 60)
    return f"{hour:02d}:{minute:02d}"


CHECKS = {
    "name": _name,
    "description": _text,
    "roots": _roots,
    "timeframe": _timeframe,
    "window": _window,
    "flat_by": _clock,
    "constraints": _constraints,
}
