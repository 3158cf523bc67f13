"""Stored strategy versions: what runs is the copy kept here under its hash, never a file somebody may be editing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.domain.errors import InputError, StorageError, UnknownName
from workbench.rules.load import parse_strategy
from workbench.rules.strategy import SEMANTICS, Strategy
from workbench.storage.home import Home, read_json, write_durably

SUFFIXES = {"yaml": ".yaml", "python": ".bundle"}
_PREFIX = re.compile(r"[0-9a-f]{4,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """One stored version.

    `at` is when it was first registered (UTC ns wall time, 0 = not told), `kind` says what the stored copy is (yaml, or
    python: a packed source closure), `semantics` what the words of the rules meant when the version got its hash.
    """

    version: str
    name: str
    description: str
    timeframe: str
    roots: tuple[str, ...]
    at: int
    origin: str
    kind: str = "yaml"
    semantics: int = 1


class Registry:
    """The versions of one home: `<hash>.yaml` (or .bundle) is the stored copy, `<hash>.json` beside it the index entry.

    A version is written once and never changes, so processes need no lock among each other.
    """

    def __init__(self, home: Home) -> None:
        self.home, self.folder = home, home.versions

    def register(self, strategy: Strategy, *, at: int = 0) -> Registered:
        """Store a strategy and return its entry; the same content again changes nothing.

        Raises
        ------
        InputError
            The strategy was not read from a text, so there is nothing to store.
        StorageError
            The disk refuses; nothing is half-written.
        """
        if parse_strategy(strategy.source, where=strategy.where or strategy.name).version != strategy.version:
            raise InputError(f"{strategy.name} differs from the text it carries; load it anew from its file")
        known = self._entry(strategy.version)
        if known is not None and self._is_whole(known):
            return known
        entry = Registered(
            version=strategy.version,
            name=strategy.name,
            description=strategy.description,
            timeframe=strategy.timeframe,
            roots=strategy.roots,
            at=at,
            origin=Path(strategy.where).name,
            kind=kind_of(strategy.source),
            semantics=SEMANTICS,
        )
        write_durably(self._copy(entry), strategy.source.encode("utf-8"))
        write_durably(self.folder / f"{entry.version}.json", _packed(entry))  # the entry last: it vouches for the copy
        return entry

    def get(self, name: str) -> Strategy:
        """Return the stored strategy behind a version, the beginning of one (4 digits or more), or a name.

        A name, alone, means the version of that name that was registered last; ``name@version`` checks both.

        Raises
        ------
        UnknownName
            Nothing of that name or version is stored.
        InputError
            The beginning fits several versions.
        StorageError
            The stored copy is gone or is not what its name says.
        """
        return self._load(self.find(name))

    def find(self, name: str) -> Registered:
        """Return the entry that `name` means; see `get`."""
        entries = self.list()
        wanted, _, digits = name.partition("@")
        if digits:
            fitting = [e for e in entries if e.name == wanted and e.version.startswith(digits)]
        else:
            fitting = [e for e in entries if e.name == wanted][-1:]
            if not fitting and _PREFIX.fullmatch(wanted):
                fitting = [e for e in entries if e.version.startswith(wanted)]
        if not fitting:
            known = {e.name for e in entries} | {e.version for e in entries}
            raise UnknownName("strategy version", name, known, where="workbench strategy register FILE stores one")
        if len(fitting) > 1:
            raise InputError(f"{name} fits {', '.join(e.version for e in fitting)}; write more digits")
        return fitting[0]

    def content(self, entry: Registered) -> tuple[str, dict[str, Any]]:
        """Return the text of a stored copy and its normal form ({} where this program cannot read it any more)."""
        text = self._text(entry)
        try:
            strategy = parse_strategy(text, where=str(self._copy(entry)))
        except InputError:
            return text, {}
        return text, strategy.normal() if strategy.version == entry.version else {}

    def list(self) -> list[Registered]:
        """Return all stored versions, the one registered first first."""
        if not self.folder.is_dir():
            return []
        found = (self._entry(path.stem) for path in sorted(self.folder.glob("*.json")))
        return sorted((entry for entry in found if entry is not None), key=lambda e: (e.at, e.name, e.version))

    def _copy(self, entry: Registered) -> Path:
        return self.folder / f"{entry.version}{SUFFIXES.get(entry.kind, '.yaml')}"

    def _entry(self, version: str) -> Registered | None:
        body = read_json(self.folder / f"{version}.json")
        if body is None:
            return None
        try:
            return Registered(**{**body, "roots": tuple(body["roots"])})
        except (KeyError, TypeError) as error:
            raise StorageError(f"{self.folder / version}.json is not an index entry ({error}); delete it") from error

    def _is_whole(self, entry: Registered) -> bool:
        try:
            self._load(entry)
        except StorageError:
            return False
        return True

    def _text(self, entry: Registered) -> str:
        path = self._copy(entry)
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StorageError(f"the stored copy {path} cannot be read: {error}") from error

    def _load(self, entry: Registered) -> Strategy:
        path, text = self._copy(entry), self._text(entry)
        try:
            strategy = parse_strategy(text, where=str(path))
        except InputError as error:
            raise StorageError(f"the stored copy {path} is damaged: {error}; register the strategy again") from error
        if strategy.version != entry.version and entry.semantics != SEMANTICS:
            raise StorageError(
                f"{entry.name}@{entry.version} was stored under meaning {entry.semantics} of the rule language; this "
                f"program has meaning {SEMANTICS}, where the same text is version {strategy.version}: it does not run "
                f"as the old one. Register it again (workbench strategy register {path}) and test the new version"
            )
        if strategy.version != entry.version:
            raise StorageError(f"the stored copy {path} is version {strategy.version}: it was changed; it will not run")
        return strategy


def kind_of(source: str) -> str:
    """Return what a strategy's text is: yaml or python."""
    from workbench.rules.python.bundle import is_python

    return "python" if is_python(source) else "yaml"


def _packed(entry: Registered) -> bytes:
    body = {name: getattr(entry, name) for name in Registered.__slots__}
    return json.dumps(body, sort_keys=True, indent=1).encode()
