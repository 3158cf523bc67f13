"""What changed between two strategies by meaning: a default, a rule, a stop; never formatting, comments or order."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

_NONE = "none"
_NOT_SHOWN = ("files", "parameters")  # compared on their own
_FIELDS = ("type", "default", "min", "max", "step")


class Compared(Protocol):
    """A strategy, declarative or in Python."""

    @property
    def version(self) -> str: ...

    @property
    def parameters(self) -> Mapping[str, Any]: ...

    def normal(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that changed; "none" stands for what was not there."""

    what: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.what}: {self.before} → {self.after}"


def differences(old: Compared, new: Compared) -> list[Difference]:
    """Return what the version `new` does differently from `old`, [] when they are one version."""
    if old.version == new.version:
        return []
    before, after = old.normal(), new.normal()
    made = list(_parameters(old.parameters, new.parameters))
    for key in _keys(before, after):
        if key not in _NOT_SHOWN:
            made += _compare(key, before.get(key), after.get(key))
    return made + list(_files(old, new))


def _compare(what: str, before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping) and _is_section(before, after):
        for key in _keys(before, after):
            yield from _compare(key if what == "rules" else f"{what}.{key}", before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and what == "constraints":
        for item in before:
            if item not in after:
                yield Difference(what, words(item), _NONE)
        for item in after:
            if item not in before:
                yield Difference(what, _NONE, words(item))
    else:
        yield Difference(what, words(before), words(after))


def _is_section(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    # A stop in points instead of ticks is one change, told whole; sides and rules are told one by one.
    return set(before) == set(after) or any("." in key or key in ("long", "short") for key in [*before, *after])


def _parameters(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    for name in _keys(before, after):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            yield Difference(f"parameter {name}", _declared(old), _declared(new))
            continue
        for field in _FIELDS:
            was, now = getattr(old, field), getattr(new, field)
            if was != now:
                yield Difference(f"parameter {name}: {field}", words(was), words(now))


def _declared(parameter: Any) -> str:
    if parameter is None:
        return _NONE
    known = ((field, getattr(parameter, field)) for field in _FIELDS[1:])
    return ", ".join(f"{field} {words(value)}" for field, value in known if value is not None)


def _files(old: Compared, new: Compared) -> Iterator[Difference]:
    bundle = getattr(old, "bundle", None)
    before, after = _sources(old), _sources(new, "" if bundle is None else bundle.main)
    for name in _keys(before, after):
        was, now = before.get(name), after.get(name)
        if was is None or now is None:
            yield Difference(f"file {name}", _NONE if was is None else "there", _NONE if now is None else "there")
            continue
        lines = list(difflib.unified_diff(was, now, lineterm="", n=0))[2:]
        for header, *changed in _hunks(lines):
            del header
            removed = " ".join(line[1:].strip() for line in changed if line.startswith("-"))
            added = " ".join(line[1:].strip() for line in changed if line.startswith("+"))
            yield Difference(name, removed or _NONE, added or _NONE)


def _hunks(lines: list[str]) -> list[list[str]]:
    hunks: list[list[str]] = []
    for line in lines:
        if line.startswith("@@"):
            hunks.append([])
        hunks[-1].append(line)
    return hunks


def _sources(strategy: Compared, main: str = "") -> dict[str, list[str]]:
    # Written anew from their trees, so that comments, blank lines and quotes are alike.
    bundle = getattr(strategy, "bundle", None)
    if bundle is None:
        return {}
    # the strategy's own file may have been renamed: that is no difference
    own = main or bundle.main
    return {(own if name == bundle.main else name): _plain(text) for name, text in bundle.files.items()}


def _plain(text: str) -> list[str]:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and len(node.body) > 1:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return [line for line in ast.unparse(tree).splitlines() if line.strip()]


def _keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys([*before, *after]))


def words(value: Any) -> str:
    """Return a value of a normal form as people read it.

    >>> words({"ticks": "8"}), words({"atr": "2", "range": "atr(14)"}), words(["08:30", "15:00"])
    ('8 ticks', '2 × atr(14)', '08:30 to 15:00')
    """
    if value is None:
        return _NONE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        if "range" in value and len(value) == 2:
            return f"{next(v for k, v in value.items() if k != 'range')} × {value['range']}"
        return ", ".join(f"{words(v)} {k}" if k in _UNITS else f"{k} {words(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        hours = len(value) == 2 and all(str(part)[2:3] == ":" for part in value)
        return (" to " if hours else ", ").join(map(words, value)) or _NONE
    return str(value)


_UNITS = ("ticks", "points", "percent", "contracts")
