"""A sign of life of the operator: a small file that runners look at, with or without a desk."""

from __future__ import annotations

import json

from workbench.domain.errors import StorageError
from workbench.storage.home import Home, read_json, write_durably


def note_presence(home: Home, person: str, at: int) -> None:
    """Say that `person` attends at `at` (UTC ns wall time); runners see it within a second."""
    write_durably(home.path / "operator.json", json.dumps({"person": person, "at": at}).encode())


def read_presence(home: Home) -> tuple[int, str] | None:
    """Return when (UTC ns) somebody attended last, and who; None when nobody has, or when it cannot be read."""
    try:
        found = read_json(home.path / "operator.json")
    except StorageError:
        return None
    if found is None or not isinstance(found.get("at"), int):
        return None
    return found["at"], str(found.get("person", ""))
