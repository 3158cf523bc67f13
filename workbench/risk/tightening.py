"""Which of two limits is the tighter one: for levels that meet in one order, and for changes while a session runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from workbench.domain.errors import InputError, UnknownName
from workbench.risk.limits import ON_BREACH, Limits

NOTHING = "nothing"  # no product has this root: a product list that lets nothing pass


def _lower(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _higher(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def _unknown_first(one: Any, other: Any) -> Any:
    return None if one is None or other is None else max(one, other)  # a risk that is not known passes nothing


def _either(one: bool, other: bool) -> bool:
    return one or other


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    if not one or not other:
        return one or other
    return tuple(root for root in one if root in other) or (NOTHING,)


def _stronger(one: str, other: str) -> str:
    return max(one, other, key=ON_BREACH.index)


Choose = Callable[[Any, Any], Any]
_HIGHER = ("floor_buffer_usd", "flips_minutes", "cool_down_s", "expiry_days", "roll_warn_days")
_OTHERS: dict[str, Choose] = {
    **dict.fromkeys(_HIGHER, _higher),
    "unstopped_ticks": _unknown_first,
    "products": _common,
    "on_breach": _stronger,
    "market_hours": _either,
    "news_flat": _either,
}
TIGHTER: dict[str, Choose] = {name: _OTHERS.get(name, _lower) for name in Limits.__struct_fields__}
_FIELDS = {field.name: field.type for field in msgspec.structs.fields(Limits)}


def value_of(name: str, value: Any, *, where: str = "") -> Any:
    """Return a limit as it is kept, from what a person or a message wrote.

    Raises
    ------
    UnknownName
        No such limit, with the closest known ones.
    InputError
        A value of another kind.

    Examples
    --------
    >>> value_of("daily_loss_usd", "300"), value_of("products", ["MES"])
    (Decimal('300'), ('MES',))
    """
    if name not in _FIELDS:
        raise UnknownName("limit", name, _FIELDS, where=where)
    if isinstance(value, float) and name.endswith("_usd"):
        value = repr(value)
    try:
        return msgspec.convert(value, _FIELDS[name], strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        raise InputError(f"limit {name}={value!r}{f' ({where})' if where else ''} is not right: {error}") from None


def tightest(limits: Limits, *others: Limits | Mapping[str, Any]) -> Limits:
    """Return limits that let pass only what all of them let pass; a mapping speaks of its own names alone.

    >>> tightest(Limits(max_position=3), {"max_position": 4, "daily_loss_usd": "250"}).daily_loss_usd
    Decimal('250')
    """
    held = msgspec.structs.asdict(limits)
    for other in others:
        given = msgspec.structs.asdict(other) if isinstance(other, Limits) else other
        for name, value in given.items():
            found = value_of(name, value) if isinstance(other, Mapping) else value
            held[name] = TIGHTER[name](held[name], found)
    return Limits(**held)


def tighter(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names of a level as both have them, each with the value that lets less pass.

    >>> tighter({"max_position": 3}, {"max_position": 4, "max_order_qty": 1})
    {'max_position': 3, 'max_order_qty': 1}
    """
    made = dict(one)
    for name, value in other.items():
        made[name] = TIGHTER[name](value_of(name, made[name]), value_of(name, value)) if name in made else value
    return dict(msgspec.to_builtins(made))


def loosened(new: Limits, old: Limits) -> list[str]:
    """Return the names of the limits that `new` lets more pass than `old`.

    >>> loosened(Limits(max_position=6, max_order_qty=4), Limits())
    ['max_position']
    """
    joined = tightest(new, old)
    return [name for name in Limits.__struct_fields__ if getattr(joined, name) != getattr(new, name)]
