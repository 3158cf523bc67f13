"""Python source in one normal form: what a version hashes, whatever the formatting, comments or Python version.

``ast.dump`` is not used: its output and its fields change between Python versions. Here every node is written with its
non-empty fields in the order of their names; what later versions add and leave empty (such as type parameters) is not
there, positions and docstrings are left out, pieces of an f-string that touch are joined.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

# Said elsewhere in the tree (ctx), or about spelling only (kind: the u of u"…"; type comments).
_LEFT_OUT = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def normal(source: str) -> str:
    """Return the normal form of `source`; raise SyntaxError if it is no Python.

    >>> normal("x = 0x10  # sixteen") == normal("x=(16)")
    True
    >>> normal("x = 16.0") == normal("x = 16")
    False
    """
    return "".join(_write(ast.parse(source)))


def _write(node: object) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        yield _constant(node.value)
    elif isinstance(node, ast.JoinedStr):
        yield from _fields("JoinedStr", [("values", _joined(node.values))])
    elif isinstance(node, ast.AST):
        yield from _fields(type(node).__name__, [(name, _field(node, name)) for name in sorted(node._fields)])
    elif isinstance(node, list):
        yield "["
        for item in node:
            yield from _write(item)
            yield ","
        yield "]"
    elif node is None:
        yield "~"
    else:
        yield _constant(node)


def _fields(name: str, fields: list[tuple[str, object]]) -> Iterator[str]:
    yield f"{name}("
    for key, value in fields:
        if key in _LEFT_OUT or value is None or value == []:
            continue
        yield f"{key}="
        yield from _write(value)
        yield ";"
    yield ")"


def _field(node: ast.AST, name: str) -> object:
    value = getattr(node, name, None)
    if name != "body" or not isinstance(node, _WITH_DOCSTRING):
        return value
    told = isinstance(node, ast.ClassDef)  # a variable of that name in a function may decide something
    return [
        item for i, item in enumerate(node.body) if not (i == 0 and _is_text(item)) and not (told and _describes(item))
    ]


def _is_text(item: ast.stmt) -> bool:
    return isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)


def _describes(item: ast.stmt) -> bool:
    # `description = "…"` is a docstring under another name, as in the YAML files: it does not enter the version.
    if not (isinstance(item, ast.Assign) and len(item.targets) == 1 and isinstance(item.value, ast.Constant)):
        return False
    target = item.targets[0]
    return isinstance(target, ast.Name) and target.id == "description" and isinstance(item.value.value, str)


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    made: list[ast.expr] = []
    for value in values:
        last = made[-1] if made else None
        if isinstance(value, ast.Constant) and isinstance(last, ast.Constant):
            made[-1] = ast.Constant(value=str(last.value) + str(value.value))
        elif not (isinstance(value, ast.Constant) and value.value == ""):
            made.append(value)
    return made


def _constant(value: object) -> str:
    if isinstance(value, bool) or value is None or value is Ellipsis:
        return repr(value)
    if isinstance(value, int):
        return hex(value)  # unlike decimals, without a limit on their length
    if isinstance(value, str):
        return ascii(value)
    if isinstance(value, bytes):
        return f"b{value.hex()}"
    if isinstance(value, tuple | frozenset):  # only an optimising parser makes these
        return f"({','.join(map(_constant, value))})"
    return repr(value)  # float, complex: the shortest text that reads back as the same number
