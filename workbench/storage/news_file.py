"""`news.yaml` in WORKBENCH_HOME: the releases that a person does not want to trade through.

One entry each, times in Chicago; the window opens `before` minutes ahead and closes `after` minutes behind::

    -{at: "2026-12-16 13:00", name: FOMC, before: 10, after: 30}
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from workbench.domain.errors import InputError, StorageError, UnknownName
from workbench.domain.hours import at_local
from workbench.storage.home import Home

NEWS = "news.yaml"
MINUTE = 60_000_000_000
USUAL_MINUTES = 5
_KEYS = ("at", "name", "before", "after")


def load_news(home: Home) -> list[tuple[int, int, str]]:
    """Return the windows (from ns, to ns, name), ascending; none when there is no file.

    Raises
    ------
    InputError
        It is not readable, or an entry is not.
    """
    path = home.path / NEWS
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} cannot be read: {error}") from error
    return parse_news(text)


def parse_news(text: str) -> list[tuple[int, int, str]]:
    """Return the windows of a text.

    >>> [(end - start) // MINUTE for start, end, _ in parse_news('- {at: "2026-12-16 13:00", name: FOMC, after: 30}')]
    [35]
    """
    import yaml

    try:
        written = yaml.safe_load(text) or []
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{NEWS} is not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(written, list):
        raise InputError(f'{NEWS} must be a list of entries such as {{at: "2026-12-16 13:00", name: FOMC}}')
    return sorted(_window(number, row) for number, row in enumerate(written, 1))


def _window(number: int, row: Any) -> tuple[int, int, str]:
    where = f"{NEWS}, entry {number}"
    if not isinstance(row, Mapping):
        raise InputError(f"{where} must be a mapping with {', '.join(_KEYS)}, not {row!r}")
    for key in row:
        if key not in _KEYS:
            raise UnknownName("key", str(key), _KEYS, where=where)
    at = row.get("at")
    try:
        when = at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
    except ValueError:
        raise InputError(f'{where}: at={at!r} is no time; write "2026-12-16 13:00" (Chicago)') from None
    if when.tzinfo is not None:
        raise InputError(f"{where}: write at={at!r} as Chicago time, without a zone")
    before, after = (_minutes(row.get(name, USUAL_MINUTES), name, where) for name in ("before", "after"))
    middle = at_local(when.date(), f"{when:%H:%M:%S}")
    return middle - int(before * MINUTE), middle + int(after * MINUTE), str(row.get("name") or "news")


def _minutes(value: Any, name: str, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 24 * 60:
        raise InputError(f"{where}: {name}={value!r} must be a number of minutes, up to a day")
    return float(value)
