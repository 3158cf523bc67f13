"""Which program this is: its version, and a hash of everything that its processes say to each other and write down.

Runner, desk, ingest and clients compare both when they meet and refuse each other when they differ: one of them was
updated under the others, and the same word may no longer mean the same thing.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from workbench.services.version import program_version

if TYPE_CHECKING:
    from pydantic import BaseModel

MODULES = (
    "desk_bodies",
    "version_bodies",
    "desk_answers",
    "data_answers",
    "report_answers",
    "stop_answers",
    "strategy_answers",
)
VERSION_HEADER, SCHEMA_HEADER = "x-workbench-version", "x-workbench-schema"
OTHER_PROGRAM = 4409  # close code of a channel between different programs


@cache
def schema_hash() -> str:
    """Return a short hash of the definitions of events, commands, limits and of the API's bodies and answers.

    Names, types and defaults count; comments and order do not.
    """
    import msgspec
    from pydantic.json_schema import models_json_schema

    from workbench.domain.commands import AnyCommand
    from workbench.domain.events import AnyEvent
    from workbench.risk.limits import Limits

    _, structs = msgspec.json.schema_components([AnyEvent, AnyCommand, Limits])
    _, bodies = models_json_schema([(each, "validation") for each in models()])
    return hash_of({"structs": structs, "bodies": bodies})


def models() -> list[type[BaseModel]]:
    """Return the API's bodies and answers, those of every module that `MODULES` names."""
    from pydantic import BaseModel

    modules = [import_module(f"workbench.services.{name}") for name in MODULES]
    return [
        each
        for module in modules
        for _, each in sorted(vars(module).items())
        if isinstance(each, type) and issubclass(each, BaseModel) and each.__module__ == module.__name__
    ]


def hash_of(definitions: Any) -> str:
    """Return a hash of JSON schemas without their descriptions.

    >>> hash_of({"a": {"type": "integer", "description": "x"}}) == hash_of({"a": {"type": "integer"}})
    True
    >>> hash_of({"a": {"type": "integer"}}) == hash_of({"a": {"type": "number"}})
    False
    """
    text = json.dumps(_bare(definitions), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _bare(v) for k, v in value.items() if not (k == "description" and isinstance(v, str))}
    return [_bare(each) for each in value] if isinstance(value, list) else value


def identity() -> dict[str, str]:
    """Return ``version`` and ``schema`` of this process."""
    return {"version": program_version(), "schema": schema_hash()}


def headers() -> dict[str, str]:
    """The identity as HTTP headers."""
    mine = identity()
    return {VERSION_HEADER: mine["version"], SCHEMA_HEADER: mine["schema"]}


def difference(theirs: dict[str, Any], who: str, mine: dict[str, str] | None = None) -> str:
    """Return why `who` and this process may not work together, "" when they may.

    >>> ours = {"version": "1.0", "schema": "abc"}
    >>> difference({"version": "1.0", "schema": "abc"}, "the runner", ours)
    ''
    >>> difference({"version": "0.9"}, "the runner", ours)
    'the runner is program 0.9 (schema unknown), this is 1.0 (schema abc); end it and start it again'
    """
    mine = mine or identity()
    if all(theirs.get(name) == value for name, value in mine.items()):
        return ""
    version, schema = theirs.get("version") or "unknown", theirs.get("schema") or "unknown"
    return (
        f"{who} is program {version} (schema {schema}), this is {mine['version']} (schema {mine['schema']}); "
        "end it and start it again"
    )
