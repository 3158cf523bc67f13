"""The whole state of an account as bytes, and back: what a journal that was cut begins with.

Every attribute of `AccountState` is kept as it stands, by its own name, so a field that is added later is kept without
a word here. A value that this file has no form for is an error at once, never left out. What belongs to the program
(the factory of the rules, the specifications of the contracts) is found again, not kept; a rule is made anew from its
version and given back what it remembered (`save`, `restore`).
"""

from __future__ import annotations

import dataclasses
import importlib
from collections import deque
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from workbench.domain.contract import ContractSpec, spec
from workbench.domain.errors import InputError, StorageError, UnknownName
from workbench.execution.state import AccountState, Orders, Session

NOT_KEPT = frozenset({"rules", "on_signal"})
_OURS = "workbench."
_PLAIN = (str, float, bool, type(None))
_SMALL = 1 << 63


class SnapshotUnknown(StorageError):
    """A snapshot holds what this program does not know, or a value has no form to be kept in."""


def dump(state: AccountState) -> bytes:
    """Return everything that `state` holds; two equal states give equal bytes.

    Raises
    ------
    SnapshotUnknown
        A value has no form here, or a rule cannot be saved.
    """
    fields = {name: _plain(value, name) for name, value in vars(state).items() if name not in NOT_KEPT}
    return msgspec.msgpack.encode(fields)


def load(data: bytes, state: AccountState) -> None:
    """Put what `dump` returned into a fresh state of the same account; its rules are made by its own factory.

    Raises
    ------
    SnapshotUnknown
        It was written by a program that remembers other things, or for another account. The state is then of no use.
    """
    try:
        fields = msgspec.msgpack.decode(data)
    except msgspec.DecodeError as error:
        raise SnapshotUnknown(f"the snapshot cannot be read: {error}") from error
    known = vars(state)
    for name, value in fields.items():
        if name not in known:
            raise SnapshotUnknown(f"the snapshot holds {name!r}, which this program does not know")
        made = _value(value, state, name)
        if name == "account" and made != state.account:
            raise SnapshotUnknown(f"the snapshot is of account {made}, not of {state.account}")
        setattr(state, name, made)


# --- out ---


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, Enum):
        return ["enum", _name(type(value)), value.value]
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, int):
        return value if -_SMALL <= value < _SMALL else ["int", str(value)]
    if isinstance(value, Decimal):
        return ["decimal", str(value)]
    if isinstance(value, date):
        return ["date", value.isoformat()]
    if isinstance(value, ContractSpec):
        return ["spec", value.root]
    if isinstance(value, dict | list | tuple | set | frozenset | deque):
        return _collection(value, where)
    return _object(value, where)


def _collection(value: Any, where: str) -> list[Any]:
    if isinstance(value, dict):
        kind = "orders" if isinstance(value, Orders) else "dict"
        if kind == "dict" and type(value) is not dict:
            raise SnapshotUnknown(f"{where} is a {type(value).__name__}, which has no form in a snapshot")
        return [kind, [[_plain(k, where), _plain(v, f"{where}[{k!r}]")] for k, v in value.items()]]
    items = [_plain(item, where) for item in value]
    if isinstance(value, deque):
        return ["deque", value.maxlen, items]
    if isinstance(value, set | frozenset):
        items.sort(key=msgspec.msgpack.encode)  # a set has no order of its own
        return ["set" if isinstance(value, set) else "frozenset", items]
    return ["list" if isinstance(value, list) else "tuple", items]


def _object(value: Any, where: str) -> list[Any]:
    if isinstance(value, Session):
        return ["session", {**_fields(value, where, {"rule"}), "rule": _saved_rule(value)}]
    if isinstance(value, msgspec.Struct) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        return ["object", _name(type(value)), _fields(value, where, set())]
    raise SnapshotUnknown(f"{where} is a {type(value).__name__}, which has no form in a snapshot")


def _fields(value: Any, where: str, without: set[str]) -> dict[str, Any]:
    is_struct = isinstance(value, msgspec.Struct)
    names = value.__struct_fields__ if is_struct else [field.name for field in dataclasses.fields(value)]
    return {name: _plain(getattr(value, name), f"{where}.{name}") for name in names if name not in without}


def _saved_rule(session: Session) -> Any:
    if session.status == "ended":
        return None  # it decides nothing any more
    save = getattr(session.rule, "save", None)
    if save is None:
        raise SnapshotUnknown(f"the rule of session {session.session} cannot be saved")
    return _plain(save(), f"sessions[{session.session!r}].rule")


def _name(kind: type) -> str:
    if not kind.__module__.startswith(_OURS):
        raise SnapshotUnknown(f"{kind.__module__}.{kind.__qualname__} has no form in a snapshot")
    return f"{kind.__module__}:{kind.__qualname__}"


# --- in ---


def _value(kept: Any, state: AccountState, where: str) -> Any:
    if not isinstance(kept, list):
        return kept
    kind, *rest = kept
    reader = _READERS.get(kind)
    if reader is None:
        raise SnapshotUnknown(f"{where} is kept as {kind!r}, which this program does not know")
    return reader(rest, state, where)


def _dict_of(rest: list[Any], state: AccountState, where: str) -> dict[Any, Any]:
    return {_value(k, state, where): _value(v, state, f"{where}[{k!r}]") for k, v in rest[0]}


def _orders_of(rest: list[Any], state: AccountState, where: str) -> Orders:
    made = Orders()
    for key, order in rest[0]:
        made[_value(key, state, where)] = _value(order, state, where)
    return made


def _items_of(rest: list[Any], state: AccountState, where: str) -> list[Any]:
    return [_value(item, state, where) for item in rest[-1]]


def _class_of(name: str, where: str) -> Any:
    module, _, qualname = name.partition(":")
    if module.startswith(_OURS) and "." not in qualname:
        try:
            found = getattr(importlib.import_module(module), qualname)
        except (ImportError, AttributeError):
            found = None
        if isinstance(found, type) and (issubclass(found, msgspec.Struct | Enum) or dataclasses.is_dataclass(found)):
            return found
    raise SnapshotUnknown(f"{where} is kept as a {name}, which this program does not know")


def _object_of(rest: list[Any], state: AccountState, where: str) -> Any:
    kind = _class_of(rest[0], where)
    return _made(kind, {name: _value(v, state, f"{where}.{name}") for name, v in rest[1].items()}, where)


def _made(kind: Any, values: dict[str, Any], where: str) -> Any:
    later = {}
    if dataclasses.is_dataclass(kind):  # what it makes of itself when new (`__post_init__`) is not what it was
        later = dict(values)
        values = {f.name: values[f.name] for f in dataclasses.fields(kind) if f.init and f.name in values}
        if unknown := set(later) - {f.name for f in dataclasses.fields(kind)}:
            raise SnapshotUnknown(f"{where}: {kind.__name__} has changed since it was kept: {sorted(unknown)}")
    try:
        made = kind(**values)
    except TypeError as error:  # a field that has gone, or a new one without a default
        raise SnapshotUnknown(f"{where}: {kind.__name__} has changed since it was kept: {error}") from error
    for name, value in later.items():
        object.__setattr__(made, name, value)
    return made


def _session_of(rest: list[Any], state: AccountState, where: str) -> Session:
    values = {name: _value(v, state, f"{where}.{name}") for name, v in rest[0].items()}
    saved = values.pop("rule")
    rule: Any = state.rules(values["strategy"], values["contract"], values["parameters"])
    try:
        if saved is not None:
            rule.restore(saved)
    except (InputError, KeyError, TypeError, AttributeError) as error:
        raise SnapshotUnknown(f"{where}: what the rule remembered is not what this program's would: {error}") from error
    made: Session = _made(Session, {**values, "rule": rule}, where)
    return made


def _spec_of(rest: list[Any], state: AccountState, where: str) -> ContractSpec:
    try:
        return spec(rest[0])
    except UnknownName as error:
        raise SnapshotUnknown(f"{where}: {error}") from error


_READERS: dict[str, Any] = {
    "dict": _dict_of,
    "orders": _orders_of,
    "list": _items_of,
    "tuple": lambda *a: tuple(_items_of(*a)),
    "set": lambda *a: set(_items_of(*a)),
    "frozenset": lambda *a: frozenset(_items_of(*a)),
    "deque": lambda rest, *a: deque(_items_of(rest, *a), maxlen=rest[0]),
    "enum": lambda rest, state, where: _class_of(rest[0], where)(rest[1]),
    "decimal": lambda rest, *_: Decimal(rest[0]),
    "int": lambda rest, *_: int(rest[0]),
    "date": lambda rest, *_: date.fromisoformat(rest[0]),
    "spec": _spec_of,
    "object": _object_of,
    "session": _session_of,
}
