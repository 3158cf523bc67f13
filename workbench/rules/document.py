"""YAML as people write strategies, with the line of each value, and without YAML's surprises.

`11:00` is a text, not 660; `no` is a text, not False; a key that comes twice, an anchor, a tag or a huge file is
refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from workbench.domain.errors import InputError

MAX_CHARACTERS = 64_000
MAX_DEPTH = 8

Path = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?\d{1,15}")
_FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d{1,3})?")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "~": None, "": None}


@dataclass
class Document:
    """Plain values with the line on which each stands."""

    where: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)

    def place(self, path: Path) -> str:
        """Return ``file, line n`` of the deepest part of `path` that is written down."""
        for end in range(len(path), -1, -1):
            line = self.lines.get(path[:end])
            if line is not None:
                return f"{self.where}, line {line}"
        return self.where


def read_document(text: str, where: str) -> Document:
    """Return the values in a YAML text.

    Raises
    ------
    InputError
        Too long, not YAML, a repeated key, an anchor; with the line.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"{where} has {len(text):,} characters; a strategy has at most {MAX_CHARACTERS:,}")
    document = Document(where)
    try:
        root = yaml.compose(_without_aliases(text, where), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"not YAML: {error.problem or error.context} ({where}, line {line})") from None
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {error} ({where})") from None
    except RecursionError:
        raise InputError(f"nested more than {MAX_DEPTH} levels deep ({where})") from None
    if root is None:
        raise InputError(f"{where} is empty")
    document.data = _value(root, (), document)
    return document


def _without_aliases(text: str, where: str) -> str:
    # An alias would make one node appear in many places (and lets a small file grow without end).
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken):
            line = token.start_mark.line + 1
            raise InputError(f"YAML anchors, aliases and tags are not used in strategies ({where}, line {line})")
    return text


def _value(node: yaml.Node, path: Path, document: Document) -> Any:
    document.lines[path] = node.start_mark.line + 1
    if len(path) > MAX_DEPTH:
        raise InputError(f"nested more than {MAX_DEPTH} levels deep ({document.place(path)})")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, i), document) for i, item in enumerate(node.value)]
    return node.value if getattr(node, "style", None) is not None else _plain(str(node.value))


def _mapping(node: yaml.MappingNode, path: Path, document: Document) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise InputError(f"a key must be a plain word ({document.where}, line {line})")
        key = key_node.value
        if key in made:
            raise InputError(f"{key!r} is written twice ({document.where}, line {line})")
        made[key] = _value(value_node, (*path, key), document)
        document.lines[(*path, key)] = line
    return made


def _plain(value: str) -> Any:
    if value in _WORDS:
        return _WORDS[value]
    if _INTEGER.fullmatch(value):
        return int(value)
    if _FLOAT.fullmatch(value):
        return float(value)
    return value
