"""Stored strategies as the API shows and takes them; all of it reads files or the database: call it in a thread."""

from __future__ import annotations

from typing import Any

from workbench.domain.errors import InputError, StorageError, WorkbenchError
from workbench.rules.check import ERROR, check
from workbench.rules.load import parse_strategy
from workbench.rules.mistakes import told
from workbench.services.clock import wall_ns
from workbench.storage.home import Home
from workbench.storage.registry import kind_of
from workbench.storage.versions import Recorded, Versions

Json = dict[str, Any]


class StrategyStore:
    """The stored versions of one home.

    Parameters
    ----------
    home : Home
        Whose.
    """

    def __init__(self, home: Home) -> None:
        self._versions = Versions(home)

    def rows(self) -> list[Json]:
        """Return every stored version, the newest first."""
        entries = {entry.version: entry for entry in self._versions.registry.list()}
        return [_row(each, entries) for each in reversed(self._versions.recorded()) if each.version in entries]

    def one(self, written: str) -> Json:
        """Return what a name (its newest version), a version or its first digits mean, with the text."""
        found = self._versions.get(written)
        entries = {entry.version: entry for entry in self._versions.registry.list()}
        text, _ = self._versions.registry.content(entries[found.version])
        try:
            parameters = dict(self._versions.registry.get(found.version).values)
        except StorageError:  # an older meaning of the rules: it can be read and not run
            parameters = {}
        siblings = [each.version for each in self._versions.recorded(found.name)]
        return {**_row(found, entries), "source": text, "parameters": parameters, "versions": siblings[::-1]}

    def create(self, source: str, *, person: str, code: bool, of: str | None = None) -> Json:
        """Store a text as a version and return it; the same content again changes nothing.

        Parameters
        ----------
        source : str
            YAML, or a packed Python strategy.
        person : str
            Who does it.
        code : bool
            Whether Python may be stored: it is code that will run here.
        of : str, optional
            The name that it must have, for a new version of a strategy that is there.
        """
        _require_declared(source, code)
        strategy = parse_strategy(source)
        if of is not None:
            before = self._versions.get(of)
            if strategy.name != before.name:
                raise InputError(f"this text is named {strategy.name}; a new version of {before.name} keeps its name")
        made = self._versions.register(strategy, at=wall_ns(), person=person)
        return self.one(made.version)

    def check(self, source: str, *, code: bool) -> Json:
        """Return whether a text is a strategy, what it would be, and what is odd about it; nothing is stored."""
        empty: Json = {"name": None, "version": None, "timeframe": None, "roots": [], "warmup": None, "parameters": {}}
        try:
            _require_declared(source, code)
            strategy = parse_strategy(source)
        except WorkbenchError as error:
            return {"ok": False, "error": str(error), "findings": [_finding(*each) for each in told(error)], **empty}
        return {
            "ok": True,
            "error": None,
            "findings": [finding.as_dict() for finding in check(strategy)],
            "name": strategy.name,
            "version": strategy.version,
            "timeframe": strategy.timeframe,
            "roots": list(strategy.roots),
            "warmup": int(getattr(strategy, "warmup", 0)) or None,
            "parameters": dict(strategy.values),
        }


def _finding(line: int, error: str) -> Json:
    return {"level": ERROR, "code": "unreadable", "text": error, "line": line}


def _require_declared(source: str, code: bool) -> None:
    if not code and kind_of(source) == "python":
        raise InputError(
            "a strategy in Python is code that would run here: only the desk's own token may store it "
            "(workbench strategy register FILE)"
        )


def _row(recorded: Recorded, entries: dict[str, Any]) -> Json:
    entry = entries[recorded.version]
    return {
        "version": recorded.version,
        "name": recorded.name,
        "state": recorded.state.value,
        "description": entry.description,
        "timeframe": entry.timeframe,
        "roots": list(entry.roots),
        "parent": recorded.parent,
        "kind": recorded.kind,
        "at": recorded.at,
        "live_in": list(recorded.sessions),
    }
