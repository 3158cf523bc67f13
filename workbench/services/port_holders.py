"""Who holds one of the usual ports: a program of this project says so itself, and its home has written it down."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from workbench.domain.errors import WorkbenchError
from workbench.storage.home import Home, read_json
from workbench.storage.home import home as home_of

ANSWER_S = 2.0
FILES = {"desk": "desk.json", "dashboard": "dashboard.json", "lab": "lab.json"}
Answer = dict[str, Any]

_SIGNS: dict[str, tuple[str, Callable[[Answer], bool]]] = {
    "desk": ("/api/health", lambda said: said.get("service") == "workbench desk"),
    "dashboard": ("/health", lambda said: said.get("service") == "workbench dashboard"),
    "simulator": ("/simulator/status", lambda said: {"now", "rate", "participants"} <= said.keys()),
}


def holder(name: str, port: int, home: Home) -> str | None:
    """Return which program of ours listens on a port, and of which home; None for a stranger.

    Parameters
    ----------
    name : str
        What the port is for: desk, dashboard, simulator or lab.
    port : int
        Where something listens on this machine.
    home : Home
        Looked at first; then its demo's, and the one that is meant where none is given.

    Examples
    --------
    >>> from pathlib import Path
    >>> holder("lab", 9, Home(Path("/nowhere"))) is None
    True
    """
    of = next((each for each in _homes(home) if _is_noted(name, port, each)), None)
    if of is not None and of.path == home.path:  # it may be busy: its file is enough
        return f"our {name}"
    if not _says_so(name, port):
        return f"the {name} of {of.path}" if of is not None and name == "lab" else None
    if of is not None:
        return f"the {name} of {of.path}"
    return f"a {name} of ours" if name == "simulator" else f"a {name} of another home"


def _homes(home: Home) -> Iterator[Home]:
    for each in (home, home_of()):
        yield each
        yield Home(each.path / "demo")


def _is_noted(name: str, port: int, home: Home) -> bool:
    # What a home's programs have written down about themselves and their neighbours.
    for file in FILES.values() if name == "simulator" else (FILES[name],):
        with contextlib.suppress(WorkbenchError):
            told = read_json(home.desk / file) or {}
            if f":{port}" in json.dumps(told) or told.get("port") == port:
                return True
    return False


def _says_so(name: str, port: int) -> bool:
    if name not in _SIGNS:
        return False
    path, is_ours = _SIGNS[name]
    try:
        said = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=ANSWER_S, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return False
    return isinstance(said, dict) and is_ours(said)
